//! Attacks on the real process, by clients of our own (reliability 2.4 and L3, L4). Floods last some seconds, and
//! as long as the goals say with `SIBAI_LONG=1`; each prints its figures.

#[path = "process/cast.rs"]
#[expect(dead_code, reason = "shared with the stories of the process, which use all of it")]
mod cast;
#[path = "attacks/floods.rs"]
mod floods;
#[path = "attacks/guesses.rs"]
mod guesses;
#[path = "attacks/media.rs"]
mod media;
#[path = "attacks/scans.rs"]
mod scans;
#[path = "attacks/storm.rs"]
mod storm;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use integration_tests::wire::Sibai;
use phones::Event;

use cast::Talk;

/// Ends the call that stood all the while, and says what it lost: a packet in a thousand may be the machine's fault.
fn unharmed(sibai: &Sibai, mut talk: Talk, what: &str) -> Result<()> {
    ensure!(!talk.caller.seen().iter().any(|s| matches!(s.event, Event::HungUpByPeer { .. })), "{what}");
    talk.end()?;
    let lost = sibai.metric("pbx_rtp_packets_lost_total")?;
    let received = sibai.metric("pbx_rtp_packets_received_total")?;
    println!("{what}: the call that stood lost {lost} of {received} packets");
    ensure!(lost <= received / 1_000.0 + 2.0, "{what}: {lost} of {received} packets were lost");
    Ok(())
}

/// An address of loopback that nobody else has: `n` below 60,000.
fn elsewhere(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    // Somewhere of this process's own, so that tests that run at once do not share a source.
    let own = (std::process::id() % 200) as u8;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, own + 10, high, low)), 0)
}
