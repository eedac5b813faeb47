//! What each media worker counts of itself: in numbers of its own while it works, told once a wake-up, without a lock.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use base::Mono;

use crate::metrics::{Counter, Gauge, head};

/// What a worker told last. Written by its thread alone (the ring's by the recorder), read by whoever asks.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Load {
    received: Counter,
    sent: Counter,
    unsent: Counter,
    dropped: Counter,
    strangers: Counter,
    wakeups: Counter,
    events: Counter,
    late: Counter,
    worst_us: Counter,
    legs: Gauge,
    restarts: Counter,
    ring: Gauge,
}

/// What a worker counts, on its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Datagrams that came.
    pub(super) received: u64,
    /// Datagrams that the kernel took.
    pub(super) sent: u64,
    /// Datagrams that it did not take.
    pub(super) unsent: u64,
    /// Datagrams on the shared port that are nobody's.
    pub(super) strangers: u64,
    /// Times that the thread woke.
    pub(super) wakeups: u64,
    /// What it woke for.
    pub(super) events: u64,
    late: u64,
    worst: Duration,
}

impl Tally {
    /// It was time at `due`, and is now served.
    pub(super) fn serve(&mut self, due: Mono, now: Mono) {
        let late = now.since(due);
        self.late += u64::from(late > LATE);
        self.worst = self.worst.max(late);
    }

    /// Tells it all; `dropped` by the engine.
    pub(super) fn tell(&self, dropped: u64, legs: usize, load: &Load) {
        load.received.set(self.received);
        load.sent.set(self.sent);
        load.unsent.set(self.unsent);
        load.dropped.set(dropped);
        load.strangers.set(self.strangers);
        load.wakeups.set(self.wakeups);
        load.events.set(self.events);
        load.late.set(self.late);
        load.worst_us.set(u64::try_from(self.worst.as_micros()).unwrap_or(u64::MAX));
        load.legs.set(legs as i64);
    }
}

impl Load {
    /// The worker failed and begins anew.
    pub(super) fn restarted(&self) {
        self.restarts.add(1);
    }

    /// So many packets wait for the recorder.
    pub(super) fn waiting(&self, packets: usize) {
        self.ring.set(packets as i64);
    }
}

/// All workers, one family after another, the workers by their number.
pub(crate) fn write(loads: &[Arc<Load>], text: &mut String) {
    type Read = fn(&Load) -> f64;
    let families: [(&str, &str, &str, Read); 12] = [
        ("packets_received_total", "counter", "Datagrams that came.", |l| l.received.now() as f64),
        ("packets_sent_total", "counter", "Datagrams sent: relayed and our own.", |l| l.sent.now() as f64),
        ("packets_unsent_total", "counter", "Datagrams the kernel did not take.", |l| l.unsent.now() as f64),
        ("packets_dropped_total", "counter", "Datagrams of a wrong source or form.", |l| {
            l.dropped.now() as f64
        }),
        ("strangers_total", "counter", "Datagrams on rtp.web_port that are nobody's.", |l| {
            l.strangers.now() as f64
        }),
        ("wakeups_total", "counter", "Times that the thread woke.", |l| l.wakeups.now() as f64),
        ("events_total", "counter", "Sockets, orders and timers that it woke for.", |l| {
            l.events.now() as f64
        }),
        ("late_ticks_total", "counter", "Ticks that came more than 10 ms late.", |l| l.late.now() as f64),
        ("worst_lateness_seconds", "gauge", "The latest of all ticks.", |l| l.worst_us.now() as f64 / 1e6),
        ("restarts_total", "counter", "Times that it failed and began anew.", |l| l.restarts.now() as f64),
        ("legs", "gauge", "Legs that have ports.", |l| l.legs.now() as f64),
        ("ring_packets", "gauge", "Packets that wait for the recorder.", |l| l.ring.now() as f64),
    ];
    for (name, kind, help, read) in families {
        let name = format!("pbx_worker_{name}");
        head(text, &name, help, kind);
        for (number, load) in loads.iter().enumerate() {
            let _ = writeln!(text, "{name}{{worker=\"{number}\"}} {}", read(load));
        }
    }
}

/// Later than a step of the grid: somebody may hear it.
const LATE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_late_after_ten_milliseconds_and_the_latest_is_kept() {
        let (mut tally, load) = (Tally::default(), Arc::<Load>::default());
        let due = Mono::ZERO + Duration::from_secs(1);
        for micros in [0, 9_999, 10_000, 10_001, 25_500, 3] {
            tally.serve(due, due + Duration::from_micros(micros));
        }
        tally.received = 7;
        tally.tell(3, 2, &load);
        load.waiting(5);
        let mut text = String::new();
        write(&[Arc::default(), load], &mut text);
        for line in [
            "# TYPE pbx_worker_legs gauge",
            "pbx_worker_late_ticks_total{worker=\"1\"} 2",
            "pbx_worker_worst_lateness_seconds{worker=\"1\"} 0.0255",
            "pbx_worker_packets_received_total{worker=\"0\"} 0",
            "pbx_worker_packets_received_total{worker=\"1\"} 7",
            "pbx_worker_packets_dropped_total{worker=\"1\"} 3",
            "pbx_worker_legs{worker=\"1\"} 2",
            "pbx_worker_ring_packets{worker=\"1\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
