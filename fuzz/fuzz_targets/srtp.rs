//! Any bytes as SRTP and SRTCP: `media::property::srtp`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| media::property::srtp(bytes).unwrap());
