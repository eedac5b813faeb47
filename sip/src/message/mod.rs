//! The message: one buffer with an index of its lines, typed on demand, written by copying.

pub mod bad;
pub mod draft;
pub mod method;
pub mod name;
mod parse;
pub mod reply;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::header::HeaderFault;
use crate::header::address::{self, Address, Contacts};
use crate::header::cseq::CSeq;
use crate::header::reason::Reason;
use crate::header::session::SessionExpires;
use crate::header::uri::Uri;
use crate::header::via::{self, Via};
use crate::lex;
pub use bad::BadMessage;
use method::Method;
use name::Header;

/// A request or a response, exactly as it came or as it will be sent.
///
/// Unknown methods, headers and schemes survive because nothing is ever written from the parts.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    /// Shared, as the bytes are: a transaction keeps its request, and so does its leg.
    reading: Arc<Reading>,
}

/// Where everything lies in a message.
#[derive(Debug)]
struct Reading {
    /// What stands before the body, where the parser found that to be UTF-8; it shares the message's bytes.
    text: Option<ByteString>,
    start: Start,
    lines: Vec<Line>,
    body: Span,
    cseq: CSeq,
    found: Found,
}

/// How messages are cut from what carries them: decides what Content-Length means (RFC 3261 section 18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// A datagram or a WebSocket frame: it ends the message.
    Datagram,
    /// A stream, already cut by the framer: Content-Length is required.
    Stream,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A request: its method and its Request-URI as written.
    Request {
        /// What is asked.
        method: &'a Method,
        /// Of whom.
        uri: &'a str,
    },
    /// A response.
    Response {
        /// 100 to 699.
        status: u16,
        /// Free text, perhaps empty.
        reason: Cow<'a, str>,
    },
}

impl Message {
    /// Reads one message under the limits below; everything a transaction needs is sound in what returns.
    ///
    /// Empty lines before the start line are skipped; a datagram's bytes after Content-Length are cut off.
    pub fn parse(bytes: Bytes, carriage: Carriage) -> Result<Self, BadMessage> {
        parse::parse(bytes, carriage)
    }

