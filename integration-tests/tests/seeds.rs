//! Thousands of seeded worlds: random callers, seats and networks; whatever happens, the invariants hold.
//!
//! `SIM_SEEDS=n` sets how many, `SIM_SEED=n` runs one alone and prints what happens in it.

#[path = "seeds/coverage.rs"]
mod coverage;
#[path = "seeds/judge.rs"]
mod judge;
#[path = "seeds/life.rs"]
mod life;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use coverage::Coverage;
use life::Life;

#[test]
fn whatever_happens_every_call_ends_once_and_nothing_is_left() {
    if let Some(seed) = number("SIM_SEED") {
        let seen = run(seed, true);
        println!("{seen:#?}");
        return;
    }
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failures) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let seen = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(seeds, &next, &failures))).collect();
        let mut seen = Coverage::default();
        for worker in workers {
            seen.add(&worker.join().unwrap_or_else(|_| panic!("a worker of the test died")));
        }
        seen
    });
    println!("{seen:#?}");
    assert_eq!(failures.into_inner(), 0, "seeds failed; how to replay them is printed above");
    if seeds >= ENOUGH_TO_SEE_ALL {
        seen.assert_saw_everything();
    }
}

/// Takes one seed after the other until none is left or too many failed.
fn work(seeds: u64, next: &AtomicU64, failures: &AtomicU64) -> Coverage {
    let mut seen = Coverage::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds || failures.load(Ordering::Relaxed) >= MOST_FAILURES {
            return seen;
        }
        if let Ok(one) = catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
            seen.add(&one);
        } else {
            failures.fetch_add(1, Ordering::Relaxed);
            eprintln!(
                "replay: SIM_SEED={seed} cargo nextest run -p integration-tests --test seeds --no-capture"
            );
        }
    }
}

/// One world from its seed to its rest; panics when an invariant does not hold.
fn run(seed: u64, traced: bool) -> Coverage {
    let mut life = Life::of(seed);
    if traced {
        life.example.world.trace();
    }
    life.live();
    let faults = judge::faults(&life);
    assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
    Coverage::of(&life)
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// What continuous integration runs.
const SEEDS: u64 = 2_000;

/// With so many seeds each thing that is counted was seen at least once.
const ENOUGH_TO_SEE_ALL: u64 = 500;

/// More failures than these say nothing new.
const MOST_FAILURES: u64 = 10;
