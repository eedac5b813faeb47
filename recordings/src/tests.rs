//! What the tests of this crate share: facts and short spools.

use std::path::Path;

use base::{CallId, Period, PhoneNumber, RecordingId, Timestamp};
use codecs::Coding;

use crate::facts::{Consent, Facts, Kind, Side};
use crate::retention::Policy;
use crate::spool::{PacketRecord, SpoolWriter};

pub(crate) fn facts(n: u128) -> Facts {
    Facts {
        recording: RecordingId::from_u128(n),
        call: CallId::from_u128(1000 + n),
        line: "huaning".into(),
        number: PhoneNumber::normalise("400-555-0100").unwrap(),
        caller: PhoneNumber::normalise("13912345678"),
        queue: Some("after_sales".into()),
        seat: Some("li_na".into()),
        kind: Kind::Call,
        consent: Consent::NoticeGiven,
        started: at("2026-10-12T10:00:00+08:00"),
        caller_codec: Coding::Pcma,
        seat_codec: Coding::Pcmu,
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn policy(days: u32) -> Policy {
    Policy {
        keep: Period::Days(days),
        longest_without_consent: Period::Months(6),
        rules: Vec::new(),
        zone: "Asia/Shanghai".to_owned(),
    }
}

/// A spool of `packets` of the caller, flushed and left open as a killed process leaves it.
pub(crate) fn cut_spool(folder: &Path, facts: &Facts, packets: u16) {
    let mut spool = begun(folder, facts, packets);
    spool.flush().unwrap();
}

/// A spool that ended in order, 20 ms after its last packet.
pub(crate) fn ended_spool(folder: &Path, facts: &Facts, packets: u16) {
    let span = u64::from(packets) * 20_000;
    let wall = facts.started + jiff::SignedDuration::from_micros(span as i64);
    begun(folder, facts, packets).end(span, wall).unwrap();
}

fn begun(folder: &Path, facts: &Facts, packets: u16) -> SpoolWriter {
    let mut spool = SpoolWriter::create(folder, facts).unwrap();
    for i in 0..packets {
        let packet = PacketRecord {
            side: Side::Caller,
            arrival_us: u64::from(i) * 20_000,
            seq: i,
            rtp_ts: u32::from(i) * 160,
            ssrc: 1,
            coding: Coding::Pcma,
            payload: [i as u8; 160],
        };
        spool.append(&packet).unwrap();
    }
    spool
}
