//! DTLS-SRTP as two descriptions agree on it (RFC 5763). The handshake itself is the driver's, who has sockets and
//! a clock; its keys come back as a command.

use std::fmt;

use ring::digest;

use crate::ice::Credentials;
use crate::seam::{Keys, Security};
use crate::srtp::{Keying, Suite};

/// What a handshake has to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dtls {
    /// The certificate that the peer has to show.
    pub theirs: Fingerprint,
    /// Who begins.
    pub role: Role,
    /// How the peer finds us; `None`: it sends from where its description says.
    pub ice: Option<Ice>,
}

/// Who begins a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer; we are its server.
    Passive,
    /// We, the client.
    Active,
}

/// Both sides' names and passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ice {
    /// What the peer's checks have to prove.
    pub ours: Credentials,
    /// The peer's.
    pub theirs: Credentials,
}

/// The SHA-256 of a certificate, by which its description vouches for it (RFC 8122 section 5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; Self::LEN]);

impl Dtls {
    /// Whether an agreement goes on with the handshake of this one (RFC 8842 section 3): its keys stay in use.
    pub fn continues(&self, before: &Self) -> bool {
        self.theirs == before.theirs && self.role == before.role
    }
}

impl Security {
    /// How the peer proves where it is, where ICE was agreed on.
    pub fn ice(&self) -> Option<&Ice> {
        match self {
            Self::Dtls(dtls) => dtls.ice.as_ref(),
            Self::Plain | Self::Srtp(_) => None,
        }
    }
}

impl Keys {
    /// Of what a handshake exports (RFC 5764 section 4.2): both keys, the client's first, then both salts.
    pub fn exported(suite: Suite, role: Role, material: &[u8]) -> Option<Self> {
        let (key, salt) = (suite.key_len(), suite.salt_len());
        if material.len() != 2 * (key + salt) {
            return None;
        }
        let of = |side: usize| {
            let mut both = [0; Keying::LONGEST];
            both.get_mut(..key)?.copy_from_slice(material.get(side * key..(side + 1) * key)?);
            let salts = material.get(2 * key..)?;
            both.get_mut(key..key + salt)?.copy_from_slice(salts.get(side * salt..(side + 1) * salt)?);
            Keying::new(suite, both.get(..key + salt)?)
        };
        let (client, server) = (of(0)?, of(1)?);
        Some(match role {
            Role::Passive => Self { ours: server, theirs: client },
            Role::Active => Self { ours: client, theirs: server },
        })
    }
}

impl Fingerprint {
    const LEN: usize = 32;

    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// Reads its bytes as descriptions have them: hexadecimal, between colons.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::LEN];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let digits = parts.next().filter(|digits| digits.len() == 2 && !digits.starts_with('+'))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let fingerprint = Fingerprint::of(b"abc");
        let text = fingerprint.to_string();
        // FIPS 180-2, appendix B.1.
        assert!(text.starts_with("BA:78:16:BF:") && text.ends_with(":15:AD"), "{text}");
        assert_eq!(Fingerprint::from_hex(&text), Some(fingerprint));
        assert_eq!(Fingerprint::from_hex(&text.to_lowercase()), Some(fingerprint));
        for wrong in
            [&text[3..], &(text.clone() + ":00"), &text.replace(':', ""), &text.replace("BA", "+A"), ""]
        {
            assert_eq!(Fingerprint::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_side_sends_under_its_own_half_of_the_keys() {
        let suite = Suite::AeadAes128Gcm;
        let material: Vec<u8> =
            [[1; 16].as_slice(), &[2; 16], &[3; 12], &[4; 12]].into_iter().flatten().copied().collect();
        let keying = |key, salt| Keying::new(suite, &[[key; 16].as_slice(), &[salt; 12]].concat()).unwrap();
        let (client, server) = (keying(1, 3), keying(2, 4));
        let passive = Keys::exported(suite, Role::Passive, &material).unwrap();
        assert_eq!((&passive.ours, &passive.theirs), (&server, &client));
        let active = Keys::exported(suite, Role::Active, &material).unwrap();
        assert_eq!((&active.ours, &active.theirs), (&client, &server));
        assert_eq!(Keys::exported(suite, Role::Active, &material[1..]), None);
        assert_eq!(Keys::exported(Suite::AesCm128HmacSha1Tag80, Role::Active, &material), None);
    }
}
