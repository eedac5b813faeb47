//! The endpoint under load, bytes to bytes on one core without sockets: rates and costs by CPU time.
//!
//! `cargo bench -p sip --bench endpoint`
#![allow(clippy::expect_used, dead_code, reason = "a bench: a panic is its failure")]

mod bed;
mod cpu;

use std::time::Duration;

use base::{Cause, LegId};
use bed::{Bed, Phone, SDP, carrier, flow, phone, request, roomy};
use bytes::Bytes;
use cpu::{each, micros, rate, row};
use sip::seam::{Command, Limits};

fn main() {
    row("", "CPU time", "goal");
    options();
    calls();
    refused_calls();
    refusals();
    registrations();
    flood();
}

fn options() {
    let mut bed = Bed::new(roomy(), 0);
    let each = each(BATCH, || {
        let asked: Vec<Bytes> = (0..BATCH).map(|n| request("OPTIONS", n, 1, "o", "", "")).collect();
        cpu::of(|| asked.into_iter().for_each(|bytes| bed.receive(carrier(), bytes))).0
    });
    row("OPTIONS to 200", &rate(each), ">= 60,000/s");
}

/// INVITE, 100, 180, 200, ACK, BYE, 200; then time passes, so that old transactions end.
fn calls() {
    let mut bed = Bed::new(roomy(), 0);
    let mut call = 0;
    let each = each(BATCH, || {
        let first = call;
        call += BATCH;
        let invites: Vec<Bytes> = (first..call).map(|n| request("INVITE", n, 1, "i", "", SDP)).collect();
        let mut tags = Vec::new();
        let (mut spent, ()) = cpu::of(|| {
            for invite in invites {
                bed.receive(carrier(), invite);
                let leg = bed.leg();
                bed.command(Command::Progress { leg, status: 180, sdp: None });
                bed.command(Command::Accept { leg, sdp: SDP.to_owned() });
                tags.push(bed.last.clone());
            }
        });
        for (method, number, branch) in [("ACK", 1, "a"), ("BYE", 2, "b")] {
            let asked: Vec<Bytes> = (first..call)
                .zip(&tags)
                .map(|(n, ok)| request(method, n, number, branch, &tag(ok), ""))
                .collect();
            spent += cpu::of(|| asked.into_iter().for_each(|bytes| bed.receive(carrier(), bytes))).0;
        }
        // Some 20,000 calls' transactions are held at any moment.
        spent + cpu::of(|| bed.wait(Duration::from_millis(1600))).0
    });
    assert!(bed.endpoint.legs() == 0 && bed.endpoint.transactions() >= 4 * BATCH as usize);
    row("whole call as UAS", &rate(each), ">= 15,000/s");
}

fn tag(ok: &Bytes) -> String {
    let ok = sip::Message::parse(ok.clone(), sip::Carriage::Datagram).expect("our own 200");
    format!(";tag={}", ok.to_tag().expect("a tag"))
}

fn refused_calls() {
    let mut bed = Bed::new(roomy(), 0);
    let mut call = 0;
    let each = each(BATCH, || {
        let first = call;
        call += BATCH;
        let pairs: Vec<[Bytes; 2]> = (first..call)
            .map(|n| [request("INVITE", n, 1, "i", "", SDP), request("ACK", n, 1, "i", "", "")])
            .collect();
        cpu::of(|| {
            for [invite, ack] in pairs {
                bed.receive(carrier(), invite);
                let leg = bed.leg();
                bed.command(Command::Refuse { leg, status: 486, retry_after: None, cause: Cause::LineFull });
                bed.receive(carrier(), ack);
            }
            bed.wait(Duration::from_millis(1600));
        })
        .0
    });
    row("call refused with 486", &rate(each), "");
}

/// What strangers and floods cost: answered without memory.
fn refusals() {
    let full = Limits { transactions: 0, ..roomy() };
    let stranger = flow("203.0.113.9:5060");
    let cases = [
        ("INVITE of a stranger to 401", "INVITE", stranger, roomy()),
        ("REGISTER without proof to 401", "REGISTER", stranger, roomy()),
        ("INVITE under overload to 503", "INVITE", carrier(), full),
    ];
    for (what, method, flow, limits) in cases {
        let mut bed = Bed::new(limits, 0);
        let each = each(BATCH, || {
            let asked: Vec<Bytes> = (0..BATCH)
                .map(|n| request(method, n, 1, "s", "", if method == "INVITE" { SDP } else { "" }))
                .collect();
            cpu::of(|| asked.into_iter().for_each(|bytes| bed.receive(flow, bytes))).0
        });
        assert_eq!(bed.endpoint.transactions(), 0);
        row(what, &micros(each), "<= 20 µs");
    }
}

