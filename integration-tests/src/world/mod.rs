//! The World: carrier, seats, network, node and media engines in one thread of virtual time.
//!
//! The same `Node` and `Engine` that the process drives are driven here, without a socket. Everything
//! random comes from one seed, so a run that fails can be had again.

pub mod example;
mod link;
mod pbx_side;
mod second;
mod shadow;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::time::soonest;
use base::{Entropy, Machine, Mono, Now, Timestamp};
use media::Prompts;
use pbx::Plan;
use phones::{CallNo, Event, Phone};

pub use example::Example;
use link::Network;
pub use link::{Link, Traffic};
pub use pbx_side::{PbxSide, Take};
pub use second::{Limit, SecondReader};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Lines, numbers, seats.
    pub plan: Arc<Plan>,
    /// What can be played.
    pub prompts: Arc<Prompts>,
    /// Extensions with their passwords.
    pub users: Vec<(String, String)>,
    /// The wall clock at the beginning.
    pub at: Timestamp,
    /// How bad the network is.
    pub link: Link,
    /// Media workers.
    pub workers: usize,
    /// How long at most a media worker's word takes to the node: in the process they are threads.
    pub hop: Duration,
    /// One in so many legs finds no free port; 0: none.
    pub portless: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

/// All of it.
#[derive(Debug)]
pub struct World {
    now: Now,
    network: Network,
    pbx: PbxSide,
    phones: Vec<Phone>,
    /// Who listens where.
    places: BTreeMap<SocketAddr, usize>,
    seen: Vec<Seen>,
    /// Addresses without a phone, and what came there.
    ears: BTreeSet<SocketAddr>,
    overheard: Vec<Vec<u8>>,
    /// Addresses that nothing reaches and nothing leaves.
    cut: BTreeSet<SocketAddr>,
    /// What came to addresses at which a test itself sits.
    letters: BTreeMap<SocketAddr, Vec<Vec<u8>>>,
    traced: bool,
}

/// What a phone saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Mono,
    /// Which phone.
    pub phone: usize,
    /// Of which of its calls.
    pub call: Option<CallNo>,
    /// What.
    pub event: Event,
}

/// Where Sibai listens.
pub const SIBAI: &str = "127.0.0.1:5060";

/// Where the trunk `local` of the shipped configuration is.
pub const CARRIER: &str = "127.0.0.1:5080";

impl World {
    /// A world in which nothing has happened.
    pub fn new(setting: &Setting) -> Self {
        let mut entropy = Entropy::from_number(setting.seed);
        let now = Now { mono: Mono::ZERO + Duration::from_secs(1), wall: setting.at };
        let network = Network::new(setting.link, pbx_side::address(SIBAI), entropy.fork());
        Self {
            now,
            network,
            pbx: PbxSide::new(setting, entropy),
            phones: Vec::new(),
            places: BTreeMap::new(),
            seen: Vec::new(),
            ears: BTreeSet::new(),
            cut: BTreeSet::new(),
            overheard: Vec::new(),
            letters: BTreeMap::new(),
            traced: false,
        }
    }

    /// Puts a phone (or carrier) into the world; the number by which it is known from then on.
    pub fn add(&mut self, phone: Phone) -> usize {
        let number = self.phones.len();
        let setup = phone.setup();
        self.places.insert(setup.local_sip, number);
        for n in 0..setup.rtp_ports {
            let mut address = setup.local_rtp;
            address.set_port(address.port() + 2 * n);
            self.places.insert(address, number);
        }
        self.phones.push(phone);
        number
    }

    /// From now on nothing reaches this address and nothing leaves it, until it is mended.
    pub fn cut(&mut self, at: SocketAddr) {
        self.cut.insert(at);
    }

    /// It is reached again.
    pub fn mend(&mut self, at: SocketAddr) {
        self.cut.remove(&at);
    }

    /// Where the trunk is that has this place in the order of their names.
    pub fn carrier_at(place: u16) -> SocketAddr {
        pbx_side::carrier_at(place)
    }

    /// From now on what comes to this address is kept, in place of any phone there.
    pub fn overhear(&mut self, at: SocketAddr) {
        self.ears.insert(at);
    }

