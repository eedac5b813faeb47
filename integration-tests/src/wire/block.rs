//! A block of ports for one test: no two tests that run at once share one.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

use super::LOOPBACK;

/// A run of ports that nobody else uses, held until it is dropped.
#[derive(Debug)]
pub struct Block {
    first: u16,
    /// Programs of the test that were given ports.
    runs: AtomicU16,
    /// The lock ends with the file.
    _lock: File,
}

impl Block {
    /// The first block that no other test holds and whose ports are free.
    pub fn take() -> Result<Self> {
        let folder = std::env::temp_dir().join("sibai-wire-ports");
        std::fs::create_dir_all(&folder)?;
        let start = std::process::id();
        for n in 0..BLOCKS {
            let block = (start.wrapping_mul(7).wrapping_add(u32::from(n)) % u32::from(BLOCKS)) as u16;
            let lock =
                File::create(folder.join(block.to_string())).context("the lock of a block of ports")?;
            let first = FIRST + block * LENGTH;
            if lock.try_lock().is_ok() && is_free(first) {
                return Ok(Self { first, runs: AtomicU16::new(0), _lock: lock });
            }
        }
        bail!("no block of ports is free")
    }

    /// The address of the port that stands `offset` in.
    pub fn address(&self, offset: u16) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.first + offset)
    }

    /// The number of a run of some program of the test: each has control and media ports of its own, as long
    /// as no more than ten run at once.
    pub fn next_run(&self) -> u16 {
        self.runs.fetch_add(1, Ordering::Relaxed)
    }

    /// First and last port for Sibai's own media.
    pub fn rtp(&self) -> (u16, u16) {
        (self.first + RTP, self.first + MEDIA - 1)
    }
}

fn is_free(first: u16) -> bool {
    (first..first + LENGTH).all(|port| UdpSocket::bind((LOOPBACK, port)).is_ok())
        && (first..first + RTP).all(|port| TcpListener::bind((LOOPBACK, port)).is_ok())
}

/// Sibai's SIP, UDP and TCP.
pub(super) const SIP: u16 = 0;
/// Sibai's API.
pub(super) const API: u16 = 1;
/// The carrier's SIP.
pub(super) const CARRIER: u16 = 2;
/// SIP of phones of the test.
pub(super) const PHONES: u16 = 4;
/// Control ports of SIPp.
pub(super) const CONTROL: u16 = 24;
/// Sibai's SIP over TLS.
pub(super) const TLS: u16 = 44;
/// Over WebSockets.
pub(super) const WS: u16 = 45;
/// Over WebSockets under TLS.
pub(super) const WSS: u16 = 46;
/// Sibai's media.
const RTP: u16 = 50;
/// Media of the test's own programs.
pub(super) const MEDIA: u16 = 300;
/// Ports of a block.
const LENGTH: u16 = 400;
/// Below the ports that the kernel gives to whoever asks for any (32768 and up).
const FIRST: u16 = 10_000;
/// As many as fit below those.
const BLOCKS: u16 = 56;
