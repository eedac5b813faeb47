//! Any bytes as RTCP: `media::property::rtcp`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| media::property::rtcp(bytes).unwrap());
