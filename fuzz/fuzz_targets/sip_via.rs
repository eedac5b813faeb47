//! Any hop of Via: `sip::property::via`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| sip::property::via(text).unwrap());
