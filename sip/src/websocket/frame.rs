//! Frames (RFC 6455 section 5): the head of one that comes, and how ours are written.

use bytes::{BufMut, Bytes, BytesMut};

use super::WRONG;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) is_last: bool,
    pub(super) mask: [u8; 4],
    /// Bytes of the head itself.
    pub(super) size: usize,
    /// Bytes of the payload.
    pub(super) length: usize,
}

impl Head {
    /// Reads a head; `None` when more bytes are needed, an error with the close code for a wrong one.
    pub(super) fn read(bytes: &[u8]) -> Option<Result<Self, u16>> {
        let [first, second] = *bytes.first_chunk()?;
        let is_last = first & 0x80 != 0;
        let kind = match first & 0x0f {
            0 => Kind::Continuation,
            1 => Kind::Text,
            2 => Kind::Binary,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Some(Err(WRONG)),
        };
        let is_control = first & 0x08 != 0;
        let short = second & 0x7f;
        // No extension was agreed on; a client masks always (section 5.1); control frames are short and whole.
        let reserved = first & 0x70 != 0;
        let masked = second & 0x80 != 0;
        if reserved || !masked || (is_control && (!is_last || short > 125)) {
            return Some(Err(WRONG));
        }
        let (length, at) = match short {
            126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        // The shortest form is the only one (section 5.2).
        let least = match short {
            126 => 126,
            127 => 65_536,
            _ => 0,
        };
        if length < least || length > u64::from(u32::MAX) {
            let code = if length < least { WRONG } else { super::TOO_LARGE };
            return Some(Err(code));
        }
        let mask = *bytes.get(at..)?.first_chunk()?;
        Some(Ok(Self { kind, is_last, mask, size: at + 4, length: length as usize }))
    }
}

/// Takes the mask off (section 5.3).
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// A frame of ours: whole, and a server's are never masked.
pub(super) fn write(kind: Kind, payload: &[u8]) -> Bytes {
    let code = match kind {
        Kind::Continuation => 0,
        Kind::Text => 1,
        Kind::Binary => 2,
        Kind::Close => 8,
        Kind::Ping => 9,
        Kind::Pong => 10,
    };
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    frame.put_u8(0x80 | code);
    match payload.len() {
        length @ ..126 => frame.put_u8(length as u8),
        length @ ..65_536 => {
            frame.put_u8(126);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
    frame.extend_from_slice(payload);
    frame.freeze()
}

/// Whether a close frame may carry this code (section 7.4).
pub(super) const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
