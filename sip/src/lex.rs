//! The small grammar shared by all headers: tokens, linear white space, quoted strings, splitting outside quotes.

use std::borrow::Cow;

/// Whether `byte` may stand in a token (RFC 3261 section 25.1).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Whether `byte` may stand in a parameter's name or unquoted value: what does not end one.
pub(crate) const fn is_plain_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & PLAIN != 0
}

/// Whether `byte` parts a URI or may not stand in one.
pub(crate) const fn is_uri_mark(byte: u8) -> bool {
    CLASSES[byte as usize] & URI_MARK != 0
}

/// Whether `byte` may stand in a host name; `_` is none of the RFC's, but stands in real names.
pub(crate) const fn is_host_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & HOST != 0
}

/// Whether `text` is a token: not empty, token bytes only.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// `text` without linear white space at either end.
pub(crate) fn trim(text: &str) -> &str {
    let (start, end) = trimmed(text.as_bytes());
    text.get(start..end).unwrap_or("")
}

/// Where linear white space first stands.
pub(crate) fn find_lws(text: &str) -> Option<usize> {
    text.bytes().position(is_lws_byte)
}

/// Space, tab, and the CR and LF of a fold.
pub(crate) const fn is_lws_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `bytes` without linear white space at either end, as a range of `bytes`.
pub(crate) fn trimmed(bytes: &[u8]) -> (usize, usize) {
    let mut start = 0;
    let mut end = bytes.len();
    while start < end && bytes.get(start).is_some_and(|&b| is_lws_byte(b)) {
        start += 1;
    }
    while end > start && bytes.get(end - 1).is_some_and(|&b| is_lws_byte(b)) {
        end -= 1;
    }
    (start, end)
}

/// Where `separator`, a comma or a `<`, first stands outside quoted strings and angle brackets.
///
/// `Err` when a quoted string or an angle bracket is still open at the end.
pub(crate) fn find_outside(text: &str, separator: u8) -> Result<Option<usize>, Unbalanced> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        // Values are short: a loop over a table beats the set-up of a vector search.
        while bytes.get(at).is_some_and(|&b| CLASSES[b as usize] & MARK == 0) {
            at += 1;
        }
        match bytes.get(at) {
            None => return Ok(None),
            Some(&byte) if byte == separator => return Ok(Some(at)),
            Some(b'"') => at = end_of_quoted(bytes, at)?,
            Some(b'<') => at += bytes.iter().skip(at).position(|&b| b == b'>').ok_or(Unbalanced)? + 1,
            Some(_) => at += 1,
        }
    }
}

/// The index after the closing quote of the quoted string that opens at `open`.
pub(crate) fn end_of_quoted(bytes: &[u8], open: usize) -> Result<usize, Unbalanced> {
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(Unbalanced)
}

/// A quoted string or an angle bracket is never closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unbalanced;

/// The elements of a comma-separated list, trimmed; an element is `Err` when a quote in it is never closed.
pub(crate) struct Elements<'a> {
    rest: Option<&'a str>,
}

/// Splits `text` at the commas that stand outside quotes and angle brackets.
pub(crate) fn elements(text: &str) -> Elements<'_> {
    Elements { rest: Some(text) }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a str, Unbalanced>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        match find_outside(rest, b',') {
            Ok(Some(comma)) => {
                let (element, tail) = rest.split_at(comma);
                self.rest = tail.get(1..);
                Some(Ok(trim(element)))
            }
            Ok(None) => Some(Ok(trim(rest))),
            Err(unbalanced) => Some(Err(unbalanced)),
        }
    }
}

/// The content of a quoted string with its escapes resolved; other text is itself.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    Cow::Owned(plain)
}

/// `text` as a quoted string: quotes and backslashes escaped, control characters turned into spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_ascii_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A decimal number of digits only: no sign, no space, no overflow.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Percent escapes resolved; a malformed escape stays as it is written.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let decoded = (byte == b'%').then(|| hex_pair(bytes.get(at + 1..at + 3)?)).flatten();
        plain.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Text of `raw`: bytes that are not UTF-8 become the replacement character.
pub(crate) fn lossy(raw: &[u8]) -> Cow<'_, str> {
    // The check alone is several times faster than the lossy walk.
    std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed)
}

/// `text` with every byte that may not stand in a URI's user part escaped (RFC 3261 section 25.1).
pub(crate) fn escape_user(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
        if plain {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

const TOKEN: u8 = 1;
const PLAIN: u8 = 2;
const MARK: u8 = 4;
const URI_MARK: u8 = 8;
const HOST: u8 = 16;

/// What each byte may be part of: one look instead of a dozen comparisons.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let token = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        // Control characters are in no parameter, and what we write has none: it would read otherwise again.
        let plain = b > b' ' && b != 0x7f && !matches!(b, b'"' | b'<' | b'>' | b',' | b';');
        let mark = matches!(b, b'"' | b'<' | b',');
        let uri_mark =
            b <= b' ' || matches!(b, 0x7f | b'<' | b'>' | b'"' | b'@' | b':' | b';' | b'?' | b'[' | b']');
        let host = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        table[byte] = if token { TOKEN } else { 0 }
            | if plain { PLAIN } else { 0 }
            | if mark { MARK } else { 0 }
            | if uri_mark { URI_MARK } else { 0 }
            | if host { HOST } else { 0 };
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_quotes_or_brackets_does_not_split() {
        let parts: Vec<_> = elements(r#""a, \" b" <sip:x,y@z> , c"#).map(Result::unwrap).collect();
        assert_eq!(parts, [r#""a, \" b" <sip:x,y@z>"#, "c"]);
        assert!(elements(r#"a, "b, c"#).any(|e| e.is_err()));
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        assert_eq!(unquote(&quote(r#"a\"b"#)), r#"a\"b"#);
        assert_eq!(quote("a\r\nb"), "\"a  b\"");
    }

    #[test]
    fn escapes_are_resolved_once() {
        assert_eq!(unescape("sips%3Auser%40x%2"), "sips:user@x%2");
        assert_eq!(unescape("%2540"), "%40");
        assert_eq!(escape_user("a b@c"), "a%20b%40c");
    }
}
