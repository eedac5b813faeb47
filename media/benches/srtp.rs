//! What sealing and opening a packet of 20 ms of G.711 costs by CPU time, numbers, rollovers and replay window
//! included.
//!
//! `cargo bench -p media --bench srtp`
#![allow(clippy::expect_used, dead_code, reason = "a bench: a panic is its failure")]

#[path = "../../sip/benches/cpu/mod.rs"]
mod cpu;

use std::hint::black_box;
use std::time::Duration;

use cpu::{each, row};
use media::rtp::{self, HEADER, Header};
use media::srtp::{Keying, Opener, Sealer, Suite};

fn main() {
    row("172 bytes of RTP", "CPU time", "goal");
    for (suite, goal) in [
        (Suite::AeadAes128Gcm, "<= 0.20 µs"),
        (Suite::AeadAes256Gcm, ""),
        (Suite::AesCm128HmacSha1Tag80, "<= 0.35 µs"),
        (Suite::AesCm128HmacSha1Tag32, "<= 0.35 µs"),
    ] {
        let mut stream = Stream::new(suite);
        row(&format!("{} protect", suite.name()), &nanos(each(BATCH, || stream.protect())), goal);
        let mut stream = Stream::new(suite);
        row(&format!("{} unprotect", suite.name()), &nanos(each(BATCH, || stream.unprotect())), goal);
    }
    let mut stream = Stream::new(Suite::AesCm128HmacSha1Tag80);
    row("forged packet refused, CM", &nanos(each(BATCH, || stream.refuse())), "");
    let mut stream = Stream::new(Suite::AeadAes128Gcm);
    row("forged packet refused, AEAD-128", &nanos(each(BATCH, || stream.refuse())), "");
    let (sealer, opener) = (size_of::<Sealer>(), size_of::<Opener>());
    row("bytes of a sealer and an opener without their keys", &format!("{}", sealer + opener), "");
}

fn nanos(each: Duration) -> String {
    format!("{:.3} µs", each.as_secs_f64() * 1e6)
}

/// One stream that goes on and on, so that its numbers wrap many times.
struct Stream {
    sealer: Sealer,
    opener: Opener,
    next: u32,
    packets: Vec<([u8; PACKET + Suite::MOST_OVERHEAD], usize)>,
}

impl Stream {
    fn new(suite: Suite) -> Self {
        let secret = [7; Keying::LONGEST];
        let keying = Keying::new(suite, &secret[..suite.key_len() + suite.salt_len()]).expect("its lengths");
        let both = (Sealer::new(keying.clone()).expect("keys"), Opener::new(keying).expect("keys"));
        Self { sealer: both.0, opener: both.1, next: 0, packets: Vec::new() }
    }

    fn fill(&mut self) {
        self.packets.clear();
        for _ in 0..BATCH {
            let mut bytes = [0xd5; PACKET + Suite::MOST_OVERHEAD];
            let (sequence, timestamp) = (self.next as u16, self.next.wrapping_mul(160));
            let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 7 };
            rtp::write(header, bytes.first_chunk_mut().expect("a header fits"));
            self.packets.push((bytes, PACKET));
            self.next += 1;
        }
    }

    fn protect(&mut self) -> Duration {
        self.fill();
        let Self { sealer, packets, .. } = self;
        cpu::of(|| {
            for (bytes, len) in packets {
                *len = sealer.protect(black_box(bytes), PACKET).expect("a new number");
            }
        })
        .0
    }

    fn unprotect(&mut self) -> Duration {
        self.protect();
        let Self { opener, packets, .. } = self;
        cpu::of(|| {
            for (bytes, len) in packets {
                let opened = opener.unprotect(black_box(&mut bytes[..*len])).expect("its number is new");
                assert_eq!(opened, PACKET);
            }
        })
        .0
    }

    fn refuse(&mut self) -> Duration {
        self.protect();
        let Self { opener, packets, .. } = self;
        for (bytes, len) in packets.iter_mut() {
            bytes[*len - 1] ^= 1;
        }
        cpu::of(|| {
            for (bytes, len) in packets {
                assert!(opener.unprotect(black_box(&mut bytes[..*len])).is_err());
            }
        })
        .0
    }
}

/// Packets in one measured run.
const BATCH: u64 = 20_000;

/// 20 ms of G.711.
const PACKET: usize = HEADER + 160;
