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

/// Whether `text` is a token: not empty, token bytes only.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && end_of_run(text, 0, TOKEN) == text.len()
}

/// Where the run of bytes of this class ends that begins at `at`.
pub(crate) fn end_of_run(bytes: &[u8], at: usize, class: u16) -> usize {
    let of = |byte: u8| CLASSES[byte as usize];
    let rest = bytes.get(at..).unwrap_or_default();
    // Four at a look, then one by one.
    let (fours, _) = rest.as_chunks::<4>();
    let whole = fours.iter().position(|&[a, b, c, d]| of(a) & of(b) & of(c) & of(d) & class == 0);
    let whole = 4 * whole.unwrap_or(fours.len());
    let tail = rest.get(whole..).unwrap_or_default();
    at + whole + tail.iter().position(|&byte| of(byte) & class == 0).unwrap_or(tail.len())
}

/// Where `wanted` first stands. What is searched so is short: the set-up of a wide vector search would cost
/// more than it saves.
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let clear = BLOCK * blocks.iter().take_while(|block| !holds(block, |byte| byte == wanted)).count();
    let rest = bytes.get(clear..)?;
    let (eights, _) = rest.as_chunks::<8>();
    let pattern = LOW_BITS * u64::from(wanted);
    for (number, eight) in eights.iter().enumerate() {
        // The lowest byte that is zero in here is the first that is wanted; above it a carry may lie.
        let differing = u64::from_le_bytes(*eight) ^ pattern;
        let zero = differing.wrapping_sub(LOW_BITS) & !differing & (LOW_BITS << 7);
        if zero != 0 {
            return Some(clear + 8 * number + zero.trailing_zeros() as usize / 8);
        }
    }
    let tail = clear + 8 * eights.len();
    bytes.get(tail..)?.iter().position(|&byte| byte == wanted).map(|at| tail + at)
}

/// Whether some byte is such a one.
pub(crate) fn any(bytes: &[u8], such: impl Fn(u8) -> bool) -> bool {
    let Some(end) = bytes.last_chunk() else { return bytes.iter().any(|&byte| such(byte)) };
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // The last block may overlap the one before it.
    blocks.iter().any(|block| holds(block, &such)) || holds(end, &such)
}

/// The same of one block, without a branch for each byte: compilers make it one comparison.
fn holds(block: &[u8; BLOCK], such: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |found, &byte| found | such(byte))
}

/// Whether it was folded over lines.
pub(crate) fn is_folded(raw: &[u8]) -> bool {
    any(raw, |byte| byte == b'\r' || byte == b'\n')
}

/// Where a piece of a text lies. Texts are header values and URIs, shorter than 64 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cut {
    start: u16,
    end: u16,
}

impl Cut {
    /// From `start` up to `end`; `None` when no text of ours is so long.
    pub(crate) fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u16::try_from(start).ok()?, end: u16::try_from(end).ok()? })
    }

    /// Where `piece`, a slice of `text`, lies in it; nowhere when it is empty.
    pub(crate) fn within(text: &str, piece: &str) -> Option<Self> {
        if piece.is_empty() {
            return Some(Self::default());
        }
        let start = (piece.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        Self::new(start, start + piece.len())
    }

    /// The piece of `text`.
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(usize::from(self.start)..usize::from(self.end)).unwrap_or("")
    }

    /// Where it begins.
    pub(crate) const fn start(self) -> usize {
        self.start as usize
    }
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
    let mut rest = bytes;
    while let [first, tail @ ..] = rest
        && is_lws_byte(*first)
    {
        rest = tail;
    }
    let start = bytes.len() - rest.len();
    while let [front @ .., last] = rest
        && is_lws_byte(*last)
    {
        rest = front;
    }
    (start, start + rest.len())
}

/// Where `separator`, a comma or a `<`, first stands outside quoted strings and angle brackets.
///
/// `Err` when a quoted string or an angle bracket is still open at the end.
pub(crate) fn find_outside(bytes: &[u8], separator: u8) -> Result<Option<usize>, Unbalanced> {
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
            Some(b'<') => at += find(bytes.get(at..).unwrap_or_default(), b'>').ok_or(Unbalanced)? + 1,
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
        match find_outside(rest.as_bytes(), b',') {
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

/// Whether one of the elements of a comma-separated list is this name, in any case.
pub(crate) fn lists(list: &[u8], name: &str) -> bool {
    let is_name = |element: &[u8]| {
        element.len() >= name.len() && {
            let (start, end) = trimmed(element);
            element.get(start..end).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes()))
        }
    };
    if !any(list, |byte| byte == b'"' || byte == b'<') {
        return list.split(|&byte| byte == b',').any(is_name);
    }
    elements(&lossy(list)).any(|element| element.is_ok_and(|text| is_name(text.as_bytes())))
}

