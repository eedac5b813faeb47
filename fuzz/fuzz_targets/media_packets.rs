//! Any datagrams of a peer, on both of its ports: `media::property::packets`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| media::property::packets(bytes).unwrap());
