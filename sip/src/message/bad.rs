//! A message that cannot be used: what was wrong, and what is left to answer it with.

use std::net::SocketAddr;

use thiserror::Error;

use super::draft::Draft;
use super::name::Header;
use super::{Line, Message, Span};
use crate::header::via::Via;
use crate::lex;

/// Bad input from the network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{flaw}")]
pub struct BadMessage {
    /// What was wrong.
    pub flaw: Flaw,
    /// The status to answer with; `None` means: say nothing (a response, an ACK, junk).
    pub status: Option<u16>,
    /// What could still be read.
    pub remains: Box<Remains>,
}

/// What was wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Larger than [`super::MAX_MESSAGE`].
    #[error("message too large")]
    TooLarge,
    /// A header line longer than [`super::MAX_LINE`].
    #[error("header line too long")]
    LineTooLong,
    /// More than [`super::MAX_HEADERS`].
    #[error("too many headers")]
    TooManyHeaders,
    /// The empty line after the headers is missing.
    #[error("headers without end")]
    NoEnd,
    /// Not a request line nor a status line.
    #[error("malformed start line")]
    StartLine,
    /// A version other than 2.0.
    #[error("unknown SIP version")]
    Version,
    /// The Request-URI is no URI.
    #[error("malformed Request-URI")]
    RequestUri,
    /// A line that is no header.
    #[error("malformed header line")]
    HeaderLine,
    /// A header that a transaction needs is malformed.
    #[error("malformed header {}", .0.as_str())]
    Header(Header),
    /// A header that may stand once stands twice.
    #[error("repeated header")]
    Repeated,
    /// A mandatory header of a request is missing.
    #[error("mandatory header missing")]
    Insufficient,
    /// A mandatory header of a response is missing.
    #[error("response without mandatory header")]
    Unanswerable,
    /// The method in CSeq is not the request's.
    #[error("CSeq method differs")]
    CSeqMethod,
    /// No number, two that differ, missing on a stream, or beyond the message's end.
    #[error("bad Content-Length")]
    ContentLength,
}

impl Flaw {
    /// The status that tells the sender.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge | Self::LineTooLong | Self::TooManyHeaders => 513,
            Self::Version => 505,
            _ => 400,
        }
    }
}

impl BadMessage {
    pub(super) fn new(flaw: Flaw, remains: Remains) -> Self {
        let status = remains.is_answerable().then(|| flaw.status());
        Self { flaw, status, remains: Box::new(remains) }
    }

    /// The response to send to `source`, when one is due.
    ///
    /// The reason phrase names the flaw; `to_tag` is added when the To that was read has none.
    pub fn reply(&self, source: SocketAddr, to_tag: &str) -> Option<Message> {
        let status = self.status?;
        let remains = &*self.remains;
        let mut draft = Draft::response_saying(status, &self.flaw.to_string());
        for (number, via) in remains.vias.iter().enumerate() {
            draft = match (number, Via::parse(via)) {
                (0, Ok(top)) => draft.header(Header::Via, top.seen_from(source)),
                _ => draft.header(Header::Via, via),
            };
        }
        for (header, value) in [(Header::From, &remains.from), (Header::CallId, &remains.call_id)] {
            if let Some(value) = value {
                draft = draft.header(header, value);
            }
        }
        if let Some(to) = &remains.to {
            draft = if super::reply::has_tag(to) {
                draft.header(Header::To, to)
            } else {
                let open = super::reply::open_ended(to.as_bytes());
                draft.header_raw(Header::To, &[open, b";tag=", to_tag.as_bytes()])
            };
        }
        if let Some(cseq) = &remains.cseq {
            draft = draft.header(Header::CSeq, cseq);
        }
        Some(draft.finish())
    }
}

/// What could be read of a bad message: texts of its headers, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// How many bytes came.
    pub length: usize,
    /// The first word of the start line; `None` for a response and for junk.
    pub method: Option<String>,
    /// Each Via element, topmost first.
    pub vias: Vec<String>,
    /// From.
    pub from: Option<String>,
    /// To.
    pub to: Option<String>,
    /// Call-ID.
    pub call_id: Option<String>,
    /// CSeq.
    pub cseq: Option<String>,
}

impl Remains {
    pub(super) fn salvage(bytes: &[u8], start_line: Span, lines: &[Line]) -> Self {
        let text = |span: Span| {
            let raw = bytes.get(span.start as usize..span.end as usize).unwrap_or_default();
            String::from_utf8_lossy(raw).replace(['\r', '\n'], " ")
        };
        let first = |header: Header| lines.iter().find(|line| line.header == header).map(|l| text(l.value));
        let mut vias = Vec::new();
        for line in lines.iter().filter(|line| line.header == Header::Via) {
            vias.extend(lex::elements(&text(line.value)).filter_map(Result::ok).map(str::to_owned));
        }
        Self {
            length: bytes.len(),
            method: method(&text(start_line)),
            vias,
            from: first(Header::From),
            to: first(Header::To),
            call_id: first(Header::CallId),
            cseq: first(Header::CSeq),
        }
    }

    /// An answer needs the request's method (never to an ACK) and a top Via; without them it is junk, and
    /// answering junk would make us an amplifier.
    fn is_answerable(&self) -> bool {
        self.method.as_deref().is_some_and(|method| method != "ACK") && !self.vias.is_empty()
    }
}

/// The method of what at least looks like a request line.
fn method(start_line: &str) -> Option<String> {
    let first = start_line.split_ascii_whitespace().next()?;
    let last = start_line.split_ascii_whitespace().next_back()?;
    let looks =
        lex::is_token(first.as_bytes()) && last.get(..4).is_some_and(|v| v.eq_ignore_ascii_case("SIP/"));
    looks.then(|| first.to_owned())
}
