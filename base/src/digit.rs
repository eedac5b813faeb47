//! One key of a telephone, whichever way it arrived (RFC 4733, INFO).

use std::fmt;

/// A DTMF key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// `*`
    pub const STAR: Self = Self(b'*');
    /// `#`
    pub const POUND: Self = Self(b'#');

    /// From its character: `0`-`9`, `*`, `#`, `A`-`D` (either case).
    pub fn from_char(c: char) -> Option<Self> {
        match c.to_ascii_uppercase() {
            c @ ('0'..='9' | '*' | '#' | 'A'..='D') => Some(Self(c as u8)),
            _ => None,
        }
    }

    /// From a telephone-event code 0-15 (RFC 4733 §3.2, table 3).
    pub fn from_event(code: u8) -> Option<Self> {
        EVENTS.get(usize::from(code)).map(|&c| Self(c))
    }

    /// Its telephone-event code 0-15 (RFC 4733 §3.2, table 3).
    pub fn event(self) -> u8 {
        EVENTS.iter().position(|&c| c == self.0).unwrap_or(0) as u8
    }

    /// Its character.
    pub fn as_char(self) -> char {
        char::from(self.0)
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.as_char())
    }
}

const EVENTS: &[u8; 16] = b"0123456789*#ABCD";
