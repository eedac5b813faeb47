//! Challenges and credentials of digest authentication (RFC 7616, RFC 8760, RFC 3261 section 22).

use std::borrow::Cow;
use std::fmt;

use super::HeaderFault;
use crate::digest::Algorithm;
use crate::lex;

/// WWW-Authenticate or Proxy-Authenticate of scheme Digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are asked for.
    pub realm: String,
    /// To be part of the response.
    pub nonce: String,
    /// The algorithm as written; `None` means MD5.
    pub algorithm_text: Option<String>,
    /// The qop options; empty in the form of RFC 2069.
    pub qops: Vec<String>,
    /// To be returned unchanged.
    pub opaque: Option<String>,
    /// The nonce was too old, the password was right.
    pub stale: bool,
}

impl Challenge {
    /// A challenge with `qop="auth"`.
    pub fn new(realm: &str, nonce: &str, algorithm: Algorithm, stale: bool) -> Self {
        Self {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            algorithm_text: Some(algorithm.as_str().to_owned()),
            qops: vec!["auth".to_owned()],
            opaque: None,
            stale,
        }
    }

    /// Reads one header value; other schemes than Digest are `Malformed`.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let fields = Fields::of(text)?;
        let qops = fields.value("qop").unwrap_or_default();
        Ok(Self {
            realm: fields.required("realm")?,
            nonce: fields.required("nonce")?,
            algorithm_text: fields.owned("algorithm"),
            qops: qops.split(',').map(lex::trim).filter(|qop| !qop.is_empty()).map(str::to_owned).collect(),
            opaque: fields.owned("opaque"),
            stale: fields.value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The algorithm; `None` when it is one that we do not know.
    pub fn algorithm(&self) -> Option<Algorithm> {
        named(self.algorithm_text.as_deref())
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", lex::quote(&self.realm), lex::quote(&self.nonce))?;
        if self.stale {
            f.write_str(", stale=true")?;
        }
        // Unquoted: RFC 7616 section 3.3, and phones that compare it byte by byte.
        write_token(f, "algorithm", self.algorithm_text.as_deref())?;
        if !self.qops.is_empty() {
            write!(f, ", qop={}", lex::quote(&self.qops.join(",")))?;
        }
        write_quoted(f, "opaque", self.opaque.as_deref())
    }
}

/// Authorization or Proxy-Authorization of scheme Digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who it says it is.
    pub user: String,
    /// Of which realm.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The digest-uri: must be the Request-URI.
    pub uri: String,
    /// The proof, in hex.
    pub response: String,
    /// The algorithm as written; `None` means MD5.
    pub algorithm_text: Option<String>,
    /// `None` in the form of RFC 2069.
    pub qop: Option<Qop>,
    /// The count as written: eight hex digits.
    pub nc_text: Option<String>,
    /// The client's own nonce.
    pub cnonce: Option<String>,
    /// Returned from the challenge.
    pub opaque: Option<String>,
}

/// Quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// The request line is protected.
    Auth,
    /// The body too; or a qop that we do not know: never offered, always refused.
    Unsupported,
}

