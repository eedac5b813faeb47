//! What becomes of a spool when its call is over: sealed, entered as saved, its retention decided.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::{Name, RecordingId, Timestamp};
use recordings::catalog::{self, StoreError};
use recordings::retention::{Policy, Subject};
use recordings::seal::{SealError, Sealed, seal};
use recordings::spool::SpoolWriter;
use recordings::{Consent, Facts};

use crate::metrics::Metrics;
use crate::store::Store;

/// Seals; cheap to clone, one task per recording.
#[derive(Clone, Debug)]
pub struct Sealer {
    /// Where spools and files are.
    pub folder: PathBuf,
    /// The catalog.
    pub store: Store,
    /// Retention by line.
    pub policies: Arc<BTreeMap<Name, Policy>>,
    /// Gauges and counters.
    pub metrics: Arc<Metrics>,
}

impl Sealer {
    /// Writes the first row; `false` when the database would not have it.
    pub async fn enter(&self, facts: &Facts) -> bool {
        let entered = async {
            let mut conn = self.store.pool().acquire().await.map_err(StoreError::from)?;
            catalog::open(&mut conn, facts).await
        };
        match entered.await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(recording = %facts.recording, %error, "catalog");
                false
            }
        }
    }

    /// Ends a spool and makes the file of it.
    pub async fn seal(self, facts: Facts, writer: SpoolWriter, at_us: u64, wall: Timestamp, consent: Consent) {
        let (folder, recording) = (self.folder.clone(), facts.recording);
        let broken = writer.broken().map(|kind| kind.to_string());
        let sealed = tokio::task::spawn_blocking(move || {
            if let Err(error) = writer.end(at_us, wall) {
                tracing::error!(%recording, %error, "the spool's end");
            }
            seal(&folder, recording)
        })
        .await;
        match sealed {
            Ok(Ok(sealed)) => {
                self.metrics.recordings_bytes.fetch_add(sealed.bytes, Ordering::Relaxed);
                self.keep(&facts, &sealed, wall, consent, broken.as_deref()).await;
            }
            Ok(Err(SealError::NoAudio)) => self.lost(facts, "no_audio", wall, consent).await,
            Ok(Err(error)) => {
                // The spool stays; the next start tries again.
                tracing::error!(%recording, %error, "not sealed");
                self.metrics.recordings_failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%recording, %error, "sealing panicked; the spool stays"),
        }
    }

    /// Enters that there is nothing to hear, and why.
    pub async fn lost(self, facts: Facts, why: &'static str, wall: Timestamp, consent: Consent) {
        self.metrics.recordings_failed.fetch_add(1, Ordering::Relaxed);
        let recording = facts.recording;
        self.insist(recording, || async {
            let mut conn = self.store.pool().begin().await?;
            catalog::open(&mut conn, &facts).await?;
            tolerate(catalog::end(&mut conn, recording, wall, consent).await)?;
            tolerate(catalog::absent(&mut conn, recording, why).await)?;
            Ok(conn.commit().await?)
        })
        .await;
        let _ = recordings::spool::remove(&self.folder, recording);
    }

    async fn keep(
        &self,
        facts: &Facts,
        sealed: &Sealed,
        wall: Timestamp,
        consent: Consent,
        broken: Option<&str>,
    ) {
        let recording = facts.recording;
        let Some(policy) = self.policies.get(&facts.line) else {
            tracing::error!(%recording, line = %facts.line, "no policy; the spool stays");
            return;
        };
        let verdict = policy.verdict(&Subject::of(facts, consent, wall));
        let written = self
            .insist(recording, || async {
                let mut conn = self.store.pool().begin().await?;
                catalog::open(&mut conn, facts).await?;
                tolerate(catalog::end(&mut conn, recording, wall, consent).await)?;
                if broken.is_some() {
                    catalog::partial(&mut conn, recording, "disk_error").await?;
                }
                catalog::saved(&mut conn, recording, sealed, &verdict).await?;
                Ok(conn.commit().await?)
            })
            .await;
        // Only now is the spool not needed any more.
        if written && let Err(error) = recordings::spool::remove(&self.folder, recording) {
            tracing::warn!(%recording, %error, "the spool could not be removed");
        }
    }

    /// A database that is locked or away is asked again; what stays unwritten, recovery writes.
    async fn insist<F, D>(&self, recording: RecordingId, deed: D) -> bool
    where
        D: Fn() -> F,
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut pause = FIRST_PAUSE;
        for _ in 0..MOST_TRIES {
            match deed().await {
                Ok(()) => return true,
                Err(StoreError::Sql(error)) => {
                    tracing::warn!(%recording, %error, "the catalog is asked again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => {
                    tracing::error!(%recording, %error, "catalog");
                    return false;
                }
            }
        }
        false
    }
}

/// The call's own transaction may have noted the end already, or the row may be further on.
fn tolerate(done: Result<(), StoreError>) -> Result<(), StoreError> {
    match done {
        Err(StoreError::WrongState { .. }) => Ok(()),
        other => other,
    }
}

/// The brain's word for consent in the catalog's.
pub fn catalog_consent(consent: pbx::Consent) -> Consent {
    match consent {
        pbx::Consent::None => Consent::None,
        pbx::Consent::NoticeGiven => Consent::NoticeGiven,
        pbx::Consent::Explicit => Consent::Explicit,
        pbx::Consent::Refused => Consent::Refused,
        pbx::Consent::Withdrawn => Consent::Withdrawn,
    }
}

/// A line's retention in the catalog's words.
pub fn policy(line: &ivr::line::Line) -> Policy {
    let rules = line.retention.rules.iter().map(|rule| recordings::retention::Rule {
        name: rule.name.clone(),
        when: recordings::retention::When {
            queue: rule.queue.clone(),
            consent: rule.consent.as_ref().and_then(|word| word.parse().ok()),
            ..Default::default()
        },
        keep: rule.keep,
    });
    Policy {
        keep: line.retention.keep,
        longest_without_consent: line.retention.longest_without_consent,
        rules: rules.collect(),
        zone: line.timezone.as_str().to_owned(),
    }
}

/// Tries before the spool is left to the next start: about ten minutes in all.
const MOST_TRIES: usize = 25;

/// Between the first two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Between the later ones.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
