//! A scripted carrier: many calls over one trunk, from any number to any number, without registration.

use std::net::SocketAddr;
use std::time::Duration;

use base::{Machine, Mono, Now};

use crate::call::{Call, CallNo};
use crate::events::{Behaviour, Dial, Input, Output};
use crate::g711::Codec;
use crate::phone::{Phone, PhoneSetup};

/// What a carrier is.
#[derive(Clone, Debug)]
pub struct CarrierSetup {
    /// Where Sibai listens for the trunk.
    pub peer: SocketAddr,
    /// Our end of the trunk.
    pub local_sip: SocketAddr,
    /// The first of `rtp_ports` even RTP ports.
    pub local_rtp: SocketAddr,
    /// How many RTP ports; calls share them in turn.
    pub rtp_ports: u16,
    /// Offered in this order: Chinese carriers put A-law first.
    pub codecs: Vec<Codec>,
    /// What the outside phones do, by the number that Sibai dials.
    pub plan: Vec<(String, Behaviour)>,
    /// What any other number does: a carrier says 404.
    pub otherwise: Behaviour,
    /// Ask Sibai's calls for these digest credentials (user, password).
    pub challenges: Option<(String, String)>,
    /// Whether OPTIONS is answered: a trunk that seems dead does not.
    pub answers_options: bool,
    /// More calls at once are refused.
    pub calls_at_once: usize,
    /// How much of each direction of each call is kept in memory.
    pub keeps: Duration,
    /// Everything random comes from it.
    pub seed: u64,
}

impl CarrierSetup {
    /// A plain carrier: A-law first, no challenge, no numbers of its own.
    pub fn new(peer: SocketAddr, local_sip: SocketAddr, local_rtp: SocketAddr) -> Self {
        Self {
            peer,
            local_sip,
            local_rtp,
            rtp_ports: 1,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            plan: Vec::new(),
            otherwise: Behaviour::refuses(404),
            challenges: None,
            answers_options: true,
            calls_at_once: MANY,
            keeps: Duration::from_mins(2),
            seed: 2,
        }
    }
}

/// A scripted carrier: the same machine as a phone, with many calls.
#[derive(Clone, Debug)]
pub struct Carrier {
    line: Phone,
}

impl Carrier {
    /// A carrier without calls.
    pub fn new(setup: CarrierSetup) -> Self {
        let mut phone = PhoneSetup::new("carrier", setup.peer, setup.local_sip, setup.local_rtp);
        phone.rtp_ports = setup.rtp_ports;
        phone.codecs = setup.codecs;
        phone.plan = setup.plan;
        phone.behaviour = setup.otherwise;
        phone.challenges = setup.challenges;
        phone.answers_options = setup.answers_options;
        phone.calls_at_once = setup.calls_at_once;
        phone.keeps = setup.keeps;
        phone.seed = setup.seed;
        Self { line: Phone::new(phone) }
    }

    /// A call as carriers place it: `from` in From and in P-Asserted-Identity, `number` in the Request-URI.
    pub fn call_from(&self, from: &str, number: &str) -> Dial {
        let asserted = format!("<sip:{from}@{}>", self.line.setup().local_sip);
        Dial { from: Some(from.into()), asserted: Some(asserted), ..Dial::to(number) }
    }

    /// The machine inside, with its calls and faults.
    pub fn line(&self) -> &Phone {
        &self.line
    }

    /// The machine itself: a driver of phones drives it like any other.
    pub fn into_line(self) -> Phone {
        self.line
    }

    /// One call.
    pub fn call(&self, no: CallNo) -> Option<&Call> {
        self.line.call(no)
    }

    /// Whether the trunk answers OPTIONS from now on.
    pub fn answer_options(&mut self, answers: bool) {
        self.line.set_answers_options(answers);
    }
}

impl Machine for Carrier {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        self.line.handle(now, input);
    }

    fn expire(&mut self, now: Now) {
        self.line.expire(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.line.poll()
    }

    fn deadline(&self) -> Option<Mono> {
        self.line.deadline()
    }
}

/// More than any load that one process can make.
const MANY: usize = 20_000;
