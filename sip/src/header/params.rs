//! Parameters: `;name=value;flag`, kept as they are written and read on demand.

use std::borrow::Cow;
use std::fmt;

use crate::lex;

/// The parameters of a header value or of a URI, verbatim; names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// Empty, or starts with `;`.
    text: String,
}

impl Params {
    /// Reads parameters; `text` is empty or starts with `;`.
    pub fn parse(text: &str) -> Option<Self> {
        scan(text).then(|| Self { text: text.to_owned() })
    }

    /// Of text that [`scan`] has found to be well formed.
    pub(crate) fn scanned(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Each name with its value as written (quotes kept); a flag has none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pairs(&self.text)
    }

    /// Whether a parameter of this name is present, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        find(&self.text, name).is_some()
    }

    /// The value as written; `None` when the parameter is absent or is a flag.
    pub fn raw(&self, name: &str) -> Option<&str> {
        find(&self.text, name)?.1
    }

    /// The value, without quotes and escapes when it is a quoted string.
    pub fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(lex::unquote)
    }

    /// Sets a parameter in place of any of its name; a value that is no token is written as a quoted string.
    ///
    /// A name that is no token is not set.
    pub fn set(&mut self, name: &str, value: &str) {
        if !lex::is_token(name.as_bytes()) {
            return;
        }
        self.begin(name);
        self.text.push('=');
        if !value.is_empty() && value.bytes().all(is_bare) {
            self.text.push_str(value);
        } else {
            self.text.push_str(&lex::quote(value));
        }
    }

    /// Sets a parameter without value; a name that is no token is not set.
    pub fn set_flag(&mut self, name: &str) {
        if lex::is_token(name.as_bytes()) {
            self.begin(name);
        }
    }

    /// Ends with this name in place of any like it. A `;` that trails would make an empty parameter.
    fn begin(&mut self, name: &str) {
        self.remove(name);
        let kept = lex::trim(&self.text);
        let kept = kept.strip_suffix(';').map_or(kept, lex::trim).len();
        self.text.truncate(self.text.find(';').unwrap_or(0) + kept);
        self.text.push(';');
        self.text.push_str(name);
    }

    /// Removes every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut rest = String::with_capacity(self.text.len());
        for (key, value) in pairs(&self.text).filter(|(key, _)| !key.eq_ignore_ascii_case(name)) {
            rest.push(';');
            rest.push_str(key);
            if let Some(value) = value {
                rest.push('=');
                rest.push_str(value);
            }
        }
        self.text = rest;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Bytes that a value may hold without quotes: a token's, and those of hosts, addresses and base64.
const fn is_bare(byte: u8) -> bool {
    lex::is_token_byte(byte) || matches!(byte, b'[' | b']' | b':' | b'/' | b'=' | b'@')
}

/// Whether `text` is a well-formed run of parameters. One `;` may trail, as some phones write it; an empty
/// parameter may not (RFC 4475 section 3.1.2.1).
pub(crate) fn scan(text: &str) -> bool {
    is_terse(text.as_bytes(), lex::PLAIN) || is_run(text)
}

/// Whether it is one without white space and quotes, as nearly everyone writes it, of bytes of this class.
pub(crate) fn is_terse(bytes: &[u8], class: u16) -> bool {
    let mut at = 0;
    while bytes.get(at) == Some(&b';') && bytes.get(at + 1) != Some(&b'=') {
        let end = lex::end_of_run(bytes, at + 1, class);
        if end == at + 1 {
            return false;
        }
        at = end;
    }
    at == bytes.len()
}

fn is_run(text: &str) -> bool {
    let mut pairs = pairs(text);
    let all_named = pairs.by_ref().all(|(name, _)| !name.is_empty());
    all_named && lex::trim(pairs.rest).is_empty()
}

/// The name and the value of each parameter in `text`; ends at the first thing that is no parameter.
pub(crate) fn pairs(text: &str) -> Pairs<'_> {
    Pairs { rest: text }
}

/// The iterator of [`pairs`]; `rest` is what could not be read.
pub(crate) struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest;
        let bytes = text.as_bytes();
        let semicolon = skip_lws(bytes, 0);
        if bytes.get(semicolon) != Some(&b';') {
            return None;
        }
        let start = skip_lws(bytes, semicolon + 1);
        if start == bytes.len() {
            self.rest = "";
            return None;
        }
        let end = skip(bytes, start, |b| lex::is_plain_byte(b) && b != b'=');
        let mut at = skip_lws(bytes, end);
        let mut value = None;
        if bytes.get(at) == Some(&b'=') {
            let from = skip_lws(bytes, at + 1);
            let to = match bytes.get(from) {
                Some(b'"') => lex::end_of_quoted(bytes, from).ok().filter(|&to| to <= bytes.len())?,
                _ => skip(bytes, from, lex::is_plain_byte),
            };
            value = Some(text.get(from..to)?);
            at = skip_lws(bytes, to);
        }
        // Another parameter must follow, or nothing.
        if !matches!(bytes.get(at), None | Some(b';')) {
            return None;
        }
        self.rest = text.get(at..)?;
        Some((text.get(start..end)?, value))
    }
}

/// The first parameter of this name, with its value when it has one.
pub(crate) fn find<'a>(text: &'a str, name: &str) -> Option<(&'a str, Option<&'a str>)> {
    pairs(text).find(|(key, _)| key.eq_ignore_ascii_case(name))
}

fn skip_lws(bytes: &[u8], at: usize) -> usize {
    skip(bytes, at, lex::is_lws_byte)
}

fn skip(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&b| !belongs(b)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_through_white_space_quotes_and_case() {
        let params = Params::parse(" ;  tag  =\r\n 77 ; +sip.instance=\"<urn:a;b>\";lr").unwrap();
        assert_eq!(params.raw("TAG"), Some("77"));
        assert_eq!(params.value("+sip.instance").as_deref(), Some("<urn:a;b>"));
        assert!(params.has("lr") && params.raw("lr").is_none() && !params.has("b>\""));
    }

    #[test]
    fn an_empty_parameter_is_refused_and_one_trailing_semicolon_is_not() {
        assert!(Params::parse(";;").is_none());
        assert!(Params::parse(";a;;b").is_none());
        assert!(Params::parse(";a;").is_some());
        assert!(Params::parse(";a=\"x").is_none());
        assert!(Params::parse("a").is_none());
        // Found by fuzzing: what is written has spaces in place of control characters, and two words are no name.
        assert!(Params::parse(";branc\0\0h=1").is_none());
        assert!(Params::parse(";a=\u{1}").is_none());
    }

    #[test]
    fn setting_replaces_and_quotes_what_needs_it() {
        let mut params = Params::parse(";a=1;B=2;a=3").unwrap();
        params.set("a", "x\r\ny;z");
        params.set("bad name", "1");
        assert_eq!(params.as_str(), ";B=2;a=\"x  y;z\"");
        // Found by fuzzing: `;;` is no run of parameters.
        for (trailing, set) in [(";", ";lr"), (" ; ", " ;lr"), (" ;a=1 ; ", " ;a=1;lr"), (";a=1", ";a=1;lr")]
        {
            let mut params = Params::parse(trailing).unwrap();
            params.set_flag("lr");
            assert_eq!(params.as_str().trim_start(), set.trim_start(), "{trailing}");
            assert!(Params::parse(params.as_str()).is_some(), "{trailing}");
        }
    }
}
