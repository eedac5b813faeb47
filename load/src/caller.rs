//! A call that we place, from its INVITE to the answer to our BYE.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::{Header, Message};

use crate::dialogue::{Side, audio_of};

/// One call.
pub struct Call {
    /// Its number: the first part of its Call-ID.
    pub number: u32,
    name: String,
    dialled: String,
    from: String,
    here: SocketAddr,
    uri: String,
    stage: Stage,
    /// What is sent again until it is answered.
    pending: Option<Pending>,
    began: Instant,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Calling,
    Up { since: Instant },
    Leaving,
}

struct Pending {
    text: String,
    at: Instant,
    pause: Duration,
    until: Instant,
}

/// What a message or a moment made of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Answered after so long; audio goes there.
    Up(SocketAddr, Duration),
    /// Over, as it should be.
    Over,
    /// It failed: what was heard.
    Failed(String),
}

impl Call {
    /// The call, and its INVITE.
    pub fn place(
        number: u32,
        here: SocketAddr,
        server: SocketAddr,
        dial: &str,
        offer: &str,
    ) -> (Self, String) {
        let now = Instant::now();
        let uri = format!("sip:{dial}@{server}");
        let mut call = Self {
            number,
            name: format!("{number}-{}", here.port()),
            dialled: format!("<{uri}>"),
            from: format!("<sip:139{:08}@{here}>", number % 100_000_000),
            here,
            uri,
            stage: Stage::Calling,
            pending: None,
            began: now,
        };
        let invite = call.request("INVITE", 1, "i", &call.dialled, offer);
        call.pending = Some(Pending::new(now, &invite));
        (call, invite)
    }

    /// An answer of the server's: what to send, and what it changed.
    pub fn hear(&mut self, message: &Message) -> (Option<String>, Option<Change>) {
        let (status, method) = (message.status().unwrap_or(0), message.cseq().method.as_str().to_owned());
        match (&self.stage, method.as_str(), status) {
            (Stage::Calling, "INVITE", 100..=199) => {
                // It is at work: the rest is up to it.
                self.pending = None;
                (None, None)
            }
            (_, "INVITE", 200..=299) => {
                if let Ok(contact) = message.contact() {
                    self.uri = contact.uri.to_string();
                }
                if let Some(tag) = message.to_tag().filter(|_| !self.dialled.contains(";tag=")) {
                    self.dialled = format!("{};tag={tag}", self.dialled);
                }
                let ack = self.request("ACK", 1, "a", &self.dialled, "");
                if self.stage != Stage::Calling {
                    return (Some(ack), None);
                }
                self.pending = None;
                self.stage = Stage::Up { since: Instant::now() };
                let Some(audio) = audio_of(message) else {
                    return (Some(ack), Some(Change::Failed("a 200 without audio".into())));
                };
                (Some(ack), Some(Change::Up(audio, self.began.elapsed())))
            }
            (Stage::Calling, "INVITE", 300..) => {
                let tag = message
                    .header(Header::To)
                    .map_or_else(|| self.dialled.clone(), |to| to.text().into_owned());
                let ack = self.request("ACK", 1, "i", &tag, "");
                (Some(ack), Some(Change::Failed(format!("{status}"))))
            }
            (Stage::Leaving, "BYE", 200..) => (None, Some(Change::Over)),
            _ => (None, None),
        }
    }

    /// The server hung up.
    pub fn is_left(&self) -> Change {
        if self.stage == Stage::Leaving { Change::Over } else { Change::Failed("the server hung up".into()) }
    }

    /// Whether it has been up for so long.
    pub fn is_up_for(&self, long: Duration) -> bool {
        matches!(self.stage, Stage::Up { since } if since.elapsed() >= long)
    }

    /// Hangs up.
    pub fn leave(&mut self) -> String {
        let bye = self.request("BYE", 2, "b", &self.dialled, "");
        self.stage = Stage::Leaving;
        self.pending = Some(Pending::new(Instant::now(), &bye));
        bye
    }

    /// What is to be sent again now (timers A and E), or that nobody answers (B and F).
    pub fn expire(&mut self, now: Instant) -> (Option<String>, Option<Change>) {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.at <= now) else {
            return (None, None);
        };
        if pending.until <= now {
            return (None, Some(Change::Failed("silence".into())));
        }
        pending.pause = (pending.pause * 2).min(T2);
        pending.at = now + pending.pause;
        (Some(pending.text.clone()), None)
    }

    fn request(&self, method: &str, cseq: u32, kind: &str, to: &str, sdp: &str) -> String {
        let side = Side { here: self.here, call_id: &self.name, uri: &self.uri, from: &self.from, to };
        side.request(method, cseq, &format!("{kind}{}", self.name), "", sdp)
    }
}

impl Pending {
    fn new(now: Instant, text: &str) -> Self {
        Self { text: text.to_owned(), at: now + T1, pause: T1, until: now + T1 * 64 }
    }
}

/// RFC 3261 section 17.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
