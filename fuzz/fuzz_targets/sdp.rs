//! Any description: `media::property::description`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| media::property::description(text).unwrap());
