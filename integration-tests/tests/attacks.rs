//! Attacks on the real process, by clients of our own (reliability 2.4 and L3, L4). Floods last some seconds, or
//! `ATTACK_SECONDS`; each prints its figures.

#[path = "process/cast.rs"]
#[expect(dead_code, reason = "shared with the stories of the process, which use all of it")]
mod cast;
#[path = "attacks/floods.rs"]
mod floods;
#[path = "attacks/guesses.rs"]
mod guesses;
#[path = "attacks/scans.rs"]
mod scans;
#[path = "attacks/storm.rs"]
mod storm;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address of loopback that nobody else has: `n` below 60,000.
fn elsewhere(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    // Somewhere of this process's own, so that tests that run at once do not share a source.
    let own = (std::process::id() % 200) as u8;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, own + 10, high, low)), 0)
}
