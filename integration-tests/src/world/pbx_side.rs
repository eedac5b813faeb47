//! The PBX in the World: one node, its media engines, ports without sockets, recordings in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::time::soonest;
use base::{CallId, Entropy, LegId, Machine, Mono, Name, Now, RecordingId};
use codecs::Coding;
use media::{Command, Engine, Port, Prompts, Sink, Tapped};
use sibai::node::{Finished, Input, MediaTerms, Node, Output, Setup};
use sip::seam::{Directory, Flow, Input as SipInput, Limits, Transport, Trunk, User};
use sip::{Algorithm, Carriage, Message};

use super::link::{Letter, Network};
use super::shadow::Shadow;
use super::{CARRIER, SIBAI, Setting};

/// A recording as it was tapped.
#[derive(Clone)]
pub struct Take {
    /// What the brain said of it.
    pub record: pbx::seam::Record,
    /// Every packet, in the order of arrival.
    pub packets: Vec<Tapped>,
    /// Who was recorded from when on, after the first seat.
    pub seats: Vec<(Mono, Option<Name>)>,
    /// Consent at its end, once it ended.
    pub ended: Option<pbx::Consent>,
}

impl fmt::Debug for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Take({:?}, {} packets, {:?})", self.record, self.packets.len(), self.ended)
    }
}

/// The PBX and everything that it told.
#[derive(Debug)]
pub struct PbxSide {
    node: Node,
    engines: Vec<Engine>,
    prompts: Arc<Prompts>,
    legs: BTreeMap<LegId, (usize, SocketAddr)>,
    ports: BTreeMap<SocketAddr, (LegId, Port)>,
    next_port: u16,
    /// Who speaks SIP over TLS with us.
    secure: BTreeSet<SocketAddr>,
    /// One in so many legs finds no free port; 0: none.
    portless: u64,
    finished: Vec<Finished>,
    standing: BTreeMap<CallId, pbx::CallRecord>,
    told: Vec<(Mono, CallId, pbx::seam::Told)>,
    takes: BTreeMap<RecordingId, Take>,
    faults: Vec<String>,
    banned: Vec<sip::seam::Ban>,
    /// SIP messages that the node wrote, for judges that want to read them all.
    written: u64,
    /// Words of the media workers on their way to the node.
    hops: Hops,
    shadow: Option<Shadow>,
    /// How often a clone was followed to the end.
    followed: u64,
    chance: Entropy,
    /// One in so many inputs a clone is taken; 0: never.
    clone_every: u64,
    traced: bool,
}

/// The queue from the media workers to the node: in order, and a little late.
#[derive(Debug)]
struct Hops {
    longest: Duration,
    last: Mono,
    under_way: VecDeque<(Mono, Input)>,
}

