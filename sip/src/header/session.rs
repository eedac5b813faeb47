//! Session timers: Session-Expires and Min-SE (RFC 4028).

use std::fmt;

use super::HeaderFault;
use super::params::Params;
use crate::lex;

/// How long a session lives without a refresh, and who refreshes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// `None` in a request leaves the choice to the answering side.
    pub refresher: Option<Refresher>,
}

/// Who sends the refreshes, as seen from the transaction that carries the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

impl SessionExpires {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        // As most write it in a request.
        if let Some(seconds) = lex::number(text) {
            return Ok(Self { seconds, refresher: None });
        }
        let (seconds, params) = seconds_and_params(text)?;
        let refresher = match params.raw("refresher") {
            None => None,
            Some(side) if side.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(side) if side.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(HeaderFault::Malformed),
        };
        Ok(Self { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{side}", self.seconds)
    }
}

/// Reads the value of Min-SE, in seconds; its parameters are for others.
pub fn parse_min_se(text: &str) -> Result<u32, HeaderFault> {
    seconds_and_params(text).map(|(seconds, _)| seconds)
}

/// The least interval that anyone may ask for (RFC 4028 section 4).
pub const LEAST_INTERVAL: u32 = 90;

fn seconds_and_params(text: &str) -> Result<(u32, Params), HeaderFault> {
    let text = lex::trim(text);
    let (seconds, params) = text.split_at(lex::find(text.as_bytes(), b';').unwrap_or(text.len()));
    let seconds = lex::number(lex::trim(seconds)).ok_or(HeaderFault::Malformed)?;
    Ok((seconds, Params::parse(params).ok_or(HeaderFault::Malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_and_the_refresher_are_read() {
        let session = SessionExpires::parse(" 1800 ; Refresher=UAS;x").unwrap();
        assert_eq!(session, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) });
        assert_eq!(session.to_string(), "1800;refresher=uas");
        assert_eq!(parse_min_se("90;lr"), Ok(90));
        for bad in ["", "x", "1800;refresher=me", "99999999999"] {
            assert!(SessionExpires::parse(bad).is_err(), "{bad}");
        }
    }
}
