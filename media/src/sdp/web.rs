//! DTLS-SRTP and ICE in descriptions: what browsers say, and what phones with DTLS do (RFC 5763, 8122, 8839, 8842).

use std::net::IpAddr;

use base::Entropy;
use sdp_types::{Attribute, Media, Session};

use super::Profile;
use crate::dtls::{Dtls, Fingerprint, Ice, Role};
use crate::ice::Credentials;

/// What a leg may say of DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Web {
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// Whether our own first offer speaks of it, and of nothing else: the peer is a browser.
    pub offered: bool,
}

/// Why DTLS that is offered or answered cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebFault {
    /// Nobody vouches for the certificate.
    #[error("no fingerprint")]
    Missing,
    /// Only by other hashes than SHA-256.
    #[error("hash")]
    Hash,
    /// The fingerprint is no SHA-256.
    #[error("form of the fingerprint")]
    Form,
    /// Nobody would begin, or both.
    #[error("setup")]
    Setup,
    /// A name without a password, or the other way round, or too short ones.
    #[error("ICE credentials")]
    Ice,
    /// RTCP on a port of its own: it would need a handshake of its own.
    #[error("RTCP on its own port")]
    Mux,
}

/// What the other side's description says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) fingerprint: Fingerprint,
    /// `None`: it does not say.
    pub(super) setup: Option<Setup>,
    pub(super) ice: Option<Credentials>,
    /// The audio stands in a group (RFC 9143).
    pub(super) grouped: bool,
}

/// `a=setup` (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    Either,
    Hold,
}

/// What we say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) fingerprint: Fingerprint,
    pub(super) setup: Setup,
    pub(super) ice: Option<Credentials>,
    pub(super) grouped: bool,
}

impl Said {
    /// Reads it where the audio is under DTLS: by its profile, or, as older phones write it, by a fingerprint in
    /// place of a key.
    pub(super) fn read(
        session: &Session,
        media: &Media,
        profile: Profile,
        has_keys: bool,
    ) -> Result<Option<Self>, WebFault> {
        let both = [&media.attributes[..], &session.attributes[..]];
        let without_key = profile.is_secure() && !has_keys && value(both, "fingerprint").is_some();
        if !profile.is_dtls() && !without_key {
            return Ok(None);
        }
        if !media.has_attribute("rtcp-mux") {
            return Err(WebFault::Mux);
        }
        let fingerprint = fingerprint(both)?;
        let setup = match value(both, "setup") {
            Some(name) => Some(Setup::from_name(name).ok_or(WebFault::Setup)?),
            None => None,
        };
        // Two lite sides do not check each other: each sends where the other's description says.
        let lite = session.attributes.iter().any(|a| a.attribute.eq_ignore_ascii_case("ice-lite"));
        let ice = if lite { None } else { credentials(both)? };
        let grouped = value([&media.attributes, &[]], "mid").is_some_and(|mid| is_grouped(session, mid));
        Ok(Some(Self { fingerprint, setup, ice, grouped }))
    }

    /// Who begins, by their offer. Once there was a handshake it is not turned round (RFC 8842 section 5.3).
    pub(super) fn role_of_offer(&self, before: Option<Role>) -> Result<Role, WebFault> {
        match self.setup {
            Some(Setup::Either) | None => Ok(before.unwrap_or(Role::Passive)),
            Some(Setup::Active) => Ok(Role::Passive),
            Some(Setup::Passive) => Ok(Role::Active),
            Some(Setup::Hold) => Err(WebFault::Setup),
        }
    }

    /// Who begins, by their answer to our offer of either.
    pub(super) fn role_of_answer(&self) -> Result<Role, WebFault> {
        match self.setup {
            Some(Setup::Active) | None => Ok(Role::Passive),
            Some(Setup::Passive) => Ok(Role::Active),
            Some(Setup::Either | Setup::Hold) => Err(WebFault::Setup),
        }
    }

    /// What is agreed on by their offer: our name and password stay while theirs do (RFC 8445 section 9).
    pub(super) fn agree(self, role: Role, before: Option<&Dtls>, entropy: &mut Entropy) -> Dtls {
        let before = before.and_then(|dtls| dtls.ice.as_ref());
        let ice = self.ice.map(|theirs| {
            let same = before.filter(|ice| ice.theirs == theirs).map(|ice| ice.ours.clone());
            Ice { ours: same.unwrap_or_else(|| invent(entropy)), theirs }
        });
        Dtls { theirs: self.fingerprint, role, ice }
    }
}

