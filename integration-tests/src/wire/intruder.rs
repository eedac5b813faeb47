//! Somebody who sends to media ports that are not his, and counts what he gets for it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use base::Entropy;

/// At work, in a thread of its own, until he is stopped.
#[derive(Debug)]
pub struct Intruder {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Spoils>>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spoils {
    /// Datagrams that he sent.
    pub sent: u64,
    /// Datagrams that came back to any of his sockets.
    pub got: u64,
}

impl Intruder {
    /// Fifty times a second to every port of a range, from this address: speech with the payload type of every caller, as
    /// loud as can be; and less often empty RTP packets (whoever answers them bleeds), reports and goodbyes,
    /// handshakes and checks of ICE.
    pub fn everywhere(from: IpAddr, ports: RangeInclusive<u16>) -> Result<Self> {
        let mut sockets = Vec::new();
        for _ in 0..=TRICKS.len() {
            sockets.push(socket(from)?);
        }
        Ok(Self::at_work(move |over| {
            let mut spoils = Spoils::default();
            let mut round = 0_u32;
            while !over() {
                let begun = Instant::now();
                let trick = (round / TRICK_EVERY) as usize % TRICKS.len();
                for port in ports.clone() {
                    let to = SocketAddr::new(target(), port);
                    let speech = rtp(8, round, u32::from(port), &[LOUDEST; 160]);
                    // Where nobody listens the system tells so: that is no matter.
                    spoils.sent += u64::from(sockets[0].send_to(&speech, to).is_ok());
                    if round.is_multiple_of(TRICK_EVERY) {
                        let more = TRICKS[trick](round, port);
                        spoils.sent += u64::from(sockets[trick + 1].send_to(&more, to).is_ok());
                    }
                }
                round += 1;
                spoils.collect_all(&sockets);
                thread::sleep(FRAME.saturating_sub(begun.elapsed()));
            }
            // For the last answers.
            thread::sleep(LINGER);
            spoils.collect_all(&sockets);
            Ok(spoils)
        }))
    }

    /// So many datagrams a second of every bad form to one port.
    pub fn junk(from: IpAddr, port: u16, per_second: u64) -> Result<Self> {
        let socket = socket(from)?;
        let mut random = Entropy::from_number(u64::from(port));
        Ok(Self::at_work(move |over| {
            let mut spoils = Spoils::default();
            let start = Instant::now();
            let mut due = 0;
            while !over() {
                // A machine that was away does not make up for it all at once, as no network would.
                let behind = start.elapsed().as_micros() as u64 * per_second / 1_000_000;
                for _ in 0..(behind - due).min(PORTION) {
                    let bytes = waste(&mut random);
                    spoils.sent += u64::from(socket.send_to(&bytes, (target(), port)).is_ok());
                }
                due = behind;
                spoils.collect(&socket);
                thread::sleep(PAUSE);
            }
            thread::sleep(LINGER);
            spoils.collect(&socket);
            Ok(spoils)
        }))
    }

    fn at_work(work: impl FnOnce(&dyn Fn() -> bool) -> Result<Spoils> + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = thread::spawn(move || work(&|| flag.load(Ordering::Relaxed)));
        Self { over, thread }
    }

    /// Ends his work; what he got.
    pub fn stop(self) -> Result<Spoils> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the intruder's thread panicked"))?
    }
}

impl Spoils {
    fn collect_all(&mut self, sockets: &[UdpSocket]) {
        for socket in sockets {
            self.collect(socket);
        }
    }

