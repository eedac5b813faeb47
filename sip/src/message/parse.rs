//! The parser: index the lines, read the start line, check what must be sound before anyone acts on it.

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::bad::{BadMessage, Flaw, Remains};
use super::name::Header;
use super::{Carriage, Found, Line, MAX_HEADERS, MAX_LINE, MAX_MESSAGE, Message, Reading, Span, Start};
use crate::header::cseq::CSeq;
use crate::header::{address, uri, via};
use crate::lex;

pub(super) fn parse(mut bytes: Bytes, carriage: Carriage) -> Result<Message, BadMessage> {
    let skip = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    bytes.advance(skip);
    let oversized = bytes.len() > MAX_MESSAGE;
    bytes.truncate(MAX_MESSAGE);
    let index = Index::of(&bytes);
    let head = Head { bytes: &bytes, text: ByteString::try_from(bytes.slice(..index.head_end)).ok() };
    let read = match (oversized, index.flaw) {
        (true, _) => Err(Flaw::TooLarge),
        (false, Some(flaw)) => Err(flaw),
        (false, None) => read(&head, &index, carriage),
    };
    match read {
        Ok(Sound { start, cseq, found, end }) => {
            let text = head.text;
            bytes.truncate(end);
            let body = Span::new(index.head_end, end);
            let reading = Reading { text, start, lines: index.lines, body, cseq, found };
            Ok(Message { bytes, reading: reading.into() })
        }
        Err(flaw) => Err(BadMessage::new(flaw, Remains::salvage(&bytes, index.start_line, &index.lines))),
    }
}

/// Where the lines lie, and the first thing found wrong with them.
struct Index {
    start_line: Span,
    lines: Vec<Line>,
    head_end: usize,
    flaw: Option<Flaw>,
}

impl Index {
    fn of(bytes: &[u8]) -> Self {
        let (start_line, mut at) = physical_line(bytes, 0);
        let mut index =
            Self { start_line, lines: Vec::with_capacity(USUAL_HEADERS), head_end: 0, flaw: None };
        loop {
            if at >= bytes.len() {
                // Nothing ends the head: no empty line came.
                index.fault(Flaw::NoEnd);
                index.head_end = bytes.len();
                return index;
            }
            let (line, next) = logical_line(bytes, at);
            at = next;
            if line.start == line.end {
                index.head_end = at;
                return index;
            }
            index.add(bytes, line);
        }
    }

    fn add(&mut self, bytes: &[u8], line: Span) {
        if self.lines.len() >= MAX_HEADERS {
            self.fault(Flaw::TooManyHeaders);
            return;
        }
        if (line.end - line.start) as usize > MAX_LINE {
            self.fault(Flaw::LineTooLong);
            return;
        }
        match header_line(bytes, line) {
            Some(line) => self.lines.push(line),
            None => self.fault(Flaw::HeaderLine),
        }
    }

    fn fault(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }
}

/// The line from `at` without its end, and where the next one starts. A lone LF ends a line too.
fn physical_line(bytes: &[u8], at: usize) -> (Span, usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    let (length, next) = match lex::find(rest, b'\n') {
        Some(lf) => (lf, at + lf + 1),
        None => (rest.len(), bytes.len()),
    };
    let ends_in_cr = length > 0 && rest.get(length - 1) == Some(&b'\r');
    (Span::new(at, at + length - usize::from(ends_in_cr)), next)
}

/// The same with the folded lines that follow.
fn logical_line(bytes: &[u8], at: usize) -> (Span, usize) {
    let (mut line, mut next) = physical_line(bytes, at);
    while line.start != line.end && matches!(bytes.get(next), Some(b' ' | b'\t')) {
        let (fold, after) = physical_line(bytes, next);
        line.end = fold.end;
        next = after;
    }
    (line, next)
}

fn header_line(bytes: &[u8], line: Span) -> Option<Line> {
    let (start, end) = (line.start as usize, line.end as usize);
    let text = bytes.get(start..end)?;
    // Names are so short that a look at each byte is the fastest.
    let colon = text.iter().position(|&byte| byte == b':')?;
    let mut name = text.get(..colon)?;
    let mut header = Header::from_name(name);
    if header == Header::Extension {
        // White space may stand between name and colon, not before the name (RFC 3261 section 7.3.1).
        let (_, end) = lex::trimmed(name);
        name = name.get(..end).filter(|name| lex::is_token(name))?;
        header = Header::from_name(name);
    }
    let (from, to) = lex::trimmed(text.get(colon + 1..)?);
    let base = start + colon + 1;
    let name = Span::new(start, start + name.len());
    Some(Line { header, name, value: Span::new(base + from, base + to) })
}

