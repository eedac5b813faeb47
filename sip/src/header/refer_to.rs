//! Refer-To: whom the receiver is asked to call, and how (RFC 3515 section 2.1).

use super::HeaderFault;
use super::address::Address;
use super::replaces::Replaces;
use super::uri::Uri;
use crate::lex;

/// The reference without what it could smuggle in: of the headers inside its URI only Replaces is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTo {
    /// Whom, without headers.
    pub uri: Uri,
    /// The `method` parameter; `None` means INVITE (RFC 3261 section 19.1.1).
    pub method: Option<String>,
    /// The dialog whose place the new one is to take.
    pub replaces: Option<Replaces>,
}

impl ReferTo {
    /// Reads the one value that a REFER has.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let whole = Address::parse(text)?.uri;
        let mut replaces = None;
        for field in whole.headers_text().unwrap_or("").split('&') {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            if !lex::unescape(name).eq_ignore_ascii_case("replaces") {
                continue;
            }
            // Two dialogs cannot both be replaced (RFC 3891 section 3).
            if replaces.replace(Replaces::parse(&lex::unescape(value))?).is_some() {
                return Err(HeaderFault::Malformed);
            }
        }
        let method = whole.param("method").map(|method| lex::unescape(method).into_owned());
        Ok(Self { uri: whole.without_headers()?, method, replaces })
    }

    /// Whether an INVITE is what is asked for.
    pub fn is_for_invite(&self) -> bool {
        self.method.as_deref().is_none_or(|method| method == "INVITE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attended_transfer_names_the_dialog_in_escapes() {
        let text =
            "\"Li\" <sip:802@a.test;user=phone?Subject=x&replaces=12%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>;q=1";
        let refer_to = ReferTo::parse(text).unwrap();
        assert_eq!(refer_to.uri.as_str(), "sip:802@a.test;user=phone", "no other header survives");
        assert_eq!(refer_to.replaces.unwrap().to_string(), "12@h;to-tag=1;from-tag=2");
    }

    #[test]
    fn a_number_and_a_method_are_read() {
        assert_eq!(ReferTo::parse("tel:+8613800138000").unwrap().uri.user().unwrap(), "+8613800138000");
        assert!(ReferTo::parse("<sip:a@b;method=INVITE>").unwrap().is_for_invite());
        assert!(!ReferTo::parse("<sip:a@b;method=BYE>").unwrap().is_for_invite());
    }

    #[test]
    fn a_dialog_that_cannot_be_read_or_a_second_one_is_a_fault() {
        assert!(ReferTo::parse("<sip:a@b?Replaces=x>").is_err());
        let one = "Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2";
        assert!(ReferTo::parse(&format!("<sip:a@b?{one}>")).is_ok());
        assert!(ReferTo::parse(&format!("<sip:a@b?{one}&{one}>")).is_err());
        assert!(ReferTo::parse("nobody").is_err());
    }
}
