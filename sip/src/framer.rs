//! Stream framing: cuts a byte stream into messages and keep-alives (RFC 3261 section 18.3, RFC 5626
//! section 4.4.1).

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::lex;
use crate::message::bad::{BadMessage, Flaw};
use crate::message::name::Header;
use crate::message::{Carriage, MAX_HEADERS, MAX_LINE, MAX_MESSAGE, Message};

/// The bytes of one connection that are not yet a whole message: never more than the largest message and
/// one read.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// How far the head's end has been looked for, so that a byte at a time costs no more than all at once.
    searched: usize,
    /// Start of the body and end of the message, once the head is whole.
    extent: Option<(usize, usize)>,
    broken: Option<Unframeable>,
}

/// What the stream held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A keep-alive of a peer that wants [`PONG`] back.
    Ping,
    /// The answer to our [`PING`].
    Pong,
    /// One message, for [`crate::message::Message::parse`].
    Message(Bytes),
}

/// Why nothing more can be read from a stream: the driver answers what `head` still tells and closes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unframeable {
    /// Larger than the limit, whole or in its head.
    #[error("message too large for this stream")]
    TooLarge {
        /// What came of it, for `Message::parse` to salvage.
        head: Bytes,
    },
    /// No Content-Length, two that differ, or no number: where the message ends is unknown.
    #[error("message without a usable Content-Length")]
    Length {
        /// The head, for `Message::parse` to salvage.
        head: Bytes,
    },
}

impl Unframeable {
    /// What to answer before the stream is closed; `None` when its head shows no request.
    pub fn refusal(self) -> Option<BadMessage> {
        let (head, flaw) = match self {
            Self::TooLarge { head } => (head, Flaw::TooLarge),
            Self::Length { head } => (head, Flaw::ContentLength),
        };
        let mut bad = Message::parse(head, Carriage::Stream).err()?;
        // The head alone has flaws of its own: its end or its body is missing.
        bad.flaw = flaw;
        bad.status = bad.status.map(|_| flaw.status());
        Some(bad)
    }
}

impl Framer {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. Call [`Self::next_frame`] until it is `None` before the next read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame; `None` when more bytes are needed. After an error it stays that error.
    pub fn next_frame(&mut self) -> Option<Result<Frame, Unframeable>> {
        if let Some(broken) = &self.broken {
            return Some(Err(broken.clone()));
        }
        if self.is_between_messages() && PING.starts_with(&self.buffer) && self.buffer.len() < PING.len() {
            // Nothing, or perhaps the first part of a ping that was cut on the way.
            return None;
        }
        let next = self.keep_alive().map(Ok).or_else(|| self.message());
        if let Some(Err(broken)) = &next {
            self.broken = Some(broken.clone());
            self.buffer = BytesMut::new();
        }
        next
    }

    /// Bytes held: none between messages.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Empty lines between messages: two are a ping, one is a pong (RFC 5626 section 4.4.1).
    fn keep_alive(&mut self) -> Option<Frame> {
        if !self.is_between_messages() {
            return None;
        }
        if self.buffer.starts_with(PING) {
            let _ = self.buffer.split_to(PING.len());
            return Some(Frame::Ping);
        }
        if self.buffer.starts_with(PONG) {
            let _ = self.buffer.split_to(PONG.len());
            return Some(Frame::Pong);
        }
        if self.buffer.first() == Some(&b'\n') {
            let _ = self.buffer.split_to(1);
            return Some(Frame::Pong);
        }
        None
    }

    /// A lone CRLF with nothing after it for a while is a pong; the driver calls this when the socket has
    /// been drained, and the bytes of a cut ping are then still on their way with the next read.
    pub fn flush_pong(&mut self) -> Option<Frame> {
        if !self.is_between_messages() || self.buffer != PONG {
            return None;
        }
        self.buffer.clear();
        Some(Frame::Pong)
    }

    const fn is_between_messages(&self) -> bool {
        self.extent.is_none() && self.searched == 0
    }

    fn message(&mut self) -> Option<Result<Frame, Unframeable>> {
        if self.extent.is_none() {
            match self.find_extent() {
                Ok(found) => self.extent = Some(found?),
                Err(broken) => return Some(Err(broken)),
            }
        }
        let (_, end) = self.extent?;
        if self.buffer.len() < end {
            return None;
        }
        self.extent = None;
        self.searched = 0;
        Some(Ok(Frame::Message(self.buffer.split_to(end).freeze())))
    }

    fn find_extent(&mut self) -> Result<Option<(usize, usize)>, Unframeable> {
        let Some(body) = self.find_head_end() else {
            if self.buffer.len() > MAX_HEAD {
                return Err(Unframeable::TooLarge { head: self.take_head(MAX_HEAD) });
            }
            return Ok(None);
        };
        let head = self.buffer.get(..body).unwrap_or_default();
        match content_length(head) {
            Some(length) if length <= MAX_MESSAGE.saturating_sub(body) => Ok(Some((body, body + length))),
            Some(_) => Err(Unframeable::TooLarge { head: self.take_head(body) }),
            None => Err(Unframeable::Length { head: self.take_head(body) }),
        }
    }

