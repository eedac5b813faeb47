//! What calls and recordings leave behind, on its way to the database: a bounded queue and the one task that
//! writes. A call never waits for the database; a database that is away finds everything when it is back
//! (reliability.md F5, F7).

use std::net::IpAddr;
use std::time::Duration;

use base::{RecordingId, Timestamp};
use history::{CallRow, HistoryError, OpenCall};
use recordings::catalog::{self, StoreError};
use recordings::retention::Verdict;
use recordings::seal::Sealed;
use recordings::{Consent, Facts};
use sip::seam::Ban;
use sqlx::AnyConnection;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, warn};

use super::{Store, bans};

/// One thing to be written; written in the order in which it was noted, each at most once.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A call is up, or something about it changed.
    CallOpened {
        /// What is known of it.
        call: Box<OpenCall>,
        /// When.
        at: Timestamp,
    },
    /// A call is over: its row, its legs, the end of its recording and the event, in one transaction.
    CallEnded(Box<CallRow>),
    /// A recording begins; frames may be spooled once this is written.
    RecordingOpened(Box<Facts>),
    /// A recording is over. The call's own end notes it too; what comes second changes nothing, and a
    /// recording that ends before its call (withdrawn consent) is noted at once.
    RecordingEnded {
        /// Which.
        id: RecordingId,
        /// When.
        ended: Timestamp,
        /// What the caller agreed to in the end.
        consent: Consent,
    },
    /// A recording is a file now.
    RecordingSaved {
        /// Which.
        id: RecordingId,
        /// What sealing made.
        sealed: Box<Sealed>,
        /// How long it is kept.
        verdict: Verdict,
    },
    /// A recording is incomplete.
    RecordingPartial {
        /// Which.
        id: RecordingId,
        /// Why.
        reason: String,
    },
    /// There is nothing to hear.
    RecordingAbsent {
        /// Which.
        id: RecordingId,
        /// Why.
        why: String,
    },
    /// A source is banned.
    Banned(Ban),
    /// Its ban is over.
    Unbanned(IpAddr),
}

/// The queue's open end. Cheap to clone; the writer ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Journal {
    queue: mpsc::Sender<Item>,
    progress: watch::Receiver<Progress>,
    overflowed: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// How the writing goes, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that are in the database.
    pub written: u64,
    /// Times that the database was away.
    pub retries: u64,
    /// Entries that the database will never take; logged.
    pub refused: u64,
}

/// How long the writer waits for a database that is away.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the second attempt; doubled from attempt to attempt.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
    /// How long, once nobody can note anything any more, the rest may take.
    pub at_the_end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first: FIRST_WAIT, most: MOST_WAIT, at_the_end: END_WAIT }
    }
}

struct Item {
    entry: Entry,
    written: Option<oneshot::Sender<()>>,
}

impl Journal {
    /// Starts the writer. Await the handle after dropping every `Journal`: then all is written.
    pub fn start(store: Store, patience: Patience) -> (Self, JoinHandle<Progress>) {
        let (queue, entries) = mpsc::channel(LONGEST);
        let (told, progress) = watch::channel(Progress::default());
        let writer = Writer { store, patience, told, done: Progress::default(), ends: None };
        let handle = tokio::spawn(writer.run(entries));
        (Self { queue, progress, overflowed: std::sync::Arc::default() }, handle)
    }

    /// Notes an entry; never waits. `false` when the queue is full: then it is dropped and counted.
    pub fn note(&self, entry: Entry) -> bool {
        self.put(Item { entry, written: None })
    }

    /// Notes an entry; what comes back resolves once it is written, or to an error when it never will be.
    /// A thread outside the runtime uses `blocking_recv`.
    pub fn note_and_tell(&self, entry: Entry) -> oneshot::Receiver<()> {
        let (written, receiver) = oneshot::channel();
        self.put(Item { entry, written: Some(written) });
        receiver
    }

