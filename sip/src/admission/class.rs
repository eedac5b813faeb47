//! What raw bytes seem to be, told without parsing them: enough to decide what is dropped first.

use memchr::memchr;

/// What a message seems to be. Only the parser knows; this is for the order in which messages are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A response.
    Response,
    /// Belongs to something that stands: a To tag, or ACK, BYE, CANCEL and PRACK.
    Within,
    /// REGISTER.
    Register,
    /// An INVITE without To tag: a new call.
    Call,
    /// Anything else, junk included.
    Question,
}

impl Class {
    /// What these bytes seem to be.
    pub fn of(bytes: &[u8]) -> Self {
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        let message = bytes.get(start..).unwrap_or_default();
        let end =
            message.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n')).unwrap_or(message.len());
        match message.get(..end).unwrap_or_default() {
            first if first.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/")) => Self::Response,
            b"ACK" | b"BYE" | b"CANCEL" | b"PRACK" => Self::Within,
            _ if has_to_tag(message) => Self::Within,
            b"REGISTER" => Self::Register,
            b"INVITE" => Self::Call,
            _ => Self::Question,
        }
    }
}

/// Whether a To header seems to carry a tag. A URI or name that holds `;tag=` deceives it, which lets nobody in:
/// what comes of a message the endpoint decides.
fn has_to_tag(message: &[u8]) -> bool {
    let mut rest = message;
    let mut is_to = false;
    while let Some(end) = memchr(b'\n', rest) {
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.iter().all(|byte| matches!(byte, b'\r')) {
            return false;
        }
        // A folded line goes on with the header before it.
        if !line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            is_to = names_to(line);
        }
        if is_to && holds_tag(line) {
            return true;
        }
    }
    false
}

fn names_to(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line.get(..LONGEST_NAME).unwrap_or(line)) else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    name.eq_ignore_ascii_case(b"To") || name.eq_ignore_ascii_case(b"t")
}

/// `;tag=`, with the white space that RFC 3261 section 25.1 allows round its parts.
fn holds_tag(line: &[u8]) -> bool {
    line.split(|byte| *byte == b';').skip(1).any(|parameter| {
        let parameter = parameter.trim_ascii_start();
        let is_tag = parameter.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"tag"));
        is_tag && parameter.get(3..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    })
}

/// `To`, and the white space that may stand before its colon.
const LONGEST_NAME: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_by_its_first_word_and_its_to_tag() {
        let with = |line: &str| {
            format!("INVITE sip:a@b SIP/2.0\r\nFrom: <sip:x@y>;tag=1\r\n{line}\r\n\r\nTo: ;tag=9")
        };
        for (text, class) in [
            ("SIP/2.0 200 OK\r\n\r\n".to_owned(), Class::Response),
            ("\r\n\r\nsip/2.0 200 OK\r\n\r\n".to_owned(), Class::Response),
            (with("To: <sip:a@b>"), Class::Call),
            (with("To: <sip:a@b>;tag=2"), Class::Within),
            (with("t:<sip:a@b> ; TAG = 2"), Class::Within),
            (with("TO : <sip:a@b>\r\n ;tag=2"), Class::Within),
            (with("X-To: <sip:a@b>;tag=2"), Class::Call),
            (with("Total: 1;tag=2"), Class::Call),
            (with("To: <sip:a@b>").replace("INVITE", "REGISTER"), Class::Register),
            (with("To: <sip:a@b>").replace("INVITE", "BYE"), Class::Within),
            (with("To: <sip:a@b>").replace("INVITE", "ACK"), Class::Within),
            (with("To: <sip:a@b>").replace("INVITE", "OPTIONS"), Class::Question),
            (with("To: <sip:a@b>;tag=2").replace("INVITE", "INFO"), Class::Within),
            ("hello".to_owned(), Class::Question),
            (String::new(), Class::Question),
        ] {
            assert_eq!(Class::of(text.as_bytes()), class, "{text}");
        }
    }
}
