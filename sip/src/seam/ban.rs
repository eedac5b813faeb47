//! A source that is banned.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use base::Timestamp;

/// A source that guessed passwords and is met with silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The address; of IPv6 the first of its /64.
    pub source: IpAddr,
    /// When it ends, by the wall clock: what a restart reads the rest from.
    pub until: Timestamp,
    /// How long it is in all.
    pub length: Duration,
    /// The how-manieth of this source it is.
    pub offences: u32,
}

impl Ban {
    /// What a ban of this address is about: an IPv6 host owns its whole /64, so it counts as one source.
    pub fn network(source: IpAddr) -> IpAddr {
        match source.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
            v4 @ IpAddr::V4(_) => v4,
        }
    }
}
