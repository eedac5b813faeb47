//! The desk between the control thread and the rest: gauges, the journal, and whoever listens.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use base::CallId;
use pbx::seam::Told;

use crate::drive::clock::Clock;
use crate::drive::control::News;
use crate::metrics::Metrics;
use crate::store::{Entry, Journal, rows};

/// What the control thread calls with its news; it never waits.
pub(super) fn desk(
    journal: Journal,
    listener: Sender<News>,
    metrics: Arc<Metrics>,
    clock: Clock,
) -> Box<dyn FnMut(News) + Send> {
    let mut calls: HashSet<CallId> = HashSet::new();
    Box::new(move |news| {
        match &news {
            News::Told { call, what: Told::Arrived { .. } } => {
                calls.insert(*call);
            }
            News::Finished(finished) => {
                calls.remove(&finished.record.call);
                let row = rows::call_row(&finished.record, &finished.sounded, &finished.q850);
                metrics.call_ended(&row);
                journal.note(Entry::CallEnded(Box::new(row)));
            }
            News::Standing(record) => {
                journal.note(Entry::CallOpened { call: Box::new(rows::open_call(record)), at: clock.wall() });
            }
            News::Banned(ban) => {
                journal.note(Entry::Banned(ban.clone()));
            }
            News::Unbanned { source } => {
                journal.note(Entry::Unbanned(*source));
            }
            News::Told { .. } | News::Registered { .. } => {}
        }
        metrics.calls_active.set(calls.len() as i64);
        metrics.store_waiting.set(journal.waiting() as i64);
        // Nobody has to listen.
        let _ = listener.send(news);
    })
}
