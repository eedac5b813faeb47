//! Reason: why a dialog or a transaction ends (RFC 3326).

use std::fmt;

use super::HeaderFault;
use super::params::Params;
use crate::lex;

/// One reason value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    /// `SIP`, `Q.850` or another, as written.
    pub protocol: String,
    /// The cause number within the protocol.
    pub cause: Option<u16>,
    /// For people.
    pub text: Option<String>,
}

impl Reason {
    /// A SIP status as the reason.
    pub fn sip(status: u16, text: &str) -> Self {
        Self::of("SIP", status, text)
    }

    /// A Q.850 cause, 1 to 127.
    pub fn q850(cause: u16, text: &str) -> Self {
        Self::of("Q.850", cause, text)
    }

    /// On the CANCEL of a leg that lost the race.
    pub fn completed_elsewhere() -> Self {
        Self::sip(200, "Call completed elsewhere")
    }

    /// Reads one value; a list is split before.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let end = text.find(';').unwrap_or(text.len());
        let (protocol, params) = text.split_at(end);
        let protocol = lex::trim(protocol);
        let params = Params::parse(params).ok_or(HeaderFault::Malformed)?;
        if !lex::is_token(protocol.as_bytes()) {
            return Err(HeaderFault::Malformed);
        }
        Ok(Self {
            protocol: protocol.to_owned(),
            cause: params.raw("cause").and_then(lex::number),
            text: params.value("text").map(std::borrow::Cow::into_owned),
        })
    }

    /// Whether the protocol is Q.850.
    pub fn is_q850(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("Q.850")
    }

    /// Whether the call was answered by another phone: this one must not count it as missed.
    pub fn is_completed_elsewhere(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("SIP") && self.cause == Some(200)
    }

    fn of(protocol: &str, cause: u16, text: &str) -> Self {
        let text = (!text.is_empty()).then(|| text.to_owned());
        Self { protocol: protocol.to_owned(), cause: Some(cause), text }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        self.text.as_ref().map_or(Ok(()), |text| write!(f, ";text={}", lex::quote(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_and_written() {
        let reason = Reason::parse("Q.850 ;cause=16 ;text=\"Normal; clearing\"").unwrap();
        assert!(reason.is_q850() && !reason.is_completed_elsewhere());
        assert_eq!((reason.cause, reason.text.as_deref()), (Some(16), Some("Normal; clearing")));
        assert_eq!(Reason::parse(&reason.to_string()).unwrap(), reason);
        assert!(Reason::completed_elsewhere().is_completed_elsewhere());
        assert!(Reason::parse(";cause=1").is_err());
    }
}
