//! The second reader: each SIP message on the World's wire is read by our parser and by rsip, and what the two
//! have read must be the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use rsip::SipMessage;
use rsip::headers::ToTypedHeader;
use rsip::prelude::{HasHeaders, UntypedHeader};
use sip::{Carriage, Draft, Header, Kind, Message};

/// What was read twice, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct SecondReader {
    messages: u64,
    fields: u64,
    unread: BTreeMap<Limit, u64>,
    faults: Vec<String>,
}

/// What rsip is known not to read although it is legal SIP (the list is in the design's sip.md); whatever
/// else it cannot read is a fault of the writer until shown otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// `tel:` with a number of full length.
    Tel,
    /// An address in brackets, in Via or URI.
    Ipv6,
    /// A Contact with `+sip.instance`, which every outbound-capable phone sends.
    Instance,
    /// A compact header name in upper case.
    Compact,
    /// A value folded over two lines.
    Fold,
    /// Several Vias or Contacts in one line.
    ListedInLine,
    /// `Contact: *`.
    Star,
    /// A method that it does not know.
    Method,
    /// A transport of Via that it does not know.
    Transport,
    /// Bytes that are not UTF-8 in head or body.
    Binary,
    /// A display name or user beyond ASCII.
    Foreign,
    /// Headers of a URI, after `?`.
    UriHeaders,
}

impl SecondReader {
    /// How many messages were read by both.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many fields of them were compared.
    pub fn fields(&self) -> u64 {
        self.fields
    }

    /// What rsip could not read, by why.
    pub fn unread(&self) -> &BTreeMap<Limit, u64> {
        &self.unread
    }

    /// Where the two readings differ, in words.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Reads a message of Sibai (`ours`) or of a phone.
    ///
    /// What a phone sends may be bad on purpose; what Sibai sends never is.
    pub(super) fn read(&mut self, from: SocketAddr, ours: bool, bytes: &[u8]) {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0)) {
            return;
        }
        let message = match Message::parse(Bytes::copy_from_slice(bytes), Carriage::Datagram) {
            Ok(message) => message,
            Err(bad) if ours => {
                return self.fault(from, &format!("we cannot read what we wrote: {bad}"), bytes);
            }
            Err(_) => return,
        };
        self.messages += 1;
        if ours && message.as_bytes() != Draft::of(&message).finish().as_bytes() {
            self.fault(from, "read and written again it is another message", bytes);
        }
        let second = match SipMessage::try_from(bytes) {
            Ok(second) => second,
            Err(error) => {
                return self.refused(from, Field::Message, &String::from_utf8_lossy(bytes), &error, bytes);
            }
        };
        let (mine, theirs) = (of_ours(&message), of_rsip(&second));
        for (field, reading) in theirs {
            let raw = raw(&message, field);
            match (mine.get(&field), reading) {
                (Some(mine), Ok(theirs)) if *mine == theirs => self.fields += 1,
                (mine, Ok(theirs)) => {
                    let what = format!("{field:?} is {mine:?} to us and {theirs:?} to rsip");
                    self.differs(from, field, &raw, &what, bytes);
                }
                (_, Err(error)) => self.refused(from, field, &raw, &error, bytes),
            }
        }
    }

    fn refused(&mut self, from: SocketAddr, field: Field, raw: &str, error: &rsip::Error, bytes: &[u8]) {
        self.differs(from, field, raw, &format!("rsip cannot read {field:?} {raw:?}: {error:?}"), bytes);
    }

    fn differs(&mut self, from: SocketAddr, field: Field, raw: &str, what: &str, bytes: &[u8]) {
        match known(field, raw) {
            Some(limit) => *self.unread.entry(limit).or_default() += 1,
            None => self.fault(from, what, bytes),
        }
    }

    fn fault(&mut self, from: SocketAddr, what: &str, bytes: &[u8]) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(format!("{from}: {what}\n{}", String::from_utf8_lossy(bytes)));
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Message,
    Start,
    Uri,
    Via,
    Branch,
    From,
    FromTag,
    To,
    ToTag,
    CallId,
    CSeq,
    Contact,
    ContentLength,
    Body,
    Expires,
    MaxForwards,
}

