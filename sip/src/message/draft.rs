//! A message being written: headers in order, no value can break out of its line.

use std::fmt::{Display, Write};

use bytes::Bytes;

use super::method::Method;
use super::name::Header;
use super::{Found, Line, Message, Reading, Span, Start};
use crate::header::cseq::CSeq;
use crate::header::uri::Uri;
use crate::lex;

/// A request or a response under construction.
///
/// CR, LF and NUL in a value become spaces: whatever a display name or a call variable holds, it cannot
/// start a header of its own. Content-Length is written at the end and is always right.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The start line and the header lines as they will stand.
    out: Vec<u8>,
    lines: Vec<Line>,
    start: Start,
    /// Of a request.
    method: Option<Method>,
    body: Bytes,
}

impl Draft {
    /// A request without headers.
    pub fn request(method: Method, uri: &Uri) -> Self {
        Self::new_request(method, uri.as_str())
    }

    /// A response without headers, under the usual reason phrase.
    pub fn response(status: u16) -> Self {
        Self::response_saying(status, reason_phrase(status))
    }

    /// A response under this reason phrase.
    pub fn response_saying(status: u16, reason: &str) -> Self {
        // A status outside the grammar would not be a response at all.
        let status = if (100..700).contains(&status) { status } else { 500 };
        let mut out = Vec::with_capacity(USUAL_SIZE);
        // Writing into a vector cannot fail, here and below.
        let _ = write!(CleanWriter(&mut out), "SIP/2.0 {status} {reason}");
        let reason = Span::new(out.len() - reason.len(), out.len());
        out.extend_from_slice(b"\r\n");
        Self::new(out, Start::Response { status, reason }, None)
    }

    /// A draft that starts from a finished message; its lines may then be changed.
    pub fn of(message: &Message) -> Self {
        let mut draft = match message.reading.start {
            Start::Request { .. } => Self::new_request(message.method().clone(), message.uri_text()),
            Start::Response { status, reason } => {
                Self::response_saying(status, &String::from_utf8_lossy(message.slice(reason)))
            }
        };
        draft.out.reserve(message.reading.body.start as usize);
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
        let (before, end) = (self.lines.len(), self.out.len());
        self.append(header, header.as_str(), value);
        if let (Some(first), true) = (self.lines.first().copied(), self.lines.len() > before) {
            let top = first.name.start as usize;
            let moved = self.out.len() - end;
            if let Some(lines) = self.out.get_mut(top..) {
                lines.rotate_right(moved);
            }
            self.lines.rotate_right(1);
            for (at, line) in self.lines.iter_mut().enumerate() {
                *line = if at == 0 { line.earlier(end - top) } else { line.later(moved) };
            }
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
        if !self.has(header) {
            return self;
        }
        let mut gone = 0;
        let (out, lines) = (&mut self.out, &mut self.lines);
        lines.retain_mut(|line| {
            *line = line.earlier(gone);
            let whole = line.name.start as usize..line.value.end as usize + LINE_END.len();
            if line.header == header {
                gone += whole.len();
                out.drain(whole);
            }
            line.header != header
        });
        self
    }

    /// Whether a header of this name has been written.
    pub fn has(&self, header: Header) -> bool {
        self.lines.iter().any(|line| line.header == header)
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
    pub fn finish(mut self) -> Message {
        let length = self.body.len();
        self.out.reserve(length + LONGEST_LENGTH_LINE);
        self.write_line("Content-Length", Header::ContentLength, |out| {
            let _ = write!(CleanWriter(out), "{length}");
        });
        let cseq = self.cseq();
        let Self { mut out, lines, start, body: content, .. } = self;
        out.extend_from_slice(LINE_END);
        let body = Span::new(out.len(), out.len() + length);
        out.extend_from_slice(&content);
        // What is sent may be kept for 32 s: without room to grow.
        let bytes = out.into_boxed_slice().into();
        let reading = Reading { text: None, start, lines, body, cseq, found: Found::default() };
        Message { bytes, reading: reading.into() }
    }

    fn new_request(method: Method, uri: &str) -> Self {
        let mut out = Vec::with_capacity(USUAL_SIZE);
        out.extend(method.as_str().bytes().map(|b| if lex::is_token_byte(b) { b } else { b'_' }));
        out.push(b' ');
        let at = out.len();
        out.extend_from_slice(uri.as_bytes());
        let uri = Span::new(at, out.len());
        out.extend_from_slice(b" SIP/2.0\r\n");
        Self::new(out, Start::Request { uri }, Some(method))
    }

    fn new(out: Vec<u8>, start: Start, method: Option<Method>) -> Self {
        Self { out, lines: Vec::with_capacity(USUAL_HEADERS), start, method, body: Bytes::new() }
    }

    fn append(&mut self, header: Header, name: &str, value: impl Display) {
        if is_ours(header, name) {
            self.write_line(name, header, |out| {
                // A Display that fails leaves what it wrote.
                let _ = write!(CleanWriter(out), "{value}");
            });
        }
    }

    fn append_raw(&mut self, header: Header, name: &str, pieces: &[&[u8]]) {
        if is_ours(header, name) {
            self.write_line(name, header, |out| {
                for piece in pieces {
                    CleanWriter(out).write_bytes(piece);
                }
            });
        }
    }

    /// One line; the value that `write` leaves is trimmed.
    fn write_line(&mut self, name: &str, header: Header, write: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut self.out;
        let start = out.len();
        out.extend_from_slice(name.as_bytes());
        let name = Span::new(start, out.len());
        out.extend_from_slice(b": ");
        let at = out.len();
        write(out);
        let written = out.get(at..).unwrap_or_default();
        // Linear white space only: a form feed belongs to the value for whoever reads it.
        let (start, end) = lex::trimmed(written);
        out.truncate(at + end);
        out.drain(at..at + start);
        let value = Span::new(at, at + end - start);
        out.extend_from_slice(LINE_END);
        self.lines.push(Line { header, name, value });
    }

    /// The CSeq that was written; without one, number 0 and the request's method.
    fn cseq(&self) -> CSeq {
        let written = self.lines.iter().find(|line| line.header == Header::CSeq);
        let value = written.and_then(|line| self.out.get(line.value.start as usize..line.value.end as usize));
        let read = value.and_then(|value| CSeq::parse(&String::from_utf8_lossy(value)).ok());
        match &self.method {
            Some(method) => CSeq { number: read.map_or(0, |cseq| cseq.number), method: method.clone() },
            None => read.unwrap_or_else(|| CSeq { number: 0, method: Method::Other("".into()) }),
        }
    }
}

/// Whether a line of this name is the drafter's to write.
fn is_ours(header: Header, name: &str) -> bool {
    match header {
        Header::ContentLength => false,
        Header::Extension => lex::is_token(name.as_bytes()),
        _ => true,
    }
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

const LINE_END: &[u8] = b"\r\n";
/// `Content-Length: 65536` and two line ends.
const LONGEST_LENGTH_LINE: usize = 25;
/// Room for a usual message in one allocation.
const USUAL_SIZE: usize = 768;
/// Room for its index.
const USUAL_HEADERS: usize = 20;