    /// The whole message as it stands on the wire.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Request or response.
    pub fn kind(&self) -> Kind<'_> {
        match self.reading.start {
            Start::Request { uri } => {
                Kind::Request { method: &self.reading.cseq.method, uri: self.text(uri) }
            }
            Start::Response { status, reason } => {
                Kind::Response { status, reason: String::from_utf8_lossy(self.slice(reason)) }
            }
        }
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.reading.start, Start::Request { .. })
    }

    /// The method of a request; of a response the method of the request that it answers.
    pub fn method(&self) -> &Method {
        &self.reading.cseq.method
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match self.reading.start {
            Start::Response { status, .. } => Some(status),
            Start::Request { .. } => None,
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn uri_text(&self) -> &str {
        match self.reading.start {
            Start::Request { uri } => self.text(uri),
            Start::Response { .. } => "",
        }
    }

    /// The Request-URI.
    pub fn uri(&self) -> Result<Uri, HeaderFault> {
        Uri::parse(self.uri_text())
    }

    /// The sequence number and method.
    pub fn cseq(&self) -> &CSeq {
        &self.reading.cseq
    }

    /// The Call-ID; empty only in a draft that was given none.
    pub fn call_id(&self) -> Cow<'_, str> {
        self.header(Header::CallId).map(Value::text).unwrap_or_default()
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, HeaderFault> {
        self.read_via(Via::of)
    }

    /// Reads what is wanted of the topmost Via.
    pub(crate) fn read_via<T>(&self, read: impl FnOnce(&via::Pieces) -> T) -> Result<T, HeaderFault> {
        if let Some((span, cuts)) = self.reading.found.via {
            return Ok(read(&cuts.pieces(self.text(span))));
        }
        let value = self.header(Header::Via).ok_or(HeaderFault::Missing)?.text();
        let first = lex::elements(&value).next().and_then(Result::ok).ok_or(HeaderFault::Malformed)?;
        via::Pieces::scan(first).as_ref().map(read).ok_or(HeaderFault::Malformed)
    }

    /// Every Via, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderFault> {
        self.typed_list(Header::Via, Via::parse)
    }

    /// From.
    pub fn from(&self) -> Result<Address, HeaderFault> {
        self.address(Header::From)
    }

    /// To.
    pub fn to(&self) -> Result<Address, HeaderFault> {
        self.address(Header::To)
    }

    /// The tag of From; `None` from an RFC 2543 peer.
    pub fn from_tag(&self) -> Option<String> {
        self.tag(Header::From)
    }

    /// The tag of To; `None` outside a dialog.
    pub fn to_tag(&self) -> Option<String> {
        self.tag(Header::To)
    }

    /// All Contacts, or `*`.
    pub fn contacts(&self) -> Result<Contacts, HeaderFault> {
        if self.header(Header::Contact).is_some_and(|value| value.raw == b"*") {
            return Ok(Contacts::All);
        }
        self.addresses(Header::Contact).map(Contacts::List)
    }

    /// The one Contact that a dialog needs; `Missing` when there is none or it is `*`.
    pub fn contact(&self) -> Result<Address, HeaderFault> {
        if self.reading.found.contact.is_some() {
            return self.address(Header::Contact);
        }
        match self.contacts()? {
            Contacts::All => Err(HeaderFault::Missing),
            Contacts::List(list) => list.into_iter().next().ok_or(HeaderFault::Missing),
        }
    }

    /// The first header of this name as one address: From, To, Refer-To, Reply-To …
    pub fn address(&self, header: Header) -> Result<Address, HeaderFault> {
        self.read_address(header, Address::of)
    }

    /// Reads what is wanted of the first header of this name.
    pub(crate) fn read_address<T>(
        &self,
        header: Header,
        read: impl FnOnce(&address::Pieces) -> T,
    ) -> Result<T, HeaderFault> {
        let found = match header {
            Header::From => self.reading.found.from,
            Header::To => self.reading.found.to,
            Header::Contact => self.reading.found.contact,
            _ => None,
        };
        if let Some((span, cuts)) = found {
            return Ok(read(&cuts.pieces(self.text(span))));
        }
        let value = self.header(header).ok_or(HeaderFault::Missing)?.text();
        address::Pieces::scan(&value).as_ref().map(read).ok_or(HeaderFault::Malformed)
    }

    /// Every address of a list header, in order: Contact, Route, Record-Route, Path, P-Asserted-Identity,
    /// Diversion, History-Info …
    pub fn addresses(&self, header: Header) -> Result<Vec<Address>, HeaderFault> {
        let mut list = Vec::new();
        for line in self.reading.lines.iter().filter(|line| line.header == header) {
            match self.reading.found.route {
                Some((span, cuts)) if span == line.value => {
                    list.reserve_exact(1);
                    list.push(Address::of(&cuts.pieces(self.text(span))));
                }
                _ => read_elements(self.value(line), &mut list, Address::parse)?,
            }
        }
        Ok(list)
    }

    /// Every token of a list header, in order: Allow, Supported, Require, Unsupported …
    pub fn tokens(&self, header: Header) -> Vec<String> {
        self.list(header).into_iter().filter(|token| !token.is_empty()).collect()
    }

    /// Whether a list header names this token, in any case.
    pub fn lists_token(&self, header: Header, token: &str) -> bool {
        self.headers(header).any(|value| lex::lists(value.raw, token))
    }

    /// A header that is one number: Max-Forwards, Expires, Min-Expires, Min-SE, RSeq …
    pub fn number(&self, header: Header) -> Result<u32, HeaderFault> {
        let raw = self.header(header).ok_or(HeaderFault::Missing)?.raw;
        // Min-SE and Retry-After may carry parameters, and Retry-After a comment.
        let (digits, rest) = raw.split_at(lex::end_of_run(raw, 0, lex::DIGIT));
        let (gap, _) = lex::trimmed(rest);
        let ends = matches!(rest.get(gap), None | Some(b';' | b'('));
        lex::number(digits).filter(|_| ends).ok_or(HeaderFault::Malformed)
    }

    /// Every Reason (RFC 3326), in order.
    pub fn reasons(&self) -> Result<Vec<Reason>, HeaderFault> {
        self.typed_list(Header::Reason, Reason::parse)
    }

    /// Session-Expires (RFC 4028).
    pub fn session_expires(&self) -> Result<SessionExpires, HeaderFault> {
        SessionExpires::parse(&self.header(Header::SessionExpires).ok_or(HeaderFault::Missing)?.text())
    }

    /// The first header of this name.
    pub fn header(&self, header: Header) -> Option<Value<'_>> {
        self.headers(header).next()
    }

    /// Every header line of this name, compact form or long, in order.
    pub fn headers(&self, header: Header) -> impl Iterator<Item = Value<'_>> {
        self.reading.lines.iter().filter(move |line| line.header == header).map(|line| self.value(line))
    }

    /// Every header line of this name, known or not.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Value<'a>> {
        let known = Header::from_name(name.as_bytes());
        self.reading
            .lines
            .iter()
            .filter(move |line| {
                line.header == known
                    && (known != Header::Extension
                        || self.slice(line.name).eq_ignore_ascii_case(name.as_bytes()))
            })
            .map(|line| self.value(line))
    }

    /// All header lines in order: the name as written and the value.
    pub fn lines(&self) -> impl Iterator<Item = (&str, Header, Value<'_>)> {
        self.reading.lines.iter().map(|line| (self.text(line.name), line.header, self.value(line)))
    }

    /// The elements of a comma-separated header over all of its lines.
    pub fn list(&self, header: Header) -> Vec<String> {
        let mut list = Vec::new();
        for value in self.headers(header) {
            list.extend(lex::elements(&value.text()).filter_map(Result::ok).map(str::to_owned));
        }
        list
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.slice(self.reading.body)
    }

    /// The body, sharing the message's buffer.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.reading.body.start as usize..self.reading.body.end as usize)
    }

    /// The media type of the body in lower case without parameters: `application/sdp`.
    pub fn content_type(&self) -> Option<String> {
        let value = self.header(Header::ContentType)?.text();
        let end = value.find(';').unwrap_or(value.len());
        Some(lex::trim(value.get(..end)?).to_ascii_lowercase())
    }

    fn tag(&self, header: Header) -> Option<String> {
        self.read_address(header, |pieces| pieces.tag().map(str::to_owned)).ok().flatten()
    }

    fn typed_list<T>(
        &self,
        header: Header,
        read: impl Fn(&str) -> Result<T, HeaderFault>,
    ) -> Result<Vec<T>, HeaderFault> {
        let mut list = Vec::new();
        for value in self.headers(header) {
            read_elements(value, &mut list, &read)?;
        }
        Ok(list)
    }

    fn value(&self, line: &Line) -> Value<'_> {
        Value { raw: self.slice(line.value), plain: self.plain(line.value) }
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// A span that the parser found to be ASCII or UTF-8.
    fn text(&self, span: Span) -> &str {
        self.plain(span).unwrap_or_else(|| std::str::from_utf8(self.slice(span)).unwrap_or_default())
    }

    /// The text of a span of a message that was read and is UTF-8.
    fn plain(&self, span: Span) -> Option<&str> {
        self.reading.text.as_ref()?.get(span.start as usize..span.end as usize)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

/// Without credentials: what is logged must not let anyone in.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Request { method, uri } => writeln!(f, "{method} {uri} SIP/2.0")?,
            Kind::Response { status, reason } => writeln!(f, "SIP/2.0 {status} {reason}")?,
        }
        for (name, header, value) in self.lines() {
            match header {
                Header::Authorization | Header::ProxyAuthorization => writeln!(f, "{name}: (withheld)")?,
                _ => writeln!(f, "{name}: {}", value.text())?,
            }
        }
        write!(f, "({} bytes of body)", self.body().len())
    }
}

