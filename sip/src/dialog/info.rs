//! Digits in INFO, as phones sent them before RFC 6086 and still do.

use base::Digit;

use crate::lex;
use crate::message::Message;

/// What an INFO holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Info {
    /// A key.
    Digit(Digit),
    /// Nothing (RFC 2976: answered with 200), or a hook flash, which has no meaning here.
    Nothing,
    /// A digit body without a digit: 400.
    Malformed,
    /// Another kind of body: 415.
    Unknown,
}

impl Info {
    /// Reads an INFO.
    pub(crate) fn of(message: &Message) -> Self {
        if message.body().is_empty() {
            return Self::Nothing;
        }
        let body = String::from_utf8_lossy(message.body());
        match message.content_type().as_deref() {
            // `Signal=5` on a line of its own, with Duration and others beside it.
            Some("application/dtmf-relay") => body
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| lex::trim(name).eq_ignore_ascii_case("signal"))
                .map_or(Self::Malformed, |(_, value)| Self::key(lex::trim(value))),
            Some("application/dtmf") => Self::key(lex::trim(&body)),
            _ => Self::Unknown,
        }
    }

    /// A key by its character or its RFC 4733 event number (10 and above; below, they are the same).
    fn key(text: &str) -> Self {
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return match c {
                '!' => Self::Nothing,
                c => Digit::from_char(c).map_or(Self::Malformed, Self::Digit),
            };
        }
        match lex::number(text) {
            Some(16_u8) => Self::Nothing,
            Some(code) => Digit::from_event(code).map_or(Self::Malformed, Self::Digit),
            None if text.eq_ignore_ascii_case("hf") => Self::Nothing,
            None => Self::Malformed,
        }
    }
}