impl Credentials {
    /// Reads one header value; other schemes than Digest are `Malformed`.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        let fields = Fields::of(text)?;
        let qop = fields
            .value("qop")
            .map(|qop| if qop.eq_ignore_ascii_case("auth") { Qop::Auth } else { Qop::Unsupported });
        Ok(Self {
            user: fields.required("username")?,
            realm: fields.required("realm")?,
            nonce: fields.required("nonce")?,
            uri: fields.required("uri")?,
            response: fields.required("response")?,
            algorithm_text: fields.owned("algorithm"),
            qop,
            nc_text: fields.owned("nc"),
            cnonce: fields.owned("cnonce"),
            opaque: fields.owned("opaque"),
        })
    }

    /// The algorithm; `None` when it is one that we do not know.
    pub fn algorithm(&self) -> Option<Algorithm> {
        named(self.algorithm_text.as_deref())
    }

    /// How often this nonce has been used, 32 bits of hex; `None` without qop or when it is no number.
    pub fn nc(&self) -> Option<u32> {
        let text = self.nc_text.as_deref()?;
        let sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        sound.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", lex::quote(&self.user), lex::quote(&self.realm))?;
        write!(f, ", nonce={}, uri={}", lex::quote(&self.nonce), lex::quote(&self.uri))?;
        write!(f, ", response={}", lex::quote(&self.response))?;
        write_token(f, "algorithm", self.algorithm_text.as_deref())?;
        write_quoted(f, "cnonce", self.cnonce.as_deref())?;
        if self.qop == Some(Qop::Auth) {
            f.write_str(", qop=auth")?;
        }
        write_token(f, "nc", self.nc_text.as_deref())?;
        write_quoted(f, "opaque", self.opaque.as_deref())
    }
}

/// Without the proof: it could be attacked offline from a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(user {:?}, realm {:?})", self.user, self.realm)
    }
}

fn named(text: Option<&str>) -> Option<Algorithm> {
    text.map_or(Some(Algorithm::Md5), Algorithm::from_name)
}

fn write_token(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) if lex::is_token(value.as_bytes()) => write!(f, ", {name}={value}"),
        Some(value) => write!(f, ", {name}={}", lex::quote(value)),
        None => Ok(()),
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {name}={}", lex::quote(value)))
}

/// The `name=value` pairs after the scheme.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Result<Self, HeaderFault> {
        let text = lex::trim(text);
        let (scheme, rest) = text.split_at(lex::find_lws(text).ok_or(HeaderFault::Malformed)?);
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(HeaderFault::Malformed);
        }
        let mut fields = Vec::with_capacity(10);
        for pair in lex::elements(rest) {
            let pair = pair.map_err(|_| HeaderFault::Malformed)?;
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').ok_or(HeaderFault::Malformed)?;
            let name = lex::trim(name);
            // Two values for one name would let us check the one and use the other.
            if fields.iter().any(|(other, _): &(&str, &str)| other.eq_ignore_ascii_case(name)) {
                return Err(HeaderFault::Malformed);
            }
            fields.push((name, lex::trim(value)));
        }
        Ok(Self(fields))
    }

    fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| lex::unquote(value))
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.value(name).map(Cow::into_owned)
    }

    fn required(&self, name: &str) -> Result<String, HeaderFault> {
        self.owned(name).ok_or(HeaderFault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_as_phones_and_carriers_write_it() {
        let text = "Digest realm=\"ims.cn, north\", nonce=\"a==\",\r\n qop=\"auth,auth-int\",algorithm=SHA-256,stale=TRUE";
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.realm, "ims.cn, north");
        assert_eq!((challenge.algorithm(), challenge.stale), (Some(Algorithm::Sha256), true));
        assert_eq!(challenge.qops, ["auth", "auth-int"]);
        assert_eq!(Challenge::parse(&challenge.to_string()).unwrap(), challenge);
        assert!(Challenge::parse("Bearer realm=\"x\"").is_err());
        assert!(Challenge::parse("NoOneKnowsThisScheme opaque-data=here").is_err());
    }

    #[test]
    fn a_count_has_32_bits_and_a_repeated_field_is_refused() {
        let text = |extra: &str| {
            format!("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", response=\"00\"{extra}")
        };
        let read = Credentials::parse(&text(", qop=auth, nc=0000010a, cnonce=\"c\"")).unwrap();
        assert_eq!((read.nc(), read.algorithm()), (Some(0x10a), Some(Algorithm::Md5)));
        assert_eq!(Credentials::parse(&text(", nc=+1")).unwrap().nc(), None);
        assert!(Credentials::parse(&text(", username=\"v\"")).is_err());
        assert!(!format!("{read:?}").contains("00"));
    }
}
