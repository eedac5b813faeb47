//! Any address: `sip::property::address`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| sip::property::address(text).unwrap());
