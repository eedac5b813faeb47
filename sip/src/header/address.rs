//! Addresses: `"display name" <uri>;params`, as in From, To, Contact, Route and their kin.

use std::fmt;

use super::HeaderFault;
use super::params::{self, Params};
use super::uri::{Parts, Uri};
use crate::lex::{self, Cut};

/// A display name, a URI and the header's own parameters (RFC 3261 section 20.10).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Without quotes and escapes; `None` when there is none.
    pub display: Option<String>,
    /// The address itself.
    pub uri: Uri,
    /// What follows the URI: tag, expires, q and the like.
    pub params: Params,
}

impl Address {
    /// Of a bare URI.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// Reads one address; a list is split before.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        Pieces::scan(text).as_ref().map(Self::of).ok_or(HeaderFault::Malformed)
    }

    /// Of pieces that have been found already.
    pub(crate) fn of(pieces: &Pieces) -> Self {
        let display = lex::unquote(pieces.display);
        Self {
            display: (!display.is_empty()).then(|| display.into_owned()),
            uri: Uri::scanned(pieces.uri, pieces.parts),
            params: Params::scanned(pieces.params),
        }
    }

    /// The same address under a display name.
    #[must_use]
    pub fn named(mut self, display: &str) -> Self {
        self.display = (!display.is_empty()).then(|| display.to_owned());
        self
    }

    /// The same address with a tag in place of any other.
    #[must_use]
    pub fn tagged(mut self, tag: &str) -> Self {
        self.params.set("tag", tag);
        self
    }

    /// The tag of a From or a To.
    pub fn tag(&self) -> Option<&str> {
        self.params.raw("tag")
    }

    /// The seconds for which a Contact asks to be kept; `None` when absent or no number.
    pub fn expires(&self) -> Option<u32> {
        self.params.raw("expires").and_then(lex::number)
    }

    /// The preference of a Contact in thousandths, 0 to 1000; 1000 when it is absent.
    pub fn preference(&self) -> u16 {
        self.params.raw("q").map_or(1000, thousandths)
    }

    /// The flow number of RFC 5626.
    pub fn reg_id(&self) -> Option<u32> {
        self.params.raw("reg-id").and_then(lex::number)
    }

    /// The instance of RFC 5626, without quotes and angle brackets: `urn:uuid:…`.
    pub fn instance(&self) -> Option<String> {
        let value = self.params.value("+sip.instance")?;
        let urn = value.trim_start_matches('<').trim_end_matches('>');
        (!urn.is_empty()).then(|| urn.to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", lex::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// What the Contact headers of a message say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `Contact: *`: every binding (RFC 3261 section 10.2.2).
    All,
    /// These, perhaps none.
    List(Vec<Address>),
}

/// Where the pieces of an address lie in the text that was scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cuts {
    display: Cut,
    uri: Cut,
    parts: Parts,
    params: Cut,
}

impl Cuts {
    /// The pieces of the very text that was scanned.
    pub(crate) fn pieces(self, text: &str) -> Pieces<'_> {
        let Self { display, uri, parts, params } = self;
        Pieces { display: display.of(text), uri: uri.of(text), parts, params: params.of(text) }
    }
}

/// An address cut into its texts.
pub(crate) struct Pieces<'a> {
    display: &'a str,
    uri: &'a str,
    parts: Parts,
    params: &'a str,
}

impl<'a> Pieces<'a> {
    /// Cuts `text`; `None` when it is no address.
    pub(crate) fn scan(text: &'a str) -> Option<Self> {
        let text = lex::trim(text);
        let (display, uri, params) = match lex::find_outside(text.as_bytes(), b'<').ok()? {
            Some(open) => Self::bracketed(text, open)?,
            None => Self::bare(text)?,
        };
        let parts = Parts::scan(uri)?;
        params::scan(params).then_some(Self { display, uri, parts, params })
    }

    /// Where they lie in `text`, which was scanned.
    pub(crate) fn cuts(&self, text: &str) -> Option<Cuts> {
        let lies = |piece| Cut::within(text, piece);
        Some(Cuts {
            display: lies(self.display)?,
            uri: lies(self.uri)?,
            parts: self.parts,
            params: lies(self.params)?,
        })
    }

    /// The tag of a From or a To, as written.
    pub(crate) fn tag(&self) -> Option<&'a str> {
        params::find(self.params, "tag")?.1
    }

    fn bracketed(text: &'a str, open: usize) -> Option<(&'a str, &'a str, &'a str)> {
        let (display, rest) = text.split_at(open);
        let close = lex::find(rest.as_bytes(), b'>')?;
        let display = lex::trim(display);
        is_display(display).then_some(())?;
        Some((display, rest.get(1..close)?, lex::trim(rest.get(close + 1..)?)))
    }

    /// Without brackets the parameters are the header's, and the URI may hold neither `?` nor `,`
    /// (RFC 3261 section 20; RFC 4475 section 3.1.2.13).
    fn bare(text: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
        let end = lex::find(text.as_bytes(), b';').unwrap_or(text.len());
        let (uri, params) = text.split_at(end);
        let uri = lex::trim(uri);
        memchr::memchr2(b'?', b',', uri.as_bytes()).is_none().then_some(("", uri, params))
    }
}

/// A quoted string and nothing else, or free text without what would end it. Text that is no token is
/// taken: phones write Chinese names without quotes; a comma is not (RFC 4475 section 3.1.2.15).
fn is_display(text: &str) -> bool {
    if text.starts_with('"') {
        lex::end_of_quoted(text.as_bytes(), 0) == Ok(text.len())
    } else {
        !text.bytes().any(|b| matches!(b, b'"' | b',' | b';' | b'<' | b'>'))
    }
}

/// A qvalue in thousandths: `0.5` is 500; nonsense is the lowest preference.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (lex::number::<u16>(whole), lex::number::<u16>(&digits)) {
        (Some(0), Some(value)) => value,
        (Some(_), Some(_)) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_of_an_outbound_phone_is_read() {
        let text = r#""A \"B\"" <sip:1@[::1];ob>;reg-id=1;+sip.instance="<urn:uuid:00>";expires=60;q=0.25"#;
        let address = Address::parse(text).unwrap();
        assert_eq!(address.display.as_deref(), Some(r#"A "B""#));
        assert_eq!((address.reg_id(), address.expires(), address.preference()), (Some(1), Some(60), 250));
        assert_eq!(address.instance().as_deref(), Some("urn:uuid:00"));
        assert_eq!(address.to_string(), text);
    }

    #[test]
    fn without_brackets_the_parameters_are_the_headers() {
        let address = Address::parse("sip:a@b;tag=7").unwrap();
        assert_eq!((address.tag(), address.uri.as_str()), (Some("7"), "sip:a@b"));
        assert!(Address::parse("sip:a@b?Route=x").is_err());
    }

    #[test]
    fn a_name_in_any_script_needs_no_quotes_but_a_comma_does() {
        let address = Address::parse("张三 <tel:10086>").unwrap();
        assert_eq!(address.display.as_deref(), Some("张三"));
        assert!(Address::parse("Bell, Alexander <sip:a@b>").is_err());
        assert!(Address::parse("\"Mr <sip:a@b>").is_err());
        assert!(Address::parse("\"W\" < sip:a@b >").is_err());
    }
}