    /// Entries that wait.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Entries that found the queue full, since the start.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How the writing goes; changes can be awaited.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Tells how many entries wait whenever some were written; ends with the writer, and does not keep it.
    pub fn watch<F: Fn(usize) + Send>(&self, tell: F) -> impl Future<Output = ()> + Send + use<F> {
        let (queue, mut progress) = (self.queue.downgrade(), self.progress());
        async move {
            while progress.changed().await.is_ok() {
                let Some(queue) = queue.upgrade() else { return };
                tell(queue.max_capacity() - queue.capacity());
            }
        }
    }

    fn put(&self, item: Item) -> bool {
        let Err(refused) = self.queue.try_send(item) else { return true };
        self.overflowed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        error!(entry = %name(&refused.into_inner().entry), "the journal is full: entry dropped");
        false
    }
}

struct Writer {
    store: Store,
    patience: Patience,
    told: watch::Sender<Progress>,
    done: Progress,
    /// Once the queue is closed: when the rest is given up.
    ends: Option<Instant>,
}

impl Writer {
    async fn run(mut self, mut entries: mpsc::Receiver<Item>) -> Progress {
        let mut batch = Vec::with_capacity(BATCH);
        while entries.recv_many(&mut batch, BATCH).await > 0 {
            if !self.write_together(&mut batch).await {
                for item in batch.drain(..) {
                    self.write_alone(item, &entries).await;
                }
            }
        }
        self.done
    }

    /// One transaction for all of them, because a commit costs a disk its time (reliability.md 5, row 13).
    async fn write_together(&mut self, batch: &mut Vec<Item>) -> bool {
        if self.transaction(batch.iter().map(|item| &item.entry)).await.is_err() {
            return false;
        }
        for item in batch.drain(..) {
            self.finished(item);
        }
        true
    }

    /// One entry until it is written or refused: a bad one must not hold up its neighbours.
    async fn write_alone(&mut self, item: Item, entries: &mpsc::Receiver<Item>) {
        let mut wait = self.patience.first;
        loop {
            match self.transaction(std::iter::once(&item.entry)).await {
                Ok(()) => return self.finished(item),
                Err(fault) if fault.passes() && !self.given_up(entries) => {
                    warn!(%fault, entry = %name(&item.entry), "the database is away: the journal waits");
                    self.done.retries += 1;
                    self.told.send_replace(self.done);
                    sleep(wait).await;
                    wait = (wait * 2).min(self.patience.most);
                }
                Err(fault) => {
                    error!(%fault, entry = %name(&item.entry), "not written");
                    self.done.refused += 1;
                    self.told.send_replace(self.done);
                    return;
                }
            }
        }
    }

    fn finished(&mut self, item: Item) {
        self.done.written += 1;
        self.told.send_replace(self.done);
        if let Some(written) = item.written {
            // Whoever asked may have gone in the meantime; the entry is written all the same.
            let _ = written.send(());
        }
    }

    fn given_up(&mut self, entries: &mpsc::Receiver<Item>) -> bool {
        if !entries.is_closed() && entries.sender_strong_count() > 0 {
            return false;
        }
        let ends = *self.ends.get_or_insert_with(|| Instant::now() + self.patience.at_the_end);
        Instant::now() >= ends
    }

    async fn transaction(&self, entries: impl Iterator<Item = &Entry>) -> Result<(), Fault> {
        let work = async {
            let mut transaction = self.store.writer().begin().await?;
            for entry in entries {
                write(&mut transaction, self.store.node(), entry).await?;
            }
            transaction.commit().await?;
            Ok(())
        };
        // A server that hangs with the connection up is away as well (reliability.md F7).
        timeout(DEADLINE, work).await.unwrap_or(Err(Fault::Late))
    }
}

async fn write(conn: &mut AnyConnection, node: &str, entry: &Entry) -> Result<(), Fault> {
    match entry {
        Entry::CallOpened { call, at } => history::open(conn, node, call, *at).await?,
        Entry::CallEnded(row) => finish_call(conn, row).await?,
        Entry::RecordingOpened(facts) => catalog::open(conn, facts).await?,
        Entry::RecordingEnded { id, ended, consent } => {
            match catalog::end(conn, *id, *ended, *consent).await {
                // Sealed already, by recovery.
                Err(StoreError::WrongState { .. }) => {}
                other => other?,
            }
        }
        Entry::RecordingSaved { id, sealed, verdict } => catalog::saved(conn, *id, sealed, verdict).await?,
        Entry::RecordingPartial { id, reason } => catalog::partial(conn, *id, reason).await?,
        Entry::RecordingAbsent { id, why } => catalog::absent(conn, *id, why).await?,
        Entry::Banned(ban) => bans::note(conn, node, ban).await?,
        Entry::Unbanned(source) => bans::forget(conn, node, *source).await?,
    }
    Ok(())
}

