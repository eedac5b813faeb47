//! Any URI: `sip::property::uri`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| sip::property::uri(text).unwrap());
