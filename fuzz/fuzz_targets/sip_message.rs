//! Any datagram: `sip::property::message`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| sip::property::message(bytes).unwrap());
