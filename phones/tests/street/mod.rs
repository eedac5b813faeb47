//! A street of phones in virtual time: a seeded link that delays, repeats and loses, and a tiny registrar.
#![allow(clippy::unwrap_used, reason = "a test's own world")]
#![allow(dead_code, reason = "each test file uses its part of the street")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use base::{Entropy, Machine, Mono, Now, Timestamp};
use phones::{Action, Event, Input, Output, Phone, PhoneSetup};

/// What travels.
#[derive(Clone, Debug)]
struct Letter {
    from: SocketAddr,
    to: SocketAddr,
    sip: bool,
    bytes: Vec<u8>,
}

/// Phones, and the link between them.
pub(crate) struct Street {
    pub(crate) phones: Vec<Phone>,
    pub(crate) saw: Vec<(usize, Event)>,
    /// Everything that was put out, for comparing runs.
    pub(crate) outputs: Vec<(usize, Output)>,
    /// Of a thousand letters, so many are lost; of SIP only when `sip_only`.
    pub(crate) loss: u64,
    pub(crate) sip_only: bool,
    /// Of a thousand letters, so many arrive twice.
    pub(crate) twice: u64,
    /// Changes or loses a letter on purpose.
    pub(crate) meddle: fn(&str) -> Option<String>,
    pub(crate) now: Mono,
    entropy: Entropy,
    flying: BTreeMap<(Mono, u64), Letter>,
    letters: u64,
}

pub(crate) fn sip(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8 + 1], 5060))
}

pub(crate) fn rtp(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8 + 1], 4000))
}

/// A phone that stands at `n` and sends everything to its neighbour `peer`.
pub(crate) fn setup(n: usize, peer: usize) -> PhoneSetup {
    let mut setup = PhoneSetup::new(&format!("100{n}"), sip(peer), sip(n), rtp(n));
    setup.seed = n as u64 + 10;
    setup
}

impl Street {
    pub(crate) fn new(seed: u64, setups: Vec<PhoneSetup>) -> Self {
        Self {
            phones: setups.into_iter().map(Phone::new).collect(),
            saw: Vec::new(),
            outputs: Vec::new(),
            loss: 0,
            sip_only: false,
            twice: 0,
            meddle: |text| Some(text.to_string()),
            now: Mono::ZERO,
            entropy: Entropy::from_number(seed),
            flying: BTreeMap::new(),
            letters: 0,
        }
    }

    fn at(mono: Mono) -> Now {
        Now { mono, wall: Timestamp::UNIX_EPOCH }
    }

    pub(crate) fn act(&mut self, n: usize, action: Action) {
        self.input(n, Input::Do(action));
    }

    pub(crate) fn input(&mut self, n: usize, input: Input) {
        let now = Self::at(self.now);
        self.phones[n].handle(now, input);
        self.drain(n);
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.millis(seconds * 1000);
    }

