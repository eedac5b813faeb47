//! The real media worker with real sockets on loopback, beside bare loops that do no more than they must, in one run:
//! calls relayed, recorded, played to; the time that a packet spends in us; the handshake of a browser's leg.
//!
//! `cargo bench -p sibai --bench packets [-- relay recorded ivr latency handshake calls=200 legs=400 pairs=20 seconds=20]`

#[path = "packets/bed/mod.rs"]
mod bed;
#[path = "../../sip/benches/cpu/mod.rs"]
#[allow(dead_code, reason = "shared with benches that use all of it")]
mod cpu;
#[path = "packets/handshake.rs"]
mod handshake;
#[path = "packets/ivr.rs"]
mod ivr;
#[path = "packets/relay.rs"]
mod relay;

use bed::{argument, wants};

fn main() {
    bed::allow_files();
    let wants = |part| wants(part, PARTS);
    if wants("relay") || wants("recorded") {
        relay::cost(wants("relay"), wants("recorded"));
    }
    if wants("ivr") {
        ivr::cost();
    }
    if wants("latency") {
        relay::latency(argument("seconds", 20));
    }
    if wants("handshake") {
        handshake::cost();
    }
}

const PARTS: &[&str] = &["relay", "recorded", "ivr", "latency", "handshake"];
