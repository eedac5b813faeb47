//! The server's half of a WebSocket that carries SIP (RFC 6455, RFC 7118): the bytes of a connection become
//! messages and answers. No socket here; a frame is one message, and Content-Length decides nothing.

mod frame;
mod upgrade;

use base::Mono;
use bytes::{Bytes, BytesMut};

use crate::framer::{PING, PONG};
use crate::message::MAX_MESSAGE;
use frame::{Head, Kind};
pub use upgrade::Origins;

/// One connection, from its HTTP request to its close frame. Holds one message and one read at most.
#[derive(Clone, Debug)]
pub struct WebSocket {
    buffer: BytesMut,
    stage: Stage,
    /// The message whose later fragments are still to come, and how many came.
    parts: Option<Parts>,
    /// Since when control frames are counted, and how many came.
    control: (Mono, u32),
}

#[derive(Clone, Debug)]
enum Stage {
    Upgrading(Origins),
    Open,
    Over,
}

#[derive(Clone, Debug)]
struct Parts {
    is_text: bool,
    bytes: BytesMut,
    count: u32,
}

/// What the bytes meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The upgrade is done; write the answer.
    Opened(Bytes),
    /// One SIP message, for [`crate::Message::parse`] as a datagram.
    Message(Bytes),
    /// Write this: a pong.
    Write(Bytes),
    /// The peer answered our ping, or sent an empty line.
    Alive,
    /// Write this, then close: a refusal, or a close frame.
    Over(Bytes),
}

impl WebSocket {
    /// A connection of which nothing was read; pages of these origins may open it.
    pub fn new(origins: Origins) -> Self {
        Self {
            buffer: BytesMut::new(),
            stage: Stage::Upgrading(origins),
            parts: None,
            control: (Mono::ZERO, 0),
        }
    }

    /// Takes what was read. Call [`Self::next_told`] until it is `None` before the next read.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.stage, Stage::Over) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether the upgrade is done and nobody has closed.
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Bytes held: none between messages.
    pub fn pending(&self) -> usize {
        self.buffer.len() + self.parts.as_ref().map_or(0, |parts| parts.bytes.len())
    }

    /// What came next; `None` when more bytes are needed, and always after [`Told::Over`].
    pub fn next_told(&mut self, now: Mono) -> Option<Told> {
        let told = match &self.stage {
            Stage::Over => None,
            Stage::Upgrading(origins) => match upgrade::read(&self.buffer, origins)? {
                Ok((length, answer)) => {
                    let _ = self.buffer.split_to(length.min(self.buffer.len()));
                    self.stage = Stage::Open;
                    Some(Told::Opened(answer))
                }
                Err(refusal) => Some(Told::Over(refusal)),
            },
            Stage::Open => self.next_frame(now),
        };
        if let Some(Told::Over(_)) = &told {
            self.stage = Stage::Over;
            self.buffer = BytesMut::new();
            self.parts = None;
        }
        told
    }

    fn next_frame(&mut self, now: Mono) -> Option<Told> {
        loop {
            let head = match Head::read(&self.buffer)? {
                Ok(head) => head,
                Err(code) => return Some(close(code)),
            };
            if head.length > MAX_MESSAGE - self.parts.as_ref().map_or(0, |parts| parts.bytes.len()) {
                return Some(close(TOO_LARGE));
            }
            if self.buffer.len() < head.size + head.length {
                return None;
            }
            let _ = self.buffer.split_to(head.size);
            let mut payload = self.buffer.split_to(head.length);
            frame::unmask(&mut payload, head.mask);
            let told = match head.kind {
                Kind::Continuation | Kind::Text | Kind::Binary => self.data(now, &head, payload),
                Kind::Close | Kind::Ping | Kind::Pong => Some(self.controlled(now, head.kind, &payload)),
            };
            if told.is_some() {
                return told;
            }
        }
    }

    /// A piece of a message (section 5.4); `None` while it is not whole.
    fn data(&mut self, now: Mono, head: &Head, payload: BytesMut) -> Option<Told> {
        let mut parts = match (head.kind, self.parts.take()) {
            (Kind::Continuation, Some(mut parts)) => {
                parts.bytes.unsplit(payload);
                parts
            }
            (Kind::Text | Kind::Binary, None) => {
                Parts { is_text: head.kind == Kind::Text, bytes: payload, count: 0 }
            }
            // A continuation of nothing, or a message inside a message.
            _ => return Some(close(WRONG)),
        };
        parts.count += 1;
        if !head.is_last {
            if parts.count >= MOST_PARTS {
                return Some(close(TOO_LARGE));
            }
            self.parts = Some(parts);
            return None;
        }
        if parts.is_text && std::str::from_utf8(&parts.bytes).is_err() {
            return Some(close(NOT_TEXT));
        }
        let bytes = parts.bytes.freeze();
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            // Keep-alives of RFC 5626 section 4.4.1 are allowed here too.
            let answer = if *bytes == *PING { Told::Write(write(PONG)) } else { Told::Alive };
            return Some(if self.is_flood(now) { close(POLICY) } else { answer });
        }
        Some(Told::Message(bytes))
    }

    fn controlled(&mut self, now: Mono, kind: Kind, payload: &[u8]) -> Told {
        match kind {
            _ if self.is_flood(now) => close(POLICY),
            Kind::Ping => Told::Write(frame::write(Kind::Pong, payload)),
            Kind::Close => {
                // The answer repeats the code, where there is a sound one (section 5.5.1).
                let code = payload.get(..2).and_then(|code| code.try_into().ok()).map(u16::from_be_bytes);
                close(code.filter(|code| frame::may_be_sent(*code)).unwrap_or(NORMAL))
            }
            _ => Told::Alive,
        }
    }

    /// Control frames cost us an answer each: more than a sane peer sends are an attack (reliability B10).
    fn is_flood(&mut self, now: Mono) -> bool {
        let (since, count) = &mut self.control;
        if now.since(*since) >= CONTROL_WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > MOST_CONTROL
    }
}

/// A message of ours as a frame: text, or binary where it is not UTF-8 (RFC 7118 section 4.2).
pub fn write(message: &[u8]) -> Bytes {
    let kind = if std::str::from_utf8(message).is_ok() { Kind::Text } else { Kind::Binary };
    frame::write(kind, message)
}

/// A ping of ours, which the peer must answer (RFC 6455 section 5.5.2).
pub fn ping() -> Bytes {
    frame::write(Kind::Ping, b"")
}

/// A close frame: we go away.
pub fn going_away() -> Bytes {
    frame::write(Kind::Close, &GOING_AWAY.to_be_bytes())
}

/// Everything that the bytes of a whole connection mean, read at one moment: for fuzzing.
pub fn read(bytes: &[u8], origins: Origins) -> Vec<Told> {
    let mut socket = WebSocket::new(origins);
    socket.push(bytes);
    std::iter::from_fn(|| socket.next_told(Mono::ZERO)).collect()
}

fn close(code: u16) -> Told {
    Told::Over(frame::write(Kind::Close, &code.to_be_bytes()))
}

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
/// Against the protocol.
const WRONG: u16 = 1002;
const NOT_TEXT: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;

/// No stack cuts a SIP message into more: what does so wants to keep us busy.
const MOST_PARTS: u32 = 64;
/// Pings, pongs and empty lines within the window: a peer needs one in half a minute.
const MOST_CONTROL: u32 = 50;
const CONTROL_WINDOW: std::time::Duration = std::time::Duration::from_secs(10);

#[cfg(test)]
mod tests;
