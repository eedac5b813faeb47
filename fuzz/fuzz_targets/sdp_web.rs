//! Any description where DTLS and ICE are allowed: `media::property::web_description`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| media::property::web_description(text).unwrap());
