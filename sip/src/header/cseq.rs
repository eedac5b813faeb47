//! CSeq: the number and method of a request within its dialog (RFC 3261 section 20.16).

use std::fmt;

use super::HeaderFault;
use crate::lex;
use crate::message::method::Method;

/// A sequence number with its method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2³² when read (RFC 4475 section 3.1.2.4); we send below 2³¹.
    pub number: u32,
    /// The method of the request that it numbers.
    pub method: Method,
}

impl CSeq {
    /// Reads `1 INVITE`.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let (number, method) = text.split_at(lex::find_lws(text).ok_or(HeaderFault::Malformed)?);
        let method = lex::trim(method);
        let number = lex::number(number).ok_or(HeaderFault::Malformed)?;
        if !lex::is_token(method.as_bytes()) {
            return Err(HeaderFault::Malformed);
        }
        Ok(Self { number, method: Method::from_name(method) })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_32_bits_is_refused() {
        assert_eq!(CSeq::parse("0009\r\n INVITE").unwrap(), CSeq { number: 9, method: Method::Invite });
        for bad in ["36893488147419103232 REGISTER", "-1 BYE", "1", "1 A B", ""] {
            assert!(CSeq::parse(bad).is_err(), "{bad}");
        }
    }
}
