//! Any WebSocket, cut anywhere: `sip::property::websocket`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| sip::property::websocket(bytes).unwrap());
