//! Digest credentials (RFC 2617, RFC 7616, RFC 8760), both to answer a challenge and to check an answer.
//!
//! rsip cannot read `algorithm=SHA-256` and prints the count wrongly, so this is read and written here.

use std::fmt::Write;

use md5::Digest as _;
use rsip::Method;

use crate::read::split_outside;

/// A digest algorithm that a phone may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// MD5, the only one that many phones know.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

impl Algorithm {
    /// Its token in a header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex::encode(md5::Md5::digest(text)),
            Self::Sha256 => hex::encode(sha2::Sha256::digest(text)),
            Self::Sha512_256 => hex::encode(sha2::Sha512_256::digest(text)),
        }
    }
}

/// What a server asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) opaque: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) qop: bool,
    pub(crate) stale: bool,
    /// Whether a proxy asked (407): its answer stands in another header.
    pub(crate) proxy: bool,
    /// How often this nonce was used.
    pub(crate) count: u32,
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

impl Challenge {
    /// Reads one WWW-Authenticate or Proxy-Authenticate; `Err` says what is wrong with it.
    pub(crate) fn read(value: &str, proxy: bool) -> Result<Self, String> {
        let Some(("Digest" | "digest" | "DIGEST", rest)) = value.trim().split_once(' ') else {
            return Err(format!("a challenge that is not Digest: {value:?}"));
        };
        let parts = split_outside(rest, ',');
        let find = |name: &str| word(&parts, name);
        let named = find("algorithm").unwrap_or("MD5");
        let known = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];
        let algorithm = known.into_iter().find(|a| a.name().eq_ignore_ascii_case(named));
        let qop = find("qop");
        if qop.is_some_and(|qop| !qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth"))) {
            return Err(format!("a challenge without qop auth: {value:?}"));
        }
        Ok(Self {
            realm: find("realm").ok_or("a challenge without a realm")?.to_string(),
            nonce: find("nonce").ok_or("a challenge without a nonce")?.to_string(),
            opaque: find("opaque").map(String::from),
            algorithm: algorithm.ok_or_else(|| format!("a challenge with the algorithm {named:?}"))?,
            qop: qop.is_some(),
            stale: find("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            proxy,
            count: 0,
        })
    }

    /// The header's name and value that answer it.
    pub(crate) fn answer(
        &mut self,
        who: Who<'_>,
        method: Method,
        uri: &str,
        cnonce: &str,
    ) -> (&'static str, String) {
        self.count += 1;
        let (realm, nonce, nc) = (&self.realm, &self.nonce, format!("{:08x}", self.count));
        let fresh = self.qop.then_some((nc.as_str(), cnonce));
        let response = response(self.algorithm, who, realm, nonce, fresh, &method.to_string(), uri);
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={}",
            who.user,
            self.algorithm.name()
        );
        if self.qop {
            let _ = write!(value, ", qop=auth, nc={nc}, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        (if self.proxy { "Proxy-Authorization" } else { "Authorization" }, value)
    }
}

/// Whether an Authorization answers the challenge (`realm`, `nonce`) of a scripted carrier: with MD5 and
/// qop `auth`, as carriers ask.
pub(crate) fn check(
    value: &str,
    who: Who<'_>,
    realm: &str,
    nonce: &str,
    method: Method,
) -> Result<(), String> {
    let rest = value.trim().split_once(' ').map_or("", |(_, rest)| rest);
    let parts = split_outside(rest, ',');
    let find = |name: &str| word(&parts, name).ok_or_else(|| format!("credentials without {name}"));
    for (name, due) in [("username", who.user), ("realm", realm), ("nonce", nonce)] {
        let given = find(name)?;
        if given != due {
            return Err(format!("credentials with {name} {given:?}"));
        }
    }
    let fresh = word(&parts, "qop").map(|_| Ok::<_, String>((find("nc")?, find("cnonce")?))).transpose()?;
    let due = response(Algorithm::Md5, who, realm, nonce, fresh, &method.to_string(), find("uri")?);
    if find("response")? == due { Ok(()) } else { Err("credentials with a wrong response".into()) }
}

fn response(
    algorithm: Algorithm,
    who: Who<'_>,
    realm: &str,
    nonce: &str,
    fresh: Option<(&str, &str)>,
    method: &str,
    uri: &str,
) -> String {
    let one = algorithm.hash(&format!("{}:{realm}:{}", who.user, who.password));
    let two = algorithm.hash(&format!("{method}:{uri}"));
    match fresh {
        Some((nc, cnonce)) => algorithm.hash(&format!("{one}:{nonce}:{nc}:{cnonce}:auth:{two}")),
        None => algorithm.hash(&format!("{one}:{nonce}:{two}")),
    }
}

fn word<'a>(parts: &[&'a str], name: &str) -> Option<&'a str> {
    parts.iter().find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_comes_out() {
        let who = Who { user: "Mufasa", password: "Circle of Life" };
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let fresh = Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"));
        let of = |a| response(a, who, "http-auth@example.org", nonce, fresh, "GET", "/dir/index.html");
        assert_eq!(of(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(of(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn what_is_answered_is_accepted_and_a_wrong_password_is_not() {
        let value = r#"Digest realm="a, b", nonce="n", qop="auth", algorithm=MD5, opaque="o""#;
        let mut challenge = Challenge::read(value, true).unwrap();
        let who = Who { user: "u", password: "p" };
        let (name, answer) = challenge.answer(who, Method::Invite, "sip:1@h", "c");
        assert_eq!(name, "Proxy-Authorization");
        assert_eq!(check(&answer, who, "a, b", "n", Method::Invite), Ok(()));
        let other = Who { user: "u", password: "q" };
        assert!(check(&answer, other, "a, b", "n", Method::Invite).is_err());
        assert!(check(&answer, who, "a, b", "m", Method::Invite).is_err());
        assert!(Challenge::read("Basic realm=\"x\"", false).is_err());
    }
}