    /// Lets time pass: due timers first, then letters.
    pub(crate) fn millis(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        loop {
            let timer = self.phones.iter().enumerate().filter_map(|(n, p)| Some((p.deadline()?, n))).min();
            let letter = self.flying.keys().next().copied();
            match (timer, letter) {
                (Some((at, n)), _) if at <= end && letter.is_none_or(|(l, _)| at <= l) => {
                    self.now = self.now.max(at);
                    let now = Self::at(self.now);
                    self.phones[n].expire(now);
                    assert!(
                        self.phones[n].deadline().is_none_or(|next| next > now.mono),
                        "a deadline in the past"
                    );
                    self.drain(n);
                }
                (_, Some(key)) if key.0 <= end => {
                    self.now = self.now.max(key.0);
                    let letter = self.flying.remove(&key).unwrap();
                    self.deliver(letter);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, letter: Letter) {
        let Letter { from, to, sip: is_sip, bytes } = letter;
        if is_sip && to == REGISTRAR {
            if let Some(answer) = registrar(&String::from_utf8(bytes).unwrap(), from) {
                self.post(Letter { from: to, to: from, sip: true, bytes: answer.into_bytes() });
            }
            return;
        }
        let Some(n) = self
            .phones
            .iter()
            .position(|p| p.setup().local_sip == to || (!is_sip && p.setup().local_rtp.ip() == to.ip()))
        else {
            return;
        };
        let input = if is_sip {
            Input::Sip { source: from, bytes }
        } else {
            Input::Rtp { at: to, source: from, bytes }
        };
        self.input(n, input);
    }

    fn drain(&mut self, n: usize) {
        while let Some(output) = self.phones[n].poll() {
            self.outputs.push((n, output.clone()));
            match output {
                Output::SendSip { to, bytes } => {
                    let text = String::from_utf8(bytes).unwrap();
                    let from = self.phones[n].setup().local_sip;
                    if let Some(text) = (self.meddle)(&text) {
                        self.post(Letter { from, to, sip: true, bytes: text.into_bytes() });
                    }
                }
                Output::SendRtp { from, to, bytes } => self.post(Letter { from, to, sip: false, bytes }),
                Output::Saw { event, .. } => self.saw.push((n, event)),
            }
        }
        assert!(self.phones[n].poll().is_none());
    }

    fn post(&mut self, letter: Letter) {
        if (letter.sip || !self.sip_only) && self.entropy.below(1000) < self.loss {
            return;
        }
        if self.entropy.below(1000) < self.twice {
            self.fly(letter.clone());
        }
        self.fly(letter);
    }

    fn fly(&mut self, letter: Letter) {
        self.letters += 1;
        let delay = Duration::from_micros(if letter.sip { 1000 + self.entropy.below(9000) } else { 5000 });
        self.flying.insert((self.now + delay, self.letters), letter);
    }

    /// What phone `n` saw, without the sounds' beginnings.
    pub(crate) fn story(&self, n: usize) -> Vec<Event> {
        let of_n = self.saw.iter().filter(|(who, event)| *who == n && *event != Event::AudioBegan);
        of_n.map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn saw(&self, n: usize, event: &Event) -> bool {
        self.saw.iter().any(|(who, saw)| *who == n && saw == event)
    }

    pub(crate) fn faults(&self) -> Vec<&str> {
        self.phones.iter().flat_map(Phone::faults).collect()
    }

    /// Nothing stayed unanswered for 64·T1: what was lost was sent again, by both sides.
    pub(crate) fn assert_heard(&self) {
        let silent = self.saw.iter().find(|(_, event)| matches!(event, Event::Silence(_)));
        assert_eq!(silent, None);
    }

    /// After everything: nobody found a fault, no call is live, nothing is remembered.
    pub(crate) fn assert_clean(&mut self) {
        self.seconds(120);
        assert_eq!(self.faults(), Vec::<&str>::new());
        for phone in &self.phones {
            let live: Vec<_> =
                phone.calls().filter(|(_, call)| call.stage() != phones::Stage::Ended).collect();
            let live: Vec<_> = live.iter().map(|(no, call)| (no, call.stage(), call.is_caller())).collect();
            assert!(live.is_empty() && phone.pending() == 0, "{live:?} {}: {:#?}", phone.pending(), self.saw);
        }
    }
}

/// Where the tiny registrar stands.
pub(crate) const REGISTRAR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 200)), 5060);

/// A registrar of a few lines: challenges with the nonce `n1`, checks nothing but that credentials are there
/// and use that nonce; asks phones that want less than 60 s for more.
fn registrar(text: &str, source: SocketAddr) -> Option<String> {
    let line = |name: &str| text.lines().find(|l| l.starts_with(&format!("{name}: ")));
    let via = line("Via")?.replace(";rport", &format!(";rport={};received={}", source.port(), source.ip()));
    let expires: u32 = line("Expires")?.strip_prefix("Expires: ")?.parse().ok()?;
    let (status, more) = match line("Authorization") {
        Some(value) if value.contains("nonce=\"n1\"") && value.contains("username=\"1000\"") => {
            if (1..60).contains(&expires) {
                ("423 Interval Too Brief", "Min-Expires: 60\r\n".to_string())
            } else if expires == 0 {
                ("200 OK", String::new())
            } else {
                ("200 OK", format!("{};expires={}\r\n", line("Contact")?, expires.min(3600)))
            }
        }
        Some(value) if value.contains("nonce=\"n1\"") => ("403 Forbidden", String::new()),
        _ => {
            let sha =
                "WWW-Authenticate: Digest realm=\"s\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-512-256";
            let md5 = "WWW-Authenticate: Digest realm=\"s\", nonce=\"n1\", qop=\"auth\", algorithm=MD5";
            ("401 Unauthorized", format!("{sha}\r\n{md5}\r\n"))
        }
    };
    let same = ["From", "Call-ID", "CSeq"].map(|name| line(name).unwrap_or_default()).join("\r\n");
    Some(format!(
        "SIP/2.0 {status}\r\n{via}\r\n{};tag=r\r\n{same}\r\n{more}Content-Length: 0\r\n\r\n",
        line("To")?
    ))
}
