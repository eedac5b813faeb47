//! What watching a packet of 20 ms of G.711 costs by CPU time: its level, its loss, who is heard.
//!
//! `cargo bench -p media --bench quality`
#![allow(clippy::expect_used, dead_code, reason = "a bench: a panic is its failure")]

#[path = "../../sip/benches/cpu/mod.rs"]
mod cpu;

use std::hint::black_box;
use std::time::Duration;

use base::g711::Law;
use base::machine::Machine;
use base::{Mono, Now};
use cpu::{each, row};
use media::quality::{Audibility, Heard, Losses, Meter, Sign};
use media::seam::Side;

fn main() {
    row("160 bytes of G.711", "CPU time", "goal");
    let payload: Vec<u8> = (0..160).map(|n| Law::A.encode((n * 397 % 20_011 - 10_000) as i16)).collect();
    let mut meter = Meter::new(8000);
    let level = each(BATCH, || {
        cpu::of(|| {
            for _ in 0..BATCH {
                black_box(meter.encoded(Law::A, black_box(&payload)));
            }
        })
        .0
    });
    row("level, pauses and clipping", &nanos(level), "");
    let glance = each(BATCH, || {
        cpu::of(|| {
            for _ in 0..BATCH {
                black_box(meter.glance(Law::A, black_box(&payload)));
            }
        })
        .0
    });
    row("a glance: is there a voice", &nanos(glance), "");
    let (mut losses, mut next) = (Losses::default(), 0u32);
    let loss = each(BATCH, || {
        cpu::of(|| {
            for _ in 0..BATCH {
                next += 1;
                if !next.is_multiple_of(50) {
                    losses.take(black_box(next as u16));
                }
            }
        })
        .0
    });
    assert!(losses.tally().lost > 0);
    row("loss and bursts", &nanos(loss), "");
    let mut now = Now { mono: Mono::ZERO, wall: base::Timestamp::UNIX_EPOCH };
    let mut watch = Audibility::new(now);
    let heard = each(BATCH, || {
        cpu::of(|| {
            for n in 0..BATCH {
                now.mono = now.mono + PACKET / 2;
                let side = if n % 2 == 0 { Side::Caller } else { Side::Seat };
                let sign = if n % 3 == 0 { Sign::Voice } else { Sign::Quiet };
                watch.handle(now, Heard { side, sign, span: PACKET });
                assert_eq!(black_box(watch.poll()), None);
            }
        })
        .0
    });
    row("who is heard", &nanos(heard), "");
}

fn nanos(each: Duration) -> String {
    format!("{:.3} µs", each.as_secs_f64() * 1e6)
}

/// Packets in one measured run.
const BATCH: u64 = 20_000;

const PACKET: Duration = Duration::from_millis(20);
