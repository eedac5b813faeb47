//! Packets for the tests of sealing, and a reference placement that knows nothing of lanes and windows.

use std::path::Path;

use base::g711::Law;
use codecs::Coding;
use proptest::prelude::*;

use crate::facts::{Facts, Side};
use crate::seal::seal;
use crate::spool::{PacketRecord, SpoolWriter};
use crate::tests::facts;

/// A packet of a simulated side: its payload says which packet it is.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) side: Side,
    pub(crate) index: u16,
    pub(crate) arrival_us: u64,
    pub(crate) seq: u16,
    pub(crate) rtp_ts: u32,
    pub(crate) ssrc: u32,
    pub(crate) coding: Coding,
}

impl Sent {
    pub(crate) fn nth(side: Side, start_ms: u64, index: u16) -> Self {
        Self {
            side,
            index,
            arrival_us: start_ms * 1000 + u64::from(index) * 20_000,
            seq: 100 + index,
            rtp_ts: 40_000_000 + 160 * u32::from(index),
            ssrc: 1 + side.channel() as u32,
            coding: Coding::Pcma,
        }
    }

    pub(crate) fn record(&self) -> PacketRecord {
        let first = u64::from(self.index) * 160;
        PacketRecord {
            side: self.side,
            arrival_us: self.arrival_us,
            seq: self.seq,
            rtp_ts: self.rtp_ts,
            ssrc: self.ssrc,
            coding: self.coding,
            payload: (first..first + 160).map(|i| code(self.side, i)).collect(),
        }
    }
}

/// The `i`-th byte that a side sends: packets differ from each other, and no byte decodes to 0 in A-law.
fn code(side: Side, i: u64) -> u8 {
    let (block, within) = (i / 160, i % 160);
    match within {
        0 => block as u8,
        1 => (block >> 8) as u8,
        _ => (i.wrapping_mul(31).wrapping_add(side.channel() as u64 * 101) >> 2) as u8,
    }
}

pub(crate) fn sine(side: Side, i: u64) -> i16 {
    Law::A.decode(code(side, i))
}

/// Which packet fills this block of a channel from its first sample on; `None` for silence.
pub(crate) fn side_of(block: &[[i16; 2]], side: Side) -> Option<u16> {
    let channel = side.channel();
    if block.iter().all(|frame| frame[channel] == 0) {
        return None;
    }
    let byte = |i: usize| Law::A.encode(block[i][channel]);
    let index = u16::from(byte(0)) | u16::from(byte(1)) << 8;
    for (i, frame) in block.iter().enumerate() {
        let expected = sine(side, u64::from(index) * 160 + i as u64);
        assert_eq!(frame[channel], expected, "packet {index} is not whole at sample {i}");
    }
    Some(index)
}

/// Writes a spool in order of arrival, ended by its last packet.
pub(crate) fn spool_of(folder: &Path, packets: &[Sent]) -> Facts {
    let facts = facts(42);
    let mut spool = SpoolWriter::create(folder, &facts).unwrap();
    for sent in packets {
        spool.append(&sent.record()).unwrap();
    }
    spool.end(0, facts.started).unwrap();
    facts
}

pub(crate) fn wav(path: &Path) -> Vec<[i16; 2]> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8000));
    let samples: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
    samples.chunks(2).map(|frame| [frame[0], frame[1]]).collect()
}

#[derive(Clone, Debug)]
struct Journey {
    lost: bool,
    twice: bool,
    jitter_us: u64,
}

fn journeys(side: Side) -> impl Strategy<Value = Vec<(Sent, u64)>> {
    let journey = (prop::bool::weighted(0.1), prop::bool::weighted(0.05), 0u64..60_000)
        .prop_map(|(lost, twice, jitter_us)| Journey { lost, twice, jitter_us });
    let origin = (any::<u16>(), any::<u32>(), 0u64..2000, any::<u32>());
    (origin, prop::collection::vec(journey, 1..400)).prop_map(move |((seq, ts, start_ms, ssrc), journeys)| {
        let mut sent = Vec::new();
        for (i, journey) in journeys.iter().enumerate() {
            let mut packet = Sent::nth(side, start_ms, i as u16);
            packet.seq = seq.wrapping_add(i as u16);
            packet.rtp_ts = ts.wrapping_add(160 * i as u32);
            packet.ssrc = ssrc;
            packet.arrival_us += journey.jitter_us;
            for copy in 0..=u64::from(journey.twice) {
                if !journey.lost {
                    let mut again = packet.clone();
                    again.arrival_us += copy * 7_000;
                    sent.push((again, u64::from(ts)));
                }
            }
        }
        sent
    })
}

