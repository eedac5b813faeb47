//! Stories of sealing: where the samples of each packet land.

mod levels;
mod simulation;

use std::path::Path;

use super::*;
use crate::facts::{Facts, Side};
use crate::spool::{Record, SpoolWriter};
use crate::tests::facts;
use simulation::{Sent, side_of, sine, spool_of, wav};

fn sealed(packets: &[Sent]) -> (Sealed, Vec<[i16; 2]>) {
    let folder = tempfile::tempdir().unwrap();
    let facts = spool_of(folder.path(), packets);
    let sealed = seal(folder.path(), facts.recording).unwrap();
    let frames = wav(&folder.path().join(&sealed.path));
    (sealed, frames)
}

/// A side that talks without fault: one packet each 20 ms from `start_ms` on.
fn steady(side: Side, start_ms: u64, packets: u16) -> Vec<Sent> {
    (0..packets).map(|i| Sent::nth(side, start_ms, i)).collect()
}

fn both(caller: Vec<Sent>, seat: Vec<Sent>) -> Vec<Sent> {
    let mut all = caller;
    all.extend(seat);
    all.sort_by_key(|sent| sent.arrival_us);
    all
}

/// The first sample of each 20 ms of a channel, as packet numbers (`None` is silence).
fn blocks(frames: &[[i16; 2]], side: Side) -> Vec<Option<u16>> {
    frames.chunks(160).map(|block| side_of(block, side)).collect()
}

#[test]
fn two_steady_sides_lie_left_and_right_to_the_sample() {
    let packets = both(steady(Side::Caller, 0, 100), steady(Side::Seat, 1230, 50));
    let (sealed, frames) = sealed(&packets);
    for (i, frame) in frames.iter().take(100 * 160).enumerate() {
        assert_eq!(frame[0], sine(Side::Caller, i as u64), "left {i}");
    }
    let anchor = 1230 * 8;
    assert!(frames[..anchor].iter().all(|frame| frame[1] == 0));
    for i in 0..50 * 160 {
        assert_eq!(frames[anchor + i][1], sine(Side::Seat, i as u64), "right {i}");
    }
    assert_eq!(sealed.duration.as_millis(), 2230);
    assert_eq!(sealed.bytes, 44 + 2230 * 8 * 4);
    assert_eq!((sealed.caller.lost, sealed.caller.gap_samples), (0, 0));
    assert_eq!(sealed.seat.first_sample, Some(anchor as u64));
}

#[test]
fn lost_packets_leave_silence_of_their_own_length() {
    let mut packets = steady(Side::Caller, 0, 20);
    packets.retain(|sent| !(5..8).contains(&sent.index));
    let (sealed, frames) = sealed(&packets);
    let heard = blocks(&frames, Side::Caller);
    assert_eq!(heard[4..9], [Some(4), None, None, None, Some(8)]);
    assert_eq!(heard.len(), 20);
    assert_eq!((sealed.caller.lost, sealed.caller.gap_ms()), (3, 60));
}

#[test]
fn overtaken_and_doubled_packets_are_put_right() {
    let mut packets = steady(Side::Seat, 0, 20);
    packets.swap(3, 5);
    packets.insert(9, packets[7].clone());
    packets.swap(0, 1);
    packets[0].arrival_us = 20_000;
    let (sealed, frames) = sealed(&packets);
    // The overtaken first packet belongs 20 ms before the anchor, which was at 20 ms.
    let heard = blocks(&frames, Side::Seat);
    assert_eq!(heard[..10], (0..10).map(Some).collect::<Vec<_>>()[..]);
    assert_eq!((sealed.seat.duplicates, sealed.seat.lost, sealed.seat.reanchored), (1, 0, 0));
}

#[test]
fn sequence_and_timestamp_wrap_unheard() {
    let mut packets = steady(Side::Caller, 0, 100);
    for sent in &mut packets {
        sent.seq = sent.seq.wrapping_add(u16::MAX - 50);
        sent.rtp_ts = sent.rtp_ts.wrapping_add(u32::MAX - 50 * 160);
    }
    let (sealed, frames) = sealed(&packets);
    assert_eq!(blocks(&frames, Side::Caller), (0..100).map(Some).collect::<Vec<_>>());
    assert_eq!((sealed.caller.lost, sealed.caller.reanchored), (0, 0));
}

#[test]
fn a_new_source_is_placed_by_its_arrival() {
    let mut packets = steady(Side::Seat, 0, 50);
    for sent in &mut packets[25..] {
        (sent.ssrc, sent.seq, sent.rtp_ts) = (99, sent.seq + 7000, sent.rtp_ts.wrapping_mul(3) + 12345);
        sent.rtp_ts = 777 + 160 * u32::from(sent.index);
        sent.arrival_us += 100_000;
    }
    let (sealed, frames) = sealed(&packets);
    let heard = blocks(&frames, Side::Seat);
    assert_eq!(heard[24..31], [Some(24), None, None, None, None, None, Some(25)]);
    assert_eq!((sealed.seat.lost, sealed.seat.reanchored), (0, 1));
}

