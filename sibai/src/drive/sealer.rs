//! What becomes of a spool when its call is over: sealed, entered as saved, its retention decided.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use base::{Name, RecordingId, Timestamp};
use recordings::retention::{Policy, Subject};
use recordings::seal::{SealError, Sealed, seal};
use recordings::spool::SpoolWriter;
use recordings::{Consent, Facts};

use crate::metrics::Metrics;
use crate::store::{Entry, Journal};

/// Seals; cheap to clone, one task per recording.
#[derive(Clone, Debug)]
pub struct Sealer {
    /// Where spools and files are.
    pub folder: PathBuf,
    /// The way into the catalog.
    pub journal: Journal,
    /// Retention by line.
    pub policies: Arc<BTreeMap<Name, Policy>>,
    /// Gauges and counters.
    pub metrics: Arc<Metrics>,
}

impl Sealer {
    /// Writes the first row; `false` when the database would not have it.
    pub async fn enter(&self, facts: &Facts) -> bool {
        self.journal.note_and_tell(Entry::RecordingOpened(Box::new(facts.clone()))).await.is_ok()
    }

    /// Ends a spool and makes the file of it.
    pub async fn seal(
        self,
        facts: Facts,
        writer: SpoolWriter,
        at_us: u64,
        wall: Timestamp,
        consent: Consent,
    ) {
        let (folder, recording) = (self.folder.clone(), facts.recording);
        let broken = writer.broken().is_some();
        let sealed = tokio::task::spawn_blocking(move || {
            if let Err(error) = writer.end(at_us, wall) {
                tracing::error!(%recording, %error, "the spool's end");
            }
            seal(&folder, recording)
        })
        .await;
        match sealed {
            Ok(Ok(sealed)) => {
                self.metrics.recordings_bytes.add(sealed.bytes);
                self.keep(&facts, sealed, wall, consent, broken).await;
            }
            Ok(Err(SealError::NoAudio)) => self.lost(facts, "no_audio", wall, consent).await,
            Ok(Err(error)) => {
                // The spool stays; the next start tries again.
                tracing::error!(%recording, %error, "not sealed");
                self.metrics.recordings_failed.add(1);
            }
            Err(error) => tracing::error!(%recording, %error, "sealing panicked; the spool stays"),
        }
    }

    /// Enters that there is nothing to hear, and why.
    pub async fn lost(self, facts: Facts, why: &'static str, wall: Timestamp, consent: Consent) {
        self.metrics.recordings_failed.add(1);
        let id = facts.recording;
        self.journal.note(Entry::RecordingEnded { id, ended: wall, consent });
        let written = self.journal.note_and_tell(Entry::RecordingAbsent { id, why: why.to_owned() }).await;
        if written.is_ok() {
            self.drop_spool(id);
        }
    }

    async fn keep(&self, facts: &Facts, sealed: Sealed, wall: Timestamp, consent: Consent, broken: bool) {
        let id = facts.recording;
        let Some(policy) = self.policies.get(&facts.line) else {
            tracing::error!(recording = %id, line = %facts.line, "no policy; the spool stays");
            return;
        };
        let subject = Subject::of(facts, consent, wall).with_segments(&sealed.segments);
        let verdict = policy.verdict(&subject);
        self.journal.note(Entry::RecordingEnded { id, ended: wall, consent });
        if broken {
            self.journal.note(Entry::RecordingPartial { id, reason: "disk_error".to_owned() });
        }
        let saved = Entry::RecordingSaved { id, sealed: Box::new(sealed), verdict };
        // Only once the row says so is the spool not needed any more; else recovery begins from it.
        if self.journal.note_and_tell(saved).await.is_ok() {
            self.drop_spool(id);
        }
    }

    fn drop_spool(&self, recording: RecordingId) {
        if let Err(error) = recordings::spool::remove(&self.folder, recording) {
            tracing::warn!(%recording, %error, "the spool could not be removed");
        }
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
