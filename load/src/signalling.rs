//! Both sides' SIP: one loop over two sockets.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use sip::{Carriage, Message};

use crate::audio::Audio;
use crate::caller::{Call, Change};
use crate::dialogue::sdp;
use crate::seats::{Answered, News, Seat};

/// Callers and seats.
pub struct Signalling {
    server: SocketAddr,
    domain: String,
    carrier: UdpSocket,
    seats_socket: UdpSocket,
    calls: HashMap<u32, Call>,
    seats: Vec<Seat>,
    answered: Answered,
    tones: bool,
    next: u32,
    looked: Instant,
    /// The audio of all streams.
    pub audio: Audio,
    /// What was counted.
    pub counts: Counts,
    /// Where the server takes the audio of the first call.
    pub first_leg: Option<SocketAddr>,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls that were placed.
    pub placed: u32,
    /// Calls that were answered.
    pub answered: u32,
    /// Calls that ended as they should.
    pub over: u32,
    /// Calls that did not, by what was heard.
    pub failed: BTreeMap<String, u32>,
    /// INVITE to 200.
    pub setups: Vec<Duration>,
}

impl Signalling {
    /// Binds both sides.
    pub fn new(
        server: SocketAddr,
        domain: &str,
        carrier: SocketAddr,
        seats: SocketAddr,
        tones: bool,
        audio: Audio,
    ) -> Result<Self> {
        let bind = |at: SocketAddr| -> Result<UdpSocket> {
            let socket = UdpSocket::bind(at).with_context(|| format!("{at} cannot be bound"))?;
            socket.set_nonblocking(true)?;
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER);
            Ok(socket)
        };
        Ok(Self {
            server,
            domain: domain.to_owned(),
            carrier: bind(carrier)?,
            seats_socket: bind(seats)?,
            calls: HashMap::new(),
            seats: Vec::new(),
            answered: Answered::new(tones),
            tones,
            next: 0,
            looked: Instant::now(),
            audio,
            counts: Counts::default(),
            first_leg: None,
        })
    }

    /// These seats are to be registered, so many a second.
    pub fn enrol(&mut self, accounts: &[(String, String)], a_second: u32) {
        let now = Instant::now();
        for (n, (user, password)) in (0..).zip(accounts) {
            let at = now + Duration::from_secs(1) * n / a_second;
            self.seats.push(Seat::new(user.clone(), password.clone(), at));
        }
    }

    /// Whether all are.
    pub fn all_registered(&self) -> bool {
        self.seats.iter().all(|seat| seat.registered)
    }

    /// Calls of which both legs are up, as far as we know.
    pub fn up(&self) -> usize {
        let callers = self.calls.values().filter(|call| call.is_up_for(Duration::ZERO)).count();
        callers.min(self.answered.count())
    }

    /// Calls in any stage.
    pub fn standing(&self) -> usize {
        self.calls.len()
    }

    /// Places a call.
    pub fn call(&mut self, dial: &str) -> Result<()> {
        let number = self.next;
        self.next += 1;
        self.counts.placed += 1;
        let offer = sdp(self.audio.address(2 * number), self.tones);
        let (call, invite) = Call::place(number, self.carrier.local_addr()?, self.server, dial, &offer);
        self.calls.insert(number, call);
        Self::send(&self.carrier, invite.as_bytes(), self.server);
        Ok(())
    }

    /// Ends the calls that are up for so long, at most so many of them.
    pub fn hang_up(&mut self, after: Duration, most: usize) {
        let old = self.calls.values_mut().filter(|call| call.is_up_for(after)).take(most);
        for call in old {
            self.audio.end(2 * call.number);
            Self::send(&self.carrier, call.leave().as_bytes(), self.server);
        }
    }

    /// Hears everything that came, then what is due.
    pub fn turn(&mut self) -> Result<()> {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, source)) = self.carrier.recv_from(&mut buffer) {
            if let Ok(message) = Message::parse(Bytes::copy_from_slice(&buffer[..length]), Carriage::Datagram)
            {
                self.at_carrier(&message, source)?;
            }
        }
        while let Ok((length, source)) = self.seats_socket.recv_from(&mut buffer) {
            if let Ok(message) = Message::parse(Bytes::copy_from_slice(&buffer[..length]), Carriage::Datagram)
            {
                self.at_seats(&message, source)?;
            }
        }
        let now = Instant::now();
        if now.duration_since(self.looked) >= LOOK {
            self.looked = now;
            self.expire(now)?;
        }
        Ok(())
    }

    fn at_carrier(&mut self, message: &Message, source: SocketAddr) -> Result<()> {
        let number = message.call_id().split('-').next().and_then(|number| number.parse::<u32>().ok());
        let call = number.and_then(|number| self.calls.get_mut(&number));
        match (call, message.is_request()) {
            (Some(call), false) => {
                let (answer, change) = call.hear(message);
                let number = call.number;
                if let Some(answer) = answer {
                    Self::send(&self.carrier, answer.as_bytes(), self.server);
                }
                self.change(number, change);
            }
            (Some(call), true) if message.method() == &sip::Method::Bye => {
                let (number, change) = (call.number, call.is_left());
                Self::send(&self.carrier, message.reply(200, source, None).finish().as_bytes(), source);
                self.audio.end(2 * number);
                self.change(number, Some(change));
            }
            (_, true) => {
                let here = self.carrier.local_addr()?;
                let answer = Self::answer(&mut self.answered, &self.audio, message, source, here);
                answer.inspect(|bytes| Self::send(&self.carrier, bytes, source));
            }
            (None, false) => {}
        }
        Ok(())
    }

    fn at_seats(&mut self, message: &Message, source: SocketAddr) -> Result<()> {
        if message.is_request() {
            let here = self.seats_socket.local_addr()?;
            let answer = Self::answer(&mut self.answered, &self.audio, message, source, here);
            answer.inspect(|bytes| Self::send(&self.seats_socket, bytes, source));
            return Ok(());
        }
        let call_id = message.call_id();
        let number = call_id.strip_prefix('r').and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
        if let Some(seat) = number.and_then(|number| self.seats.get_mut(number)) {
            seat.hear(Instant::now(), message, &self.domain);
        }
        Ok(())
    }

    fn answer(
        answered: &mut Answered,
        audio: &Audio,
        message: &Message,
        source: SocketAddr,
        here: SocketAddr,
    ) -> Option<Vec<u8>> {
        let (answer, news) = answered.hear(message, source, here, |stream| audio.address(stream));
        match news {
            Some(News::Begin(stream, to)) => audio.begin(stream, to),
            Some(News::End(stream)) => audio.end(stream),
            None => {}
        }
        answer
    }

    fn change(&mut self, number: u32, change: Option<Change>) {
        match change {
            Some(Change::Up(audio, after)) => {
                self.counts.answered += 1;
                self.counts.setups.push(after);
                self.first_leg.get_or_insert(audio);
                self.audio.begin(2 * number, audio);
            }
            Some(Change::Over) => {
                self.counts.over += 1;
                self.calls.remove(&number);
            }
            Some(Change::Failed(why)) => {
                *self.counts.failed.entry(why).or_default() += 1;
                self.audio.end(2 * number);
                self.calls.remove(&number);
            }
            None => {}
        }
    }

    fn expire(&mut self, now: Instant) -> Result<()> {
        let mut changes = Vec::new();
        for call in self.calls.values_mut() {
            let (again, change) = call.expire(now);
            again.inspect(|text| Self::send(&self.carrier, text.as_bytes(), self.server));
            changes.extend(change.map(|change| (call.number, change)));
        }
        for (number, change) in changes {
            self.change(number, Some(change));
        }
        for (bytes, to) in self.answered.expire(now) {
            Self::send(&self.seats_socket, &bytes, to);
        }
        let here = self.seats_socket.local_addr()?;
        for (n, seat) in self.seats.iter_mut().enumerate() {
            if let Some(text) = seat.due(now, n, here, &self.domain) {
                Self::send(&self.seats_socket, text.as_bytes(), self.server);
            }
        }
        Ok(())
    }

    /// What the kernel does not take is lost as on any network: it is sent again.
    fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
        let _ = socket.send_to(bytes, to);
    }
}

const LOOK: Duration = Duration::from_millis(20);
const RECEIVE_BUFFER: usize = 4 << 20;
