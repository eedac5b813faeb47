//! Digest: algorithms, HA1 and responses of RFC 2617, 7616 and 8760; nonces that need no memory.

pub mod nonce;
pub mod window;

use std::fmt;

use hmac::digest::Digest;
use md5::Md5;
use sha2::{Sha256, Sha512_256};
use subtle::ConstantTimeEq;

use crate::header::auth::{Challenge, Credentials, Qop};

/// A digest algorithm; the `-sess` forms are not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 2617; what every phone knows, and some phones only.
    Md5,
    /// RFC 7616.
    Sha256,
    /// RFC 7616.
    Sha512_256,
}

impl Algorithm {
    /// The algorithm of this token, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let known = [Self::Md5, Self::Sha256, Self::Sha512_256];
        known.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// Its token in `algorithm=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// The hash of the parts joined by colons, as lower-case hex.
    pub fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => hash_with::<Md5>(parts),
            Self::Sha256 => hash_with::<Sha256>(parts),
            Self::Sha512_256 => hash_with::<Sha512_256>(parts),
        }
    }

    /// HA1: what is kept in place of a password, as lower-case hex.
    pub fn ha1(self, user: &str, realm: &str, password: &str) -> String {
        self.hash(&[user, realm, password])
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn hash_with<D: Digest>(parts: &[&str]) -> String {
    #[cfg(test)]
    TALLY.with(|tally| tally.set(tally.get() + 1));
    let mut hash = D::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// How many hashes this thread has made.
#[cfg(test)]
pub(crate) fn tally() -> u64 {
    TALLY.with(std::cell::Cell::get)
}

#[cfg(test)]
thread_local! {
    static TALLY: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The response to a challenge: with `qop=auth` of RFC 7616 section 3.4.1, without one of RFC 2069.
pub fn response(algorithm: Algorithm, ha1: &str, method: &str, proof: &Proof<'_>) -> String {
    let ha2 = algorithm.hash(&[method, proof.uri]);
    match proof.count {
        Some((nc, cnonce)) => algorithm.hash(&[ha1, proof.nonce, nc, cnonce, "auth", &ha2]),
        None => algorithm.hash(&[ha1, proof.nonce, &ha2]),
    }
}

/// What a response is computed over besides HA1 and the method.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The digest-uri as the client wrote it.
    pub uri: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// nc and cnonce as written; `None` in the form without qop.
    pub count: Option<(&'a str, &'a str)>,
}

/// Whether the credentials prove knowledge of `ha1` for a request of this method; takes the same time
/// whether they do or not.
///
/// The caller checks realm, nonce and nc, and that the digest-uri is the Request-URI.
pub fn verify(credentials: &Credentials, algorithm: Algorithm, ha1: &str, method: &str) -> bool {
    let count = match (credentials.qop, &credentials.nc_text, &credentials.cnonce) {
        (Some(Qop::Auth), Some(nc), Some(cnonce)) => Some((nc.as_str(), cnonce.as_str())),
        (None, ..) => None,
        // auth-int is never offered, and qop without nc or cnonce proves nothing.
        _ => return false,
    };
    let proof = Proof { uri: &credentials.uri, nonce: &credentials.nonce, count };
    let expected = response(algorithm, ha1, method, &proof);
    bool::from(expected.as_bytes().ct_eq(credentials.response.to_ascii_lowercase().as_bytes()))
}

/// Who we are towards a server that challenges us.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The user name.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
}

/// The answer to a challenge; `None` when it asks for what we do not do: an unknown algorithm, or a qop
/// without `auth`.
///
/// `count` is the number of requests under this nonce, this one included; `cnonce` is fresh entropy.
pub fn answer(
    challenge: &Challenge,
    login: Login<'_>,
    method: &str,
    uri: &str,
    cnonce: &str,
    count: u32,
) -> Option<Credentials> {
    let algorithm = challenge.algorithm()?;
    let nc = format!("{count:08x}");
    let qop = if challenge.qops.is_empty() {
        None
    } else {
        challenge.qops.iter().any(|qop| qop.eq_ignore_ascii_case("auth")).then_some(())?;
        Some(Qop::Auth)
    };
    let ha1 = algorithm.ha1(login.user, &challenge.realm, login.password);
    let proof = Proof { uri, nonce: &challenge.nonce, count: qop.map(|_| (nc.as_str(), cnonce)) };
    Some(Credentials {
        user: login.user.to_owned(),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.to_owned(),
        response: response(algorithm, &ha1, method, &proof),
        algorithm_text: challenge.algorithm_text.clone(),
        qop,
        nc_text: qop.map(|_| nc.clone()),
        cnonce: qop.map(|_| cnonce.to_owned()),
        opaque: challenge.opaque.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_7616_section_3_9_1_hold() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let proof = Proof { uri: "/dir/index.html", nonce, count: Some(("00000001", cnonce)) };
        let vectors = [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, expected) in vectors {
            let ha1 = algorithm.ha1("Mufasa", "http-auth@example.org", "Circle of Life");
            assert_eq!(response(algorithm, &ha1, "GET", &proof), expected);
        }
    }

    #[test]
    fn the_vector_of_rfc_7616_section_3_9_2_holds_as_erratum_4897_corrects_it() {
        // The RFC's own text has a truncated SHA-512 here, which is not SHA-512/256.
        let nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK";
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let proof = Proof { uri: "/doe.json", nonce, count: Some(("00000001", cnonce)) };
        let user = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
        assert_eq!(Algorithm::Sha512_256.hash(&["J\u{e4}s\u{f8}n Doe", "api@example.org"]), user);
        let ha1 = Algorithm::Sha512_256.ha1("J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?");
        assert_eq!(
            response(Algorithm::Sha512_256, &ha1, "GET", &proof),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
    }

    #[test]
    fn the_vector_of_rfc_2617_holds_and_the_form_without_qop_is_told_apart() {
        let ha1 = Algorithm::Md5.ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1, "939e7578ed9e3c518a452acee763bce9");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let with = Proof { uri: "/dir/index.html", nonce, count: Some(("00000001", "0a4f113b")) };
        assert_eq!(response(Algorithm::Md5, &ha1, "GET", &with), "6629fae49393a05397450978507c4ef1");
        let without = Proof { count: None, ..with };
        assert_eq!(response(Algorithm::Md5, &ha1, "GET", &without), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn an_answer_to_our_own_challenge_is_verified_and_a_changed_one_is_not() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
            let challenge = Challenge::new("sibai", "n0nce", algorithm, false);
            let login = Login { user: "801", password: "s\"ecret" };
            let mine = answer(&challenge, login, "INVITE", "sip:1@h", "c", 10).unwrap();
            let read = Credentials::parse(&mine.to_string()).unwrap();
            assert_eq!((read.nc(), &read), (Some(10), &mine));
            let ha1 = algorithm.ha1("801", "sibai", "s\"ecret");
            assert!(verify(&read, algorithm, &ha1, "INVITE"));
            assert!(!verify(&read, algorithm, &ha1, "BYE"));
            let other = Credentials { uri: "sip:2@h".to_owned(), ..read.clone() };
            assert!(!verify(&other, algorithm, &ha1, "INVITE"));
            let bare = Credentials { cnonce: None, ..read };
            assert!(!verify(&bare, algorithm, &ha1, "INVITE"));
        }
    }
}
