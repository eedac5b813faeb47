//! Reading a message with rsip, and judging it by RFC 3261 while we are at it.
//!
//! What rsip cannot read although phones and carriers send it is read here: compact header names, `tel:`
//! and IPv6 addresses, several values in one line. Everything else that rsip refuses is a fault.

use rsip::headers::ToTypedHeader;
use rsip::prelude::{HasHeaders, UntypedHeader};
use rsip::{Method, SipMessage};

/// What a message says.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) start: Start,
    pub(crate) call_id: String,
    pub(crate) seq: u32,
    pub(crate) method: Method,
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) vias: Vec<String>,
    pub(crate) contacts: Vec<Party>,
    pub(crate) record_routes: Vec<String>,
    pub(crate) body: String,
    /// Lower-case names, in order; compact names spelled out.
    pub(crate) headers: Vec<(String, String)>,
    /// What breaks RFC 3261, in words.
    pub(crate) faults: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Request { method: Method, uri: String },
    Response(u16),
}

/// A name-addr or addr-spec with its parameters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Party {
    /// The value without its parameters, as it came.
    pub(crate) name_addr: String,
    /// What stood between `<` and `>`.
    pub(crate) uri: String,
    pub(crate) tag: Option<String>,
    pub(crate) expires: Option<u32>,
}

impl Read {
    /// Reads and judges; `Err` says why nothing can be done with it.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the message is not UTF-8".to_string())?;
        let message = SipMessage::try_from(bytes).map_err(|e| format!("rsip cannot read it: {e:?}"))?;
        let headers = spelled_out(&message);
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let missing = |name: &str| format!("no {name}");
        let mut faults = Vec::new();
        let cseq = value("cseq").ok_or_else(|| missing("CSeq"))?;
        let cseq = rsip::headers::CSeq::new(cseq).typed().map_err(|e| format!("CSeq {cseq:?}: {e:?}"))?;
        let start = match &message {
            // The Request-URI is taken as it stands: rsip loses URI headers and letter case.
            SipMessage::Request(request) => Start::Request {
                method: request.method,
                uri: text.split(' ').nth(1).unwrap_or_default().to_string(),
            },
            SipMessage::Response(response) => Start::Response(response.status_code.code()),
        };
        let read = Self {
            call_id: value("call-id").ok_or_else(|| missing("Call-ID"))?.to_string(),
            seq: cseq.seq,
            method: cseq.method,
            from: party(value("from").ok_or_else(|| missing("From"))?, &mut faults),
            to: party(value("to").ok_or_else(|| missing("To"))?, &mut faults),
            vias: listed(&headers, "via"),
            contacts: listed(&headers, "contact").iter().map(|v| party(v, &mut faults)).collect(),
            record_routes: listed(&headers, "record-route"),
            body: body_of(text, &headers, &mut faults),
            start,
            headers,
            faults,
        };
        if read.vias.is_empty() {
            return Err(missing("Via"));
        }
        Ok(read.judged())
    }

    /// The first value of a header, by its lower-case name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of a header, by its lower-case name.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A parameter of the top Via: `Some("")` when it stands without a value.
    pub(crate) fn via_param(&self, name: &str) -> Option<&str> {
        param(self.vias.first()?, name)
    }

    /// The branch of the top Via.
    pub(crate) fn branch(&self) -> &str {
        self.via_param("branch").unwrap_or_default()
    }

    /// Host and port of the top Via.
    pub(crate) fn sent_by(&self) -> &str {
        let via = self.vias.first().map_or("", String::as_str);
        via.split(';').next().unwrap_or_default().split_ascii_whitespace().last().unwrap_or_default()
    }

    fn judged(mut self) -> Self {
        let mut faults = std::mem::take(&mut self.faults);
        for name in ONCE {
            if self.values(name).count() > 1 {
                faults.push(format!("{name} stands more than once"));
            }
        }
        if self.from.tag.is_none() {
            faults.push("From has no tag".into());
        }
        for via in self.vias.iter().filter(|via| !via.contains('[')) {
            if let Err(e) = rsip::headers::Via::new(via.as_str()).typed() {
                faults.push(format!("rsip cannot read Via {via:?}: {e:?}"));
            }
        }
        if !self.branch().starts_with("z9hG4bK") {
            faults.push("the Via branch does not begin with z9hG4bK".into());
        }
        match &self.start {
            Start::Request { method, .. } => {
                let hops = self.value("max-forwards").and_then(|v| v.trim().parse::<u8>().ok());
                if hops.is_none() {
                    faults.push(format!("{method} without a Max-Forwards in 0..=255"));
                }
                if *method != self.method {
                    faults.push(format!("{method} with CSeq of {}", self.method));
                }
                if *method == Method::Invite && self.contacts.len() != 1 {
                    faults.push(format!("INVITE with {} Contacts", self.contacts.len()));
                }
            }
            Start::Response(code) => {
                if *code > 100 && self.to.tag.is_none() {
                    faults.push(format!("{code} without a To tag"));
                }
                if self.method == Method::Invite && code / 100 == 2 && self.contacts.len() != 1 {
                    faults.push(format!("{code} to INVITE with {} Contacts", self.contacts.len()));
                }
                if *code == 405 && self.value("allow").is_none() {
                    faults.push("405 without Allow".into());
                }
                if *code == 420 && self.value("unsupported").is_none() {
                    faults.push("420 without Unsupported".into());
                }
            }
        }
        if !self.body.is_empty() && self.value("content-type").is_none() {
            faults.push("a body without a Content-Type".into());
        }
        self.faults = faults;
        self
    }
}