#[test]
fn two_sources_that_take_turns_do_not_push_each_other_about() {
    let mut packets = steady(Side::Seat, 0, 100);
    for sent in packets.iter_mut().filter(|sent| sent.index % 2 == 1) {
        sent.ssrc = 99;
        sent.rtp_ts = sent.rtp_ts.wrapping_add(1_000_000);
    }
    let (sealed, frames) = sealed(&packets);
    assert_eq!(blocks(&frames, Side::Seat), (0..100).map(Some).collect::<Vec<_>>());
    assert_eq!(sealed.seat.reanchored, 1);
}

#[test]
fn a_timestamp_jump_is_placed_by_arrival_and_an_odd_packet_is_left_out() {
    let mut packets = steady(Side::Caller, 0, 150);
    for sent in &mut packets[100..] {
        sent.rtp_ts = sent.rtp_ts.wrapping_sub(5_000_000);
    }
    packets[20].rtp_ts += 80_000;
    let (sealed, frames) = sealed(&packets);
    let mut expected: Vec<_> = (0..150).map(Some).collect();
    expected[20] = None;
    assert_eq!(blocks(&frames, Side::Caller), expected);
    assert_eq!((sealed.caller.strays, sealed.caller.reanchored), (1, 1));
}

#[test]
fn a_stalled_path_that_catches_up_moves_nothing() {
    let mut packets = steady(Side::Caller, 0, 200);
    // Packets 50 to 149 all arrive when the stall of two seconds ends.
    for sent in &mut packets[50..150] {
        sent.arrival_us = 3_000_000;
    }
    let (sealed, frames) = sealed(&packets);
    assert_eq!(blocks(&frames, Side::Caller), (0..200).map(Some).collect::<Vec<_>>());
    assert_eq!((sealed.caller.strays, sealed.caller.reanchored, sealed.caller.gap_samples), (0, 0, 0));
}

#[test]
fn a_hold_in_which_the_timestamps_stood_still_stays_as_long_as_it_was() {
    let mut packets = steady(Side::Seat, 0, 60);
    for sent in &mut packets[30..] {
        sent.arrival_us += 30_000_000;
    }
    let other = steady(Side::Caller, 0, 1560);
    let (sealed, frames) = sealed(&both(other, packets));
    let heard = blocks(&frames, Side::Seat);
    assert_eq!((heard[29], heard[30], heard[1529], heard[1530]), (Some(29), None, None, Some(30)));
    assert_eq!((sealed.seat.reanchored, sealed.seat.gap_ms()), (1, 30_000));
    assert_eq!(sealed.caller.reanchored, 0);
}

#[test]
fn a_silence_in_which_the_timestamps_ran_on_stays_as_long_as_it_was() {
    let mut packets = steady(Side::Seat, 0, 600);
    packets.retain(|sent| !(100..500).contains(&sent.index));
    for (i, sent) in packets.iter_mut().enumerate() {
        sent.seq = i as u16;
    }
    let (sealed, frames) = sealed(&packets);
    let heard = blocks(&frames, Side::Seat);
    assert_eq!((heard[99], heard[100], heard[499], heard[500]), (Some(99), None, None, Some(500)));
    assert_eq!((sealed.seat.lost, sealed.seat.reanchored), (0, 0));
}

#[test]
fn a_slow_clock_is_caught_up_with_before_the_sides_are_a_quarter_second_apart() {
    // 1 % slow: a packet of 20 ms each 20.2 ms, for a minute.
    let mut packets = steady(Side::Seat, 0, 3000);
    for sent in &mut packets {
        sent.arrival_us = u64::from(sent.index) * 20_200;
    }
    let (sealed, frames) = sealed(&packets);
    assert!(sealed.seat.reanchored >= 2, "{sealed:?}");
    assert_eq!((sealed.seat.lost, sealed.seat.strays), (0, 0));
    let length = frames.len() as i64;
    assert!((length - 3000 * 8 * 202 / 10).abs() <= 2000, "{length}");
}

#[test]
fn a_fast_clock_loses_no_audio() {
    // 0.5 % fast for two minutes: 600 ms too much.
    let mut packets = steady(Side::Seat, 0, 6000);
    for sent in &mut packets {
        sent.arrival_us = u64::from(sent.index) * 19_900;
    }
    let (sealed, frames) = sealed(&packets);
    assert_eq!(sealed.seat.gap_samples, 0);
    assert_eq!(blocks(&frames, Side::Seat), (0..6000).map(Some).collect::<Vec<_>>());
}

#[test]
fn what_a_first_packet_was_late_is_given_back_in_the_next_hole() {
    let mut packets = steady(Side::Seat, 0, 200);
    // The first 25 packets come at once, half a second late; later there is a hole of a second.
    for sent in &mut packets[..25] {
        sent.arrival_us = 500_000;
    }
    packets.retain(|sent| !(100..150).contains(&sent.index));
    let (_, frames) = sealed(&packets);
    let heard = blocks(&frames, Side::Seat);
    assert_eq!(heard[25], Some(0), "anchored at its arrival");
    assert_eq!(heard[150], Some(150), "on time again after the hole");
}

