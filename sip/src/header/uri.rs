//! URIs: sip, sips and tel read into parts, any other scheme verbatim (RFC 3261 section 19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::HeaderFault;
use super::params::{self, Params};
use crate::lex::{self, Cut};

/// A URI: its text, verbatim, and where its parts lie.
///
/// `==` compares texts; [`Uri::is_equivalent`] compares as RFC 3261 section 19.1.4 says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    text: String,
    parts: Parts,
}

/// What a URI is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other; nothing but the text is known.
    Other,
}

/// The host of a URI or of a Via.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// A name to be resolved.
    Name(&'a str),
}

impl Uri {
    /// Reads a URI; white space, angle brackets and control characters are never part of one.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let parts = Parts::scan(text).ok_or(HeaderFault::Malformed)?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Of text that has been scanned.
    pub(crate) fn scanned(text: &str, parts: Parts) -> Self {
        Self { text: text.to_owned(), parts }
    }

    /// A sip URI of these parts: `user` is escaped, an IPv6 `host` gets its brackets.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, HeaderFault> {
        let user = user.map_or_else(String::new, |user| lex::escape_user(user) + "@");
        let host = match host.parse::<Ipv6Addr>() {
            Ok(v6) => format!("[{v6}]"),
            Err(_) => host.to_owned(),
        };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let text = format!("sip:{user}{host}{port}");
        Self::parse(&text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its scheme.
    pub const fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The scheme as written, without the colon.
    pub fn scheme_text(&self) -> &str {
        self.text.split(':').next().unwrap_or("")
    }

    /// The user part with its escapes resolved; of a tel URI the number as written.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user_text().map(lex::unescape)
    }

    /// The user part as written.
    pub fn user_text(&self) -> Option<&str> {
        self.part(self.parts.user)
    }

    /// The password as written (RFC 3261 advises against it; it is never logged).
    pub fn password(&self) -> Option<&str> {
        self.part(self.parts.password)
    }

