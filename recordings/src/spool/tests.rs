//! Stories of the spool: what is written comes back, a torn tail does no harm, a broken disk breaks no call.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use codecs::Coding;
use proptest::prelude::*;

use super::*;
use crate::tests::facts;

fn packet(i: u32) -> PacketRecord {
    PacketRecord {
        side: if i.is_multiple_of(2) { Side::Caller } else { Side::Seat },
        arrival_us: u64::from(i) * 10_000,
        seq: i as u16,
        rtp_ts: i.wrapping_mul(160),
        ssrc: 0xdead_beef,
        coding: Coding::ALL[i as usize % Coding::ALL.len()],
        payload: vec![i as u8; 160],
    }
}

fn read(path: &Path) -> (Vec<Record>, u64) {
    let mut reader = SpoolReader::open(path).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(record);
    }
    (records, reader.torn())
}

#[test]
fn what_was_written_comes_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let facts = facts(1);
    let mut spool = SpoolWriter::create(folder.path(), &facts).unwrap();
    for i in 0..500 {
        spool.append(&packet(i)).unwrap();
    }
    spool.mark_gap(6_000_000, 4).unwrap();
    spool.pause(6_100_000).unwrap();
    spool.resume(6_200_000).unwrap();
    spool.mark_seat(6_300_000, None).unwrap();
    spool.mark_seat(6_400_000, Some(&"陈浩".into())).unwrap();
    spool.end(7_000_000, facts.started).unwrap();

    let (records, torn) = read(&place::spool_file(folder.path(), facts.recording));
    let mut expected: Vec<_> = (0..500).map(|i| Record::Packet(packet(i))).collect();
    expected.push(Record::Gap { at_us: 6_000_000, dropped: 4 });
    expected.push(Record::Pause { at_us: 6_100_000 });
    expected.push(Record::Resume { at_us: 6_200_000 });
    expected.push(Record::Seat { at_us: 6_300_000, seat: None });
    expected.push(Record::Seat { at_us: 6_400_000, seat: Some("陈浩".into()) });
    expected.push(Record::End { at_us: 7_000_000, wall: facts.started });
    assert_eq!((records, torn), (expected, 0));
}

#[test]
fn after_a_kill_everything_flushed_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolWriter::create(folder.path(), &facts(1)).unwrap();
    for i in 0..5 {
        spool.append(&packet(i)).unwrap();
    }
    spool.flush().unwrap();
    spool.append(&packet(5)).unwrap();
    // A killed process drops nothing in order: its buffer is simply gone.
    std::mem::forget(spool);
    let (records, torn) = read(&place::spool_file(folder.path(), RecordingId::from_u128(1)));
    assert_eq!((records.len(), torn), (5, 0));
}

#[test]
fn a_spool_torn_at_any_byte_reads_to_its_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolWriter::create(folder.path(), &facts(1)).unwrap();
    spool.flush().unwrap();
    let path = place::spool_file(folder.path(), RecordingId::from_u128(1));
    let header = fs::metadata(&path).unwrap().len();
    for i in 0..3 {
        spool.append(&packet(i)).unwrap();
    }
    spool.flush().unwrap();
    let bytes = fs::read(&path).unwrap();
    let each = (bytes.len() as u64 - header) / 3;
    for cut in 0..bytes.len() as u64 {
        fs::write(&path, &bytes[..cut as usize]).unwrap();
        if cut < header {
            assert!(matches!(SpoolReader::open(&path), Err(SpoolError::NoHeader)), "{cut}");
            continue;
        }
        let (records, torn) = read(&path);
        let whole = (cut - header) / each;
        assert_eq!((records.len() as u64, torn), (whole, cut - header - whole * each), "{cut}");
    }
}

#[test]
fn zeros_after_a_power_loss_are_no_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolWriter::create(folder.path(), &facts(1)).unwrap();
    spool.append(&packet(0)).unwrap();
    spool.sync().unwrap();
    let path = place::spool_file(folder.path(), RecordingId::from_u128(1));
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 4096]).unwrap();
    let (records, torn) = read(&path);
    assert_eq!((records.len(), torn), (1, 4096));
}

#[test]
fn a_full_disk_is_told_once_and_breaks_nothing_else() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut spool = SpoolWriter::over(full, RecordingId::from_u128(1));
    spool.append(&packet(0)).unwrap();
    let Err(SpoolError::Io(error)) = spool.flush() else { panic!("a full disk must be told") };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(spool.broken(), Some(io::ErrorKind::StorageFull));
    for i in 0..1000 {
        spool.append(&packet(i)).unwrap();
    }
    spool.flush().unwrap();
    spool.sync().unwrap();
    assert_eq!(spool.refused(), 1000);
    spool.end(0, facts(1).started).unwrap();
}

#[test]
fn a_spool_is_never_opened_twice() {
    let folder = tempfile::tempdir().unwrap();
    let _first = SpoolWriter::create(folder.path(), &facts(1)).unwrap();
    assert!(SpoolWriter::create(folder.path(), &facts(1)).is_err());
    assert!(SpoolWriter::create(folder.path(), &facts(2)).is_ok());
}

#[test]
fn an_impossible_payload_is_refused_and_the_spool_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolWriter::create(folder.path(), &facts(1)).unwrap();
    let mut monster = packet(0);
    monster.payload = vec![0; 200_000];
    assert!(matches!(spool.append(&monster), Err(SpoolError::TooLong(_))));
    spool.append(&packet(1)).unwrap();
    spool.end(0, facts(1).started).unwrap();
    let (records, _) = read(&place::spool_file(folder.path(), RecordingId::from_u128(1)));
    assert_eq!(records[0], Record::Packet(packet(1)));
}

#[test]
fn one_call_syncs_all_spools() {
    let folder = tempfile::tempdir().unwrap();
    sync_all(folder.path()).unwrap();
    assert!(sync_all(&folder.path().join("missing")).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall(bytes in prop::collection::vec(any::<u8>(), 0..2000), flip in any::<(u16, u8)>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.spool");
        fs::write(&path, &bytes).unwrap();
        prop_assert!(SpoolReader::open(&path).is_err());

        // One flipped byte in a real spool: a prefix of the truth comes back, never a lie.
        let mut spool = SpoolWriter::create(folder.path(), &facts(1)).unwrap();
        for i in 0..4 {
            spool.append(&packet(i)).unwrap();
        }
        spool.flush().unwrap();
        let path = place::spool_file(folder.path(), RecordingId::from_u128(1));
        let mut bytes = fs::read(&path).unwrap();
        let at = usize::from(flip.0) % bytes.len();
        bytes[at] ^= flip.1.max(1);
        fs::write(&path, &bytes).unwrap();
        if let Ok(mut reader) = SpoolReader::open(&path) {
            let mut i = 0;
            while let Some(record) = reader.next_record().unwrap() {
                prop_assert_eq!(record, Record::Packet(packet(i)));
                i += 1;
            }
            prop_assert!(i < 4);
        }
    }
}
