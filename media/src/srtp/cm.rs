//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1).

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac13::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{Place, Protocol};
use super::keying::Keying;
use super::{CONTROL_HEADER, CONTROL_WORD, ENCRYPTED, SrtpFault};

/// Session keys: the cipher's round keys, and the state of the hash behind its padded key, so that a packet
/// costs neither of them again.
#[derive(Clone)]
pub(super) struct Cm {
    aes: Aes128Enc,
    mac: Hmac<Sha1>,
    salt: [u8; 16],
    /// Bytes of the tag.
    tag: usize,
}

impl Cm {
    pub(super) fn new(keying: &Keying, protocol: Protocol) -> Result<Self, SrtpFault> {
        let (first, tag) = match protocol {
            Protocol::Rtp => (0, keying.suite().overhead()),
            Protocol::Rtcp => (3, CONTROL_TAG),
        };
        let mut key = Zeroizing::new([0; 16]);
        keying.derive(first, &mut *key)?;
        let mut authentication = Zeroizing::new([0; 20]);
        keying.derive(first + 1, &mut *authentication)?;
        let mut salt = [0; 16];
        keying.derive(first + 2, &mut salt[..14])?;
        Self::from_session(&key, &authentication, salt, tag)
    }

    pub(super) fn from_session(
        key: &[u8; 16],
        authentication: &[u8; 20],
        salt: [u8; 16],
        tag: usize,
    ) -> Result<Self, SrtpFault> {
        let mac = Hmac::new_from_slice(authentication).map_err(|_| SrtpFault::Form)?;
        Ok(Self { aes: Aes128Enc::new(key.into()), mac, salt, tag })
    }

    pub(super) fn seal(
        &self,
        buffer: &mut [u8],
        len: usize,
        start: usize,
        place: Place,
    ) -> Result<usize, SrtpFault> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpFault::Room)?;
        let tag = room.get_mut(..self.tag).ok_or(SrtpFault::Room)?;
        self.encrypt(packet.get_mut(start..).ok_or(SrtpFault::Form)?, place);
        let mac = self.mac(packet, &rollovers(place));
        tag.copy_from_slice(mac.get(..self.tag).ok_or(SrtpFault::Room)?);
        Ok(len + self.tag)
    }

    pub(super) fn open(&self, packet: &mut [u8], start: usize, place: Place) -> Result<usize, SrtpFault> {
        let len = packet.len().checked_sub(self.tag).ok_or(SrtpFault::Form)?;
        let (packet, tag) = packet.split_at_mut_checked(len).ok_or(SrtpFault::Form)?;
        self.check(packet, &rollovers(place), tag)?;
        self.encrypt(packet.get_mut(start..).ok_or(SrtpFault::Form)?, place);
        Ok(len)
    }

    pub(super) fn seal_control(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<usize, SrtpFault> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpFault::Room)?;
        let room = room.get_mut(..CONTROL_WORD + self.tag).ok_or(SrtpFault::Room)?;
        let (place, tag) = room.split_at_mut_checked(CONTROL_WORD).ok_or(SrtpFault::Room)?;
        let index = u64::from(word & !ENCRYPTED);
        self.encrypt(packet.get_mut(CONTROL_HEADER..).ok_or(SrtpFault::Form)?, Place { ssrc, index });
        place.copy_from_slice(&word.to_be_bytes());
        let mac = self.mac(packet, place);
        tag.copy_from_slice(mac.get(..self.tag).ok_or(SrtpFault::Room)?);
        Ok(len + CONTROL_WORD + self.tag)
    }

    pub(super) fn open_control(&self, packet: &mut [u8], ssrc: u32) -> Result<usize, SrtpFault> {
        let end = packet.len().checked_sub(self.tag).ok_or(SrtpFault::Form)?;
        let (packet, tag) = packet.split_at_mut_checked(end).ok_or(SrtpFault::Form)?;
        self.check(packet, &[], tag)?;
        let (packet, word) = packet.split_last_chunk_mut::<CONTROL_WORD>().ok_or(SrtpFault::Form)?;
        let word = u32::from_be_bytes(*word);
        if word & ENCRYPTED != 0 {
            let place = Place { ssrc, index: u64::from(word & !ENCRYPTED) };
            self.encrypt(packet.get_mut(CONTROL_HEADER..).ok_or(SrtpFault::Form)?, place);
        }
        Ok(packet.len())
    }

    /// Encrypts, or decrypts: counter mode is its own inverse.
    pub(super) fn encrypt(&self, bytes: &mut [u8], place: Place) {
        // Salt, source at bytes 4-7, index at 8-13, and from there on the count of blocks (§4.1.1).
        let source = u128::from(place.ssrc) << 64 | u128::from(place.index) << 16;
        let block = (u128::from_be_bytes(self.salt) ^ source).to_be_bytes();
        let core = CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(&self.aes, &block.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
    }

    fn check(&self, packet: &[u8], more: &[u8], tag: &[u8]) -> Result<(), SrtpFault> {
        let mac = self.mac(packet, more);
        let mac = mac.get(..self.tag).ok_or(SrtpFault::Form)?;
        if bool::from(mac.ct_eq(tag)) { Ok(()) } else { Err(SrtpFault::Forged) }
    }

    fn mac(&self, packet: &[u8], more: &[u8]) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(more);
        mac.finalize().into_bytes().into()
    }
}

/// What is authenticated behind an RTP packet without being sent: how often its numbers went round (§4.2).
fn rollovers(place: Place) -> [u8; 4] {
    ((place.index >> 16) as u32).to_be_bytes()
}

/// SRTCP's tag, also with the suite whose RTP has 32 bits (RFC 4568 §6.2.2).
pub(super) const CONTROL_TAG: usize = 10;