    /// The host; `None` for tel and unknown schemes.
    pub fn host(&self) -> Option<Host<'_>> {
        self.host_text().and_then(host)
    }

    /// The host as written, an IPv6 address in brackets.
    pub fn host_text(&self) -> Option<&str> {
        self.part(self.parts.host)
    }

    /// The port, when one is written.
    pub const fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The value of a URI parameter as written; `Some("")` for a flag.
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut pairs = params::pairs(self.params_text());
        // A name may be written in escapes: `%6C%72` is `lr` (RFC 4475 section 3.1.1.3).
        let found = pairs.find(|(key, _)| lex::unescape(key).eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.unwrap_or_default())
    }

    /// The URI parameters as written, from the first `;` on.
    pub fn params_text(&self) -> &str {
        self.part(self.parts.params).unwrap_or("")
    }

    /// What follows `?`, as written.
    pub fn headers_text(&self) -> Option<&str> {
        self.part(self.parts.headers)
    }

    /// Whether this is a loose router's URI (RFC 3261 section 16.12).
    pub fn is_loose(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The same URI with a parameter set, in place of any of that name; an empty value makes a flag.
    pub fn with_param(&self, name: &str, value: &str) -> Result<Self, HeaderFault> {
        let mut params = Params::parse(self.params_text()).unwrap_or_default();
        if value.is_empty() {
            params.set_flag(name);
        } else {
            params.set(name, value);
        }
        self.rebuilt(params.as_str(), self.headers_text())
    }

    /// The same URI without this parameter.
    pub fn without_param(&self, name: &str) -> Result<Self, HeaderFault> {
        let mut params = Params::parse(self.params_text()).unwrap_or_default();
        params.remove(name);
        self.rebuilt(params.as_str(), self.headers_text())
    }

    /// The same URI without the headers after `?`: a Refer-To or a Contact must not smuggle any in.
    pub fn without_headers(&self) -> Result<Self, HeaderFault> {
        self.rebuilt(self.params_text(), None)
    }

    /// Equality as of RFC 3261 section 19.1.4 (sip, sips) and RFC 3966 section 4 (tel).
    pub fn is_equivalent(&self, other: &Self) -> bool {
        if self.scheme() != other.scheme() {
            return false;
        }
        // A parameter that stands twice compares with nothing; the same text is the same URI all the same.
        if self.text == other.text {
            return true;
        }
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => self.is_same_address(other) && self.is_same_trimmings(other),
            Scheme::Tel => digits(self).eq(digits(other)) && same_params(self, other, |_| true),
            Scheme::Other => false,
        }
    }

    fn is_same_address(&self, other: &Self) -> bool {
        let hosts = match (self.host(), other.host()) {
            (Some(Host::Name(a)), Some(Host::Name(b))) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        };
        // A port that is written never equals one that is not, even where it is the default.
        hosts
            && self.port() == other.port()
            && self.user() == other.user()
            && self.password().map(lex::unescape) == other.password().map(lex::unescape)
    }

    fn is_same_trimmings(&self, other: &Self) -> bool {
        // These count even when only one of the two has them; others only when both do.
        let weighs = |name: &str| {
            ["user", "ttl", "method", "maddr", "transport"].iter().any(|w| name.eq_ignore_ascii_case(w))
        };
        same_params(self, other, weighs) && same_headers(self.headers_text(), other.headers_text())
    }

    fn rebuilt(&self, params: &str, headers: Option<&str>) -> Result<Self, HeaderFault> {
        let bare = self.parts.params.map_or(self.text.len(), Cut::start);
        let bare = match self.parts.headers {
            Some(headers) => bare.min(headers.start().saturating_sub(1)),
            None => bare,
        };
        let mut text = self.text.get(..bare).unwrap_or("").to_owned();
        text.push_str(params);
        if let Some(headers) = headers {
            text.push('?');
            text.push_str(headers);
        }
        Self::parse(&text)
    }

    fn part(&self, part: Option<Cut>) -> Option<&str> {
        Some(part?.of(&self.text))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Uri {
    type Err = HeaderFault;

    fn from_str(text: &str) -> Result<Self, HeaderFault> {
        Self::parse(text)
    }
}

/// Reads a host as it is written in a URI or a Via: a name, an IPv4 address, an IPv6 address in brackets.
pub(crate) fn host(text: &str) -> Option<Host<'_>> {
    if let Some(inner) = text.strip_prefix('[') {
        let v6: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Address(v6.into()));
    }
    if !is_name(text) {
        return None;
    }
    let v4 = text.ends_with(|c: char| c.is_ascii_digit()).then(|| text.parse::<Ipv4Addr>().ok()).flatten();
    Some(v4.map_or(Host::Name(text), |v4| Host::Address(v4.into())))
}

/// Splits `host:port`, IPv6 in brackets; the port must be a number when the colon stands.
pub(crate) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let bytes = text.as_bytes();
    // Without white space, as nearly everyone writes it.
    let end = lex::end_of_run(bytes, 0, lex::HOST);
    if end > 0 {
        let (name, port) = text.split_at(end);
        if port.is_empty() {
            return Some((name, None));
        }
        if let Some(port) = port.strip_prefix(':').and_then(lex::number) {
            return Some((name, Some(port)));
        }
    }
    let from = if bytes.first() == Some(&b'[') { memchr::memchr(b']', bytes)? } else { 0 };
    let (name, port) = match memchr::memchr(b':', bytes.get(from..)?) {
        Some(colon) => {
            let (name, port) = text.split_at(from + colon);
            (name, Some(lex::number(lex::trim(port.get(1..)?))?))
        }
        None => (text, None),
    };
    let name = lex::trim(name);
    is_host(name).then_some((name, port))
}

fn is_host(text: &str) -> bool {
    if text.starts_with('[') { host(text).is_some() } else { is_name(text) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && lex::end_of_run(text.as_bytes(), 0, lex::HOST) == text.len()
}

fn digits(uri: &Uri) -> impl Iterator<Item = u8> {
    let number = uri.user_text().unwrap_or("");
    number.bytes().filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')')).map(|b| b.to_ascii_lowercase())
}

fn same_params(a: &Uri, b: &Uri, weighs: impl Fn(&str) -> bool) -> bool {
    let agrees = |from: &str, with: &str| {
        params::pairs(from).all(|(name, value)| match params::find(with, name) {
            Some((_, other)) => same_escaped(value.unwrap_or(""), other.unwrap_or("")),
            None => !weighs(name),
        })
    };
    agrees(a.params_text(), b.params_text()) && agrees(b.params_text(), a.params_text())
}