/// What the checks found out.
struct Sound {
    start: Start,
    cseq: CSeq,
    found: Found,
    end: usize,
}

fn read(head: &Head, index: &Index, carriage: Carriage) -> Result<Sound, Flaw> {
    let (start, method) = start_line(head.bytes, index.start_line)?;
    let (cseq, found) = check_headers(head, &index.lines, &start)?;
    if method.is_some_and(|method| method != cseq.method.as_str()) {
        return Err(Flaw::CSeqMethod);
    }
    let end = body_end(head.bytes, index, carriage)?;
    Ok(Sound { start, cseq, found, end })
}

/// The bytes, and those before the body as text when all of that is UTF-8, which is asked once.
struct Head<'a> {
    bytes: &'a [u8],
    text: Option<ByteString>,
}

impl<'a> Head<'a> {
    fn raw(&self, span: Span) -> &'a [u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn value(&self, span: Span) -> Cow<'_, str> {
        let plain = self.text.as_ref().and_then(|text| text.get(span.start as usize..span.end as usize));
        plain.map_or_else(|| lex::lossy(self.raw(span)), Cow::Borrowed)
    }

    /// The span, if what is found in its text lies in the buffer and can be read from there as it is.
    fn place(&self, span: Span) -> Option<Span> {
        (self.text.is_some() && !lex::is_folded(self.raw(span))).then_some(span)
    }
}

/// Reads the start line; the method's text when it is a request.
fn start_line(bytes: &[u8], line: Span) -> Result<(Start, Option<&str>), Flaw> {
    let base = line.start as usize;
    let text = bytes.get(base..line.end as usize).unwrap_or_default();
    if text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"SIP/")) {
        return Ok((status_line(text, base)?, None));
    }
    // Trailing spaces are harmless (RFC 4475 section 3.1.2.10); any other extra white space is not.
    let text = text.trim_ascii_end();
    let text = std::str::from_utf8(text).map_err(|_| Flaw::StartLine)?;
    let (method, rest) = word(text).ok_or(Flaw::StartLine)?;
    let (target, version) = word(rest).ok_or(Flaw::StartLine)?;
    if !lex::is_token(method.as_bytes()) {
        return Err(Flaw::StartLine);
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(if is_version(version) { Flaw::Version } else { Flaw::StartLine });
    }
    if !uri::is_request_uri(target) {
        return Err(Flaw::RequestUri);
    }
    let uri = base + method.len() + 1;
    Ok((Start::Request { uri: Span::new(uri, uri + target.len()) }, Some(method)))
}

/// What stands before the first space, and what after it.
fn word(text: &str) -> Option<(&str, &str)> {
    let space = lex::find(text.as_bytes(), b' ')?;
    Some((text.get(..space)?, text.get(space + 1..)?))
}

fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"))
        && text.get(4..).and_then(|rest| rest.split_once('.')).is_some_and(|(a, b)| number(a) && number(b))
}

fn status_line(text: &[u8], base: usize) -> Result<Start, Flaw> {
    if !text.get(..8).is_some_and(|version| version.eq_ignore_ascii_case(b"SIP/2.0 ")) {
        return Err(Flaw::StartLine);
    }
    let rest = text.get(8..).unwrap_or_default();
    let end = lex::find(rest, b' ').unwrap_or(rest.len());
    let digits = rest.get(..end).unwrap_or_default();
    let status = lex::number::<u16>(digits).filter(|code| digits.len() == 3 && (100..700).contains(code));
    let status = status.ok_or(Flaw::StartLine)?;
    let reason = (end + 1).min(rest.len());
    Ok(Start::Response { status, reason: Span::new(base + 8 + reason, base + text.len()) })
}

/// Checks the headers that every transaction stands on (RFC 3261 section 8.1.1).
fn check_headers(head: &Head, lines: &[Line], start: &Start) -> Result<(CSeq, Found), Flaw> {
    let mut seen = Seen::default();
    for line in lines {
        seen.check(line.header, head, line.value)?;
    }
    let is_request = matches!(start, Start::Request { .. });
    let whole = seen.via && seen.from && seen.to && seen.call_id;
    match seen.cseq {
        Some(cseq) if whole => Ok((cseq, seen.found)),
        _ => Err(if is_request { Flaw::Insufficient } else { Flaw::Unanswerable }),
    }
}

#[derive(Default)]
struct Seen {
    via: bool,
    from: bool,
    to: bool,
    call_id: bool,
    cseq: Option<CSeq>,
    max_forwards: bool,
    content_type: bool,
    contact: bool,
    found: Found,
}

