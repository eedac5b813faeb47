//! What the process counts of itself, and how Prometheus reads it.

mod quality;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use history::CallRow;

use crate::drive::inbox::SHED;
use crate::drive::load::{self, Load};
use quality::Sounds;

/// Everything that is counted. Never labelled by number or call: labels come from the configuration and from
/// fixed words, so their count is bounded.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Calls that are up.
    pub calls_active: Gauge,
    /// Contacts that are registered.
    pub registrations: Gauge,
    /// Trunks with which we are registered.
    pub trunks_registered: Gauge,
    /// SIP transactions that live.
    pub sip_transactions: Gauge,
    /// SIP connections over TCP, TLS and WebSockets.
    pub sip_connections: Gauge,
    /// SIP messages that came.
    pub sip_received: Counter,
    /// SIP messages that were sent again.
    pub sip_retransmits: Counter,
    /// SIP messages that were refused before they became a leg: overload, authentication, malformed.
    pub sip_refused: Counter,
    /// Sources that were banned for guessing passwords.
    pub sip_bans: Counter,
    /// Accounts whose password was guessed from many sources.
    pub sip_guessed: Counter,
    /// Sources that are banned.
    pub sip_banned: Gauge,
    /// SIP messages that the network or a full queue did not take.
    pub sip_unsent: Counter,
    /// SIP messages dropped because the control thread was behind.
    pub sip_dropped: Counter,
    /// SIP messages that the admission did not let in, by reason.
    pub sip_shed: Shed,
    /// Callers that wait in queues.
    pub queue_waiting: Gauge,
    /// RTP packets that came.
    pub rtp_received: Counter,
    /// RTP packets that never came.
    pub rtp_lost: Counter,
    /// RTP packets that were dropped: wrong source, form or payload type.
    pub rtp_dropped: Counter,
    /// RTP and RTCP packets that the kernel did not take.
    pub rtp_unsent: Counter,
    /// Recordings that run.
    pub recordings_active: Gauge,
    /// Bytes of sealed recordings.
    pub recordings_bytes: Counter,
    /// Recordings that a fault of disk or memory made incomplete, or prevented.
    pub recordings_failed: Counter,
    /// Recordings that the sweeper or somebody deleted.
    pub recordings_deleted: Counter,
    /// Tapped packets that the recorder's ring had no room for.
    pub taps_dropped: Counter,
    /// Entries that wait for the database.
    pub store_waiting: Gauge,
    /// Entries that were lost: the queue was full, or the database refused them.
    pub store_lost: Counter,
    /// Times that the database was away.
    pub store_retries: Counter,
    /// Requests to the API, whatever their answer.
    pub api_requests: Counter,
    /// INVITE to our 200.
    pub call_setup: Histogram,
    /// Time in queues and rings.
    pub queue_wait: Histogram,
    /// How calls sound, and who is not heard.
    pub sounds: Sounds,
    calls: Family,
    menus: Family,
    /// Of each media worker; locked when one starts and when all are read.
    workers: Mutex<Vec<Arc<Load>>>,
}

impl Metrics {
    /// Counts a call that is over.
    pub fn call_ended(&self, row: &CallRow) {
        let caller = row.legs.first();
        let trunk = caller.and_then(|leg| leg.trunk.as_deref()).unwrap_or("");
        let direction = if row.internal { "internal" } else { "inbound" };
        let cause = row.cause.map_or("", base::Cause::as_str);
        self.calls.add(&format!(
            "direction=\"{direction}\",trunk=\"{}\",result=\"{}\",cause=\"{cause}\"",
            escaped(trunk),
            row.status()
        ));
        let line = row.line.as_deref().unwrap_or("");
        for menu in &row.menus {
            self.menus.add(&format!("line=\"{}\",menu=\"{}\"", escaped(line), escaped(menu)));
        }
        if let Some(answered) = row.answered_ms {
            self.call_setup.observe(answered);
        }
        if row.waited_ms > 0 {
            self.queue_wait.observe(row.waited_ms);
        }
        for quality in row.legs.iter().filter_map(|leg| leg.quality) {
            self.rtp_received.add(quality.received.unsigned_abs());
            self.rtp_lost.add(quality.lost.unsigned_abs());
        }
        row.legs.iter().for_each(|leg| self.sounds.leg_ended(leg));
    }