impl PbxSide {
    pub(super) fn new(setting: &Setting, mut entropy: Entropy) -> Self {
        let chance = entropy.fork();
        let node = Node::new(Setup {
            directory: directory(setting),
            limits: Limits::default(),
            plan: Arc::clone(&setting.plan),
            terms: MediaTerms { codecs: vec![Coding::Pcma, Coding::Pcmu], ..MediaTerms::default() },
            workers: setting.workers,
            entropy,
        });
        let engines = (0..setting.workers).map(|_| Engine::new(Arc::clone(&setting.prompts))).collect();
        Self {
            node,
            engines,
            prompts: Arc::clone(&setting.prompts),
            legs: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_port: 20_000,
            secure: BTreeSet::new(),
            portless: setting.portless,
            finished: Vec::new(),
            standing: BTreeMap::new(),
            told: Vec::new(),
            takes: BTreeMap::new(),
            faults: Vec::new(),
            banned: Vec::new(),
            written: 0,
            hops: Hops { longest: setting.hop, last: Mono::ZERO, under_way: VecDeque::new() },
            shadow: None,
            followed: 0,
            chance,
            clone_every: 0,
            traced: false,
        }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Calls that are over.
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// Records as they would have stood if the process had died, the newest of each call.
    pub fn standing(&self) -> &BTreeMap<CallId, pbx::CallRecord> {
        &self.standing
    }

    /// What happened in calls.
    pub fn told(&self) -> &[(Mono, CallId, pbx::seam::Told)] {
        &self.told
    }

    /// Recordings.
    pub fn takes(&self) -> &BTreeMap<RecordingId, Take> {
        &self.takes
    }

    /// What must never happen and did.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Sources that were banned.
    pub fn banned(&self) -> &[sip::seam::Ban] {
        &self.banned
    }

    /// Media legs that are open.
    pub fn open_legs(&self) -> usize {
        self.legs.len()
    }

    /// SIP messages that the node wrote.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// From now on what comes from this address has come over TLS, on a connection of its own.
    pub fn speaks_tls(&mut self, from: SocketAddr) {
        self.secure.insert(from);
    }

    /// From now on one in so many inputs is followed by a clone for a while.
    pub fn clone_now_and_then(&mut self, every: u64) {
        self.clone_every = every;
    }

    /// How many clones were followed to the end of their time.
    pub fn followed(&self) -> u64 {
        self.followed
    }

    pub(super) fn trace(&mut self) {
        self.traced = true;
    }

    /// A media worker panics: its channels are gone, and a new one takes its place.
    pub(super) fn lose_worker(&mut self, now: Now, worker: usize, network: &mut Network) {
        let Some(engine) = self.engines.get_mut(worker) else { return };
        *engine = Engine::new(Arc::clone(&self.prompts));
        let lost: Vec<LegId> =
            self.legs.iter().filter(|(_, (of, _))| *of == worker).map(|(leg, _)| *leg).collect();
        for leg in lost {
            self.hop(now, Input::WorkerLost { leg });
        }
        self.listen(now, network);
    }

    pub(super) fn operate(&mut self, now: Now, input: Input, network: &mut Network) {
        self.think(now, Some(input), network);
        self.listen(now, network);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let engines = self.engines.iter().filter_map(Engine::deadline).min();
        let hops = self.hops.under_way.front().map(|(at, _)| *at);
        soonest(soonest(self.node.deadline(), engines), hops)
    }

    pub(super) fn expire(&mut self, now: Now, network: &mut Network) {
        if self.node.deadline().is_some_and(|at| at <= now.mono) {
            self.think(now, None, network);
            if self.node.deadline().is_some_and(|at| at <= now.mono) {
                self.faults.push("the node's deadline has passed although it was told".to_owned());
            }
        }
        for worker in 0..self.engines.len() {
            if self.engines[worker].deadline().is_some_and(|at| at <= now.mono) {
                self.media(now, network, worker, |engine, out| engine.tick(now, out));
            }
        }
        self.listen(now, network);
    }

    /// Tells the node what the workers said, as far as it is there already.
    fn listen(&mut self, now: Now, network: &mut Network) {
        while self.hops.under_way.front().is_some_and(|(at, _)| *at <= now.mono) {
            let Some((_, input)) = self.hops.under_way.pop_front() else { return };
            self.think(now, Some(input), network);
        }
    }

    fn hop(&mut self, now: Now, input: Input) {
        let late = Duration::from_nanos(self.chance.below(self.hops.longest.as_nanos() as u64 + 1));
        self.hops.last = self.hops.last.max(now.mono + late);
        self.hops.under_way.push_back((self.hops.last, input));
    }

    pub(super) fn receive(&mut self, now: Now, letter: Letter, network: &mut Network) {
        let Letter { from, to, mut bytes } = letter;
        if to == address(SIBAI) {
            let flow = if self.secure.contains(&from) { secure(from) } else { flow(from) };
            let message = Message::parse(bytes.into(), Carriage::Datagram);
            self.think(now, Some(Input::Sip(SipInput::Received { flow, message })), network);
        } else if let Some((leg, port)) = self.ports.get(&to).copied() {
            let Some((worker, _)) = self.legs.get(&leg).copied() else { return };
            self.media(now, network, worker, |engine, out| {
                engine.receive(now, leg, port, from, &mut bytes, out);
            });
        }
        self.listen(now, network);
    }

    fn think(&mut self, now: Now, input: Option<Input>, network: &mut Network) {
        let mut outputs = Vec::new();
        self.handle(now, input, &mut outputs);
        for output in outputs {
            self.carry_out(now, output, network);
        }
    }

    fn handle(&mut self, now: Now, input: Option<Input>, outputs: &mut Vec<Output>) {
        if self.shadow.is_none() && self.clone_every > 0 && self.chance.below(self.clone_every) == 0 {
            self.shadow = Some(Shadow::of(&self.node, FOLLOWED));
        }
        let copy = self.shadow.is_some().then(|| input.clone());
        match input {
            Some(input) => self.node.handle(now, input),
            None => self.node.expire(now),
        }
        while let Some(output) = self.node.poll() {
            outputs.push(output);
        }
        if let (Some(shadow), Some(input)) = (&mut self.shadow, copy)
            && !shadow.follow(now, input, outputs, &self.node)
        {
            self.shadow = None;
            self.followed += 1;
        }
    }

    fn carry_out(&mut self, now: Now, output: Output, network: &mut Network) {
        match output {
            Output::Send { flow, bytes } => {
                self.written += 1;
                network.post(now.mono, flow.local, flow.remote, bytes.to_vec());
            }
            Output::Open { worker, leg, address, ssrc } => {
                self.open(now, network, worker, leg, address, ssrc);
            }
            Output::Media { worker, command } => {
                if let Command::Tap { recording, .. } = &command
                    && !self.takes.contains_key(recording)
                {
                    self.faults.push(format!("{recording} is tapped before its row"));
                }
                let closing = if let Command::Close { leg } = &command { Some(*leg) } else { None };
                self.media(now, network, worker, |engine, out| engine.command(now, command, out));
                if let Some((_, rtp)) = closing.and_then(|leg| self.legs.remove(&leg)) {
                    self.ports.remove(&rtp);
                    self.ports.remove(&above(rtp));
                }
            }
            Output::Record { record, .. } => {
                if record.consent != pbx::Consent::NoticeGiven {
                    self.faults.push(format!("{} recorded with {:?}", record.recording, record.consent));
                }
                let take =
                    Take { record: *record.clone(), packets: Vec::new(), seats: Vec::new(), ended: None };
                if self.takes.insert(record.recording, take).is_some() {
                    self.faults.push(format!("recording {} begun twice", record.recording));
                }
            }
            Output::Segment { recording, seat } => match self.takes.get_mut(&recording) {
                Some(take) if take.ended.is_none() => take.seats.push((now.mono, seat)),
                _ => self.faults.push(format!("recording {recording} has a seat and no life")),
            },
            Output::EndRecording { recording, consent } => match self.takes.get_mut(&recording) {
                Some(take) if take.ended.is_none() => take.ended = Some(consent),
                _ => self.faults.push(format!("recording {recording} ended without having begun")),
            },
            Output::Finished(finished) => {
                if self.traced {
                    println!("{:?} sibai: finished {:?}", now.mono, finished.record);
                }
                self.finished.push(*finished);
            }
            Output::Tell { call, what } => {
                if self.traced {
                    println!("{:?} sibai: {call} {what:?}", now.mono);
                }
                self.told.push((now.mono, call, what));
            }
            Output::Fault { leg, what } => self.faults.push(format!("panic at {leg:?}: {what}")),
            Output::Standing(record) => {
                self.standing.insert(record.call, *record);
            }
            Output::Banned(ban) => self.banned.push(ban),
            Output::Refused { .. }
            | Output::Unbanned { .. }
            | Output::Guessed { .. }
            | Output::Known { .. }
            | Output::TrunkUp { .. }
            | Output::TrunkRegistered { .. }
            | Output::Registered { .. } => {}
        }
    }

    fn open(&mut self, now: Now, network: &mut Network, worker: usize, leg: LegId, local: IpAddr, ssrc: u32) {
        if self.portless > 0 && self.chance.below(self.portless) == 0 {
            self.hop(now, Input::Unbound { leg });
            return;
        }
        let rtp = SocketAddr::new(local, self.next_port);
        // Round and round through a range that is larger than any run needs at once.
        self.next_port = if self.next_port >= 29_998 { 20_000 } else { self.next_port + 2 };
        let leg_before = self.legs.insert(leg, (worker, rtp)).is_some();
        let rtp_before = self.ports.insert(rtp, (leg, Port::Rtp)).is_some();
        let rtcp_before = self.ports.insert(above(rtp), (leg, Port::Rtcp)).is_some();
        if leg_before || rtp_before || rtcp_before {
            self.faults.push(format!("{leg} opened twice, or its ports {rtp} belong to another"));
        }
        self.media(now, network, worker, |engine, out| engine.command(now, Command::Open { leg, ssrc }, out));
        let bound = Input::Bound { leg, rtp: rtp.port(), rtcp: rtp.port() + 1 };
        self.hop(now, bound);
    }

    fn media(
        &mut self,
        now: Now,
        network: &mut Network,
        worker: usize,
        deed: impl FnOnce(&mut Engine, &mut Out),
    ) {
        let mut out = Out::default();
        deed(&mut self.engines[worker], &mut out);
        for (leg, port, to, bytes) in out.sent {
            let Some((_, rtp)) = self.legs.get(&leg) else {
                self.faults.push(format!("{leg} sent without a port"));
                continue;
            };
            let from = if port == Port::Rtp { *rtp } else { above(*rtp) };
            network.post(now.mono, from, to, bytes);
        }
        for packet in out.tapped {
            match self.takes.get_mut(&packet.recording) {
                Some(take) if take.ended.is_none() => take.packets.push(packet),
                Some(_) => self.faults.push(format!("a packet of {} after its end", packet.recording)),
                None => self.faults.push(format!("a packet of {} before its row", packet.recording)),
            }
        }
        for event in out.told {
            self.hop(now, Input::Media(event));
        }
    }
}

#[derive(Default)]
struct Out {
    sent: Vec<(LegId, Port, SocketAddr, Vec<u8>)>,
    told: Vec<media::Event>,
    tapped: Vec<Tapped>,
}

impl Sink for Out {
    fn send(&mut self, leg: LegId, port: Port, to: SocketAddr, bytes: &[u8]) {
        self.sent.push((leg, port, to, bytes.to_vec()));
    }

