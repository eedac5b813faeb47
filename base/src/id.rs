//! Ids: minted from entropy and time that the driver hands in, never from the wire.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entropy::Entropy;
use crate::time::Timestamp;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u128);

        impl $name {
            /// A UUIDv7 (RFC 9562): sorts by the wall clock's milliseconds.
            pub fn mint(wall: Timestamp, entropy: &mut Entropy) -> Self {
                Self(mint_v7(wall, entropy))
            }

            /// The 128 bits.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// The id with these 128 bits.
            pub const fn from_u128(bits: u128) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_u128(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(|id| Self(id.as_u128()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = uuid::Error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

uuid_id! {
    /// One visit of a caller, from INVITE to CDR.
    CallId
}
uuid_id! {
    /// One recording: its row, its spool and its file carry this name.
    RecordingId
}

/// One party of a call. `sip`, `media` and `pbx` all use the same id for the same party.
///
/// Legs that arrive (INVITE from outside) are numbered by `sip` with odd numbers; legs that we place
/// are numbered by `pbx` with even ones, so neither has to ask the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(u64);

impl LegId {
    /// The `n`-th leg that arrived.
    pub const fn arrived(n: u64) -> Self {
        Self(n * 2 + 1)
    }

    /// The `n`-th leg that we placed.
    pub const fn placed(n: u64) -> Self {
        Self(n * 2)
    }

    /// Whether the other side called us.
    pub const fn is_arrived(self) -> bool {
        self.0 % 2 == 1
    }

    /// The bare number, for maps, logs and shard choice.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_arrived() { "in" } else { "out" }, self.0 / 2)
    }
}

impl fmt::Debug for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn mint_v7(wall: Timestamp, entropy: &mut Entropy) -> u128 {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(wall.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128()
}