/// Places every packet by its timestamp against the first that arrived: what the lane must do as long as
/// nothing but loss, order, copies and jitter goes wrong.
fn reference(packets: &[Sent]) -> Vec<[i16; 2]> {
    let mut frames: Vec<[i16; 2]> = Vec::new();
    for side in [Side::Caller, Side::Seat] {
        let Some(first) = packets.iter().find(|sent| sent.side == side) else { continue };
        let anchor = (first.arrival_us / 125) as i64;
        for sent in packets.iter().filter(|sent| sent.side == side) {
            let start = anchor + (i64::from(sent.index) - i64::from(first.index)) * 160;
            for (i, byte) in sent.record().payload.iter().enumerate() {
                let Ok(at) = usize::try_from(start + i as i64) else { continue };
                if frames.len() <= at {
                    frames.resize(at + 1, [0, 0]);
                }
                frames[at][side.channel()] = sent.coding.law().unwrap().decode(*byte);
            }
        }
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn loss_order_copies_jitter_and_wraps_are_placed_like_the_reference(
        caller in journeys(Side::Caller),
        seat in journeys(Side::Seat),
    ) {
        let mut packets: Vec<Sent> = caller.into_iter().chain(seat).map(|(sent, _)| sent).collect();
        packets.sort_by_key(|sent| sent.arrival_us);
        prop_assume!(!packets.is_empty());
        let folder = tempfile::tempdir().unwrap();
        let facts = spool_of(folder.path(), &packets);
        let sealed = seal(folder.path(), facts.recording).unwrap();
        let frames = wav(&folder.path().join(&sealed.path));
        prop_assert_eq!(&frames, &reference(&packets));
        prop_assert_eq!(sealed.bytes, 44 + frames.len() as u64 * 4);
        for (side, tally) in [(Side::Caller, sealed.caller), (Side::Seat, sealed.seat)] {
            let mut seen: Vec<u16> = packets.iter().filter(|s| s.side == side).map(|s| s.index).collect();
            let all = seen.len();
            seen.sort_unstable();
            seen.dedup();
            let span = seen.last().map_or(0, |last| last - seen[0] + 1);
            prop_assert_eq!(tally.packets, all as u64);
            prop_assert_eq!(tally.lost, u64::from(span) - seen.len() as u64);
            // Copies of a packet that lies before the start of the file are strays.
            prop_assert_eq!(tally.reanchored, 0);
        }
    }

    #[test]
    fn whatever_arrives_sealing_ends_with_a_whole_file(
        noise in prop::collection::vec((any::<bool>(), 0u64..30_000_000, any::<u16>(), any::<u32>(), 0u32..3), 1..300),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut packets: Vec<Sent> = noise.into_iter().enumerate().map(|(i, (seat, at, seq, ts, ssrc))| {
            let side = if seat { Side::Seat } else { Side::Caller };
            Sent { arrival_us: at, seq, rtp_ts: ts, ssrc, ..Sent::nth(side, 0, i as u16) }
        }).collect();
        packets.sort_by_key(|sent| sent.arrival_us);
        let facts = spool_of(folder.path(), &packets);
        let sealed = seal(folder.path(), facts.recording).unwrap();
        let frames = wav(&folder.path().join(&sealed.path));
        prop_assert_eq!(sealed.bytes, 44 + frames.len() as u64 * 4);
        // Nobody is ever placed more than what a bias allows beyond the last arrival.
        prop_assert!(frames.len() < 34 * 8000);
    }
}