#[test]
fn a_pause_is_silent_and_keeps_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let facts = facts(1);
    let mut spool = SpoolWriter::create(folder.path(), &facts).unwrap();
    for sent in steady(Side::Caller, 0, 30) {
        if sent.index == 10 {
            spool.pause(sent.arrival_us).unwrap();
        }
        if sent.index == 20 {
            spool.resume(sent.arrival_us).unwrap();
        }
        spool.append(&sent.record()).unwrap();
    }
    spool.end(700_000, facts.started).unwrap();
    let sealed = seal(folder.path(), facts.recording).unwrap();
    let heard = blocks(&wav(&folder.path().join(&sealed.path)), Side::Caller);
    let expected = (0..35).map(|i| (!(10..20).contains(&i) && i < 30).then_some(i));
    assert_eq!(heard, expected.collect::<Vec<_>>(), "and the file is as long as the recording was");
}

#[test]
fn sealing_again_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let facts = spool_of(folder.path(), &both(steady(Side::Caller, 7, 90), steady(Side::Seat, 333, 70)));
    let first = seal(folder.path(), facts.recording).unwrap();
    let bytes = fs::read(folder.path().join(&first.path)).unwrap();
    for _ in 0..2 {
        assert_eq!(seal(folder.path(), facts.recording).unwrap(), first);
        assert_eq!(fs::read(folder.path().join(&first.path)).unwrap(), bytes);
    }
    assert_eq!(first.path, format!("2026/10/12/{}.wav", facts.recording));
    assert_eq!(&bytes[..4], b"RIFF");
    assert_eq!(u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize, bytes.len() - 44);
}

#[test]
fn power_cut_between_any_two_steps_never_shows_half_a_file() {
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let facts = spool_of(folder.path(), &steady(Side::Caller, 0, 40));
        let target = folder.path().join(place::sealed_name(facts.recording, facts.started));
        let mut fuse = Fuse::after(steps);
        let cut = seal_with(folder.path(), facts.recording, &mut fuse).is_err();
        if target.exists() {
            assert_eq!(blocks(&wav(&target), Side::Caller).len(), 40);
        }
        let sealed = seal(folder.path(), facts.recording).unwrap();
        assert_eq!(fingerprint(&target).unwrap().1, sealed.sha256);
        if !cut {
            assert!(steps >= 4);
            return;
        }
    }
}

#[test]
fn a_spool_without_a_packet_is_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    let facts = spool_of(folder.path(), &[]);
    assert!(matches!(seal(folder.path(), facts.recording), Err(SealError::NoAudio)));
    let left: Vec<_> = files_below(folder.path());
    assert_eq!(left, [format!("{}.spool", facts.recording)]);
}

#[test]
fn an_interrupted_spool_ends_with_its_last_packet() {
    let folder = tempfile::tempdir().unwrap();
    let facts = facts(5);
    let mut spool = SpoolWriter::create(folder.path(), &facts).unwrap();
    for sent in steady(Side::Seat, 500, 50) {
        spool.append(&sent.record()).unwrap();
    }
    spool.mark_gap(1_600_000, 12).unwrap();
    spool.flush().unwrap();
    drop(spool);
    let sealed = seal(folder.path(), facts.recording).unwrap();
    assert!(!sealed.ended_in_order);
    assert_eq!(sealed.dropped, 12);
    assert_eq!(sealed.ended.duration_since(facts.started).as_millis(), 1500);
}

#[test]
fn half_an_hour_of_silence_between_two_words_is_half_an_hour() {
    let mut packets = steady(Side::Caller, 0, 10);
    let mut last = Sent::nth(Side::Caller, 1800 * 1000, 0);
    (last.seq, last.rtp_ts) = (10, packets[0].rtp_ts + 1800 * 8000);
    packets.push(last);
    let folder = tempfile::tempdir().unwrap();
    let facts = spool_of(folder.path(), &packets);
    let sealed = seal(folder.path(), facts.recording).unwrap();
    assert_eq!(sealed.duration.as_millis(), 1800 * 1000 + 20);
    assert_eq!(sealed.caller.reanchored, 0);
}

#[test]
fn a_spool_of_days_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let facts = spool_of(folder.path(), &[Sent::nth(Side::Caller, 25 * 3600 * 1000, 0)]);
    assert!(matches!(seal(folder.path(), facts.recording), Err(SealError::TooLong)));
}

#[test]
fn both_laws_are_decoded_as_each_packet_says() {
    let mut packets = steady(Side::Caller, 0, 2);
    packets[1].coding = codecs::Coding::Pcmu;
    let (_, frames) = sealed(&packets);
    let Record::Packet(second) = Record::Packet(packets[1].record()) else { unreachable!() };
    assert_eq!(frames[160][0], base::g711::Law::Mu.decode(second.payload[0]));
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(files_below(&entry.path()));
        } else {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names
}

#[test]
fn the_header_keeps_the_facts() {
    let folder = tempfile::tempdir().unwrap();
    let facts: Facts = spool_of(folder.path(), &[]);
    let reader = SpoolReader::open(&place::spool_file(folder.path(), facts.recording)).unwrap();
    assert_eq!(reader.facts(), &facts);
}
