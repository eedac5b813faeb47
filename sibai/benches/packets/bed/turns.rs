//! Seconds of one side and of the other in turn, so that both meet the same noise.

use std::time::Duration;

use super::median;
use super::peers::Talked;

/// What both sides spent, second by second.
#[derive(Debug, Default)]
pub struct Turns {
    ours: Vec<f64>,
    bare: Vec<f64>,
    ratios: Vec<f64>,
    beside: Vec<f64>,
    lost: [u64; 2],
    packets: u64,
}

/// One second of one side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Second {
    /// CPU time of its thread.
    pub spent: Duration,
    /// Of a thread that works for it beside.
    pub beside: Duration,
    /// Packets.
    pub talked: Talked,
}

impl Second {
    fn micros(self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.talked.received.max(1) as f64
    }

    fn lost(self) -> u64 {
        self.talked.sent.saturating_sub(self.talked.received)
    }
}

impl Turns {
    /// A second of ours and one of theirs.
    pub fn add(&mut self, ours: Second, bare: Second) {
        self.ours.push(ours.micros());
        self.bare.push(bare.micros());
        self.ratios.push(ours.micros() / bare.micros());
        self.beside.push(ours.beside.as_secs_f64() * 1e6 / ours.talked.received.max(1) as f64);
        self.packets += ours.talked.sent;
        for (lost, second) in self.lost.iter_mut().zip([ours, bare]) {
            *lost += second.lost();
        }
    }

    /// Two lines of the table.
    pub fn print(&self, what: &str, goal: &str) {
        let [ours, bare] = self.lost;
        println!(
            "{what:<44} {:>6.3} ×  (goal {goal})   ours {:.2} µs, bare {:.2} µs a packet; medians of {} pairs",
            median(self.ratios.clone()),
            median(self.ours.clone()),
            median(self.bare.clone()),
            self.ratios.len()
        );
        println!("{:<44} not heard in their time: ours {ours}, bare {bare} of {} each", "", self.packets);
        if self.beside.iter().any(|micros| *micros > 0.0) {
            println!(
                "{:<44} the recorder's thread beside it: {:.2} µs a packet",
                "",
                median(self.beside.clone())
            );
        }
    }
}
