//! Keys that the tests share, and packets.

mod link;
mod refusals;
mod vectors;
mod window;

use super::{Keying, Opener, Sealer, Suite};
use crate::rtp::{self, HEADER, Header};

/// Some keying; `n` tells one from another.
fn keying(suite: Suite, n: u8) -> Keying {
    let bytes: Vec<u8> =
        (0..suite.key_len() + suite.salt_len()).map(|at| n ^ (at as u8).wrapping_mul(7)).collect();
    Keying::new(suite, &bytes).unwrap()
}

fn pair(suite: Suite) -> (Sealer, Opener) {
    (Sealer::new(keying(suite, 1)).unwrap(), Opener::new(keying(suite, 1)).unwrap())
}

/// A packet whose payload tells its number.
fn packet(ssrc: u32, index: u64) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let header = Header {
        marker: index == 0,
        payload_type: 8,
        sequence: index as u16,
        timestamp: (index * 160) as u32,
        ssrc,
    };
    rtp::write(header, bytes.first_chunk_mut().unwrap());
    bytes.extend(index.to_be_bytes());
    bytes.resize(172, 0xd5);
    bytes
}

/// A receiver report of that source.
fn control(ssrc: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 201, 0, 1];
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0x81, 202, 0, 2, 1, 2, 3, 4, 1, 1, b'x', 0]);
    bytes
}

/// Sealed, in a vector of its own.
fn sealed(sealer: &mut Sealer, plain: &[u8]) -> Vec<u8> {
    let mut bytes = plain.to_vec();
    bytes.resize(plain.len() + Suite::MOST_OVERHEAD, 0);
    let len = sealer.protect(&mut bytes, plain.len()).unwrap();
    bytes.truncate(len);
    bytes
}

fn sealed_control(sealer: &mut Sealer, plain: &[u8]) -> Vec<u8> {
    let mut bytes = plain.to_vec();
    bytes.resize(plain.len() + Suite::MOST_OVERHEAD, 0);
    let len = sealer.protect_rtcp(&mut bytes, plain.len()).unwrap();
    bytes.truncate(len);
    bytes
}