/// Reads each element of a list into `list`.
fn read_elements<T>(
    value: Value,
    list: &mut Vec<T>,
    read: impl Fn(&str) -> Result<T, HeaderFault>,
) -> Result<(), HeaderFault> {
    for element in lex::elements(&value.text()) {
        // Most lists have one element.
        list.reserve_exact(1);
        list.push(read(element.map_err(|_| HeaderFault::Malformed)?)?);
    }
    Ok(())
}

/// The value of one header line.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    raw: &'a [u8],
    /// The same when it is known to be UTF-8.
    plain: Option<&'a str>,
}

impl<'a> Value<'a> {
    /// As on the wire: folds and bytes that are not UTF-8 included.
    pub const fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// As text: folds become spaces (RFC 3261 section 7.3.1), bytes that are not UTF-8 the replacement
    /// character.
    pub fn text(self) -> Cow<'a, str> {
        let text = self.plain.map_or_else(|| lex::lossy(self.raw), Cow::Borrowed);
        if !lex::is_folded(self.raw) {
            return text;
        }
        Cow::Owned(text.replace(['\r', '\n'], " "))
    }
}

/// Whether the same bytes stand there.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Value<'_> {}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Request { uri: Span },
    Response { status: u16, reason: Span },
}

#[derive(Clone, Copy, Debug)]
struct Line {
    header: Header,
    name: Span,
    value: Span,
}

impl Line {
    /// The same line so many bytes nearer to the front.
    const fn earlier(self, bytes: usize) -> Self {
        Self { name: self.name.earlier(bytes), value: self.value.earlier(bytes), ..self }
    }

    /// The same line so many bytes further back.
    const fn later(self, bytes: usize) -> Self {
        Self { name: self.name.later(bytes), value: self.value.later(bytes), ..self }
    }
}

/// What every transaction asks for, found by the parser so that nobody looks for it again. `None` where it
/// must be looked for: in a draft of ours, and in a value that is folded or not UTF-8.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// The topmost.
    via: Option<(Span, via::Cuts)>,
    from: Option<(Span, address::Cuts)>,
    to: Option<(Span, address::Cuts)>,
    /// The first, unless it is `*`.
    contact: Option<(Span, address::Cuts)>,
    /// The first that stands alone in its line.
    route: Option<(Span, address::Cuts)>,
}

/// A range of the buffer; 32 bits reach beyond the largest message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Both ends lie within [`MAX_MESSAGE`].
    const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    const fn earlier(self, bytes: usize) -> Self {
        Self { start: self.start - bytes as u32, end: self.end - bytes as u32 }
    }

    const fn later(self, bytes: usize) -> Self {
        Self { start: self.start + bytes as u32, end: self.end + bytes as u32 }
    }
}

/// The largest message: what a UDP datagram can hold, and the most that a stream may make us keep.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The longest header line with its folds: longer ones are attacks, not addresses.
pub const MAX_LINE: usize = 8 * 1024;
/// The most header lines: ten times what real requests have.
pub const MAX_HEADERS: usize = 128;
