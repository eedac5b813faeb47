//! The profiles that an audio `m=` line may name: what RTP is wrapped in, and how eager RTCP is.

/// A profile of RTP over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Plain (RFC 3551).
    Avp,
    /// Plain, early feedback (RFC 4585).
    Avpf,
    /// SRTP (RFC 3711); its keys stand in the description (RFC 4568) unless a fingerprint does.
    Savp,
    /// SRTP, early feedback (RFC 5124).
    Savpf,
    /// SRTP whose keys come from DTLS (RFC 5764).
    TlsSavp,
    /// SRTP whose keys come from DTLS, early feedback (RFC 5764): what browsers say.
    TlsSavpf,
}

impl Profile {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf, Self::TlsSavp, Self::TlsSavpf];

    /// The profile of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name().eq_ignore_ascii_case(name))
    }

    /// As an `m=` line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::TlsSavp => "UDP/TLS/RTP/SAVP",
            Self::TlsSavpf => "UDP/TLS/RTP/SAVPF",
        }
    }

    /// Whether packets are SRTP.
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Avp | Self::Avpf => false,
            Self::Savp | Self::Savpf | Self::TlsSavp | Self::TlsSavpf => true,
        }
    }

    /// Whether it says that the keys come from DTLS.
    pub const fn is_dtls(self) -> bool {
        match self {
            Self::Avp | Self::Avpf | Self::Savp | Self::Savpf => false,
            Self::TlsSavp | Self::TlsSavpf => true,
        }
    }

    /// Whether RTCP may come early (RFC 4585 §3.5.2).
    pub const fn is_eager(self) -> bool {
        match self {
            Self::Avp | Self::Savp | Self::TlsSavp => false,
            Self::Avpf | Self::Savpf | Self::TlsSavpf => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_its_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
            assert_eq!(profile.is_secure(), profile.name().contains("/SAVP"));
            assert_eq!(profile.is_dtls(), profile.name().contains("TLS"));
            assert_eq!(profile.is_eager(), profile.name().ends_with('F'));
        }
        assert_eq!(Profile::from_name("udp/tls/rtp/savpf"), Some(Profile::TlsSavpf));
        assert_eq!(Profile::from_name("TCP/RTP/AVP"), None);
    }
}
