//! Any stream, cut anywhere: `sip::property::stream`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| sip::property::stream(bytes).unwrap());
