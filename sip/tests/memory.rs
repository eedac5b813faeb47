//! What is held: by a transaction, a leg, a registration, and through a minute of calls that nobody ACKs.
//!
//! `cargo test -p sip --test memory -- --nocapture` prints the figures of docs/performance.md.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    dead_code,
    reason = "tests on a bed that serves the benches too"
)]

#[path = "../benches/bed/mod.rs"]
mod bed;

use std::time::Duration;

use allocation_counter::measure;
use base::Cause;
use bed::{Bed, Phone, SDP, carrier, phone, request, roomy};
use sip::Message;
use sip::seam::Command;

/// Bytes held for each of `COUNT` deeds, tables and all.
fn held(bed: &mut Bed, mut deed: impl FnMut(&mut Bed, u64)) -> u64 {
    let used = measure(|| (0..COUNT).for_each(|n| deed(bed, n)));
    u64::try_from(used.bytes_current).unwrap() / COUNT
}

fn report(what: &str, bytes: u64, most: u64) {
    println!("{what:<60} {bytes:>6} bytes, {most} at most");
    assert!(bytes <= most, "{what}: {bytes} bytes");
}

fn refuse(bed: &mut Bed, n: u64) {
    bed.receive(carrier(), request("INVITE", n, 1, "i", "", SDP));
    let leg = bed.leg();
    bed.command(Command::Refuse { leg, status: 486, retry_after: None, cause: Cause::LineFull });
}

fn answer(bed: &mut Bed, n: u64) {
    bed.receive(carrier(), request("INVITE", n, 1, "i", "", SDP));
    let leg = bed.leg();
    bed.command(Command::Accept { leg, sdp: SDP.to_owned() });
}

fn tag(ok: &Message) -> String {
    format!(";tag={}", ok.to_tag().unwrap())
}

#[test]
fn a_server_transaction_holds_its_last_response_and_not_its_request() {
    let mut bed = Bed::new(roomy(), 0);
    let bytes = held(&mut bed, refuse);
    assert_eq!((bed.endpoint.transactions() as u64, bed.endpoint.legs()), (COUNT, 0));
    report("INVITE server transaction with its refusal", bytes, 2048);
    bed.wait(Duration::from_secs(40));
    assert_eq!(bed.endpoint.transactions(), 0);
}

#[test]
fn a_transaction_of_an_answered_call_holds_less() {
    let mut bed = Bed::new(roomy(), 0);
    let with_leg = held(&mut bed, |bed, n| {
        answer(bed, n);
        let tag = tag(&bed.answer());
        bed.receive(carrier(), request("ACK", n, 1, "a", &tag, ""));
    });
    let freed = measure(|| bed.wait(Duration::from_secs(40)));
    assert_eq!((bed.endpoint.transactions(), bed.endpoint.legs() as u64), (0, COUNT));
    let transaction = u64::try_from(-freed.bytes_current).unwrap() / COUNT;
    report("INVITE server transaction after its 200", transaction, 1024);
    report("leg that is up", with_leg - transaction, 4096);
}

#[test]
fn a_leg_that_rings_holds_its_request_too() {
    let mut bed = Bed::new(roomy(), 0);
    let bytes = held(&mut bed, |bed, n| {
        bed.receive(carrier(), request("INVITE", n, 1, "i", "", SDP));
        let leg = bed.leg();
        bed.command(Command::Progress { leg, status: 180, sdp: None });
    });
    report("leg that rings, with its transaction and request", bytes, 6144);
}

#[test]
fn a_registration_is_small() {
    let mut bed = Bed::new(roomy(), COUNT as usize);
    let mut phones: Vec<Phone> = (0..COUNT as usize).map(Phone::new).collect();
    let used = measure(|| {
        for (number, phone_of) in phones.iter_mut().enumerate() {
            bed.receive(phone(number), phone_of.register());
            assert!(phone_of.is_challenged(&bed.answer()));
            bed.receive(phone(number), phone_of.register());
        }
        bed.wait(Duration::from_secs(40));
    });
    assert_eq!((bed.endpoint.bindings() as u64, bed.endpoint.transactions()), (COUNT, 0));
    report("registration, with its nonce", u64::try_from(used.bytes_current).unwrap() / COUNT, 4096);
}

#[test]
fn six_hundred_unacknowledged_calls_a_second_stay_under_a_hundred_megabytes() {
    let mut bed = Bed::new(roomy(), 0);
    let used = measure(|| {
        for second in 0..60 {
            (0..600).for_each(|n| answer(&mut bed, second * 600 + n));
            bed.wait(Duration::from_secs(1));
        }
    });
    let (peak, after) = (used.bytes_max, used.bytes_current);
    println!(
        "600 INVITE/s never ACKed for 60 s: {} MB at the peak, {} MB at its end",
        peak >> 20,
        after >> 20
    );
    assert!(peak < 100 << 20, "{peak} bytes");
    let freed = measure(|| bed.wait(Duration::from_secs(70)));
    assert_eq!((bed.endpoint.transactions(), bed.endpoint.legs()), (0, 0));
    println!("a minute later: {} MB freed", -freed.bytes_current >> 20);
}

/// Enough that the growth of tables is shared by many.
const COUNT: u64 = 3000;
