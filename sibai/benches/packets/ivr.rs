//! Legs that play a prompt and receive their callers' packets, through the real media worker, beside a bare loop that
//! sends and receives the same packets on the same grid in the same run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bed::bare::Bare;
use crate::bed::ours::Ours;
use crate::bed::peers::{Line, Peers};
use crate::bed::turns::{Second, Turns};
use crate::bed::{Thread, argument, load_average};
use media::seam::Direction;

/// CPU a packet.
pub(crate) fn cost() {
    let legs = argument("legs", 400) as usize;
    let mut bench = Bench::new(legs);
    println!(
        "ivr: {legs} legs, {} packets/s each way; load average {}; {}",
        legs * 50,
        load_average(),
        bench.ours_thread.scheduling()
    );
    let mut turns = Turns::default();
    bench.ours(50);
    bench.bare(50);
    for _ in 0..argument("pairs", 20) {
        let ours = bench.ours(50);
        turns.add(ours, bench.bare(50));
    }
    turns.print("a packet of a prompt, and one received", "<= 1.20");
}

struct Bench {
    peers: Peers,
    ours: Ours,
    bare: Bare,
    ours_thread: Thread,
    bare_thread: Thread,
    to_ours: Line,
    to_bare: Line,
}

impl Bench {
    fn new(legs: usize) -> Self {
        let peers = Peers::new(legs);
        let addresses = peers.addresses();
        let mut ours = Ours::start();
        ours.open(legs);
        let bare = Bare::player(&addresses);
        let (ours_thread, bare_thread) = (Ours::thread(), bare.thread());
        bare_thread.schedule_as(ours_thread);
        let (to_ours, to_bare) = (Line::to(&ours.legs), Line::to(&bare.legs));
        let bench = Self { peers, ours, bare, ours_thread, bare_thread, to_ours, to_bare };
        bench.turn(Direction::Inactive);
        bench
    }

    /// Half of the legs at one point of the grid, half at the next, as they are where callers come at any time.
    fn turn(&self, direction: Direction) {
        let addresses = self.peers.addresses();
        for half in 0..2 {
            for (n, address) in addresses.iter().enumerate().skip(half).step_by(2) {
                self.ours.agree(n, *address, self.peers.reports(), direction);
            }
            std::thread::sleep(GRID);
        }
    }

    fn settle(&self) {
        std::thread::sleep(SETTLE);
        self.peers.take_all();
    }

    fn ours(&mut self, times: u32) -> Second {
        self.turn(Direction::Both);
        (0..self.to_ours.legs.len()).for_each(|n| self.ours.play(n));
        self.settle();
        let before = self.ours_thread.spent();
        let talked = self.peers.talk(&mut self.to_ours, times, true);
        let spent = self.ours_thread.spent().saturating_sub(before);
        self.turn(Direction::Inactive);
        (0..self.to_ours.legs.len()).for_each(|n| self.ours.stop(n));
        self.settle();
        self.ours.listen();
        Second { spent, beside: Duration::ZERO, talked }
    }

    fn bare(&mut self, times: u32) -> Second {
        self.bare.speaks.store(true, Ordering::Relaxed);
        self.settle();
        let before = self.bare_thread.spent();
        let talked = self.peers.talk(&mut self.to_bare, times, true);
        let spent = self.bare_thread.spent().saturating_sub(before);
        self.bare.speaks.store(false, Ordering::Relaxed);
        self.settle();
        Second { spent, beside: Duration::ZERO, talked }
    }
}

const GRID: Duration = Duration::from_millis(10);
/// Until everybody has heard of it.
const SETTLE: Duration = Duration::from_millis(60);
