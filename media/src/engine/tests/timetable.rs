//! Who is looked at when: on the grid, and nobody in vain.

use super::*;

const GRID: Duration = Duration::from_millis(10);

fn on_grid(at: Mono) -> bool {
    at.as_nanos().is_multiple_of(GRID.as_nanos() as u64)
}

#[test]
fn an_engine_without_legs_is_never_woken() {
    let mut bed = Bed::new();
    assert_eq!(bed.engine.deadline(), None);
    let phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    assert!(bed.engine.deadline().is_some());
    bed.close(CALLER);
    bed.pass(Duration::from_secs(120));
    assert_eq!(bed.engine.deadline(), None);
}

#[test]
fn however_many_legs_play_and_report_there_are_a_hundred_wakeups_a_second() {
    let mut bed = Bed::new();
    for n in 0..60 {
        let mut phone = Phone::new(LegId::placed(n), "198.51.100.1:4000", Law::A);
        phone.stream.ptime = [10, 20, 30, 40, 60][n as usize % 5];
        bed.agree(&phone);
        bed.ring(phone.leg);
        bed.pass(Duration::from_micros(3_700));
    }
    let (mut wakeups, end) = (0, bed.now.mono + Duration::from_secs(10));
    while let Some(due) = bed.engine.deadline().filter(|due| *due <= end) {
        assert!(on_grid(due), "{due:?}");
        bed.now = bed.now.later(due.since(bed.now.mono));
        bed.tick();
        wakeups += 1;
    }
    assert_eq!(wakeups, 1000);
}

#[test]
fn packets_of_any_length_keep_their_time_to_the_sample() {
    for ptime in [10, 20, 25, 30, 33, 40, 60] {
        let mut bed = Bed::new();
        let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
        phone.stream.ptime = ptime;
        bed.agree(&phone);
        bed.pass(Duration::from_secs(30));
        let sent = bed.rtp(CALLER);
        let (first, last) = (&sent[0], &sent[sent.len() - 1]);
        assert!(sent.iter().all(|packet| on_grid(packet.at)));
        for pair in sent.windows(2) {
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), ptime * 8);
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        }
        let nominal = Duration::from_millis(u64::from(ptime) * (sent.len() as u64 - 1));
        let spread = last.at.since(first.at);
        assert!(spread >= nominal && spread < nominal + GRID, "{ptime}: {spread:?} for {nominal:?}");
    }
}

/// Deadlines that come nearer leave dead entries behind; they cost no tick, and no memory for ever.
#[test]
fn what_is_put_forward_and_closed_leaves_nothing_behind() {
    let mut bed = Bed::new();
    for n in 0..5_000 {
        let phone = Phone::new(LegId::placed(n), "198.51.100.1:4000", Law::A);
        bed.agree(&phone);
        bed.ring(phone.leg);
        bed.close(phone.leg);
        bed.pass(Duration::from_micros(10));
    }
    assert!(bed.engine.timetable.len() <= 80, "{}", bed.engine.timetable.len());
    bed.heard.sent.clear();
    bed.pass(Duration::from_secs(60));
    assert_eq!((bed.engine.timetable.len(), bed.heard.sent.len()), (0, 0));
}