    fn collect(&mut self, socket: &UdpSocket) {
        let mut buffer = [0; 2_048];
        // Errors are the system's word that a port is closed: they are taken in turn.
        loop {
            match socket.recv_from(&mut buffer) {
                Ok(_) => self.got += 1,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }
}

/// Louder than anything that anybody says in a test: a sample above this was put in by the intruder.
pub const LOUDER_THAN_ALL: i16 = 20_000;

/// A ClientHello of DTLS 1.2 as phones send it (RFC 6347 section 4.2.2), with one suite, one curve and one profile.
pub fn client_hello() -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        // supported_groups: secp256r1
        &[0, 10, 0, 4, 0, 2, 0, 23],
        // ec_point_formats: uncompressed
        &[0, 11, 0, 2, 1, 0],
        // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 13, 0, 4, 0, 2, 4, 3],
        // use_srtp: AES128_CM_SHA1_80, no MKI (RFC 5764 section 4.1.1)
        &[0, 14, 0, 5, 0, 2, 0, 1, 0],
        // extended_master_secret
        &[0, 23, 0, 0],
    ];
    let extensions = extensions.concat();
    let mut body = vec![0xfe, 0xfd];
    body.extend([7; 32]);
    // No session, no cookie; ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; no compression.
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let length = &(body.len() as u32).to_be_bytes()[1..];
    let message = [&[1], length, &[0, 0, 0, 0, 0], length, &body].concat();
    let head = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    [&head[..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

/// What is tried beside speech, in turn.
const TRICKS: [fn(u32, u16) -> Vec<u8>; 4] = [
    |round, port| rtp(0, round, !u32::from(port), &[]),
    |_, port| reports(port),
    |_, _| client_hello(),
    check,
];

fn rtp(payload_type: u8, round: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
    bytes.extend((round as u16).to_be_bytes());
    bytes.extend(round.wrapping_mul(160).to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A sender's report with an empty description, and a goodbye (RFC 3550 section 6).
fn reports(port: u16) -> Vec<u8> {
    let ssrc = u32::from(port).to_be_bytes();
    let report = [&[0x80, 200, 0, 6], &ssrc[..], &[9; 20]].concat();
    let description = [&[0x81, 202, 0, 2], &ssrc[..], &[0; 4]].concat();
    let goodbye = [&[0x81, 203, 0, 1], &ssrc[..]].concat();
    [report, description, goodbye].concat()
}

/// A binding request that proves nothing (RFC 8489): a name, and an integrity of zeros.
fn check(round: u32, port: u16) -> Vec<u8> {
    let user = [0, 6, 0, 4, b'a', b':', b'b', b'c'];
    let integrity = [&[0, 8, 0, 20][..], &[0; 20]].concat();
    let priority = [0, 0x24, 0, 4, 1, 2, 3, 4];
    let body = [&user[..], &priority, &integrity].concat();
    let mut bytes = vec![0, 1, 0, body.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([0; 6]);
    bytes.extend(port.to_be_bytes());
    bytes.extend(round.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Something that is no packet of anybody's: too short, lying about what it holds, far too long, or just noise.
fn waste(random: &mut Entropy) -> Vec<u8> {
    let numbers = random.next_u64();
    let mut bytes = rtp(8, numbers as u32, (numbers >> 32) as u32, &[LOUDEST; 160]);
    match numbers % 8 {
        0 => bytes.truncate(random.below(12) as usize),
        // Fifteen sources, and none is there.
        1 => {
            bytes[0] = 0x8f;
            bytes.truncate(20);
        }
        // An extension longer than the packet.
        2 => {
            bytes[0] = 0x90;
            bytes.splice(12..16, [0xbe, 0xde, 0xff, 0xff]);
        }
        // More padding than packet.
        3 => {
            bytes[0] = 0xa0;
            bytes[171] = 0xff;
        }
        4 => bytes[1] = random.below(256) as u8,
        5 => bytes.resize(9_000, LOUDEST),
        6 => {
            bytes = reports(numbers as u16);
            bytes[3] = random.below(256) as u8;
        }
        _ => random.fill(&mut bytes),
    }
    bytes
}

fn socket(from: IpAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn target() -> IpAddr {
    super::LOOPBACK
}

/// The largest sample of A-law.
const LOUDEST: u8 = 0xaa;

const FRAME: Duration = Duration::from_millis(20);

/// Rounds of speech to one of something else.
const TRICK_EVERY: u32 = 5;

/// Datagrams between two looks at the clock.
const PORTION: u64 = 200;

const PAUSE: Duration = Duration::from_millis(1);

const LINGER: Duration = Duration::from_millis(300);
