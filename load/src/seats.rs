//! The seats that answer: registered if they have passwords, and 200 to whatever rings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::{Header, Message, Method};

use crate::dialogue::{Side, audio_of, proof, sdp};

/// One seat on its way to being registered.
pub struct Seat {
    user: String,
    password: String,
    next: Instant,
    tries: u32,
    proof: String,
    /// Whether it is registered.
    pub registered: bool,
}

impl Seat {
    /// One that REGISTERs at this moment.
    pub fn new(user: String, password: String, at: Instant) -> Self {
        Self { user, password, next: at, tries: 0, proof: String::new(), registered: false }
    }

    /// The REGISTER that is due.
    pub fn due(&mut self, now: Instant, number: usize, here: SocketAddr, domain: &str) -> Option<String> {
        if self.registered || self.next > now {
            return None;
        }
        self.next = now + AGAIN;
        self.tries += 1;
        let (call_id, address) =
            (format!("r{number}-{}", here.port()), format!("<sip:{}@{domain}>", self.user));
        let uri = format!("sip:{domain}");
        let side = Side { here, call_id: &call_id, uri: &uri, from: &address, to: &address };
        let headers = format!("Expires: 3600\r\n{}", self.proof);
        let text = side.request("REGISTER", self.tries, &format!("{call_id}.{}", self.tries), &headers, "");
        Some(text.replacen("<sip:load@", &format!("<sip:{}@", self.user), 1))
    }

    /// An answer to it.
    pub fn hear(&mut self, now: Instant, message: &Message, domain: &str) {
        match message.status() {
            Some(200) => self.registered = true,
            Some(401) => {
                self.proof =
                    proof(message, &self.user, &self.password, &format!("sip:{domain}")).unwrap_or_default();
                self.next = now;
            }
            Some(503) => {
                let seconds = message.number(Header::RetryAfter).unwrap_or(2);
                self.next = now + Duration::from_secs(seconds.into());
            }
            _ => {}
        }
    }
}

/// Calls that came to us.
#[derive(Default)]
pub struct Answered {
    legs: HashMap<String, Leg>,
    taken: u32,
    tones: bool,
}

struct Leg {
    stream: u32,
    /// Our 200, until its ACK.
    ok: Option<(Vec<u8>, Instant)>,
    source: SocketAddr,
}

/// What a request made of a leg.
pub enum News {
    /// A stream begins toward there.
    Begin(u32, SocketAddr),
    /// It is over.
    End(u32),
}

impl Answered {
    /// None yet; `tones`: their descriptions say nothing of events.
    pub fn new(tones: bool) -> Self {
        Self { tones, ..Self::default() }
    }

    /// Legs that are up.
    pub fn count(&self) -> usize {
        self.legs.values().filter(|leg| leg.ok.is_none()).count()
    }

    /// A request of the server's: what to answer, and what it changed. `audio` gives a stream its address.
    pub fn hear(
        &mut self,
        message: &Message,
        source: SocketAddr,
        here: SocketAddr,
        audio: impl Fn(u32) -> SocketAddr,
    ) -> (Option<Vec<u8>>, Option<News>) {
        let call_id = message.call_id().into_owned();
        let plain = |status| Some(message.reply(status, source, Some(TAG)).finish().as_bytes().to_vec());
        match message.method() {
            Method::Ack => {
                if let Some(leg) = self.legs.get_mut(&call_id) {
                    leg.ok = None;
                }
                (None, None)
            }
            Method::Invite if self.legs.contains_key(&call_id) => {
                let again = self.legs[&call_id].ok.as_ref().map(|(bytes, _)| bytes.clone());
                (again.or_else(|| plain(488)), None)
            }
            Method::Invite => {
                let Some(theirs) = audio_of(message) else { return (plain(488), None) };
                let stream = 2 * self.taken + 1;
                self.taken += 1;
                let reply = message.reply(200, source, Some(TAG));
                let reply = reply.header(Header::Contact, format!("<sip:load@{here}>"));
                let ok = reply
                    .body("application/sdp", sdp(audio(stream), self.tones))
                    .finish()
                    .as_bytes()
                    .to_vec();
                let leg = Leg { stream, ok: Some((ok.clone(), Instant::now() + AGAIN)), source };
                self.legs.insert(call_id, leg);
                (Some(ok), Some(News::Begin(stream, theirs)))
            }
            Method::Bye => {
                let news = self.legs.remove(&call_id).map(|leg| News::End(leg.stream));
                (plain(200), news)
            }
            // A CANCEL meets a leg that answered at once.
            _ => (plain(200), None),
        }
    }

    /// 200s that nobody acknowledged yet, to be sent again.
    pub fn expire(&mut self, now: Instant) -> Vec<(Vec<u8>, SocketAddr)> {
        let mut again = Vec::new();
        for leg in self.legs.values_mut() {
            if let Some((bytes, at)) = leg.ok.as_mut().filter(|(_, at)| *at <= now) {
                *at = now + AGAIN;
                again.push((bytes.clone(), leg.source));
            }
        }
        again
    }
}

const TAG: &str = "seat";
const AGAIN: Duration = Duration::from_millis(500);