/// The content of a quoted string with its escapes resolved; other text is itself.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if find(inner.as_bytes(), b'\\').is_none() {
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
pub(crate) fn number<T: TryFrom<u64>>(text: impl AsRef<[u8]>) -> Option<T> {
    let digits = text.as_ref();
    let mut number: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if digits.is_empty() { None } else { T::try_from(number).ok() }
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

/// What may stand in a token (RFC 3261 section 25.1).
pub(crate) const TOKEN: u16 = 1;
/// What may stand in a parameter's name or unquoted value: what does not end one.
pub(crate) const PLAIN: u16 = 2;
const MARK: u16 = 4;
/// What may stand in a URI.
pub(crate) const URI: u16 = 8;
/// What may stand in a host name; `_` is none of the RFC's, but stands in real names.
pub(crate) const HOST: u16 = 16;
/// Decimal digits.
pub(crate) const DIGIT: u16 = 32;
/// Neither white space nor a control character.
pub(crate) const GRAPHIC: u16 = 64;
/// What may stand in a URI and parts none.
pub(crate) const WORD: u16 = 128;
/// What may stand in a parameter of a URI.
pub(crate) const URI_PARAM: u16 = 256;
/// Bytes that are looked at together: a register of every machine of today.
const BLOCK: usize = 16;
/// The lowest bit of each of eight bytes.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// What each byte may be part of: one look instead of a dozen comparisons.
const CLASSES: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let token = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        // Control characters are in no parameter, and what we write has none: it would read otherwise again.
        let plain = b > b' ' && b != 0x7f && !matches!(b, b'"' | b'<' | b'>' | b',' | b';');
        let mark = matches!(b, b'"' | b'<' | b',');
        let graphic = b > b' ' && b != 0x7f;
        let uri = graphic && !matches!(b, b'<' | b'>' | b'"');
        let host = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        table[byte] = if token { TOKEN } else { 0 }
            | if plain { PLAIN } else { 0 }
            | if mark { MARK } else { 0 }
            | if uri { URI } else { 0 }
            | if host { HOST } else { 0 }
            | if b.is_ascii_digit() { DIGIT } else { 0 }
            | if graphic { GRAPHIC } else { 0 }
            | if uri && !matches!(b, b'@' | b':' | b';' | b'?' | b'[' | b']') { WORD } else { 0 }
            | if uri && plain && !matches!(b, b'@' | b'?') { URI_PARAM } else { 0 };
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
    fn what_is_searched_by_blocks_is_found_as_byte_by_byte() {
        // The neighbours of what is sought are those that a carry could mistake for it.
        for filler in [b'a', b'\n' + 1, b'\n' - 1, b'\n' | 0x80] {
            for length in 0..70 {
                for first in 0..=length {
                    let mut text = vec![filler; length];
                    text.iter_mut().skip(first).step_by(3).for_each(|byte| *byte = b'\n');
                    let expected = text.iter().position(|&byte| byte == b'\n');
                    assert_eq!(find(&text, b'\n'), expected, "{text:?}");
                    assert_eq!(is_folded(&text), expected.is_some(), "{text:?}");
                    let run = text.iter().skip(1).position(|&byte| byte != b'a');
                    let run = run.map_or(length.max(1), |at| at + 1);
                    assert_eq!(end_of_run(&text, 1, TOKEN), run, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_list_names_what_stands_alone_between_its_commas() {
        for list in ["OPTIONS", "INVITE,options", " ACK ,\tOptions\r\n , x", "\"a, b\", <c,d>, options"] {
            assert!(lists(list.as_bytes(), "OPTIONS"), "{list}");
        }
        for list in [
            "",
            "OPTION",
            "XOPTIONS",
            "OPT IONS",
            "\"a, OPTIONS, b\"",
            "<OPTIONS, \"OPTIONS\">",
            "\", OPTIONS",
        ] {
            assert!(!lists(list.as_bytes(), "OPTIONS"), "{list}");
        }
    }

    #[test]
    fn a_number_has_digits_only_and_fits() {
        assert_eq!(number::<u32>("0000000000000000000000004294967295"), Some(u32::MAX));
        for bad in ["", "4294967296", "-1", "+1", " 1", "1 ", "99999999999999999999999"] {
            assert_eq!(number::<u32>(bad), None, "{bad}");
        }
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
