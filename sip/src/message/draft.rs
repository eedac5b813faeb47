//! A message being written: headers in order, no value can break out of its line.

use std::fmt::{Display, Write};

use bytes::Bytes;

use super::method::Method;
use super::name::Header;
use super::{Line, Message, Span, Start};
use crate::header::cseq::CSeq;
use crate::header::uri::Uri;
use crate::lex;

/// A request or a response under construction.
///
/// CR, LF and NUL in a value become spaces: whatever a display name or a call variable holds, it cannot
/// start a header of its own. Content-Length is written at the end and is always right.
#[derive(Clone, Debug)]
pub struct Draft {
    scratch: Vec<u8>,
    raw: Vec<(Header, Span, Span)>,
    start: DraftStart,
    body: Bytes,
}

#[derive(Clone, Debug)]
enum DraftStart {
    Request { method: Method, uri: String },
    Response { status: u16, reason: String },
}

impl Draft {
    /// A request without headers.
    pub fn request(method: Method, uri: &Uri) -> Self {
        Self::new(DraftStart::Request { method, uri: uri.to_string() })
    }

    /// A response without headers, under the usual reason phrase.
    pub fn response(status: u16) -> Self {
        Self::response_saying(status, reason_phrase(status))
    }

    /// A response under this reason phrase.
    pub fn response_saying(status: u16, reason: &str) -> Self {
        // A status outside the grammar would not be a response at all.
        let status = if (100..700).contains(&status) { status } else { 500 };
        Self::new(DraftStart::Response { status, reason: clean(reason) })
    }

    /// A draft that starts from a finished message; its lines may then be changed.
    pub fn of(message: &Message) -> Self {
        let start = match message.start {
            Start::Request { .. } => {
                DraftStart::Request { method: message.method().clone(), uri: message.uri_text().to_owned() }
            }
            Start::Response { status, reason } => DraftStart::Response {
                status,
                reason: clean(&String::from_utf8_lossy(message.slice(reason))),
            },
        };
        let mut draft = Self::new(start);
        for (name, header, value) in message.lines() {
            draft.append_raw(header, name, &[value.raw()]);
        }
        draft.body = message.body_bytes();
        draft
    }

    /// Adds a header at the end.
    #[must_use]
    pub fn header(mut self, header: Header, value: impl Display) -> Self {
        self.append(header, header.as_str(), value);
        self
    }

    /// Adds a header by name at the end; a name that is no token is not a header, and nothing is added.
    #[must_use]
    pub fn header_named(mut self, name: &str, value: impl Display) -> Self {
        self.append(Header::from_name(name.as_bytes()), name, value);
        self
    }

    /// Adds a header before all others: a Via, a Route.
    #[must_use]
    pub fn header_first(mut self, header: Header, value: impl Display) -> Self {
        self.append(header, header.as_str(), value);
        if let Some(last) = self.raw.pop() {
            self.raw.insert(0, last);
        }
        self
    }

    /// Sets a header in place of every one of its name.
    #[must_use]
    pub fn replace(self, header: Header, value: impl Display) -> Self {
        self.without(header).header(header, value)
    }

    /// Removes every header of this name.
    #[must_use]
    pub fn without(mut self, header: Header) -> Self {
        self.raw.retain(|(kept, ..)| *kept != header);
        self
    }

    /// Whether a header of this name has been written.
    pub fn has(&self, header: Header) -> bool {
        self.raw.iter().any(|(kept, ..)| *kept == header)
    }

    /// Copies every header line of this name from `message`, in order.
    #[must_use]
    pub fn copied(mut self, message: &Message, header: Header) -> Self {
        for value in message.headers(header) {
            self.append_raw(header, header.as_str(), &[value.raw()]);
        }
        self
    }

    /// Adds a header whose value is these bytes one after the other, UTF-8 or not.
    pub(super) fn header_raw(mut self, header: Header, pieces: &[&[u8]]) -> Self {
        self.append_raw(header, header.as_str(), pieces);
        self
    }

    /// Sets the body with its type, in place of any other.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self = self.replace(Header::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// The finished message.
    pub fn finish(self) -> Message {
        let mut out = Vec::with_capacity(self.scratch.len() + self.body.len() + 5 * self.raw.len() + 96);
        let start = self.write_start(&mut out);
        let mut lines = Vec::with_capacity(self.raw.len() + 1);
        for &(header, name, value) in &self.raw {
            lines.push(write_line(&mut out, header, self.piece(name), self.piece(value)));
        }
        let length = self.body.len().to_string();
        lines.push(write_line(&mut out, Header::ContentLength, b"Content-Length", length.as_bytes()));
        out.extend_from_slice(b"\r\n");
        let body = Span::new(out.len(), out.len() + self.body.len());
        out.extend_from_slice(&self.body);
        let cseq = self.cseq();
        Message { bytes: out.into(), start, lines, body, cseq }
    }

