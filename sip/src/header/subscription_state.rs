//! Subscription-State: what a NOTIFY says of the subscription itself (RFC 6665 section 8.2.3).

use std::fmt;

use super::HeaderFault;
use super::params::Params;
use crate::lex;

/// Where the subscription stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// It runs on for so many seconds.
    Active {
        /// Seconds.
        expires: u32,
    },
    /// It is over.
    Terminated {
        /// Why; tells the subscriber whether to come back (RFC 6665 section 4.1.3).
        reason: Ending,
    },
    /// Not yet allowed, or a state that we do not know; we never write it.
    Other(String),
}

/// Why a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Subscribe again at once.
    Deactivated,
    /// Its time is up.
    Timeout,
    /// What was watched is not there (any more): do not come back.
    NoResource,
    /// Another word, or none.
    Other(String),
}

impl SubscriptionState {
    /// Reads a value.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let (state, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let state = lex::trim(state);
        let params = Params::parse(params).ok_or(HeaderFault::Malformed)?;
        if !lex::is_token(state.as_bytes()) {
            return Err(HeaderFault::Malformed);
        }
        if state.eq_ignore_ascii_case("active") {
            let expires = params.raw("expires").and_then(lex::number).ok_or(HeaderFault::Malformed)?;
            return Ok(Self::Active { expires });
        }
        if state.eq_ignore_ascii_case("terminated") {
            return Ok(Self::Terminated { reason: Ending::of(params.raw("reason").unwrap_or("")) });
        }
        Ok(Self::Other(state.to_owned()))
    }

    /// Whether it is over.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Terminated { .. })
    }
}

impl Ending {
    fn of(word: &str) -> Self {
        let known = [Self::Deactivated, Self::Timeout, Self::NoResource];
        let found = known.into_iter().find(|ending| ending.as_str().eq_ignore_ascii_case(word));
        found.unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Timeout => "timeout",
            Self::NoResource => "noresource",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active { expires } => write!(f, "active;expires={expires}"),
            Self::Terminated { reason } if reason.as_str().is_empty() => f.write_str("terminated"),
            Self::Terminated { reason } => write!(f, "terminated;reason={}", reason.as_str()),
            Self::Other(state) => f.write_str(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_was_written() {
        for text in [
            "active;expires=60",
            "terminated;reason=noresource",
            "terminated;reason=timeout",
            "terminated;reason=deactivated",
            "terminated;reason=giveup",
            "terminated",
            "pending",
        ] {
            assert_eq!(SubscriptionState::parse(text).unwrap().to_string(), text);
        }
        assert!(SubscriptionState::parse("Terminated ; Reason=NoResource").unwrap().is_over());
    }

    #[test]
    fn an_active_one_must_say_how_long() {
        assert!(SubscriptionState::parse("active").is_err());
        assert!(SubscriptionState::parse("active;expires=x").is_err());
        assert!(SubscriptionState::parse("").is_err());
    }
}