impl Ours {
    /// What our description says of the session as a whole.
    pub(super) fn describe_session(&self, mid: Option<&str>, session: &mut Session) {
        if self.ice.is_some() {
            session.attributes.push(Attribute::new("ice-lite"));
        }
        if let Some(mid) = mid.filter(|_| self.grouped) {
            session.attributes.push(Attribute::with_value("group", format!("BUNDLE {mid}")));
        }
    }

    /// What it says of the audio.
    pub(super) fn describe(&self, local: IpAddr, port: u16, media: &mut Media) {
        let mut say = |name: &str, value: String| media.attributes.push(Attribute::with_value(name, value));
        say("setup", self.setup.name().to_owned());
        say("fingerprint", format!("{HASH} {}", self.fingerprint));
        if let Some(ours) = &self.ice {
            say("ice-ufrag", ours.fragment.clone());
            say("ice-pwd", ours.password.clone());
            say("candidate", format!("1 1 udp {HOST_PRIORITY} {local} {port} typ host"));
            media.attributes.push(Attribute::new("end-of-candidates"));
        }
    }
}

impl Setup {
    const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::Either, Self::Hold];

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setup| setup.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Either => "actpass",
            Self::Hold => "holdconn",
        }
    }
}

impl From<Role> for Setup {
    fn from(role: Role) -> Self {
        match role {
            Role::Passive => Self::Passive,
            Role::Active => Self::Active,
        }
    }
}

/// A name and a password that nobody can guess.
pub(super) fn invent(entropy: &mut Entropy) -> Credentials {
    let mut text =
        |len| (0..len).map(|_| ALPHABET[entropy.below(ALPHABET.len() as u64) as usize] as char).collect();
    Credentials { fragment: text(FRAGMENT), password: text(PASSWORD) }
}

fn fingerprint(both: [&[Attribute]; 2]) -> Result<Fingerprint, WebFault> {
    let mut fault = WebFault::Missing;
    for value in values(both, "fingerprint").take(MOST_FINGERPRINTS) {
        match value.split_once(' ') {
            Some((hash, hex)) if hash.eq_ignore_ascii_case(HASH) => {
                return Fingerprint::from_hex(hex.trim()).ok_or(WebFault::Form);
            }
            Some(_) => fault = WebFault::Hash,
            None => fault = WebFault::Form,
        }
    }
    Err(fault)
}

fn credentials(both: [&[Attribute]; 2]) -> Result<Option<Credentials>, WebFault> {
    let sound = |text: &str, least: usize| {
        (least..=LONGEST_CREDENTIAL).contains(&text.len())
            && text.bytes().all(|byte| ALPHABET.contains(&byte))
    };
    match (value(both, "ice-ufrag"), value(both, "ice-pwd")) {
        (None, None) => Ok(None),
        (Some(fragment), Some(password))
            if sound(fragment, LEAST_FRAGMENT) && sound(password, LEAST_PASSWORD) =>
        {
            Ok(Some(Credentials { fragment: fragment.to_owned(), password: password.to_owned() }))
        }
        _ => Err(WebFault::Ice),
    }
}

fn is_grouped(session: &Session, mid: &str) -> bool {
    values([&session.attributes, &[]], "group").any(|group| {
        let mut words = group.split_ascii_whitespace();
        words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("BUNDLE")) && words.any(|word| word == mid)
    })
}

/// Of the audio, else of the whole session (RFC 8866 section 5.13).
fn value<'a>(both: [&'a [Attribute]; 2], name: &'a str) -> Option<&'a str> {
    values(both, name).next()
}

fn values<'a>(both: [&'a [Attribute]; 2], name: &'a str) -> impl Iterator<Item = &'a str> {
    both.into_iter()
        .flatten()
        .filter(move |attribute| attribute.attribute.eq_ignore_ascii_case(name))
        .filter_map(|attribute| attribute.value.as_deref().map(str::trim))
}

/// The one hash that everybody has (RFC 8122 section 5).
const HASH: &str = "sha-256";

/// Of one host candidate, the only one (RFC 8445 section 5.1.2.1).
const HOST_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// What names and passwords are written in (RFC 8839 section 5.4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Ours: 48 and 144 bits; 24 and 128 is the least.
const FRAGMENT: usize = 8;
const PASSWORD: usize = 24;

/// Theirs at least, and at most (RFC 8839 section 5.4).
const LEAST_FRAGMENT: usize = 4;
const LEAST_PASSWORD: usize = 22;
const LONGEST_CREDENTIAL: usize = 256;

/// Fingerprints looked at: one for each hash that there is.
const MOST_FINGERPRINTS: usize = 8;
