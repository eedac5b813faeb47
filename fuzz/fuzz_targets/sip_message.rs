//! Any datagram: no panic, and what was read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::{Carriage, Draft, Message};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes.to_vec().into(), Carriage::Datagram) {
        let again = Draft::of(&message).finish();
        assert_eq!(Draft::of(&again).finish().as_bytes(), again.as_bytes());
    }
});
