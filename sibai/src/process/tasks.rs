//! What runs beside the calls: recovery at the start, then the API, the sweeper, fresh passwords and trunks that
//! move.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use base::{Name, Now, Period};
use pbx::Plan;
use recordings::retention::Policy;
use sip::seam::{Listener, User};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::directory::directory;
use super::places::{Places, Seeker};
use crate::api::{self, ApiState};
use crate::config::Engine;
use crate::drive::clock::Clock;
use crate::drive::control;
use crate::drive::tls::Tls;
use crate::metrics::Metrics;
use crate::node;
use crate::store::{Extension, Store};

/// Finishes what an earlier process left: recordings are sealed, calls that were up get their record.
pub(super) async fn recover(
    store: &Store,
    folder: &Path,
    policies: &BTreeMap<Name, Policy>,
    now: Now,
) -> anyhow::Result<()> {
    let lost = store.close_lost(now.wall).await.context("calls of an earlier run could not be closed")?;
    for call in &lost {
        tracing::warn!(call = %call.id, "was up when the process died; its record says so");
    }
    let policy_of = |line: &Name| policies.get(line).cloned().unwrap_or_else(gone_line);
    let recovered = recordings::recovery::recover(store.writer(), folder, policy_of)
        .await
        .context("recordings of an earlier run could not be recovered")?;
    for recording in &recovered {
        tracing::warn!(recording = %recording.recording, call = %recording.call, "an interrupted recording was finished");
    }
    Ok(())
}

/// What the tasks need.
pub(super) struct Background {
    pub store: Store,
    pub folder: PathBuf,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub ready: Arc<AtomicBool>,
    pub engine: Engine,
    pub listeners: Vec<Listener>,
    pub plan: Arc<Plan>,
    pub control: control::Sender,
    pub tls: Arc<Tls>,
    /// As of the start; passwords change.
    pub users: Arc<HashMap<Name, User>>,
}

impl Background {
    /// Starts them; they end with the runtime.
    pub(super) fn start(
        self,
        runtime: &Runtime,
        seeker: Seeker,
        api: std::net::TcpListener,
        mut stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let _guard = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(api).context("API")?;
        let router = api::router(ApiState {
            store: self.store.clone(),
            recordings: self.folder.clone(),
            metrics: Arc::clone(&self.metrics),
            ready: Arc::clone(&self.ready),
            clock_offset: self.clock.offset(),
            metrics_open: self.engine.api.listen.ip().is_loopback(),
        });
        let stopped = async move {
            // An error means that nobody can stop it any more: the process is gone.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        runtime.spawn(async move {
            if let Err(error) = api::serve(listener, router, stopped).await {
                tracing::error!(%error, "API");
            }
        });
        let (tell, places) = watch::channel(seeker.places());
        runtime.spawn(seeker.follow(tell));
        let this = Arc::new(self);
        runtime.spawn(Arc::clone(&this).sweep());
        runtime.spawn(Arc::clone(&this).tend());
        runtime.spawn(Arc::clone(&this).lift_bans());
        if this.tls.is_used() {
            runtime.spawn(watch_certificates(Arc::clone(&this.tls)));
        }
        runtime.spawn(this.refresh_directory(places));
        Ok(())
    }

    /// Says in the database that the calls are still up, so that a lost one has an end.
    async fn tend(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            if let Err(error) = self.store.tend(self.clock.wall()).await {
                tracing::warn!(%error, "the database cannot be tended");
            }
        }
    }

    /// Deletes what is due; a jump of the wall clock pauses it (reliability.md F14).
    async fn sweep(self: Arc<Self>) {
        let mut last = None;
        loop {
            let now = self.clock.now();
            match recordings::sweep::sweep(self.store.writer(), &self.folder, last, now, PER_SWEEP).await {
                Ok(report) => self.tell(&report),
                Err(error) => tracing::error!(%error, "sweeper"),
            }
            last = Some(now);
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    fn tell(&self, report: &recordings::sweep::Report) {
        self.metrics.recordings_deleted.add(report.deleted.len() as u64);
        for recording in &report.deleted {
            tracing::info!(%recording, "deleted: its time was over");
        }
        for recording in &report.missing {
            tracing::error!(%recording, "due for deletion, but its file was not there");
        }
        for (recording, why) in &report.failed {
            tracing::error!(%recording, why, "could not be deleted; tried again");
        }
    }

    /// `sibai ban lift` writes to the database; the endpoint learns of it here.
    async fn lift_bans(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_FOR_PASSWORDS).await;
            // A database that is away is said elsewhere.
            let Ok(lifted) = self.store.lifted_bans().await else { continue };
            for source in lifted {
                let command = sip::seam::Command::Lift(source);
                let input = control::Input::Node(node::Input::Sip(sip::seam::Input::Command(command)));
                let control = self.control.clone();
                let _ = tokio::task::spawn_blocking(move || control.send(input)).await;
            }
        }
    }

    /// `sibai seat password` writes to the database, DNS moves a trunk: the endpoint learns of it here.
    async fn refresh_directory(self: Arc<Self>, mut places: watch::Receiver<Places>) {
        let mut known = self.store.secrets_version().await.unwrap_or_default();
        let mut users = Arc::clone(&self.users);
        let mut before = places.borrow().clone();
        loop {
            let is_moved = tokio::time::timeout(LOOK_FOR_PASSWORDS, moved(&mut places)).await.is_ok();
            let new = self.new_users(&mut known).await;
            if !is_moved && new.is_none() {
                continue;
            }
            users = new.unwrap_or(users);
            let now = places.borrow_and_update().clone();
            let directory = directory(&self.engine, &self.listeners, Arc::clone(&users), &now);
            let control = self.control.clone();
            let input = control::Input::Node(node::Input::Directory(Box::new(directory)));
            let _ = tokio::task::spawn_blocking(move || control.send(input)).await;
            super::places::log(&self.engine, &before, &now);
            before = now;
        }
    }

    /// The users, if passwords have changed since the version that is known.
    async fn new_users(&self, known: &mut u64) -> Option<Arc<HashMap<Name, User>>> {
        let version = self.store.secrets_version().await.ok().filter(|version| *version != *known)?;
        match self.store.users(&Extension::all(&self.plan.extensions)).await {
            Ok(users) => {
                *known = version;
                tracing::info!("seat passwords were changed");
                Some(Arc::new(users))
            }
            Err(error) => {
                tracing::error!(%error, "seat passwords");
                None
            }
        }
    }
}