/// Everything that ends with a call; the caller holds the transaction.
pub async fn finish_call(conn: &mut AnyConnection, row: &CallRow) -> Result<(), Fault> {
    let lasted = Duration::from_millis(row.lasted_ms.unsigned_abs());
    let ended = row.started.checked_add(lasted).unwrap_or(row.started);
    // A replay finds everything written, the recording sealed perhaps: nothing is to be done twice.
    if !history::write(conn, row, ended).await? {
        return Ok(());
    }
    let Some(recording) = row.recording else { return Ok(()) };
    let consent = row.consent.parse().unwrap_or(Consent::None);
    match catalog::end(conn, recording, ended, consent).await {
        // The row is missing when its beginning could not be written, and sealed when recovery was faster;
        // the call's own row must not be lost for it.
        Err(fault @ (StoreError::NoSuch(_) | StoreError::WrongState { .. })) => {
            warn!(%fault, call = %row.id, "the end of a recording was not noted");
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Why something was not written.
#[derive(Debug, Error)]
pub enum Fault {
    /// Calls.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Recordings.
    #[error(transparent)]
    Recordings(#[from] StoreError),
    /// The transaction itself.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// No answer in time.
    #[error("the database did not answer within {} s", DEADLINE.as_secs())]
    Late,
}

impl Fault {
    /// Whether the same entry may succeed later: the database is away or busy, the entry is not at fault.
    fn passes(&self) -> bool {
        match self {
            Self::Late => true,
            Self::Database(fault)
            | Self::History(HistoryError::Database(fault))
            | Self::Recordings(StoreError::Sql(fault)) => is_away(fault),
            Self::History(_) | Self::Recordings(_) => false,
        }
    }
}

/// Whether an error speaks of the database's state and not of what was asked of it.
pub(crate) fn is_away(fault: &sqlx::Error) -> bool {
    match fault {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(fault) => {
            // SQLite: busy, locked, I/O error, full, cannot open, with extended codes in the upper bytes.
            // PostgreSQL: connection lost, no resources, cancelled by timeout, shutting down, rolled back.
            fault.code().is_some_and(|code| match code.parse::<u32>() {
                Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 10 | 13 | 14),
                _ => ["08", "53", "57", "40", "55"].iter().any(|class| code.starts_with(class)),
            })
        }
        _ => false,
    }
}

/// What the log calls an entry: never a number.
fn name(entry: &Entry) -> String {
    match entry {
        Entry::CallOpened { call, .. } => format!("call {} opened", call.id),
        Entry::CallEnded(row) => format!("call {} ended", row.id),
        Entry::RecordingOpened(facts) => format!("recording {} opened", facts.recording),
        Entry::RecordingEnded { id, .. } => format!("recording {id} ended"),
        Entry::RecordingSaved { id, .. } => format!("recording {id} saved"),
        Entry::RecordingPartial { id, .. } => format!("recording {id} partial"),
        Entry::RecordingAbsent { id, .. } => format!("recording {id} absent"),
        Entry::Banned(ban) => format!("{} banned", ban.source),
        Entry::Unbanned(source) => format!("{source} no longer banned"),
    }
}

/// Entries of some thousand calls: an hour of a busy node without its database, about 20 MB.
const LONGEST: usize = 10_000;
/// Operations per commit (reliability.md 5, row 13).
const BATCH: usize = 64;
/// A server that takes longer for 64 rows is away; SQLite's own limit is shorter.
const DEADLINE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Catch-up begins at the latest this long after the database is back (reliability.md F7: 5 s).
const MOST_WAIT: Duration = Duration::from_secs(5);
/// A stop does not hang for a database that stays away.
const END_WAIT: Duration = Duration::from_secs(15);