    fn new(start: DraftStart) -> Self {
        Self {
            scratch: Vec::with_capacity(USUAL_SIZE),
            raw: Vec::with_capacity(USUAL_HEADERS),
            start,
            body: Bytes::new(),
        }
    }

    fn append(&mut self, header: Header, name: &str, value: impl Display) {
        let Some(name) = self.append_name(header, name) else { return };
        let at = self.scratch.len();
        // Writing into a vector cannot fail; a Display that does leaves what it wrote.
        let _ = write!(CleanWriter(&mut self.scratch), "{value}");
        self.raw.push((header, name, Span::new(at, self.scratch.len())));
    }

    fn append_raw(&mut self, header: Header, name: &str, pieces: &[&[u8]]) {
        let Some(name) = self.append_name(header, name) else { return };
        let at = self.scratch.len();
        for piece in pieces {
            CleanWriter(&mut self.scratch).write_bytes(piece);
        }
        self.raw.push((header, name, Span::new(at, self.scratch.len())));
    }

    fn append_name(&mut self, header: Header, name: &str) -> Option<Span> {
        if !lex::is_token(name.as_bytes()) || header == Header::ContentLength {
            return None;
        }
        let at = self.scratch.len();
        self.scratch.extend_from_slice(name.as_bytes());
        Some(Span::new(at, self.scratch.len()))
    }

    fn piece(&self, span: Span) -> &[u8] {
        self.scratch.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn write_start(&self, out: &mut Vec<u8>) -> Start {
        match &self.start {
            DraftStart::Request { method, uri } => {
                out.extend(method.as_str().bytes().map(|b| if lex::is_token_byte(b) { b } else { b'_' }));
                out.push(b' ');
                let at = out.len();
                out.extend_from_slice(uri.as_bytes());
                let uri = Span::new(at, out.len());
                out.extend_from_slice(b" SIP/2.0\r\n");
                Start::Request { uri }
            }
            DraftStart::Response { status, reason } => {
                out.extend_from_slice(b"SIP/2.0 ");
                out.extend_from_slice(status.to_string().as_bytes());
                out.push(b' ');
                let at = out.len();
                out.extend_from_slice(reason.as_bytes());
                let reason = Span::new(at, out.len());
                out.extend_from_slice(b"\r\n");
                Start::Response { status: *status, reason }
            }
        }
    }

    /// The CSeq that was written; without one, number 0 and the request's method.
    fn cseq(&self) -> CSeq {
        let written = self.raw.iter().find(|(header, ..)| *header == Header::CSeq);
        let read =
            written.and_then(|(_, _, value)| CSeq::parse(&String::from_utf8_lossy(self.piece(*value))).ok());
        let method = match &self.start {
            DraftStart::Request { method, .. } => Some(method.clone()),
            DraftStart::Response { .. } => None,
        };
        match method {
            Some(method) => CSeq { number: read.map_or(0, |cseq| cseq.number), method },
            None => read.unwrap_or_else(|| CSeq { number: 0, method: Method::Other("".into()) }),
        }
    }
}

fn write_line(out: &mut Vec<u8>, header: Header, name: &[u8], value: &[u8]) -> Line {
    let at = out.len();
    out.extend_from_slice(name);
    let name = Span::new(at, out.len());
    out.extend_from_slice(b": ");
    let at = out.len();
    out.extend_from_slice(value.trim_ascii());
    let value = Span::new(at, out.len());
    out.extend_from_slice(b"\r\n");
    Line { header, name, value }
}

fn clean(text: &str) -> String {
    text.replace(['\r', '\n', '\0'], " ")
}

/// Turns CR and LF into spaces, and NUL in what we write ourselves; a copied quoted string may hold an
/// escaped NUL (RFC 4475 section 3.1.1.2).
struct CleanWriter<'a>(&'a mut Vec<u8>);

impl CleanWriter<'_> {
    fn write_bytes(&mut self, bytes: &[u8]) {
        if memchr::memchr2(b'\r', b'\n', bytes).is_none() {
            self.0.extend_from_slice(bytes);
        } else {
            self.0.extend(bytes.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }));
        }
    }
}

impl Write for CleanWriter<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_none() {
            self.0.extend_from_slice(text.as_bytes());
        } else {
            self.0.extend_from_slice(clean(text).as_bytes());
        }
        Ok(())
    }
}

/// The usual words for a status (RFC 3261 section 21 and the registry).
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        406 | 606 => "Not Acceptable",
        _ => "Unnamed",
    }
}

/// Room for a usual message in one allocation.
const USUAL_SIZE: usize = 768;
/// Room for its index.
const USUAL_HEADERS: usize = 20;
