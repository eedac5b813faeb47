//! AES in Galois/counter mode (RFC 7714).

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::cipher::{Place, Protocol};
use super::keying::Keying;
use super::suite::Suite;
use super::{CONTROL_HEADER, CONTROL_WORD, ENCRYPTED, SrtpFault};

/// Session keys.
#[derive(Clone)]
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) fn new(keying: &Keying, protocol: Protocol) -> Result<Self, SrtpFault> {
        let first = match protocol {
            Protocol::Rtp => 0,
            Protocol::Rtcp => 3,
        };
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..keying.suite().key_len()).ok_or(SrtpFault::Form)?;
        keying.derive(first, key)?;
        let mut salt = [0; 12];
        keying.derive(first + 2, &mut salt)?;
        Self::from_session(keying.suite(), key, salt)
    }

    pub(super) fn from_session(suite: Suite, key: &[u8], salt: [u8; 12]) -> Result<Self, SrtpFault> {
        let algorithm = if suite == Suite::AeadAes256Gcm { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| SrtpFault::Form)?;
        Ok(Self { key: LessSafeKey::new(key), salt })
    }

    pub(super) fn seal(
        &self,
        buffer: &mut [u8],
        len: usize,
        start: usize,
        place: Place,
    ) -> Result<usize, SrtpFault> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpFault::Room)?;
        let room = room.first_chunk_mut::<TAG>().ok_or(SrtpFault::Room)?;
        let (header, payload) = packet.split_at_mut_checked(start).ok_or(SrtpFault::Form)?;
        let nonce = self.nonce(place.ssrc, place.index);
        *room = self.encrypt(nonce, header, payload)?;
        Ok(len + TAG)
    }

    pub(super) fn open(&self, packet: &mut [u8], start: usize, place: Place) -> Result<usize, SrtpFault> {
        let (header, payload) = packet.split_at_mut_checked(start).ok_or(SrtpFault::Form)?;
        let nonce = self.nonce(place.ssrc, place.index);
        Ok(start + self.decrypt(nonce, header, payload)?)
    }

    pub(super) fn seal_control(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<usize, SrtpFault> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpFault::Room)?;
        let room = room.first_chunk_mut::<{ TAG + CONTROL_WORD }>().ok_or(SrtpFault::Room)?;
        let (header, payload) = packet.split_first_chunk_mut::<CONTROL_HEADER>().ok_or(SrtpFault::Form)?;
        let known = known(*header, word.to_be_bytes());
        let tag = self.encrypt(self.nonce(ssrc, u64::from(word & !ENCRYPTED)), &known, payload)?;
        room[..TAG].copy_from_slice(&tag);
        room[TAG..].copy_from_slice(&word.to_be_bytes());
        Ok(len + TAG + CONTROL_WORD)
    }

    pub(super) fn open_control(&self, packet: &mut [u8], ssrc: u32) -> Result<usize, SrtpFault> {
        let (sealed, word) = packet.split_last_chunk_mut::<CONTROL_WORD>().ok_or(SrtpFault::Form)?;
        let word = *word;
        let nonce = self.nonce(ssrc, u64::from(u32::from_be_bytes(word) & !ENCRYPTED));
        if u32::from_be_bytes(word) & ENCRYPTED == 0 {
            return self.check_control(packet, word, nonce);
        }
        let (header, payload) = sealed.split_first_chunk_mut::<CONTROL_HEADER>().ok_or(SrtpFault::Form)?;
        Ok(CONTROL_HEADER + self.decrypt(nonce, &known(*header, word), payload)?)
    }

    /// Of a packet that is authenticated only: what is known is all of it and the word, which the tag parts
    /// (§9.3), so that the word goes where the tag was.
    fn check_control(
        &self,
        packet: &mut [u8],
        word: [u8; CONTROL_WORD],
        nonce: Nonce,
    ) -> Result<usize, SrtpFault> {
        let len = packet.len().checked_sub(TAG + CONTROL_WORD).ok_or(SrtpFault::Form)?;
        let tag = packet.get_mut(len..).and_then(<[u8]>::first_chunk_mut::<TAG>).ok_or(SrtpFault::Form)?;
        let mut sealed = *tag;
        tag[..CONTROL_WORD].copy_from_slice(&word);
        let known = packet.get(..len + CONTROL_WORD).ok_or(SrtpFault::Form)?;
        self.decrypt(nonce, known, &mut sealed)?;
        Ok(len)
    }

    fn encrypt(&self, nonce: Nonce, known: &[u8], payload: &mut [u8]) -> Result<[u8; TAG], SrtpFault> {
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(known), payload);
        let tag = sealed.map_err(|_| SrtpFault::Form)?;
        tag.as_ref().first_chunk::<TAG>().copied().ok_or(SrtpFault::Form)
    }

    /// Gives the length of the plain text.
    fn decrypt(&self, nonce: Nonce, known: &[u8], sealed: &mut [u8]) -> Result<usize, SrtpFault> {
        let opened = self.key.open_in_place(nonce, Aad::from(known), sealed);
        opened.map(|plain| plain.len()).map_err(|_| SrtpFault::Forged)
    }

    /// Two bytes of zero, the source, 48 bits of index; over that the salt (§8.1, §9.1).
    pub(super) fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut bytes = [0; 12];
        bytes[2..6].copy_from_slice(&ssrc.to_be_bytes());
        bytes[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in bytes.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(bytes)
    }
}

/// What of an encrypted RTCP packet is authenticated only (§9.2).
fn known(header: [u8; CONTROL_HEADER], word: [u8; CONTROL_WORD]) -> [u8; CONTROL_HEADER + CONTROL_WORD] {
    let mut known = [0; CONTROL_HEADER + CONTROL_WORD];
    known[..CONTROL_HEADER].copy_from_slice(&header);
    known[CONTROL_HEADER..].copy_from_slice(&word);
    known
}

/// Bytes of the tag.
const TAG: usize = 16;