    /// The next media worker's.
    pub fn worker(&self) -> Arc<Load> {
        let load = Arc::new(Load::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&load));
        load
    }

    /// The text format, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        for (name, help, gauge) in self.gauges() {
            head(&mut text, name, help, "gauge");
            let _ = writeln!(text, "{name} {}", gauge.now());
        }
        for (name, help, counter) in self.counters() {
            head(&mut text, name, help, "counter");
            let _ = writeln!(text, "{name} {}", counter.now());
        }
        self.sip_shed.write(&mut text);
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        load::write(&workers, &mut text);
        drop(workers);
        self.calls.write(&mut text, "pbx_calls_total", "Calls that are over.");
        self.menus.write(&mut text, "pbx_ivr_menu_visits_total", "Menus entered.");
        self.call_setup.write(&mut text, "pbx_call_setup_seconds", "INVITE to our 200.");
        self.queue_wait.write(&mut text, "pbx_queue_wait_seconds", "Time in queues and rings.");
        self.sounds.write(&mut text);
        text
    }

    fn gauges(&self) -> [(&'static str, &'static str, &Gauge); 9] {
        [
            ("pbx_calls_active", "Calls that are up.", &self.calls_active),
            ("pbx_registrations", "Contacts that are registered.", &self.registrations),
            ("pbx_trunks_registered", "Trunks with which we are registered.", &self.trunks_registered),
            ("pbx_sip_transactions", "SIP transactions that live.", &self.sip_transactions),
            ("pbx_sip_banned", "Sources that are banned.", &self.sip_banned),
            ("pbx_sip_connections", "SIP connections over streams.", &self.sip_connections),
            ("pbx_queue_waiting", "Callers that wait in queues.", &self.queue_waiting),
            ("pbx_recordings_active", "Recordings that run.", &self.recordings_active),
            ("pbx_store_queue_length", "Entries that wait for the database.", &self.store_waiting),
        ]
    }

    fn counters(&self) -> [(&'static str, &'static str, &Counter); 18] {
        [
            ("pbx_sip_messages_total", "SIP messages that came.", &self.sip_received),
            ("pbx_sip_transactions_retransmits_total", "SIP messages sent again.", &self.sip_retransmits),
            ("pbx_sip_refused_total", "SIP messages refused before they became a leg.", &self.sip_refused),
            ("pbx_sip_bans_total", "Sources banned for guessing passwords.", &self.sip_bans),
            ("pbx_sip_guessed_accounts_total", "Accounts guessed from many sources.", &self.sip_guessed),
            ("pbx_sip_unsent_total", "SIP messages that could not be sent.", &self.sip_unsent),
            ("pbx_sip_dropped_total", "SIP messages dropped: control was behind.", &self.sip_dropped),
            ("pbx_rtp_packets_unsent_total", "RTP packets that could not be sent.", &self.rtp_unsent),
            ("pbx_rtp_packets_received_total", "RTP packets that came.", &self.rtp_received),
            ("pbx_rtp_packets_lost_total", "RTP packets that never came.", &self.rtp_lost),
            ("pbx_rtp_packets_dropped_total", "RTP packets of a wrong source or form.", &self.rtp_dropped),
            ("pbx_recordings_bytes_total", "Bytes of sealed recordings.", &self.recordings_bytes),
            ("pbx_recordings_failed_total", "Recordings incomplete or prevented.", &self.recordings_failed),
            ("pbx_recordings_deleted_total", "Recordings deleted.", &self.recordings_deleted),
            ("pbx_recording_taps_dropped_total", "Packets the recorder had no room for.", &self.taps_dropped),
            ("pbx_store_lost_total", "Entries the database never got.", &self.store_lost),
            ("pbx_store_retries_total", "Times the database was away.", &self.store_retries),
            ("pbx_api_requests_total", "Requests to the API.", &self.api_requests),
        ]
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes over a total that is counted elsewhere.
    pub fn set(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Messages that were not let in, one counter for each reason: touched for each of them, so without a lock.
#[derive(Debug, Default)]
pub struct Shed([Counter; SHED.len()]);

impl Shed {
    /// Counts one.
    pub fn add(&self, why: &str) {
        if let Some((_, counter)) = SHED.iter().zip(&self.0).find(|(reason, _)| **reason == why) {
            counter.add(1);
        }
    }

    fn write(&self, text: &mut String) {
        head(text, "pbx_sip_shed_total", "SIP messages that admission did not let in.", "counter");
        for (reason, counter) in SHED.iter().zip(&self.0) {
            let _ = writeln!(text, "pbx_sip_shed_total{{reason=\"{reason}\"}} {}", counter.now());
        }
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Changes it.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    sum_ms: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, millis: i64) {
        let millis = u64::try_from(millis).unwrap_or(0);
        for (bucket, (bound, _)) in self.buckets.iter().zip(BOUNDS) {
            if millis <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(millis, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        head(text, name, help, "histogram");
        for (bucket, (_, label)) in self.buckets.iter().zip(BOUNDS) {
            let _ = writeln!(text, "{name}_bucket{{le=\"{label}\"}} {}", bucket.load(Ordering::Relaxed));
        }
        let count = self.count.load(Ordering::Relaxed);
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum {}", self.sum_ms.load(Ordering::Relaxed) as f64 / 1000.0);
        let _ = writeln!(text, "{name}_count {count}");
    }
}

/// Counters told apart by labels; touched once per call, so a lock costs nothing.
#[derive(Debug, Default)]
struct Family(Mutex<BTreeMap<String, u64>>);

impl Family {
    fn add(&self, labels: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(labels) {
            *count += 1;
        } else if counts.len() < MOST_LABELS {
            counts.insert(labels.to_owned(), 1);
        } else {
            *counts.entry(OVERFLOW.to_owned()).or_default() += 1;
        }
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        head(text, name, help, "counter");
        for (labels, count) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(text, "{name}{{{labels}}} {count}");
        }
    }
}

pub(crate) fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Upper bounds in milliseconds, and as Prometheus writes them: from a local answer to a full queue.
const BOUNDS: [(u64, &str); 12] = [
    (10, "0.01"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1_000, "1"),
    (2_500, "2.5"),
    (5_000, "5"),
    (10_000, "10"),
    (20_000, "20"),
    (60_000, "60"),
    (300_000, "300"),
];
/// A reload may rename menus and trunks for ever; the memory for them is bounded.
const MOST_LABELS: usize = 2_000;
const OVERFLOW: &str = "overflow=\"true\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_every_bucket_that_holds_it() {
        let metrics = Metrics::default();
        metrics.call_setup.observe(60);
        metrics.call_setup.observe(700_000);
        let text = metrics.text();
        for line in [
            "pbx_call_setup_seconds_bucket{le=\"0.05\"} 0",
            "pbx_call_setup_seconds_bucket{le=\"0.1\"} 1",
            "pbx_call_setup_seconds_bucket{le=\"300\"} 1",
            "pbx_call_setup_seconds_bucket{le=\"+Inf\"} 2",
            "pbx_call_setup_seconds_sum 700.06",
            "pbx_call_setup_seconds_count 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn labels_are_escaped_and_bounded() {
        let family = Family::default();
        family.add(&format!("menu=\"{}\"", escaped("a\"b\\c\nd")));
        for n in 0..MOST_LABELS + 5 {
            family.add(&format!("menu=\"{n}\""));
        }
        let mut text = String::new();
        family.write(&mut text, "x_total", "X.");
        assert!(text.contains(r#"x_total{menu="a\"b\\c\nd"} 1"#));
        assert!(text.contains("x_total{overflow=\"true\"} 6"), "{text}");
    }

    #[test]
    fn every_name_is_told_once() {
        let text = Metrics::default().text();
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
