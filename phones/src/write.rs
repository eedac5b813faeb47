//! Writing messages with rsip.
//!
//! The request line is written as it stands when rsip's URI would not come out as it went in: the
//! Request-URI of a dialog must be the peer's Contact, letter for letter.

use rsip::prelude::UntypedHeader;
use rsip::{Header, Headers, Method, StatusCode, Uri, Version};

use crate::read::Read;

/// What a request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a str,
    pub(crate) via: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) seq: u32,
    pub(crate) routes: &'a [String],
    pub(crate) headers: &'a [(String, String)],
    pub(crate) credentials: Option<(&'a str, &'a str)>,
    pub(crate) body: Option<(&'a str, &'a str)>,
}

pub(crate) fn request(parts: &Request<'_>) -> Vec<u8> {
    let mut headers = Headers::default();
    headers.push(rsip::headers::Via::new(parts.via).into());
    headers.push(rsip::headers::MaxForwards::from(70).into());
    for route in parts.routes {
        headers.push(rsip::headers::Route::new(route.as_str()).into());
    }
    headers.push(rsip::headers::From::new(parts.from).into());
    headers.push(rsip::headers::To::new(parts.to).into());
    headers.push(rsip::headers::CallId::new(parts.call_id).into());
    headers.push(rsip::headers::CSeq::new(format!("{} {}", parts.seq, parts.method)).into());
    if let Some((name, value)) = parts.credentials {
        headers.push(Header::Other(name.into(), value.into()));
    }
    push_rest(&mut headers, parts.headers, parts.body);
    let body = parts.body.map_or("", |(_, text)| text);
    match Uri::try_from(parts.uri) {
        Ok(uri) if uri.to_string() == parts.uri => {
            let request = rsip::Request {
                method: parts.method,
                uri,
                version: Version::V2,
                headers,
                body: body.as_bytes().to_vec(),
            };
            request.into()
        }
        _ => format!("{} {} SIP/2.0\r\n{headers}\r\n{body}", parts.method, parts.uri).into_bytes(),
    }
}

/// A response to `read`: its Vias (the top one completed with where it came from), From, To, Call-ID, CSeq.
pub(crate) fn response(
    read: &Read,
    source: std::net::SocketAddr,
    code: u16,
    tag: Option<&str>,
    more: &[(String, String)],
    body: Option<(&str, &str)>,
) -> Vec<u8> {
    let mut headers = Headers::default();
    for (n, via) in read.vias.iter().enumerate() {
        let via = if n == 0 { completed(read, via, source) } else { via.clone() };
        headers.push(rsip::headers::Via::new(via).into());
    }
    headers.push(rsip::headers::From::new(read.value("from").unwrap_or_default()).into());
    let to = read.value("to").unwrap_or_default();
    let to = match tag.filter(|_| read.to.tag.is_none()) {
        Some(tag) => format!("{to};tag={tag}"),
        None => to.to_string(),
    };
    headers.push(rsip::headers::To::new(to).into());
    headers.push(rsip::headers::CallId::new(read.call_id.as_str()).into());
    headers.push(rsip::headers::CSeq::new(format!("{} {}", read.seq, read.method)).into());
    push_rest(&mut headers, more, body);
    let response = rsip::Response {
        // rsip's own phrases are its names of the codes ("BusyHere"); any phrase is legal.
        status_code: StatusCode::from(code),
        version: Version::V2,
        headers,
        body: body.map_or("", |(_, text)| text).as_bytes().to_vec(),
    };
    response.into()
}

/// RFC 3581 §4: `received`, and `rport` when it was asked for.
fn completed(read: &Read, via: &str, source: std::net::SocketAddr) -> String {
    if read.via_param("rport") != Some("") {
        return format!("{via};received={}", source.ip());
    }
    let parts = via.split(';').map(|part| {
        if part.trim().eq_ignore_ascii_case("rport") {
            format!("rport={}", source.port())
        } else {
            part.to_string()
        }
    });
    format!("{};received={}", parts.collect::<Vec<_>>().join(";"), source.ip())
}

fn push_rest(headers: &mut Headers, more: &[(String, String)], body: Option<(&str, &str)>) {
    for (name, value) in more {
        headers.push(Header::Other(name.clone(), value.clone()));
    }
    headers.push(rsip::headers::UserAgent::new("sibai-phones").into());
    if let Some((kind, _)) = body {
        headers.push(rsip::headers::ContentType::new(kind).into());
    }
    let length = body.map_or(0, |(_, text)| text.len());
    headers.push(rsip::headers::ContentLength::from(length as u32).into());
}

/// A value inside a URI's headers: everything that could end it is escaped (RFC 3261 §25.1, hvalue).
pub(crate) fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.extend(["%".to_owned(), hex::encode_upper([byte])]);
        }
    }
    text
}
