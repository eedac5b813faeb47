//! Replaces: the dialog whose place an INVITE is to take (RFC 3891).

use std::fmt;

use super::HeaderFault;
use super::params::Params;
use crate::lex;

/// One dialog, named as its receiver knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// Call-ID of the dialog.
    pub call_id: String,
    /// The receiver's own tag.
    pub to_tag: String,
    /// The tag of the receiver's peer; `0` stands for none (RFC 3891 section 3).
    pub from_tag: String,
    /// Only while the dialog is early.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a value, as it stands in a header or, its escapes resolved, in a Refer-To.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let (call_id, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let call_id = lex::trim(call_id);
        let params = Params::parse(params).ok_or(HeaderFault::Malformed)?;
        let tag = |name| {
            let once = params.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count() == 1;
            let value = params.raw(name).filter(|value| once && lex::is_token(value.as_bytes()));
            value.map(str::to_owned).ok_or(HeaderFault::Malformed)
        };
        let is_word = !call_id.is_empty() && call_id.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        let replaces = Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        };
        if is_word { Ok(replaces) } else { Err(HeaderFault::Malformed) }
    }

    /// The same dialog as the other end of it knows it.
    #[must_use]
    pub fn turned(&self) -> Self {
        let (to_tag, from_tag) = (self.from_tag.clone(), self.to_tag.clone());
        Self { to_tag, from_tag, ..self.clone() }
    }

    /// Whether the receiver's peer has this tag.
    pub fn is_from(&self, tag: &str) -> bool {
        self.from_tag == tag || (tag.is_empty() && self.from_tag == "0")
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_by_its_call_id_and_both_tags() {
        let text = "425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only";
        let replaces = Replaces::parse(text).unwrap();
        assert_eq!((replaces.call_id.as_str(), replaces.early_only), ("425928@bobster.example.org", true));
        assert_eq!(replaces.to_string(), text);
        assert!(Replaces::parse(" a ; from-tag=1 ; to-tag=2;x=y").unwrap().is_from("1"));
    }

    #[test]
    fn a_tag_that_is_missing_twice_there_or_empty_is_no_dialog() {
        for text in
            ["", "a", ";to-tag=1;from-tag=2", "a;to-tag=1", "a;to-tag=1;from-tag", "a;to-tag=1;from-tag="]
        {
            assert!(Replaces::parse(text).is_err(), "{text}");
        }
        assert!(Replaces::parse("a;to-tag=1;to-tag=2;from-tag=3").is_err());
        assert!(Replaces::parse("a b;to-tag=1;from-tag=3").is_err());
    }

    #[test]
    fn a_peer_without_a_tag_is_called_zero() {
        assert!(Replaces::parse("a;to-tag=1;from-tag=0").unwrap().is_from(""));
        assert!(!Replaces::parse("a;to-tag=1;from-tag=1").unwrap().is_from(""));
    }
}
