//! The full number of a packet, and which ones may still come.

use proptest::prelude::*;

use super::super::SrtpFault;
use super::super::window::Window;

fn at(newest: u64) -> Window {
    let mut window = Window::default();
    window.take(newest);
    window
}

fn full(rollovers: u64, sequence: u64) -> u64 {
    (rollovers << 16) + sequence
}

#[test]
fn the_newest_is_known_by_the_next_wrap_and_by_the_last() {
    assert_eq!(Window::default().index(65_535), 65_535);
    assert_eq!(at(65_535).index(0), 1 << 16);
    assert_eq!(at(1 << 16).index(65_535), 65_535);
    assert_eq!(at(full(5, 40_000)).index(7231), full(6, 7231));
    assert_eq!(at(full(5, 40_000)).index(7232), full(5, 7232));
    assert_eq!(at(full(5, 100)).index(32_868), full(5, 32_868));
    assert_eq!(at(full(5, 100)).index(32_869), full(4, 32_869));
    // Nothing is before the first: a number far ahead is ahead.
    assert_eq!(at(100).index(60_000), 60_000);
}

#[test]
fn the_edge_of_the_window_is_128_packets_back() {
    let window = at(1000);
    assert_eq!(window.check(1000), Err(SrtpFault::Replayed));
    assert_eq!(window.check(1000 - 127), Ok(()));
    assert_eq!(window.check(1000 - 128), Err(SrtpFault::Old));
    assert_eq!(window.check(0), Err(SrtpFault::Old));
    assert_eq!(window.check(1001), Ok(()));
    let mut moved = window;
    moved.take(1000 + 127);
    assert_eq!(moved.check(1000), Err(SrtpFault::Replayed));
    assert_eq!(moved.check(1001), Ok(()));
    moved.take(1000 + 128);
    assert_eq!(moved.check(1000), Err(SrtpFault::Old));
    moved.take(1 << 40);
    assert_eq!(moved.check((1 << 40) - 1), Ok(()));
    assert_eq!(moved.check(1000 + 128), Err(SrtpFault::Old));
}

proptest! {
    #[test]
    fn what_is_less_than_half_the_numbers_away_is_found(newest in 0u64..1 << 34, step in -32_767i64..32_767) {
        let Some(index) = newest.checked_add_signed(step) else { return Ok(()) };
        prop_assert_eq!(at(newest).index(index as u16), index);
    }

    /// Beside a plain list of what was here.
    #[test]
    fn it_remembers_the_latest_and_only_those(steps in proptest::collection::vec(0u64..300, 1..200)) {
        let mut window = Window::default();
        let mut here: Vec<u64> = Vec::new();
        let mut newest = 0;
        for step in steps {
            let index = (newest + step).saturating_sub(150);
            let old = !here.is_empty() && index + Window::WIDTH <= newest;
            let expected = match (old, here.contains(&index)) {
                (true, _) => Err(SrtpFault::Old),
                (false, true) => Err(SrtpFault::Replayed),
                (false, false) => Ok(()),
            };
            prop_assert_eq!(window.check(index), expected);
            if expected.is_ok() {
                window.take(index);
                here.push(index);
                newest = newest.max(index);
            }
        }
    }
}
