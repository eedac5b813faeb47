//! A worker with real sockets on loopback: what it survives, and the port that browsers share.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Instant;

use base::Entropy;
use base::stun::{self, Draft, Message};
use media::dtls::{Dtls, Ice, Role};
use media::ice::Credentials;
use media::rtp::{self, HEADER, Header};
use media::seam::{Direction, Keys, Security, Stream};
use media::srtp::{Opener, Sealer, Suite};
use sip::admission::{Admission, Limits};

use super::*;
use crate::drive::inbox::Inbox;

const ONE: LegId = LegId::arrived(1);
const OTHER: LegId = LegId::placed(1);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Packets between two looks at what is said.
const MOST_BETWEEN: usize = 10;

/// For what the worker's thread does by itself.
const PATIENCE: Duration = Duration::from_secs(10);

struct Bed {
    worker: Worker,
    inbox: Inbox,
    metrics: Arc<Metrics>,
    identity: Arc<Identity>,
    // The tape lives as long as its reader.
    _tape: tape::Reader,
}

impl Bed {
    fn start(web_port: Option<u16>) -> Self {
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::default());
        let admission = Admission::new(clock.mono(), Limits::of(10, 10), Entropy::from_number(1));
        let (control, inbox) = control::channel(clock, admission, Arc::clone(&metrics));
        let (tap, reader) = tape::tape(64);
        let identity = Arc::new(Identity::generate().unwrap());
        let worker = Worker::start(Setup {
            number: 0,
            clock,
            ports: Arc::new(Mutex::new(PortPool::new(43_000, 43_999, Entropy::from_number(7)))),
            web_port,
            realtime: false,
            prompts: Arc::default(),
            identity: Arc::clone(&identity),
            control,
            tap,
            load: metrics.worker(),
            metrics: Arc::clone(&metrics),
        });
        Self { worker: worker.unwrap(), inbox, metrics, identity, _tape: reader }
    }

    fn order(&self, command: Command) {
        assert!(self.worker.order(Order::Command(command)));
    }

    /// What the worker says next of a leg's ports or of its end.
    fn told(&self) -> node::Input {
        loop {
            match self.inbox.wait(PATIENCE).expect("the worker says nothing") {
                control::Input::Node(node::Input::Media(_)) => {}
                control::Input::Node(told) => return told,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Opens a leg; gives its ports.
    fn open(&self, leg: LegId, web: bool) -> (u16, u16) {
        assert!(self.worker.order(Order::Open { leg, address: HERE, ssrc: 9, web }));
        match self.told() {
            node::Input::Bound { leg: bound, rtp, rtcp } if bound == leg => (rtp, rtcp),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the worker tells this of itself.
    fn wait_for(&self, line: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.metrics.text().lines().any(|found| found == line) {
            assert!(Instant::now() < end, "{line}\n{}", self.metrics.text());
            std::thread::yield_now();
        }
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((HERE, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn stream(remote: SocketAddr, security: Security) -> Stream {
    Stream {
        coding: codecs::Coding::Pcma,
        payload_type: 8,
        also: Vec::new(),
        events: None,
        ptime: 20,
        remote_rtp: remote,
        remote_rtcp: remote,
        rtcp_mux: true,
        xr: false,
        direction: Direction::Both,
        security,
        signalling: remote.ip(),
    }
}

#[test]
fn a_panic_ends_the_calls_of_one_worker_and_it_goes_on() {
    let mut bed = Bed::start(None);
    let (rtp, _) = bed.open(ONE, false);
    assert!(bed.worker.order(Order::Fail(|| panic!("as ordered"))));
    // What was ordered behind it is done by the engine that begins anew.
    assert!(bed.worker.order(Order::Open { leg: OTHER, address: HERE, ssrc: 9, web: false }));
    assert!(matches!(bed.told(), node::Input::WorkerLost { leg: ONE }));
    let node::Input::Bound { leg: OTHER, rtp: other, .. } = bed.told() else { panic!("no ports") };
    assert_ne!(rtp, other, "the port of the lost leg rests");
    UdpSocket::bind((HERE, rtp)).expect("the ports of the lost leg are closed");
    let phone = socket();
    let stream = stream(phone.local_addr().unwrap(), Security::Plain);
    bed.order(Command::Agree { leg: OTHER, stream });
    let mut packet = [0; 500];
    assert_eq!(phone.recv_from(&mut packet).unwrap(), (HEADER + 160, (HERE, other).into()));
    bed.wait_for("pbx_worker_restarts_total{worker=\"0\"} 1");
    bed.wait_for("pbx_worker_legs{worker=\"0\"} 1");
    bed.worker.stop();
}

#[test]
fn a_port_that_somebody_else_has_opens_no_leg() {
    let taken = socket();
    let bed = Bed::start(Some(taken.local_addr().unwrap().port()));
    assert!(bed.worker.order(Order::Open { leg: ONE, address: HERE, ssrc: 9, web: true }));
    assert!(matches!(bed.told(), node::Input::Unbound { leg: ONE }));
    // Whose peer is no page needs it not.
    assert_ne!(bed.open(OTHER, false).0, taken.local_addr().unwrap().port());
}

/// A browser, as far as its media goes.
struct Browser {
    leg: LegId,
    socket: UdpSocket,
    port: SocketAddr,
    ice: Ice,
    clock: Clock,
    handshakes: Handshakes,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
    sequence: u16,
}

impl Browser {
    /// Opens the leg and agrees on DTLS and ICE.
    fn agree(bed: &Bed, leg: LegId) -> Self {
        let (rtp, rtcp) = bed.open(leg, true);
        assert_eq!(rtp, rtcp);
        let credentials = |side: &str| Credentials {
            fragment: format!("{side}{leg}"),
            password: format!("a password of {side} of {leg}"),
        };
        let ice = Ice { ours: credentials("sibai"), theirs: credentials("page") };
        let identity = Arc::new(Identity::generate().unwrap());
        let theirs = identity.fingerprint();
        let dtls = Dtls { theirs, role: Role::Passive, ice: Some(ice.clone()) };
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9));
        bed.order(Command::Agree { leg, stream: stream(nowhere, Security::Dtls(Box::new(dtls))) });
        let clock = Clock::system();
        let mut handshakes = Handshakes::new(identity, clock);
        let ours = Dtls { theirs: bed.identity.fingerprint(), role: Role::Active, ice: None };
        handshakes.agree(clock.mono(), leg, &Security::Dtls(Box::new(ours)));
        let port = SocketAddr::new(HERE, rtp);
        Self { leg, socket: socket(), port, ice, clock, handshakes, sealer: None, opener: None, sequence: 0 }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.port).unwrap();
    }

    /// Sends a check that names this leg and is signed with this password.
    fn check(&self, password: &str, transaction: u8) {
        let name = format!("{}:{}", self.ice.ours.fragment, self.ice.theirs.fragment);
        self.send(&check(&name, password, transaction));
    }

    /// Proves where it is; gives which check was answered.
    fn prove(&self, transaction: u8) -> u8 {
        self.check(&self.ice.ours.password, transaction);
        let mut answer = [0; 1500];
        loop {
            let len = self.socket.recv(&mut answer).unwrap();
            if answer[0] < 2 {
                let message = Message::read(&answer[..len]).unwrap();
                assert_eq!(message.kind, stun::BINDING_SUCCESS);
                return message.transaction[0];
            }
        }
    }

    /// Shakes hands until there are keys.
    fn shake(&mut self) {
        let mut keys: Option<Box<Keys>> = None;
        let mut buffer = [0; LONGEST_PACKET];
        let port = self.port;
        while keys.is_none() {
            for act in self.handshakes.go_on(self.clock.mono(), |_| Some(port)) {
                match act {
                    Act::Send { record, .. } => self.send(&record),
                    Act::Keys { keys: made, .. } => keys = Some(made),
                    Act::Fail { why, .. } => panic!("{why}"),
                }
            }
            let due = self.handshakes.deadline().map_or(PATIENCE, |at| at.since(self.clock.mono()));
            self.socket.set_read_timeout(Some(due.max(Duration::from_millis(1)))).unwrap();
            match self.socket.recv(&mut buffer) {
                Ok(len) if keys.is_none() && (20..=63).contains(&buffer[0]) => {
                    self.handshakes.receive(self.clock.mono(), self.leg, port, &buffer[..len]);
                }
                _ => {}
            }
        }
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let keys = keys.unwrap();
        self.sealer = Some(Sealer::new(keys.ours.clone()).unwrap());
        self.opener = Some(Opener::new(keys.theirs.clone()).unwrap());
    }

    /// Says a packet full of this byte.
    fn say(&mut self, byte: u8) {
        let mut packet = [byte; HEADER + 160 + Suite::MOST_OVERHEAD];
        self.sequence += 1;
        let timestamp = u32::from(self.sequence) * 160;
        let header = Header {
            marker: false,
            payload_type: 8,
            sequence: self.sequence,
            timestamp,
            ssrc: 77 + self.leg.as_u64() as u32,
        };
        rtp::write(header, packet.first_chunk_mut().unwrap());
        let len = self.sealer.as_mut().unwrap().protect(&mut packet, HEADER + 160).unwrap();
        self.send(&packet[..len]);
    }

    /// Whether what comes next holds a packet full of this byte; silence of ours may come between.
    fn hears(&mut self, byte: u8) -> bool {
        let mut buffer = [0; LONGEST_PACKET];
        for _ in 0..MOST_BETWEEN {
            let Ok(len) = self.socket.recv(&mut buffer) else { return false };
            let packet = &mut buffer[..len];
            if rtp::is_rtcp(packet) || packet[0] < 64 {
                continue;
            }
            let opened = self.opener.as_mut().unwrap().unprotect(packet).expect("sealed by another key");
            if packet[HEADER..opened] == [byte; 160] {
                return true;
            }
        }
        false
    }
}

/// What one says the other hears, as soon as the worker has done what it was ordered.
fn talk(one: &mut Browser, other: &mut Browser, byte: u8) {
    let end = Instant::now() + PATIENCE;
    loop {
        one.say(byte);
        other.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        if other.hears(byte) {
            other.socket.set_read_timeout(Some(PATIENCE)).unwrap();
            return;
        }
        assert!(Instant::now() < end, "{byte:#x} is not heard");
    }
}

fn check(name: &str, password: &str, transaction: u8) -> Vec<u8> {
    const PRIORITY: u16 = 0x24;
    const USE_CANDIDATE: u16 = 0x25;
    const CONTROLLING: u16 = 0x802a;
    let mut draft = Draft::new(stun::BINDING_REQUEST, [transaction; 12])
        .with(stun::USERNAME, name.as_bytes())
        .with(PRIORITY, &[0x6e, 0, 1, 0xff])
        .with(CONTROLLING, &[7; 8])
        .with(USE_CANDIDATE, &[]);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let integrity = ring::hmac::sign(&key, draft.announce(24));
    draft.with(stun::MESSAGE_INTEGRITY, integrity.as_ref()).finish()
}

/// Two browsers that talk through one port of ours.
fn two() -> (Bed, Browser, Browser) {
    let free = socket().local_addr().unwrap().port();
    let bed = Bed::start(Some(free));
    let [mut one, mut other] = [ONE, OTHER].map(|leg| Browser::agree(&bed, leg));
    assert_eq!((one.port, other.port), ((HERE, free).into(), (HERE, free).into()));
    for browser in [&mut one, &mut other] {
        assert_eq!(browser.prove(1), 1);
        browser.shake();
    }
    bed.order(Command::Bridge { a: ONE, b: OTHER });
    talk(&mut one, &mut other, 0x11);
    talk(&mut other, &mut one, 0x22);
    (bed, one, other)
}

#[test]
fn browsers_on_one_port_hear_each_other_and_one_moves() {
    let (_bed, mut one, mut other) = two();
    // Its network has changed: it proves the password from there, and is heard and spoken to there.
    one.socket = socket();
    assert_eq!(one.prove(2), 2);
    talk(&mut one, &mut other, 0x33);
    talk(&mut other, &mut one, 0x44);
}

#[test]
fn who_proves_nothing_meets_silence_and_takes_nothing_away() {
    let (bed, mut one, mut other) = two();
    let stranger = socket();
    let tell = |bytes: &[u8]| stranger.send_to(bytes, one.port).unwrap();
    let name = format!("{}:x", one.ice.ours.fragment);
    // Nobody's: a leg that is not there, no name, media and a handshake out of nowhere, one byte.
    let nobodys = [check("nobody:x", "?", 3), vec![0x80; 172], vec![22; 50], vec![0]];
    for bytes in &nobodys {
        tell(bytes);
    }
    bed.wait_for(&format!("pbx_worker_strangers_total{{worker=\"0\"}} {}", nobodys.len()));
    // Named and not proved: dropped, and its source is still nobody's.
    tell(&check(&name, "a guess", 4));
    tell(&[0x80; 172]);
    bed.wait_for(&format!("pbx_worker_strangers_total{{worker=\"0\"}} {}", nobodys.len() + 1));
    bed.wait_for("pbx_worker_packets_dropped_total{worker=\"0\"} 1");
    // From a source that is the other's: naming a leg takes nothing, whoever does it.
    other.send(&check(&name, "a guess", 5));
    talk(&mut other, &mut one, 0x55);
    // The first answer that the stranger ever gets is to the right password.
    one.socket = stranger;
    assert_eq!(one.prove(6), 6);
}

#[test]
fn a_closed_leg_is_nobodys_and_the_others_talk_on() {
    let (bed, mut one, mut other) = two();
    bed.order(Command::Close { leg: ONE });
    // The worker goes in order: once this leg is there, the other is gone.
    let mut third = Browser::agree(&bed, LegId::placed(9));
    one.say(0x11);
    one.check(&one.ice.ours.password.clone(), 7);
    bed.wait_for("pbx_worker_strangers_total{worker=\"0\"} 2");
    assert_eq!(third.prove(8), 8);
    third.shake();
    bed.order(Command::Bridge { a: OTHER, b: third.leg });
    talk(&mut third, &mut other, 0x66);
    bed.wait_for("pbx_worker_legs{worker=\"0\"} 2");
}
