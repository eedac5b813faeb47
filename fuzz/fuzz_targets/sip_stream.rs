//! Any stream, cut anywhere: no panic, no endless loop.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::framer::Framer;

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut framer = Framer::new();
    for piece in pieces {
        framer.push(&piece);
        while let Some(Ok(_)) = framer.next_frame() {}
    }
});