    /// Where the empty line after the headers ends; a lone LF ends a line too, as it does in the parser.
    fn find_head_end(&mut self) -> Option<usize> {
        let from = self.searched;
        for offset in memchr::memchr_iter(b'\n', self.buffer.get(from..)?) {
            let at = from + offset;
            let rest = self.buffer.get(at + 1..).unwrap_or_default();
            match rest {
                [b'\n', ..] => return Some(at + 2),
                [b'\r', b'\n', ..] => return Some(at + 3),
                // Too short to tell: look at this line end again when more has come.
                [] | [b'\r'] => {
                    self.searched = at;
                    return None;
                }
                _ => {}
            }
        }
        self.searched = self.buffer.len();
        None
    }

    fn take_head(&mut self, length: usize) -> Bytes {
        let length = length.min(self.buffer.len());
        self.buffer.split_to(length).freeze()
    }
}

/// The one Content-Length of a head.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut length = None;
    for line in head.split(|&b| b == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, rest) = line.split_at(colon);
        // A line that starts with white space continues the one before and is no header.
        let folded = name.first().is_some_and(|&b| lex::is_lws_byte(b));
        if folded || Header::from_name(name.trim_ascii_end()) != Header::ContentLength {
            continue;
        }
        let text = std::str::from_utf8(rest.get(1..)?).ok()?;
        let value: usize = lex::number(lex::trim(text))?;
        if length.replace(value).is_some_and(|other| other != value) {
            return None;
        }
    }
    length
}

/// What a client sends to keep a flow open.
pub const PING: &[u8] = b"\r\n\r\n";
/// What a server answers.
pub const PONG: &[u8] = b"\r\n";
/// The largest head: every header line at its longest would be a megabyte, and no message may be larger
/// than [`MAX_MESSAGE`] anyhow.
const MAX_HEAD: usize =
    if MAX_HEADERS * MAX_LINE < MAX_MESSAGE { MAX_HEADERS * MAX_LINE } else { MAX_MESSAGE };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "OPTIONS sip:a SIP/2.0\r\nl : 4\r\nVia: x\r\n\r\nbody";
    const B: &str = "SIP/2.0 200 OK\nContent-Length: 0\n\n";

    fn drain(stream: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| stream.next_frame()).map(Result::unwrap).collect()
    }

    fn message(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn messages_pings_and_pongs_are_told_apart() {
        let mut framer = Framer::new();
        framer.push(format!("{A}\r\n\r\n{B}\r\n{A}").as_bytes());
        let read = [message(A), Frame::Ping, message(B), Frame::Pong, message(A)];
        assert_eq!(drain(&mut framer), read);
        framer.push(b"\r\n");
        assert_eq!(framer.next_frame(), None);
        assert_eq!(framer.flush_pong(), Some(Frame::Pong));
        assert_eq!(framer.pending(), 0);
    }

    #[test]
    fn a_message_without_usable_length_breaks_the_stream_for_good() {
        for length in ["", "l: -1\r\n", "l: 1\r\nContent-Length: 2\r\n", "l: 1x\r\n", "X: a\r\n l: 3\r\n"] {
            let mut framer = Framer::new();
            framer.push(format!("OPTIONS sip:a SIP/2.0\r\n{length}\r\n").as_bytes());
            assert!(matches!(framer.next_frame(), Some(Err(Unframeable::Length { .. }))), "{length}");
            framer.push(A.as_bytes());
            assert!(framer.next_frame().unwrap().is_err());
            assert_eq!(framer.pending(), 0);
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_is_held() {
        let mut framer = Framer::new();
        framer.push(b"OPTIONS sip:a SIP/2.0\r\nl: 99999999\r\n\r\n");
        assert!(matches!(framer.next_frame(), Some(Err(Unframeable::TooLarge { .. }))));
        let mut framer = Framer::new();
        let mut was_refused = false;
        for _ in 0..200 {
            framer.push(&[b'x'; 1024]);
            was_refused |= matches!(framer.next_frame(), Some(Err(Unframeable::TooLarge { .. })));
            assert!(framer.pending() <= MAX_MESSAGE + 1024);
        }
        assert!(was_refused);
    }

    #[test]
    fn what_cannot_be_framed_is_refused_by_its_reason() {
        let via = "Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1";
        for (length, status) in [("99999999", 513), ("-1", 400)] {
            let mut framer = Framer::new();
            framer.push(format!("OPTIONS sip:a SIP/2.0\r\n{via}\r\nl: {length}\r\n\r\n").as_bytes());
            let broken = framer.next_frame().unwrap().unwrap_err();
            assert_eq!(broken.refusal().unwrap().status, Some(status));
        }
        let junk = Unframeable::TooLarge { head: Bytes::from_static(b"xxxxxxx") };
        assert_eq!(junk.refusal().unwrap().status, None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_the_stream_is_cut_does_not_matter(cuts in proptest::collection::vec(1_usize..9, 0..60)) {
            let stream = format!("{A}{B}{A}\r\n\r\n{A}");
            let mut rest = stream.as_bytes();
            let mut framer = Framer::new();
            let mut read = Vec::new();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                framer.push(now);
                read.extend(drain(&mut framer));
                rest = later;
            }
            framer.push(rest);
            read.extend(drain(&mut framer));
            prop_assert_eq!(read, [message(A), message(B), message(A), Frame::Ping, message(A)]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut framer = Framer::new();
            framer.push(&bytes);
            while let Some(Ok(_)) = framer.next_frame() {}
        }
    }
}