/// Ends when a place has changed; never, when all hosts are addresses.
async fn moved(places: &mut watch::Receiver<Places>) {
    if places.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Takes up certificates whose files have changed: whoever renews them need not tell us.
async fn watch_certificates(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(LOOK_FOR_CERTIFICATES).await;
        let looked = Arc::clone(&tls);
        if tokio::task::spawn_blocking(move || looked.has_changed()).await.unwrap_or(false) {
            // Certificate and key are two files: whoever writes them needs a moment between.
            tokio::time::sleep(BETWEEN_TWO_FILES).await;
            reload_certificates(&tls).await;
        }
    }
}

/// Takes up the certificates as they are now; with a fault among them all stay as they were. Connections that
/// are up go on with what they began with.
pub(super) async fn reload_certificates(tls: &Arc<Tls>) {
    let tls = Arc::clone(tls);
    match tokio::task::spawn_blocking(move || tls.reload()).await {
        Ok(Ok(())) => tracing::info!("certificates were loaded again"),
        Ok(Err(why)) => tracing::error!(why, "new certificates cannot be used; the old ones stay"),
        Err(error) => tracing::error!(%error, "certificates"),
    }
}

/// For recordings of a line that is no longer configured: the shipped defaults.
fn gone_line() -> Policy {
    Policy {
        keep: Period::Days(30),
        longest_without_consent: Period::Months(6),
        rules: Vec::new(),
        zone: "Asia/Shanghai".to_owned(),
    }
}

/// Deletion happens within a day of being due (line-language.md 5.7, rule 9); an hour is well within.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// The record of a call that is lost with the process is right to this long.
const TEND_EVERY: Duration = Duration::from_secs(5);

/// So many at a time, so that a wrong clock or policy is noticed before all is gone.
const PER_SWEEP: u32 = 500;

/// A stat of a few files costs nothing.
const LOOK_FOR_CERTIFICATES: Duration = Duration::from_secs(2);

const BETWEEN_TWO_FILES: Duration = Duration::from_millis(500);

/// "Takes it within seconds".
const LOOK_FOR_PASSWORDS: Duration = Duration::from_secs(2);