/// A parameter of a header value, outside `<…>` and quotes; `Some("")` when it has no value.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    split_outside(value, ';').into_iter().skip(1).find_map(|part| {
        let (key, found) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| found.trim().trim_matches('"'))
    })
}

/// The address of a `sip:` URI when its host is an address in figures.
pub(crate) fn address_of(uri: &str) -> Option<std::net::SocketAddr> {
    let rest = uri.trim().trim_start_matches('<');
    let (scheme, rest) = rest.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") {
        return None;
    }
    let end = rest.find(['>', '?']).unwrap_or(rest.len());
    let rest = rest.get(..end)?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host).split(';').next()?;
    host_address(host)
}

/// `host[:port]` in figures; 5060 when there is no port.
pub(crate) fn host_address(host: &str) -> Option<std::net::SocketAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok().or_else(|| bare.parse().ok().map(|ip| std::net::SocketAddr::new(ip, 5060)))
}

/// The user part of a `sip:` URI or the number of a `tel:` one.
pub(crate) fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    user.split(';').next().unwrap_or_default()
}

/// Splits at `separator`, leaving quoted strings and `<…>` whole.
pub(crate) fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped, mut angle) = (Vec::new(), 0, false, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            c if c == separator && !quoted && !angle => {
                parts.push(text[start..at].trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn party(value: &str, faults: &mut Vec<String>) -> Party {
    // rsip cannot read tel: URIs of full length and IPv6; everything else in From, To and Contact it must.
    let exempt = value.contains("tel:") || value.contains('[') || value.trim() == "*";
    // +sip.instance is legal and rsip refuses it (RFC 5626 §4.1).
    let exempt = exempt || value.contains("+sip.instance");
    if !exempt && let Err(e) = rsip::headers::Contact::new(value).typed() {
        faults.push(format!("rsip cannot read the address {value:?}: {e:?}"));
    }
    let parts = split_outside(value, ';');
    let name_addr = parts.first().copied().unwrap_or_default().to_string();
    let uri = match name_addr.rsplit_once('<') {
        Some((_, uri)) => uri.trim_end_matches('>').to_string(),
        None => name_addr.clone(),
    };
    Party {
        uri,
        tag: param(value, "tag").filter(|tag| !tag.is_empty()).map(String::from),
        expires: param(value, "expires").and_then(|v| v.parse().ok()),
        name_addr,
    }
}

/// Every header as rsip split it, names in lower case and compact forms spelled out (RFC 3261 §7.3.3).
fn spelled_out(message: &SipMessage) -> Vec<(String, String)> {
    let pair = |header: &rsip::Header| {
        let line = header.to_string();
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let name = name.trim().to_ascii_lowercase();
        let full = COMPACT.iter().find(|(short, _)| *short == name).map_or(name.as_str(), |(_, full)| full);
        (full.to_string(), value.trim().to_string())
    };
    message.headers().iter().map(pair).collect()
}

fn listed(headers: &[(String, String)], name: &str) -> Vec<String> {
    let values = headers.iter().filter(|(n, _)| n == name);
    values.flat_map(|(_, value)| split_outside(value, ',')).map(String::from).collect()
}

/// The body cut to Content-Length: rsip takes whatever follows the empty line.
fn body_of(text: &str, headers: &[(String, String)], faults: &mut Vec<String>) -> String {
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let length = headers.iter().find(|(n, _)| n == "content-length").map(|(_, v)| v.parse::<usize>());
    match length {
        None => body.to_string(),
        Some(Ok(length)) => {
            if length != body.len() {
                faults.push(format!("Content-Length says {length}, the body has {} bytes", body.len()));
            }
            body.get(..length).unwrap_or(body).to_string()
        }
        Some(Err(_)) => {
            faults.push("Content-Length is not a number".into());
            body.to_string()
        }
    }
}

const ONCE: [&str; 6] = ["from", "to", "call-id", "cseq", "max-forwards", "content-length"];
const COMPACT: [(&str, &str); 10] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("l", "content-length"),
    ("c", "content-type"),
    ("k", "supported"),
    ("s", "subject"),
    ("x", "session-expires"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:400@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bKa;rport\r\n\
        Max-Forwards: 70\r\nFrom: \"a;b\" <sip:1@127.0.0.1>;tag=f\r\nTo: <sip:400@127.0.0.1>\r\nCall-ID: x\r\n\
        CSeq: 1 INVITE\r\nContact: <sip:1@127.0.0.1:5080>\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_good_request_has_no_fault() {
        let read = Read::of(INVITE.as_bytes()).unwrap();
        assert_eq!(read.faults, Vec::<String>::new());
        assert_eq!(read.from.tag.as_deref(), Some("f"));
        assert_eq!(read.via_param("rport"), Some(""));
        assert_eq!(read.sent_by(), "127.0.0.1:5080");
    }

    #[test]
    fn compact_names_are_understood() {
        let text = INVITE.replace("Via:", "v:").replace("Call-ID:", "I:").replace("Contact:", "m:");
        assert_eq!(Read::of(text.as_bytes()).unwrap().faults, Vec::<String>::new());
    }

    #[test]
    fn what_breaks_the_rfc_is_said() {
        let spoil = |from: &str, to: &str| Read::of(INVITE.replace(from, to).as_bytes()).map(|r| r.faults);
        for (from, to) in [
            (";tag=f", ""),
            ("z9hG4bK", ""),
            ("Length: 0", "Length: 4"),
            ("Max-Forwards: 70\r\n", ""),
            ("1 INVITE", "1 BYE"),
            ("Contact: <sip:1@127.0.0.1:5080>\r\n", ""),
        ] {
            assert_eq!(spoil(from, to).unwrap().len(), 1, "{from:?} -> {to:?}");
        }
        assert!(spoil("CSeq: 1 INVITE\r\n", "").is_err());
        assert!(spoil("Via: SIP", "Bia: SIP").is_err());
    }

    #[test]
    fn addresses_in_uris() {
        assert_eq!(address_of("<sip:1@127.0.0.1:5080;lr>"), "127.0.0.1:5080".parse().ok());
        assert_eq!(address_of("sip:127.0.0.1"), "127.0.0.1:5060".parse().ok());
        assert_eq!(address_of("sip:1@[::1]:7;ob"), "[::1]:7".parse().ok());
        assert_eq!(address_of("sip:1@example.cn"), None);
        assert_eq!(user_of("sip:400;x=1@h"), "400");
        assert_eq!(user_of("tel:+8613800138000"), "+8613800138000");
    }
}
