//! The session keys of one direction for RTP or RTCP, whichever suite they are of.

use super::SrtpFault;
use super::cm::Cm;
use super::gcm::Gcm;
use super::keying::Keying;
use super::suite::Suite;

/// The session keys of one direction for one of the two protocols.
#[derive(Clone)]
pub(super) enum Cipher {
    Cm(Box<Cm>),
    Gcm(Box<Gcm>),
}

/// Which protocol session keys are for (RFC 3711 §4.3.1, §4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Rtp,
    Rtcp,
}

/// What makes a packet's keystream its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    /// 48 bits of RTP, 31 of RTCP.
    pub(super) index: u64,
}

impl Cipher {
    pub(super) fn new(keying: &Keying, protocol: Protocol) -> Result<Self, SrtpFault> {
        match keying.suite() {
            Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 => {
                Ok(Self::Cm(Box::new(Cm::new(keying, protocol)?)))
            }
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => {
                Ok(Self::Gcm(Box::new(Gcm::new(keying, protocol)?)))
            }
        }
    }

    /// Encrypts what lies behind `start` of the first `len` bytes and puts the tag behind them; gives the
    /// length that results.
    pub(super) fn seal(
        &self,
        buffer: &mut [u8],
        len: usize,
        start: usize,
        place: Place,
    ) -> Result<usize, SrtpFault> {
        match self {
            Self::Cm(cm) => cm.seal(buffer, len, start, place),
            Self::Gcm(gcm) => gcm.seal(buffer, len, start, place),
        }
    }

    /// Checks the tag and decrypts what lies behind `start`; gives the length without the tag.
    pub(super) fn open(&self, packet: &mut [u8], start: usize, place: Place) -> Result<usize, SrtpFault> {
        match self {
            Self::Cm(cm) => cm.open(packet, start, place),
            Self::Gcm(gcm) => gcm.open(packet, start, place),
        }
    }

    /// The same for RTCP, whose `word` of E flag and index lies in the packet.
    pub(super) fn seal_control(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<usize, SrtpFault> {
        match self {
            Self::Cm(cm) => cm.seal_control(buffer, len, ssrc, word),
            Self::Gcm(gcm) => gcm.seal_control(buffer, len, ssrc, word),
        }
    }

    pub(super) fn open_control(&self, packet: &mut [u8], ssrc: u32) -> Result<usize, SrtpFault> {
        match self {
            Self::Cm(cm) => cm.open_control(packet, ssrc),
            Self::Gcm(gcm) => gcm.open_control(packet, ssrc),
        }
    }

    /// Where the word of E flag and index lies in an SRTCP packet of `len` bytes.
    pub(super) fn word_at(&self, len: usize) -> Option<usize> {
        match self {
            Self::Cm(_) => len.checked_sub(super::cm::CONTROL_TAG + super::CONTROL_WORD),
            Self::Gcm(_) => len.checked_sub(super::CONTROL_WORD),
        }
    }
}