/// Our reading. URIs in lower case: rsip spells transports and methods in them its own way.
fn of_ours(message: &Message) -> BTreeMap<Field, String> {
    let mut fields = BTreeMap::new();
    match message.kind() {
        Kind::Request { method, uri } => {
            fields.insert(Field::Start, method.as_str().to_owned());
            fields.insert(Field::Uri, uri.to_ascii_lowercase());
        }
        Kind::Response { status, .. } => {
            fields.insert(Field::Start, status.to_string());
        }
    }
    if let Ok(via) = message.via() {
        fields.insert(Field::Branch, via.branch().unwrap_or("none").to_owned());
        let port = via.port.map_or_else(String::new, |port| format!(":{port}"));
        fields.insert(Field::Via, format!("{} {}{port}", via.transport.as_str(), via.host));
    }
    let from_to = [
        (message.from(), Field::From, Field::FromTag, message.from_tag()),
        (message.to(), Field::To, Field::ToTag, message.to_tag()),
    ];
    for (address, uri, tag_field, tag) in from_to {
        if let Ok(address) = address {
            fields.insert(uri, address.uri.as_str().to_ascii_lowercase());
            fields.insert(tag_field, tag.unwrap_or_else(|| "none".to_owned()));
        }
    }
    fields.insert(Field::CallId, message.call_id().into_owned());
    fields.insert(Field::CSeq, format!("{} {}", message.cseq().number, message.cseq().method));
    if let Ok(contact) = message.contact() {
        fields.insert(Field::Contact, contact.uri.as_str().to_ascii_lowercase());
    }
    fields.insert(Field::ContentLength, message.body().len().to_string());
    fields.insert(Field::Body, String::from_utf8_lossy(message.body()).into_owned());
    for (header, field) in [(Header::Expires, Field::Expires), (Header::MaxForwards, Field::MaxForwards)] {
        if let Ok(number) = message.number(header) {
            fields.insert(field, number.to_string());
        }
    }
    fields
}

/// rsip's reading; of a header that stands more than once the first counts.
fn of_rsip(message: &SipMessage) -> BTreeMap<Field, Result<String, rsip::Error>> {
    let mut fields = BTreeMap::new();
    let body = match message {
        SipMessage::Request(request) => {
            fields.insert(Field::Start, Ok(request.method.to_string()));
            fields.insert(Field::Uri, Ok(request.uri.to_string().to_ascii_lowercase()));
            &request.body
        }
        SipMessage::Response(response) => {
            fields.insert(Field::Start, Ok(response.status_code.code().to_string()));
            &response.body
        }
    };
    fields.insert(Field::Body, Ok(String::from_utf8_lossy(body).into_owned()));
    for header in message.headers().iter() {
        for (field, reading) in of_header(header) {
            fields.entry(field).or_insert(reading);
        }
    }
    fields
}

fn of_header(header: &rsip::Header) -> Vec<(Field, Result<String, rsip::Error>)> {
    let lower = |uri: &rsip::Uri| uri.to_string().to_ascii_lowercase();
    let tag =
        |tag: Option<&rsip::param::Tag>| tag.map_or_else(|| "none".to_owned(), |tag| tag.value().to_owned());
    match header {
        rsip::Header::Via(via) => match via.typed() {
            Ok(via) => vec![
                (Field::Branch, Ok(via.branch().map_or_else(|| "none".into(), |b| b.value().to_owned()))),
                (Field::Via, Ok(format!("{} {}", via.transport, via.uri.host_with_port))),
            ],
            Err(error) => vec![(Field::Via, Err(error))],
        },
        rsip::Header::From(from) => match from.typed() {
            Ok(from) => vec![(Field::From, Ok(lower(&from.uri))), (Field::FromTag, Ok(tag(from.tag())))],
            Err(error) => vec![(Field::From, Err(error))],
        },
        rsip::Header::To(to) => match to.typed() {
            Ok(to) => vec![(Field::To, Ok(lower(&to.uri))), (Field::ToTag, Ok(tag(to.tag())))],
            Err(error) => vec![(Field::To, Err(error))],
        },
        rsip::Header::Contact(contact) => {
            vec![(Field::Contact, contact.typed().map(|contact| lower(&contact.uri)))]
        }
        rsip::Header::CallId(call_id) => vec![(Field::CallId, Ok(call_id.value().to_owned()))],
        rsip::Header::CSeq(cseq) => {
            vec![(Field::CSeq, cseq.typed().map(|cseq| format!("{} {}", cseq.seq, cseq.method)))]
        }
        rsip::Header::ContentLength(length) => {
            vec![(Field::ContentLength, length.length().map(|length| length.to_string()))]
        }
        rsip::Header::Expires(expires) => {
            vec![(Field::Expires, expires.seconds().map(|seconds| seconds.to_string()))]
        }
        rsip::Header::MaxForwards(hops) => {
            vec![(Field::MaxForwards, hops.num().map(|hops| hops.to_string()))]
        }
        _ => Vec::new(),
    }
}