fn same_escaped(a: &str, b: &str) -> bool {
    lex::unescape(a).eq_ignore_ascii_case(&lex::unescape(b))
}

fn same_headers(a: Option<&str>, b: Option<&str>) -> bool {
    let sorted = |text: Option<&str>| {
        let mut fields: Vec<(String, String)> = text
            .unwrap_or("")
            .split('&')
            .map(|field| field.split_once('=').unwrap_or((field, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), lex::unescape(value).into_owned()))
            .collect();
        fields.sort();
        fields
    };
    a.is_some() == b.is_some() && sorted(a) == sorted(b)
}

/// Where the parts lie in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
    scheme: Scheme,
    user: Option<Cut>,
    password: Option<Cut>,
    host: Option<Cut>,
    port: Option<u16>,
    params: Option<Cut>,
    headers: Option<Cut>,
}

/// Whether `text` may stand in a request line: a URI without headers (RFC 3261 section 19.1.1).
pub(crate) fn is_request_uri(text: &str) -> bool {
    Parts::scan(text).is_some_and(|parts| parts.headers.is_none())
}

impl Parts {
    /// Finds the parts of `text`; `None` when it is no URI.
    pub(crate) fn scan(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        Cut::new(0, bytes.len())?;
        let (scheme, rest) = Self::scheme(bytes)?;
        let none =
            Self { scheme, user: None, password: None, host: None, port: None, params: None, headers: None };
        match scheme {
            Scheme::Sip | Scheme::Sips => none.scan_sip(text, rest),
            Scheme::Tel | Scheme::Other if !is_opaque(bytes) => None,
            Scheme::Tel => none.scan_tel(text, rest),
            Scheme::Other => (rest < text.len()).then_some(none),
        }
    }

    /// The scheme, and where what follows its colon begins.
    fn scheme(bytes: &[u8]) -> Option<(Scheme, usize)> {
        // As nearly everyone writes it.
        if bytes.starts_with(b"sip:") {
            return Some((Scheme::Sip, 4));
        }
        for (name, scheme) in [("sip:", Scheme::Sip), ("tel:", Scheme::Tel), ("sips:", Scheme::Sips)] {
            if bytes.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes())) {
                return Some((scheme, name.len()));
            }
        }
        let colon = bytes.iter().take(LONGEST_SCHEME).position(|&b| b == b':')?;
        let (first, rest) = bytes.get(..colon)?.split_first()?;
        let named = first.is_ascii_alphabetic()
            && rest.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        named.then_some((Scheme::Other, colon + 1))
    }

    fn scan_sip(mut self, text: &str, start: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let word = lex::end_of_run(bytes, start, lex::WORD);
        let from = if word > start && bytes.get(word) == Some(&b'@') {
            self.user = Cut::new(start, word);
            word + 1
        } else {
            // The user part may hold `;`, `?` and `/`: the `@` tells where it ends.
            match lex::find(bytes.get(word..)?, b'@') {
                Some(length) => self.scan_user(bytes, start, word + length)?,
                None => start,
            }
        };
        let end = self.scan_host(text, from)?;
        if end == text.len() { Some(self) } else { self.scan_trimmings(text, end) }
    }

    /// The user and the password before the `@`; where the host begins.
    fn scan_user(&mut self, bytes: &[u8], start: usize, at: usize) -> Option<usize> {
        let user = bytes.get(start..at)?;
        let colon = lex::find(user, b':');
        if user.is_empty() || colon == Some(0) || !is_opaque(user) {
            return None;
        }
        self.user = Cut::new(start, colon.map_or(at, |colon| start + colon));
        self.password = colon.and_then(|colon| Cut::new(start + colon + 1, at));
        Some(at + 1)
    }

    /// The host and the port; where they end.
    fn scan_host(&mut self, text: &str, from: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let (end, is_host) = if bytes.get(from)? == &b'[' {
            let end = from + lex::find(bytes.get(from..)?, b']')? + 1;
            (end, host(text.get(from..end)?).is_some())
        } else {
            let end = lex::end_of_run(bytes, from, lex::HOST);
            (end, end > from)
        };
        if !is_host {
            return None;
        }
        self.host = Cut::new(from, end);
        if bytes.get(end) != Some(&b':') {
            return Some(end);
        }
        let port_end = lex::end_of_run(bytes, end + 1, lex::DIGIT);
        self.port = Some(lex::number(text.get(end + 1..port_end)?)?);
        Some(port_end)
    }

    fn scan_tel(mut self, text: &str, start: usize) -> Option<Self> {
        let tail = text.get(start..)?;
        let end = start + memchr::memchr(b';', tail.as_bytes()).unwrap_or(tail.len());
        if end == start {
            return None;
        }
        self.user = Cut::new(start, end);
        self.params = Cut::new(end, text.len());
        params::scan(text.get(end..)?).then_some(self)
    }

    /// The parameters and the headers, from `at` on: nothing else may follow a host, and no second `@`.
    fn scan_trimmings(mut self, text: &str, at: usize) -> Option<Self> {
        let tail = text.get(at..)?;
        let bytes = tail.as_bytes();
        if params::is_terse(bytes, lex::URI_PARAM) {
            self.params = Cut::new(at, text.len());
            return Some(self);
        }
        if !is_opaque(bytes) || lex::find(bytes, b'@').is_some() {
            return None;
        }
        let question = lex::find(bytes, b'?');
        let params_end = question.map_or(text.len(), |offset| at + offset);
        if params_end > at {
            self.params = Cut::new(at, params_end);
        }
        if question.is_some() {
            if params_end + 1 >= text.len() {
                return None;
            }
            self.headers = Cut::new(params_end + 1, text.len());
        }
        params::scan(text.get(at..params_end)?).then_some(self)
    }
}