impl Seen {
    fn check(&mut self, header: Header, head: &Head, span: Span) -> Result<(), Flaw> {
        let flaw = Flaw::Header(header);
        let value = || head.value(span);
        let sound = match header {
            Header::Via => {
                let is_first = !std::mem::replace(&mut self.via, true);
                every(&value(), |hop, _| {
                    let pieces = via::Pieces::scan(hop)?;
                    if is_first && self.found.via.is_none() {
                        self.found.via = head.place(span).zip(pieces.cuts(hop));
                    }
                    Some(())
                })
            }
            Header::From => {
                once(&mut self.from)?;
                self.found.from = address(head, span).ok_or(flaw)?;
                true
            }
            Header::To => {
                once(&mut self.to)?;
                self.found.to = address(head, span).ok_or(flaw)?;
                true
            }
            Header::CallId => once(&mut self.call_id)? && is_call_id(head.raw(span)),
            Header::CSeq => {
                let number = CSeq::parse(&value()).map_err(|_| flaw)?;
                if self.cseq.replace(number).is_some() {
                    return Err(Flaw::Repeated);
                }
                true
            }
            Header::MaxForwards => {
                once(&mut self.max_forwards)? && lex::number::<u32>(head.raw(span)).is_some()
            }
            Header::ContentType => once(&mut self.content_type)?,
            Header::Contact => self.contact(head, span),
            Header::RecordRoute => every(&value(), |one, _| address::Pieces::scan(one).map(drop)),
            Header::Route => every(&value(), |one, is_alone| {
                let pieces = address::Pieces::scan(one)?;
                if is_alone && self.found.route.is_none() {
                    self.found.route = head.place(span).zip(pieces.cuts(one));
                }
                Some(())
            }),
            _ => true,
        };
        if sound { Ok(()) } else { Err(flaw) }
    }

    fn contact(&mut self, head: &Head, span: Span) -> bool {
        let is_first = !std::mem::replace(&mut self.contact, true);
        head.raw(span) == b"*"
            || every(&head.value(span), |one, _| {
                let pieces = address::Pieces::scan(one)?;
                if is_first && self.found.contact.is_none() {
                    self.found.contact = head.place(span).zip(pieces.cuts(one));
                }
                Some(())
            })
    }
}

/// Marks a header that may stand once; a second one would let two readers read two messages
/// (RFC 4475 section 3.3.8).
fn once(seen: &mut bool) -> Result<bool, Flaw> {
    if std::mem::replace(seen, true) { Err(Flaw::Repeated) } else { Ok(true) }
}

/// Where the pieces of the one address in a value lie; `None` when it is no address.
#[expect(
    clippy::option_option,
    reason = "no address, one that must be read anew, one whose pieces are known"
)]
fn address(head: &Head, span: Span) -> Option<Option<(Span, address::Cuts)>> {
    let value = head.value(span);
    let pieces = address::Pieces::scan(&value)?;
    Some(head.place(span).zip(pieces.cuts(&value)))
}

/// Whether `sound` finds every element of a list so; it is told whether the element is the whole list.
fn every(text: &str, mut sound: impl FnMut(&str, bool) -> Option<()>) -> bool {
    // Most lists have one element, and a list of several is no sound element itself.
    sound(text, true).is_some()
        || lex::elements(text).all(|element| element.is_ok_and(|one| sound(one, false).is_some()))
}

fn is_call_id(raw: &[u8]) -> bool {
    !raw.is_empty() && lex::end_of_run(raw, 0, lex::GRAPHIC) == raw.len()
}

/// Where the body ends (RFC 3261 section 18.3).
fn body_end(bytes: &[u8], index: &Index, carriage: Carriage) -> Result<usize, Flaw> {
    let mut length = None;
    for line in index.lines.iter().filter(|line| line.header == Header::ContentLength) {
        let raw = bytes.get(line.value.start as usize..line.value.end as usize).unwrap_or_default();
        let value: usize = lex::number(raw).ok_or(Flaw::ContentLength)?;
        if length.replace(value).is_some_and(|other| other != value) {
            return Err(Flaw::ContentLength);
        }
    }
    let rest = bytes.len() - index.head_end;
    match (length, carriage) {
        (Some(length), _) if length <= rest => Ok(index.head_end + length),
        (None, Carriage::Datagram) => Ok(bytes.len()),
        (Some(_), _) | (None, Carriage::Stream) => Err(Flaw::ContentLength),
    }
}

/// Room for the index of a usual message in one allocation.
const USUAL_HEADERS: usize = 24;
