//! One leg's RTCP: when to report, what to say, what the peer said.

use std::time::Duration;

use base::{Mono, Now};

use super::outgoing::{Outgoing, scramble};
use crate::reception::Reception;
use crate::rtcp::{self, Block, Compound, RtcpFault, Sent, Voip};
use crate::seam::Quality;

/// One leg's reporting.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    cname: String,
    /// The NTP time of `opened`. Later times are counted by the monotonic clock, so that a step of the
    /// wall clock can spoil no round trip.
    ntp_base: u64,
    opened: Mono,
    random: u64,
    pub(super) due: Mono,
    sent_before: u64,
    /// The peer's last sender report: its middle 32 NTP bits and when it came.
    heard: Option<(u32, Mono)>,
    peer_loss: Option<f32>,
    peer_jitter_ms: Option<f32>,
    round_trip_ms: Option<f32>,
    /// What the peer lost of late, in percent: of each report, and half of what it was before where that is more, so
    /// that one lucky report does not end the protection.
    peer_loses: u8,
    /// How the peer heard us, in its own words.
    voip: Option<Voip>,
}

impl Reporter {
    pub(super) fn new(now: Now, ssrc: u32) -> Self {
        let random = scramble(u64::from(ssrc) << 32 | 0x5ca1_ab1e);
        Self {
            cname: format!("{random:016x}"),
            ntp_base: ntp(now.wall),
            opened: now.mono,
            random,
            due: now.mono + INTERVAL / 2,
            sent_before: 0,
            heard: None,
            peer_loss: None,
            peer_jitter_ms: None,
            round_trip_ms: None,
            peer_loses: 0,
            voip: None,
        }
    }

    /// The report that is due now; the next one is due after 0.5 to 1.5 intervals (RFC 3550 §6.3.1).
    pub(super) fn write(&mut self, now: Mono, out: &Outgoing, reception: &mut Reception) -> Compound {
        self.random = scramble(self.random);
        let part = self.random % u64::from(INTERVAL.subsec_millis() + 1000 * INTERVAL.as_secs() as u32);
        self.due = now + INTERVAL / 2 + Duration::from_millis(part);
        let sent = (out.packets > self.sent_before).then(|| Sent {
            ntp: self.ntp(now),
            timestamp: out.clock(now),
            packets: out.packets as u32,
            octets: out.octets as u32,
        });
        self.sent_before = out.packets;
        let block = reception.report().map(|reported| Block {
            reported,
            last_report: self.heard.map_or(0, |(middle, _)| middle),
            delay: self.heard.map_or(0, |(_, came)| (ntp_span(now.since(came)) >> 16) as u32),
        });
        Compound::report(out.ssrc, &self.cname, sent, block)
    }

    /// Takes in the peer's compound packet.
    pub(super) fn read(&mut self, now: Mono, bytes: &[u8], out: &Outgoing) -> Result<(), RtcpFault> {
        let told = rtcp::read(bytes, out.ssrc)?;
        if let Some(sent) = told.sent {
            self.heard = Some(((sent.ntp >> 16) as u32, now));
        }
        if let Some(block) = told.block {
            let lost = block.reported.lost.max(0) as f32;
            self.peer_loss = Some((lost / (out.packets.max(1) as f32)).min(1.0));
            let of_late = (u32::from(block.reported.fraction) * 100).div_ceil(256) as u8;
            self.peer_loses = of_late.max(self.peer_loses / 2);
            self.peer_jitter_ms = Some(block.reported.jitter as f32 / (out.clock as f32 / 1000.0));
            self.round_trip_ms = rtcp::round_trip_ms(&block, self.ntp(now)).or(self.round_trip_ms);
        }
        self.voip = told.voip.or(self.voip);
        Ok(())
    }

    /// How much of ours the peer lost of late, in percent.
    pub(super) fn peer_loses(&self) -> u8 {
        self.peer_loses
    }

    /// There and back, by the peer's reports, else by what it says of itself.
    pub(super) fn round_trip_ms(&self) -> Option<f32> {
        let told = self.voip.map(|voip| f32::from(voip.round_trip_ms)).filter(|&ms| ms > 0.0);
        self.round_trip_ms.or(told)
    }

    /// What the peer's reports add to the leg's quality.
    pub(super) fn fill(&self, quality: &mut Quality) {
        quality.peer_loss = self.peer_loss;
        quality.peer_jitter_ms = self.peer_jitter_ms;
        quality.round_trip_ms = self.round_trip_ms();
        quality.peer_report = self.voip;
    }

    fn ntp(&self, now: Mono) -> u64 {
        self.ntp_base.wrapping_add(ntp_span(now.since(self.opened)))
    }
}

/// Seconds since 1900 as 32.32 bits (RFC 3550 §4).
fn ntp(wall: base::Timestamp) -> u64 {
    let nanos = u128::try_from(wall.as_nanosecond()).unwrap_or(0);
    let span = Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32);
    ntp_span(span).wrapping_add(SECONDS_1900_TO_1970 << 32)
}

fn ntp_span(span: Duration) -> u64 {
    (span.as_secs() << 32) | ((u64::from(span.subsec_nanos()) << 32) / 1_000_000_000)
}

/// RFC 3550 §6.2: no more often than every five seconds.
const INTERVAL: Duration = Duration::from_secs(5);

const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
