//! SDP offer and answer for one audio stream with telephone-event (RFC 3264, RFC 8866).

mod crypto;
mod negotiation;
mod profile;
mod reading;
mod terms;
#[cfg(test)]
mod tests;
mod web;

pub use crypto::{Crypto, CryptoFault};
pub use negotiation::Negotiation;
pub use profile::Profile;
pub use reading::offered_codecs;
pub use terms::{Protection, Terms};
pub use web::{Web, WebFault};

/// Why a description cannot be agreed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpFault {
    /// It is not SDP.
    #[error("not readable as SDP: {0}")]
    Unreadable(String),
    /// Longer than any honest description.
    #[error("SDP of {0} bytes")]
    TooLong(usize),
    /// More `m=` lines than any honest description.
    #[error("SDP with {0} media descriptions")]
    TooManyStreams(usize),
    /// No audio stream that is in use (all absent or at port 0).
    #[error("no audio stream offered")]
    NoAudio,
    /// Audio only under a profile that we do not speak, or that this leg may not.
    #[error("audio only as {0}")]
    Profile(String),
    /// Audio, but in no codec that we speak.
    #[error("no codec in common")]
    NoCommonCodec,
    /// No connection address, one of the wrong family, a multicast group or a host name.
    #[error("no usable connection address")]
    Address,
    /// SRTP that has to be and cannot: no key, or none that can be used.
    #[error("SRTP: {0}")]
    Crypto(#[from] CryptoFault),
    /// DTLS that is offered or answered and cannot be.
    #[error("DTLS: {0}")]
    Web(#[from] WebFault),
    /// An answer although nothing was offered.
    #[error("an answer without an offer")]
    NotOffered,
}

impl SdpFault {
    /// The SIP status that refuses the request which carried the description (RFC 3261 §21.4.26).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unreadable(_) | Self::TooLong(_) | Self::NotOffered => 400,
            Self::TooManyStreams(_)
            | Self::NoAudio
            | Self::Profile(_)
            | Self::Crypto(_)
            | Self::Web(_)
            | Self::NoCommonCodec
            | Self::Address => 488,
        }
    }
}