/// The text in which a field stands.
fn raw(message: &Message, field: Field) -> String {
    let header = match field {
        Field::Message | Field::Start | Field::Body => return String::new(),
        Field::Uri => return message.uri_text().to_owned(),
        Field::Via | Field::Branch => Header::Via,
        Field::From | Field::FromTag => Header::From,
        Field::To | Field::ToTag => Header::To,
        Field::CallId => Header::CallId,
        Field::CSeq => Header::CSeq,
        Field::Contact => Header::Contact,
        Field::ContentLength => Header::ContentLength,
        Field::Expires => Header::Expires,
        Field::MaxForwards => Header::MaxForwards,
    };
    message.header(header).map_or_else(String::new, |value| String::from_utf8_lossy(value.raw()).into_owned())
}

/// The known limit of rsip that this text meets.
fn known(field: Field, raw: &str) -> Option<Limit> {
    let is_address = matches!(field, Field::Uri | Field::From | Field::To | Field::Contact);
    let tests: [(Limit, bool); 10] = [
        (Limit::Star, field == Field::Contact && raw == "*"),
        (Limit::Binary, raw.contains('\u{fffd}')),
        (Limit::Tel, (is_address || field == Field::Message) && raw.contains("tel:")),
        (Limit::Instance, raw.contains("+sip.instance")),
        (Limit::Ipv6, (is_address || field == Field::Via || field == Field::Message) && raw.contains('[')),
        (Limit::Fold, field != Field::Message && raw.contains(['\r', '\n'])),
        (Limit::ListedInLine, matches!(field, Field::Via | Field::Contact) && raw.contains(',')),
        (Limit::UriHeaders, is_address && raw.contains('?')),
        (Limit::Foreign, is_address && !raw.is_ascii()),
        (Limit::Transport, field == Field::Via && !TRANSPORTS.iter().any(|known| raw.contains(known))),
    ];
    let met = tests.into_iter().find(|(_, met)| *met).map(|(limit, _)| limit);
    let method = raw.split(' ').next().unwrap_or_default();
    met.or_else(|| (field == Field::Message && !METHODS.contains(&method)).then_some(Limit::Method))
}

/// The methods that rsip knows, and how a response begins.
const METHODS: [&str; 15] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
    "SIP/2.0",
];

/// The transports that it knows.
const TRANSPORTS: [&str; 6] = ["/UDP ", "/TCP ", "/TLS ", "/SCTP ", "/WS ", "/WSS "];

/// More say nothing new.
const MOST_FAULTS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTER: &str = "REGISTER sip:127.0.0.1;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKa1;rport\r\nMax-Forwards: 70\r\n\
        From: \"Li Na\" <sip:8001@127.0.0.1>;tag=f1\r\nTo: <sip:8001@127.0.0.1>\r\nCall-ID: c1\r\n\
        CSeq: 1 REGISTER\r\nContact: <sip:8001@127.0.0.1:6001;ob>;q=0.5\r\nExpires: 60\r\n\
        Content-Length: 0\r\n\r\n";

    fn reading(bytes: &[u8]) -> SecondReader {
        let mut reader = SecondReader::default();
        reader.read("127.0.0.1:5060".parse().unwrap(), true, bytes);
        reader
    }

    #[test]
    fn a_usual_message_is_the_same_to_both() {
        let read = reading(REGISTER.as_bytes());
        assert_eq!(read.faults, Vec::<String>::new());
        assert_eq!((read.messages, read.fields, read.unread.len()), (1, 15, 0));
    }

    #[test]
    fn what_only_one_of_the_two_sees_is_a_fault() {
        // Legal, and rsip takes the whole text for the number; no limit that is known.
        let twice = REGISTER.replace("Expires: 60", "Expires: 60 ;x");
        assert!(reading(twice.as_bytes()).faults[0].contains("rsip cannot read Expires"));
        // rsip takes what follows the message for its body.
        let longer = format!("{REGISTER}more");
        assert!(reading(longer.as_bytes()).faults.iter().any(|fault| fault.contains("Body is")));
        let unread = reading(&REGISTER.as_bytes()[..100]);
        assert!(unread.faults[0].contains("what we wrote"));
    }

    #[test]
    fn what_rsip_is_known_not_to_read_is_counted() {
        let cases = [
            ("<sip:8001@127.0.0.1:6001;ob>;q=0.5", "*", Limit::Star),
            (";q=0.5", ";+sip.instance=\"<urn:uuid:1>\"", Limit::Instance),
            ("sip:8001@127.0.0.1>\r\nCall", "tel:+8613800138000>\r\nCall", Limit::Tel),
            ("127.0.0.1:6001;branch", "[::1]:6001;branch", Limit::Ipv6),
            ("REGISTER", "FETCH", Limit::Method),
        ];
        for (from, to, limit) in cases {
            let read = reading(REGISTER.replace(from, to).as_bytes());
            assert_eq!(read.faults, Vec::<String>::new(), "{limit:?}");
            assert_eq!(read.unread.keys().collect::<Vec<_>>(), [&limit]);
        }
    }
}