/// Five thousand phones that come again each minute, for ten minutes; a nonce is old after five.
fn registrations() {
    let mut bed = Bed::new(roomy(), PHONES);
    let mut phones: Vec<Phone> = (0..PHONES).map(Phone::new).collect();
    round(&mut bed, &mut phones);
    let mut spent = Duration::MAX;
    for _ in 0..2 {
        spent = spent.min((0..5).map(|_| round(&mut bed, &mut phones)).sum());
    }
    assert_eq!(bed.endpoint.bindings(), PHONES);
    let share = spent.as_secs_f64() / 300.0;
    row("5,000 digest registrations each 60 s", &format!("{:.2} % of a core", share * 100.0), "<= 5 %");
    row("  of which each", &micros(spent / (5 * PHONES as u32)), "");
}

/// One minute of all phones: what the endpoint spent.
fn round(bed: &mut Bed, phones: &mut [Phone]) -> Duration {
    let mut spent = Duration::ZERO;
    for group in phones.chunks_mut(PHONES / 60 + 1) {
        spent += cpu::of(|| bed.wait(Duration::from_secs(1))).0;
        let mut asked: Vec<(usize, Bytes)> =
            group.iter_mut().enumerate().map(|(at, phone)| (at, phone.register())).collect();
        while !asked.is_empty() {
            let mut answers = Vec::with_capacity(asked.len());
            spent += cpu::of(|| {
                for (at, bytes) in asked.drain(..) {
                    bed.receive(phone(group[at].number()), bytes);
                    answers.push((at, bed.last.clone()));
                }
            })
            .0;
            for (at, answer) in answers {
                let answer = sip::Message::parse(answer, sip::Carriage::Datagram).expect("ours");
                if group[at].is_challenged(&answer) {
                    asked.push((at, group[at].register()));
                }
            }
        }
    }
    spent
}

/// 600 calls a second that are answered and never ACKed: what an OPTIONS costs amid them, beside what it costs an
/// endpoint that is left in peace. Their seconds alternate, so that other work on the machine meets both alike.
fn flood() {
    let (mut calm, mut beset) = (Bed::new(roomy(), 0), Bed::new(roomy(), 0));
    let mut pairs = Vec::new();
    for second in 0..FLOOD_SECONDS {
        for n in second * 600..(second + 1) * 600 {
            beset.receive(carrier(), request("INVITE", n, 1, "i", "", SDP));
            let leg: LegId = beset.leg();
            beset.command(Command::Accept { leg, sdp: SDP.to_owned() });
        }
        beset.wait(Duration::from_secs(1));
        calm.wait(Duration::from_secs(1));
        // From here on it holds all that a flood leaves.
        if second >= FLOOD_SECONDS / 2 {
            let [calm, beset] = [&mut calm, &mut beset].map(|bed| questions(bed, second));
            pairs.push((beset.as_secs_f64() / calm.as_secs_f64(), calm, beset));
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rise, ..) = pairs[pairs.len() / 2];
    let least =
        |of: fn(&(f64, Duration, Duration)) -> Duration| pairs.iter().map(of).min().unwrap_or_default();
    let (calm, beset) = (least(|pair| pair.1) / BATCH as u32, least(|pair| pair.2) / BATCH as u32);
    row("OPTIONS amid 600 INVITE/s never ACKed, 60 s", &format!("{rise:.2} of calm"), "no rise");
    row("  the least of either: calm, amid them", &format!("{}, {}", micros(calm), micros(beset)), "");
}

fn questions(bed: &mut Bed, second: u64) -> Duration {
    let asked: Vec<Bytes> =
        (0..BATCH).map(|n| request("OPTIONS", second * BATCH + n, 1, "o", "", "")).collect();
    cpu::of(|| asked.into_iter().for_each(|bytes| bed.receive(carrier(), bytes))).0
}

/// Deeds in one measured run.
const BATCH: u64 = 1000;
/// Phones that are registered.
const PHONES: usize = 5000;
/// Seconds of the flood; what an INVITE leaves is gone after 32 of them.
const FLOOD_SECONDS: u64 = 90;
