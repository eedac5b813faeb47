//! RAck: which reliable provisional response a PRACK is for (RFC 3262 section 7.2).

use std::fmt;

use super::HeaderFault;
use super::cseq::CSeq;
use crate::lex;

/// The number of the response, and the request that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// RSeq of the response.
    pub rseq: u32,
    /// CSeq of the response.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let (rseq, rest) = text.split_once([' ', '\t']).ok_or(HeaderFault::Malformed)?;
        let rseq = lex::number(rseq).ok_or(HeaderFault::Malformed)?;
        Ok(Self { rseq, cseq: CSeq::parse(lex::trim(rest)).map_err(|_| HeaderFault::Malformed)? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::method::Method;

    #[test]
    fn a_rack_is_read_and_written() {
        let rack = RAck::parse(" 776656  1 INVITE ").unwrap();
        assert_eq!(rack, RAck { rseq: 776_656, cseq: CSeq { number: 1, method: Method::Invite } });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for bad in ["", "1", "1 INVITE", "x 1 INVITE", "99999999999 1 INVITE"] {
            assert!(RAck::parse(bad).is_err(), "{bad}");
        }
    }
}