    /// What came to the addresses that are overheard since it was last asked.
    pub fn overheard(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.overheard)
    }

    /// Posts any bytes to Sibai's SIP.
    pub fn inject(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.network.inject(self.now.mono, from, pbx_side::address(SIBAI), bytes);
    }

    /// The moment.
    pub fn now(&self) -> Now {
        self.now
    }

    /// A phone.
    pub fn phone(&self, number: usize) -> &Phone {
        &self.phones[number]
    }

    /// All phones, in the order in which they were added.
    pub fn phones(&self) -> &[Phone] {
        &self.phones
    }

    /// The PBX and what it told.
    pub fn pbx(&self) -> &PbxSide {
        &self.pbx
    }

    /// The PBX, to be watched more closely.
    pub fn pbx_mut(&mut self) -> &mut PbxSide {
        &mut self.pbx
    }

    /// How bad the network is from now on.
    pub fn set_link(&mut self, link: Link) {
        self.network.set_link(link);
    }

    /// What became of the datagrams.
    pub fn traffic(&self) -> Traffic {
        self.network.traffic()
    }

    /// What rsip read of every message, beside our own parser.
    pub fn second_reader(&self) -> &SecondReader {
        self.network.second_reader()
    }

    /// From now on what happens is printed.
    pub fn trace(&mut self) {
        self.traced = true;
        self.network.trace();
        self.pbx.trace();
    }

    /// What the phones saw, in order.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// When a phone first saw something of this kind.
    pub fn when(&self, phone: usize, kind: impl Fn(&Event) -> bool) -> Option<Mono> {
        self.seen.iter().find(|seen| seen.phone == phone && kind(&seen.event)).map(|seen| seen.at)
    }

    /// Tells a phone to do something.
    pub fn tell(&mut self, phone: usize, input: phones::Input) {
        self.phones[phone].handle(self.now, input);
        self.drain(phone);
    }

    /// Tells the node something, and carries out what it wants.
    pub fn operate(&mut self, input: sibai::node::Input) {
        self.pbx.operate(self.now, input, &mut self.network);
    }

    /// Changes a phone from outside.
    pub fn change(&mut self, phone: usize, change: impl FnOnce(&mut Phone)) {
        change(&mut self.phones[phone]);
    }

    /// Sends raw bytes to Sibai's SIP port from an address at which the test itself sits.
    pub fn post(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.letters.entry(from).or_default();
        let sibai = SIBAI.parse().unwrap_or_else(|error| panic!("{SIBAI}: {error}"));
        self.network.post(self.now.mono, from, sibai, bytes.to_vec());
    }

    /// What came to such an address since the last look.
    pub fn letters(&mut self, at: SocketAddr) -> Vec<Vec<u8>> {
        self.letters.get_mut(&at).map(std::mem::take).unwrap_or_default()
    }

    /// Lets `span` pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.step(at);
        }
        self.now = self.now.later(end.since(self.now.mono));
    }

    /// Lets time pass until `done`, at most `span`; whether it came to that.
    pub fn run_until(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.mono + span;
        loop {
            if done(self) {
                return true;
            }
            let Some(at) = self.next().filter(|at| *at <= end) else {
                self.now = self.now.later(end.since(self.now.mono));
                return done(self);
            };
            self.step(at);
        }
    }

    /// A media worker panics; the driver tells the node and starts another.
    pub fn lose_worker(&mut self, worker: usize) {
        self.pbx.lose_worker(self.now, worker, &mut self.network);
    }

    fn next(&self) -> Option<Mono> {
        let phones = self.phones.iter().filter_map(Machine::deadline).min();
        soonest(soonest(self.network.next(), self.pbx.deadline()), phones)
    }

    /// Moves to `at` and does everything that is due.
    fn step(&mut self, at: Mono) {
        if at > self.now.mono {
            self.now = self.now.later(at.since(self.now.mono));
        }
        let now = self.now;
        while let Some(letter) = self.network.arrived(now.mono) {
            if self.cut.contains(&letter.to) || self.cut.contains(&letter.from) {
                continue;
            }
            if self.ears.contains(&letter.to) {
                self.overheard.push(letter.bytes);
                continue;
            }
            match self.places.get(&letter.to).copied() {
                Some(phone) => {
                    let input = if letter.to == self.phones[phone].setup().local_sip {
                        phones::Input::Sip { source: letter.from, bytes: letter.bytes }
                    } else {
                        phones::Input::Rtp { at: letter.to, source: letter.from, bytes: letter.bytes }
                    };
                    self.phones[phone].handle(now, input);
                    self.drain(phone);
                }
                None => match self.letters.get_mut(&letter.to) {
                    Some(letters) => letters.push(letter.bytes),
                    None => self.pbx.receive(now, letter, &mut self.network),
                },
            }
        }
        for phone in 0..self.phones.len() {
            if self.phones[phone].deadline().is_some_and(|due| due <= now.mono) {
                self.phones[phone].expire(now);
                self.drain(phone);
            }
        }
        self.pbx.expire(now, &mut self.network);
    }

    fn drain(&mut self, phone: usize) {
        while let Some(output) = self.phones[phone].poll() {
            match output {
                phones::Output::SendSip { to, bytes } => {
                    let from = self.phones[phone].setup().local_sip;
                    self.network.post(self.now.mono, from, to, bytes);
                }
                phones::Output::SendRtp { from, to, bytes } => {
                    self.network.post(self.now.mono, from, to, bytes);
                }
                phones::Output::Saw { call, event } => {
                    if self.traced {
                        println!(
                            "{:?} {}: {call:?} {event:?}",
                            self.now.mono,
                            self.phones[phone].setup().name
                        );
                    }
                    self.seen.push(Seen { at: self.now.mono, phone, call, event });
                }
            }
        }
    }
}
