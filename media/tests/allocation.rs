//! The hot path allocates nothing: relay, re-code, tap, key, tick.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::g711::Law;
use base::{Digit, LegId, Mono, Now, RecordingId};
use media::Engine;
use media::prompts::{Prompt, Prompts};
use media::rtp::{self, HEADER, Header};
use media::seam::{Command, Direction, Event, Events, Port, Security, Sink, Stream, Tapped};
use media::srtp::{Keying, Opener, Sealer, Suite};

#[derive(Default)]
struct Count {
    sent: u64,
    told: u64,
    tapped: u64,
}

impl Sink for Count {
    fn send(&mut self, _: LegId, _: Port, _: SocketAddr, _: &[u8]) {
        self.sent += 1;
    }

    fn tell(&mut self, _: Event) {
        self.told += 1;
    }

    fn handshake(&mut self, _: LegId, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, _: &Tapped) {
        self.tapped += 1;
    }
}

const CALLER: LegId = LegId::arrived(0);
const SEAT: LegId = LegId::placed(0);
const MUSIC: LegId = LegId::placed(1);

fn peer(leg: LegId) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 4000 + leg.as_u64() as u16 * 2))
}

fn engine(now: Now, out: &mut Count) -> Engine {
    let mut prompts = Prompts::default();
    prompts.insert("line".into(), "music".into(), Prompt::from_linear(&vec![0.1; 8000 * 30]));
    let mut engine = Engine::new(Arc::new(prompts));
    for (leg, law) in [(CALLER, Law::A), (SEAT, Law::Mu), (MUSIC, Law::A)] {
        let stream = Stream {
            coding: law.into(),
            payload_type: if law == Law::A { 8 } else { 0 },
            also: Vec::new(),
            events: Some(Events { payload_type: 101, clock: 8000 }),
            ptime: 20,
            remote_rtp: peer(leg),
            remote_rtcp: peer(leg),
            rtcp_mux: true,
            direction: Direction::Both,
            security: Security::Plain,
            signalling: peer(leg).ip(),
        };
        engine.command(now, Command::Open { leg, ssrc: 1 }, out);
        engine.command(now, Command::Agree { leg, stream }, out);
    }
    engine.command(now, Command::Bridge { a: CALLER, b: SEAT }, out);
    engine.command(
        now,
        Command::Tap { recording: RecordingId::from_u128(1), caller: CALLER, seat: SEAT },
        out,
    );
    let play = Command::Play { leg: MUSIC, line: "line".into(), prompt: "music".into(), token: 1 };
    engine.command(now, play, out);
    engine
}

#[test]
fn a_minute_of_packets_and_ticks_allocates_nothing() {
    let mut now = Now { mono: Mono::ZERO, wall: base::Timestamp::UNIX_EPOCH };
    let mut out = Count::default();
    let mut engine = engine(now, &mut out);
    for _ in 0..3 {
        engine.command(now, Command::Press { leg: MUSIC, digit: Digit::STAR }, &mut out);
    }
    let mut bytes = [0; HEADER + 160];
    let used = allocation_counter::measure(|| {
        for n in 0..3000u32 {
            for leg in [CALLER, SEAT] {
                let event = n % 100 == 99;
                let payload_type = if event {
                    101
                } else if leg == CALLER {
                    8
                } else {
                    0
                };
                let (sequence, timestamp) = (n as u16, n * 160);
                let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: 9 };
                bytes[HEADER..].fill(3);
                rtp::write(header, bytes.first_chunk_mut().expect("a header fits"));
                let len = if event { HEADER + 4 } else { bytes.len() };
                engine.receive(now, leg, Port::Rtp, peer(leg), &mut bytes[..len], &mut out);
            }
            now = now.later(Duration::from_millis(20));
            engine.tick(now, &mut out);
        }
    });
    assert_eq!(used.count_total, 0, "{used:?}");
    // What was counted did happen: relayed both ways, played, pressed, reported, recorded; told were two
    // latches, sixty keys, the end of the music and the silence of its listener.
    assert!(out.sent >= 9000, "{}", out.sent);
    assert_eq!((out.tapped, out.told), (2 * 2970, 2 + 2 * 30 + 2));
}

#[test]
fn sealing_and_opening_allocate_nothing() {
    for suite in Suite::ALL {
        let secret = [7; Keying::LONGEST];
        let keying = Keying::new(suite, &secret[..suite.key_len() + suite.salt_len()]).expect("its lengths");
        let (mut sealer, mut opener) =
            (Sealer::new(keying.clone()).expect("keys"), Opener::new(keying).expect("keys"));
        let used = allocation_counter::measure(|| {
            for n in 0..70_000u32 {
                let mut bytes = [0xd5; HEADER + 160 + Suite::MOST_OVERHEAD];
                let (sequence, timestamp) = (n as u16, n * 160);
                let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: n / 9000 };
                rtp::write(header, bytes.first_chunk_mut().expect("a header fits"));
                let len = sealer.protect(&mut bytes, HEADER + 160).expect("a new number");
                assert_eq!(opener.unprotect(&mut bytes[..len]), Ok(HEADER + 160));
            }
            let mut bytes = [0; 60];
            bytes[..2].copy_from_slice(&[0x80, 201]);
            let len = sealer.protect_rtcp(&mut bytes, 32).expect("a report");
            assert_eq!(opener.unprotect_rtcp(&mut bytes[..len]), Ok(32));
        });
        assert_eq!(used.count_total, 0, "{suite:?} {used:?}");
    }
}

#[test]
fn the_keys_and_counters_of_a_leg_fit_four_kilobytes() {
    for suite in Suite::ALL {
        let secret = [7; Keying::LONGEST];
        let keying = Keying::new(suite, &secret[..suite.key_len() + suite.salt_len()]).expect("its lengths");
        let mut both = None;
        let keys = allocation_counter::measure(|| {
            both = Some((
                Sealer::new(keying.clone()).expect("keys"),
                Opener::new(keying.clone()).expect("keys"),
            ));
        });
        let bytes = keys.bytes_current.unsigned_abs() as usize + size_of_val(&both);
        println!("{}: {bytes} bytes", suite.name());
        assert!(bytes <= 4 * 1024, "{suite:?}: {bytes}");
    }
}