    fn tell(&mut self, event: media::Event) {
        self.told.push(event);
    }

    /// Nobody in the World shakes hands: its node offers and takes no DTLS.
    fn handshake(&mut self, _: LegId, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, packet: &Tapped) {
        self.tapped.push(*packet);
    }
}

fn directory(setting: &Setting) -> Directory {
    let users = setting.users.iter().map(|(user, password)| {
        let ha1 = vec![(Algorithm::Md5, Algorithm::Md5.ha1(user, REALM, password))];
        (
            Name::from(user.as_str()),
            User { ha1, line: setting.plan.extensions.get(user.as_str()).map(|(line, _)| line.clone()) },
        )
    });
    let trunks = (0..).zip(setting.plan.trunks.keys()).map(|(n, name)| Trunk {
        name: name.clone(),
        sources: vec![base::PeerMatch::Address(carrier_at(n))],
        certificate: None,
        targets: vec![flow(carrier_at(n))],
        port: None,
        probe: true,
        registration: None,
        uri: sip::seam::NumberUri::Sip,
        host: address(CARRIER).ip().to_string(),
        credentials: None,
    });
    Directory {
        listeners: Vec::new(),
        realm: REALM.to_owned(),
        algorithms: vec![vec![Algorithm::Md5]],
        users: Arc::new(users.collect()),
        trunks: trunks.collect(),
        answers_strangers: false,
        public_address: None,
        local_networks: vec!["127.0.0.0/8".parse().unwrap_or_else(|text| panic!("{text}"))],
    }
}

fn flow(remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local: address(SIBAI), remote, connection: None, listener: 0 }
}

fn secure(remote: SocketAddr) -> Flow {
    let connection = Some(u64::from(remote.port()));
    Flow { transport: Transport::Tls, connection, ..flow(remote) }
}

/// Where the trunk is that has this place in the order of their names: the first is `CARRIER`.
pub(super) fn carrier_at(place: u16) -> SocketAddr {
    let mut at = address(CARRIER);
    at.set_port(at.port() + place);
    at
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn above(mut address: SocketAddr) -> SocketAddr {
    address.set_port(address.port() + 1);
    address
}

/// The digest realm of the World.
const REALM: &str = "sibai";

/// Inputs for which a clone is followed.
const FOLLOWED: u32 = 40;
