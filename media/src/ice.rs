//! The lite side of ICE for one leg (RFC 8445 sections 2.5 and 7.3): we have one public address, so the peer finds
//! the way and we answer its checks. Whoever proves the password may send media; where the peer nominated, ours goes.
//!
//! A check that proves nothing is met with silence, not with 401: a port of ours says nothing to strangers.

use std::net::SocketAddr;

use base::stun::{self, Draft, Message};
use ring::hmac;

/// One side's name and password (RFC 8839 section 5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub fragment: String,
    /// `a=ice-pwd`.
    pub password: String,
}

/// The lite agent of one leg.
#[derive(Clone, Debug)]
pub struct Lite {
    ours: Credentials,
    /// The peer's fragment, once its description is known.
    theirs: Option<String>,
    /// Sources that proved the password, the newest last.
    proved: Vec<SocketAddr>,
    nominated: Option<SocketAddr>,
}

/// What a check comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Write this back.
    pub bytes: Vec<u8>,
    /// The peer chose this source for media, and it was not the chosen one before.
    pub moved: bool,
}

impl Lite {
    /// An agent that nobody has asked yet.
    pub fn new(ours: Credentials) -> Self {
        Self { ours, theirs: None, proved: Vec::new(), nominated: None }
    }

    /// Goes on under another name and password of ours, when they changed.
    pub fn renew(&mut self, ours: &Credentials) {
        if self.ours != *ours {
            self.ours.clone_from(ours);
        }
    }

    /// What we say of ourselves.
    pub fn ours(&self) -> &Credentials {
        &self.ours
    }

    /// The peer's fragment as its description has it. Another one is a restart (RFC 8445 section 9): what was
    /// nominated stays in use until the next nomination.
    pub fn know(&mut self, fragment: &str) {
        if self.theirs.as_deref() != Some(fragment) {
            self.theirs = Some(fragment.to_owned());
            self.proved.retain(|source| Some(*source) == self.nominated);
        }
    }

    /// Whether media may come from here.
    pub fn has_proved(&self, source: SocketAddr) -> bool {
        self.proved.contains(&source)
    }

    /// Where media goes.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.nominated
    }

    /// Takes a STUN datagram; `None` when it is to be met with silence.
    pub fn receive(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<Answer> {
        let check = Message::read(datagram).filter(|message| message.kind == stun::BINDING_REQUEST)?;
        let end = self.prove(&check, datagram)?;
        // What stands behind the integrity is nobody's word (RFC 8489 section 14.5).
        let says = |kind| check.attributes().any(|attribute| attribute.kind == kind && attribute.at < end);
        let transaction = check.transaction;
        let refuse = |code: [u8; 2], more: &[u8]| {
            let mut draft = Draft::new(stun::BINDING_ERROR, transaction);
            draft = draft.with(stun::ERROR_CODE, &[0, 0, code[0], code[1]]);
            if !more.is_empty() {
                draft = draft.with(stun::UNKNOWN_ATTRIBUTES, more);
            }
            Some(Answer { bytes: sign(draft, &self.ours.password), moved: false })
        };
        let unknown: Vec<u8> = check
            .attributes()
            .filter(|attribute| {
                attribute.at < end && attribute.kind < 0x8000 && !KNOWN.contains(&attribute.kind)
            })
            .take(MOST_UNKNOWN)
            .flat_map(|attribute| attribute.kind.to_be_bytes())
            .collect();
        if !unknown.is_empty() {
            return refuse([4, 20], &unknown);
        }
        // Two lite sides never speak, so the peer leads (section 6.1.1).
        if says(ICE_CONTROLLED) {
            return refuse([4, 87], &[]);
        }
        if !says(PRIORITY) {
            return refuse([4, 0], &[]);
        }
        self.proved.retain(|known| *known != source);
        if self.proved.len() == MOST_PROVED {
            let oldest = self.proved.iter().position(|known| Some(*known) != self.nominated).unwrap_or(0);
            self.proved.remove(oldest);
        }
        self.proved.push(source);
        let moved = says(USE_CANDIDATE) && self.nominated.replace(source) != Some(source);
        let draft = Draft::new(stun::BINDING_SUCCESS, transaction).with_address(source);
        Some(Answer { bytes: sign(draft, &self.ours.password), moved })
    }

    /// Whether the check is for us and knows our password; gives where the part ends that this proves.
    fn prove(&self, check: &Message<'_>, datagram: &[u8]) -> Option<usize> {
        let end = check.attribute(stun::MESSAGE_INTEGRITY)?.at;
        let name = check.attribute(stun::USERNAME).filter(|name| name.at < end)?.value;
        let (ours, theirs) = name.split_at_checked(self.ours.fragment.len())?;
        let peer = theirs.strip_prefix(b":")?;
        let expected = self.theirs.as_ref().is_none_or(|theirs| theirs.as_bytes() == peer);
        let sound = ours == self.ours.fragment.as_bytes() && expected;
        (sound && is_signed(check, datagram, &self.ours.password)).then_some(end)
    }
}

/// Whether integrity and, where there is one, the fingerprint are right.
fn is_signed(message: &Message<'_>, datagram: &[u8], password: &str) -> bool {
    let Some(integrity) = message.attribute(stun::MESSAGE_INTEGRITY) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let Some(signed) = counted(datagram, integrity.at, INTEGRITY_SIZE) else { return false };
    if hmac::verify(&key, &signed, integrity.value).is_err() {
        return false;
    }
    message.attribute(stun::FINGERPRINT).is_none_or(|fingerprint| {
        let counted = counted(datagram, fingerprint.at, FINGERPRINT_SIZE).unwrap_or_default();
        fingerprint.value == fingerprint_of(&counted)
    })
}

/// What stands before an attribute, with a length that counts the attribute (RFC 8489 section 14.5).
fn counted(datagram: &[u8], at: usize, size: usize) -> Option<Vec<u8>> {
    let mut before = datagram.get(..at)?.to_vec();
    let length = (at + size - stun::HEAD) as u16;
    before.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    Some(before)
}

fn sign(mut draft: Draft, password: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let integrity = hmac::sign(&key, draft.announce(INTEGRITY_SIZE));
    draft = draft.with(stun::MESSAGE_INTEGRITY, integrity.as_ref());
    let fingerprint = fingerprint_of(draft.announce(FINGERPRINT_SIZE));
    draft.with(stun::FINGERPRINT, &fingerprint).finish()
}

fn fingerprint_of(bytes: &[u8]) -> [u8; 4] {
    (crc32(bytes) ^ FINGERPRINT_MASK).to_be_bytes()
}

/// CRC-32 of ITU-T V.42, bit by bit: a check comes some times a second at most.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLED: u16 = 0x8029;
/// What must be understood and is.
const KNOWN: [u16; 4] = [stun::USERNAME, stun::MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE];
/// An attribute's head and an HMAC-SHA1.
const INTEGRITY_SIZE: usize = 24;
/// An attribute's head and a CRC-32.
const FINGERPRINT_SIZE: usize = 8;
const FINGERPRINT_MASK: u32 = 0x5354_554e;
/// A peer with more addresses than these has its oldest forgotten.
const MOST_PROVED: usize = 8;
const MOST_UNKNOWN: usize = 4;

#[cfg(test)]
pub(crate) mod tests;
