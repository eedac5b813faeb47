//! Any description as an offer and as an answer: no panic.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use media::Negotiation;

fuzz_target!(|text: &str| {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut negotiation = Negotiation::new(local, 20_000, 20_001, 1, Vec::new());
    let _ = negotiation.answer(text, local);
    let _ = negotiation.offer();
    let _ = negotiation.take_answer(text, local);
});
