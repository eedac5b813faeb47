//! Event: which package a subscription or a notification is about (RFC 6665 section 8.2.1).

use std::fmt;

use super::HeaderFault;
use super::params::Params;
use crate::lex;

/// A package, and which subscription to it within the dialog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventType {
    /// `dialog`, `message-summary`, `refer` …; compared with case, as tokens of packages are.
    pub package: String,
    /// Tells subscriptions to one package within one dialog apart.
    pub id: Option<String>,
}

impl EventType {
    /// Of a package alone.
    pub fn new(package: &str) -> Self {
        Self { package: package.to_owned(), id: None }
    }

    /// Reads a value; parameters other than `id` are the package's own and do not tell subscriptions apart.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let (package, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let package = lex::trim(package);
        let params = Params::parse(params).ok_or(HeaderFault::Malformed)?;
        let id = params.raw("id").map(str::to_owned);
        let is_sound = lex::is_token(package.as_bytes())
            && id.as_ref().is_none_or(|id| lex::is_token(id.as_bytes()))
            && (id.is_some() || !params.has("id"));
        if is_sound { Ok(Self { package: package.to_owned(), id }) } else { Err(HeaderFault::Malformed) }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        self.id.as_ref().map_or(Ok(()), |id| write!(f, ";id={id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_and_its_id_are_read_and_written() {
        let event = EventType::parse("refer ; id=93809823;x=y").unwrap();
        assert_eq!((event.package.as_str(), event.id.as_deref()), ("refer", Some("93809823")));
        assert_eq!(event.to_string(), "refer;id=93809823");
        assert_eq!(EventType::parse("dialog").unwrap(), EventType::new("dialog"));
    }

    #[test]
    fn what_is_no_token_is_no_package() {
        for text in ["", ";id=1", "a b", "a;id", "a;id=", "a;id=\"1\"", "a,b"] {
            assert!(EventType::parse(text).is_err(), "{text}");
        }
    }
}
