//! Any challenge or proof: `sip::property::digest`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| sip::property::digest(text).unwrap());