/// Whether nothing stands in `bytes` that no URI may hold.
fn is_opaque(bytes: &[u8]) -> bool {
    lex::end_of_run(bytes, 0, lex::URI) == bytes.len()
}

/// No registered scheme comes near; bounds the search for the colon.
const LONGEST_SCHEME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    #[test]
    fn the_parts_of_a_sip_uri_are_found() {
        let u = uri("sip:a%40b:pw@[2001:db8::1]:5070;transport=tcp;lr?Subject=x");
        assert_eq!(u.user().as_deref(), Some("a@b"));
        assert_eq!(u.password(), Some("pw"));
        assert_eq!(u.host(), Some(Host::Address("2001:db8::1".parse().unwrap())));
        assert_eq!(
            (u.port(), u.param("transport"), u.headers_text()),
            (Some(5070), Some("tcp"), Some("Subject=x"))
        );
        assert!(u.is_loose());
        assert_eq!(u.without_headers().unwrap().as_str(), "sip:a%40b:pw@[2001:db8::1]:5070;transport=tcp;lr");
        assert_eq!(
            uri("sip:user;par=u%40example.net@example.com").user().as_deref(),
            Some("user;par=u@example.net")
        );
    }

    #[test]
    fn tel_and_unknown_schemes_survive() {
        let tel = uri("tel:+86-10-5555;phone-context=example.com");
        assert_eq!((tel.user_text(), tel.param("phone-context")), (Some("+86-10-5555"), Some("example.com")));
        let other = uri("soap.beep://192.0.2.103:3002");
        assert_eq!((other.scheme(), other.scheme_text()), (Scheme::Other, "soap.beep"));
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            "sip:",
            "sip:@h",
            "sip:a b@h",
            "<sip:a@h>",
            "sip:h:",
            "sip:h:99999",
            "sip:[::g]",
            "1sip:x",
            "tel:",
        ] {
            assert!(Uri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn equality_is_that_of_the_rfc() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=p%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=p%20x",
            ),
            ("tel:+86(10)5555", "tel:+86-10-5555"),
            // Found by fuzzing: whatever stands twice, a URI is itself.
            ("tel:1;transport=t;transport=m", "tel:1;transport=t;transport=m"),
        ];
        for (a, b) in same {
            assert!(uri(a).is_equivalent(&uri(b)) && uri(b).is_equivalent(&uri(a)), "{a} {b}");
        }
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ];
        for (a, b) in different {
            assert!(!uri(a).is_equivalent(&uri(b)) && !uri(b).is_equivalent(&uri(a)), "{a} {b}");
        }
    }
}
