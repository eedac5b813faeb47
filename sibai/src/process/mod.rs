//! The whole process: everything bound, opened, recovered and started in this order, and stopped in the
//! opposite one.

mod banner;
mod directory;
mod files;
mod news;
mod places;
mod tasks;
mod threads;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base::{Cause, Entropy, Machine, Name};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use media::Prompts;
use pbx::Plan;
use sip::admission::Admission;
use sip::seam::{Directory, Listener, User};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use self::directory::directory;
use self::places::Seeker;
use crate::config::{Engine, Loaded};
use crate::drive::clock::Clock;
use crate::drive::control::{self, Control, News};
use crate::drive::dtls::Identity;
use crate::drive::load::Load;
use crate::drive::net::{Bound, Receivers};
use crate::drive::ports::PortPool;
use crate::drive::recorder::{self, Recorder};
use crate::drive::sealer::{Sealer, policy};
use crate::drive::tape;
use crate::drive::tls::Tls;
use crate::drive::worker::{self, Worker};
use crate::metrics::Metrics;
use crate::node::{self, Node, Setup};
use crate::store::journal::Patience;
use crate::store::{Extension, Journal, NewSecrets, Progress, Store};

/// How a process differs from what its configuration says.
#[derive(Debug)]
pub struct Options {
    /// Database and recordings.
    pub data: PathBuf,
    /// Where the wall clock begins, in the first line's time zone.
    pub at: Option<DateTime>,
    /// Listen on free ports of the configured addresses, as the demo and tests do.
    pub free_ports: bool,
}

/// A running Sibai.
pub struct Process {
    engine: Engine,
    plan: Arc<Plan>,
    clock: Clock,
    runtime: Option<Runtime>,
    control: control::Sender,
    control_thread: Option<JoinHandle<()>>,
    recorder_thread: Option<JoinHandle<()>>,
    receivers: Option<Receivers>,
    journal_done: Option<tokio::task::JoinHandle<Progress>>,
    store: Store,
    listeners: Vec<Listener>,
    api: SocketAddr,
    tls: Arc<Tls>,
    secrets: NewSecrets,
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
    stop_api: watch::Sender<bool>,
    news: Option<Receiver<News>>,
    /// Kept so that no second process works in the same data folder.
    _lock: std::fs::File,
}

impl Process {
    /// Starts everything, or says in one sentence what stands in the way; then nothing is left behind.
    pub fn start(loaded: &Loaded, options: &Options) -> anyhow::Result<Self> {
        let (engine, plan, prompts) = ready_made(loaded)?;
        files::allow_all(engine.limits.max_calls);
        let clock = clock(&engine, &plan, options.at)?;
        let tls = Tls::load(&engine, &loaded.folder).map_err(|why| anyhow::anyhow!("TLS: {why}"))?;
        let bound = bind(&engine, options.free_ports)?;
        let api = bind_api(&engine, options.free_ports)?;
        let lock = lock(&options.data)?;
        let folder = options.data.join(&engine.recordings.folder);
        private_folder(&folder)
            .with_context(|| format!("the recordings folder {} cannot be made", folder.display()))?;
        let runtime = runtime()?;
        let policies: Arc<BTreeMap<_, _>> =
            Arc::new(plan.lines.iter().map(|(id, line)| (id.clone(), policy(line))).collect());
        let (store, secrets) = runtime.block_on(async {
            let store = Store::open(&engine.database.url, &options.data).await?;
            let secrets = store.provision(&Extension::all(&plan.extensions), clock.wall()).await?;
            tasks::recover(&store, &folder, &policies, clock.now()).await?;
            anyhow::Ok((store, secrets))
        })?;
        let parts = Parts {
            engine,
            plan,
            prompts,
            clock,
            tls: Arc::new(tls),
            bound,
            api,
            folder,
            policies,
            store,
            secrets,
            lock,
            runtime,
        };
        parts.assemble()
    }

    /// SIP addresses, in the order of the configuration.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The API's address.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// What was made at this start and can be told only now.
    pub fn secrets(&self) -> &NewSecrets {
        &self.secrets
    }

    /// What happens, for whoever wants to show it; only once.
    pub fn news(&mut self) -> Option<Receiver<News>> {
        self.news.take()
    }

    /// Where recordings are, below the data folder unless it is absolute.
    pub fn recordings_folder(&self) -> &str {
        &self.engine.recordings.folder
    }

    /// Both clocks.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What a person needs to know at the start.
    pub fn banner(&self) -> String {
        banner::text(self)
    }

    /// Waits for SIGTERM or SIGINT; takes up new certificates on SIGHUP meanwhile.
    pub fn wait_for_signal(&self) {
        use tokio::signal::unix::{SignalKind, signal};
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            let waits = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
            let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = waits else { return };
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = hangup.recv() => tasks::reload_certificates(&self.tls).await,
                }
            }
        });
    }

    /// Takes no new calls, lets live ones end within `limit`, ends the rest, seals, and stops.
    pub fn drain(mut self, limit: Duration) -> anyhow::Result<()> {
        tracing::info!(limit = limit.as_secs(), "draining: no new calls");
        self.ready.store(false, Ordering::Relaxed);
        self.control.send(control::Input::Node(node::Input::Drain));
        if !self.idle_within(limit) {
            tracing::warn!("calls are still up; they are ended");
            self.control.send(control::Input::Node(node::Input::EndAll(Cause::EngineStopped)));
            self.idle_within(LAST_WORDS);
        }
        // The carriers hear that we leave; one that does not answer is not waited for long.
        let end = Instant::now() + LAST_WORDS;
        while self.metrics.trunks_registered.now() > 0 && Instant::now() < end {
            std::thread::sleep(LOOK);
        }
        self.stop()
    }

    fn idle_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.metrics.calls_active.now() > 0 {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.control.send(control::Input::Stop);
        for thread in [self.control_thread.take(), self.recorder_thread.take()].into_iter().flatten() {
            if thread.join().is_err() {
                bail!("a thread panicked; see the log");
            }
        }
        if let Some(receivers) = self.receivers.take() {
            receivers.stop();
        }
        let _ = self.stop_api.send(true);
        let (Some(runtime), Some(journal)) = (self.runtime.take(), self.journal_done.take()) else {
            return Ok(());
        };
        let done = runtime.block_on(async {
            let done = tokio::time::timeout(JOURNAL_WITHIN, journal).await;
            self.store.close().await;
            done
        });
        runtime.shutdown_timeout(LAST_WORDS);
        match done {
            Ok(Ok(progress)) if progress.refused == 0 => Ok(()),
            Ok(Ok(progress)) => bail!("{} entries were not written; see the log", progress.refused),
            _ => bail!("the journal was not written to its end; the next start recovers what it can"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.control_thread.is_some() {
            let _ = self.stop();
        }
    }
}

/// The recorder's end of each worker's tape, and where it tells how full that is.
type Tapes = Vec<(tape::Reader, Arc<Load>)>;

/// Everything that can be refused has been done; what is left is to start the threads.
struct Parts {
    engine: Engine,
    plan: Arc<Plan>,
    prompts: Arc<Prompts>,
    clock: Clock,
    tls: Arc<Tls>,
    bound: Bound,
    api: std::net::TcpListener,
    folder: PathBuf,
    policies: Arc<BTreeMap<Name, recordings::retention::Policy>>,
    store: Store,
    secrets: NewSecrets,
    lock: std::fs::File,
    runtime: Runtime,
}

impl Parts {
    fn assemble(self) -> anyhow::Result<Process> {
        let metrics = Arc::new(Metrics::default());
        let mut entropy = Entropy::from_seed(seed()?);
        let (journal, journal_done) = {
            let _guard = self.runtime.enter();
            Journal::start(self.store.clone(), Patience::default())
        };
        let gauges = Arc::clone(&metrics);
        self.runtime.spawn(journal.watch(move |waiting| gauges.store_waiting.set(waiting as i64)));
        let (admission, identity) = (self.admission(entropy.fork()), Arc::new(Identity::generate()?));
        let (control, control_inbox) = control::channel(self.clock, admission, Arc::clone(&metrics));
        let (workers, tapes) = self.workers(&control, &metrics, &identity, entropy.fork())?;
        let (recorder, recorder_thread) = self.recorder(tapes, &journal, &metrics)?;
        let listeners = self.bound.addresses.clone();
        let (seeker, users) = (self.seek(&mut entropy), self.users()?);
        let directory = directory(&self.engine, &listeners, Arc::clone(&users), &seeker.places());
        let node = self.node(&control, directory, workers.len(), &identity, entropy)?;
        let (net, receivers) = self
            .bound
            .start(&control, self.runtime.handle(), &metrics, &self.tls, self.engine.sip.ws_origins.clone())
            .context("listeners")?;
        let (tell, news) = channel();
        let thread = Control {
            node,
            clock: self.clock,
            net,
            workers,
            recorder,
            doorkeeper: control.clone(),
            news: news::desk(journal, tell, Arc::clone(&metrics), self.clock),
            metrics: Arc::clone(&metrics),
        };
        let control_thread = spawn("control", move || thread.run(&control_inbox))?;
        let ready = Arc::new(AtomicBool::new(true));
        let (stop_api, stopping) = watch::channel(false);
        let api = self.api.local_addr()?;
        let background = tasks::Background {
            store: self.store.clone(),
            folder: self.folder,
            clock: self.clock,
            metrics: Arc::clone(&metrics),
            ready: Arc::clone(&ready),
            engine: self.engine.clone(),
            listeners: listeners.clone(),
            plan: Arc::clone(&self.plan),
            control: control.clone(),
            tls: Arc::clone(&self.tls),
            users,
        };
        background.start(&self.runtime, seeker, self.api, stopping)?;
        Ok(Process {
            engine: self.engine,
            plan: self.plan,
            clock: self.clock,
            runtime: Some(self.runtime),
            control,
            control_thread: Some(control_thread),
            recorder_thread: Some(recorder_thread),
            receivers: Some(receivers),
            journal_done: Some(journal_done),
            store: self.store,
            listeners,
            api,
            tls: self.tls,
            secrets: self.secrets,
            metrics,
            ready,
            stop_api,
            news: Some(news),
            _lock: self.lock,
        })
    }

    /// The media workers, and the recorder's end of each one's tape.
    fn workers(
        &self,
        control: &control::Sender,
        metrics: &Arc<Metrics>,
        identity: &Arc<Identity>,
        mut entropy: Entropy,
    ) -> anyhow::Result<(Vec<Worker>, Tapes)> {
        let rtp = &self.engine.rtp;
        let count = rtp.workers.map_or_else(|| threads::workers(threads::cores()), usize::from);
        threads::claim(rtp.web_port, count)?;
        let (first, last) = rtp.ports;
        let ports = Arc::new(Mutex::new(PortPool::new(first, last, entropy.fork())));
        let mut tapes = Vec::with_capacity(count);
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let (tap, reader) = tape::tape(threads::tape(self.plan.limits.max_calls, count));
            let load = metrics.worker();
            tapes.push((reader, Arc::clone(&load)));
            workers.push(
                Worker::start(worker::Setup {
                    number,
                    clock: self.clock,
                    ports: Arc::clone(&ports),
                    web_port: rtp.web_port.map(|first| first + number as u16),
                    realtime: rtp.realtime,
                    prompts: Arc::clone(&self.prompts),
                    identity: Arc::clone(identity),
                    control: control.clone(),
                    tap,
                    load,
                    metrics: Arc::clone(metrics),
                })
                .context("media workers")?,
            );
        }
        Ok((workers, tapes))
    }

    fn recorder(
        &self,
        tapes: Tapes,
        journal: &Journal,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<(recorder::Sender, JoinHandle<()>)> {
        let (sender, inbox) = recorder::channel();
        let recorder = Recorder::new(recorder::Setup {
            clock: self.clock,
            keep_free: self.engine.recordings.keep_free,
            tapes,
            myself: sender.clone(),
            sealer: Sealer {
                folder: self.folder.clone(),
                journal: journal.clone(),
                policies: Arc::clone(&self.policies),
                metrics: Arc::clone(metrics),
            },
            runtime: self.runtime.handle().clone(),
        });
        let thread = spawn("recorder", move || recorder.run(&inbox))?;
        Ok((sender, thread))
    }

    fn admission(&self, entropy: Entropy) -> Admission {
        Admission::new(self.clock.mono(), self.engine.sip.limits, entropy)
    }

    /// Asks where the trunks are.
    fn seek(&self, entropy: &mut Entropy) -> Seeker {
        let mut seeker = Seeker::new(&self.engine, entropy, Instant::now());
        self.runtime.block_on(seeker.begin());
        places::log(&self.engine, &Vec::new(), &seeker.places());
        seeker
    }

    fn users(&self) -> anyhow::Result<Arc<HashMap<Name, User>>> {
        let users = self.runtime.block_on(self.store.users(&Extension::all(&self.plan.extensions)))?;
        Ok(Arc::new(users))
    }

    fn node(
        &self,
        control: &control::Sender,
        directory: Directory,
        workers: usize,
        identity: &Identity,
        entropy: Entropy,
    ) -> anyhow::Result<Node> {
        control.teach(|admission| admission.set_trunks(control::trunks(&directory)));
        let bans = self.runtime.block_on(self.store.bans())?;
        let mut node = Node::new(Setup {
            directory,
            limits: sip::seam::Limits::default(),
            plan: Arc::clone(&self.plan),
            terms: node::MediaTerms {
                codecs: self.engine.rtp.codecs.clone(),
                seats: self.engine.rtp.srtp,
                users: BTreeMap::new(),
                trunks: self.engine.trunks.iter().map(|trunk| (trunk.name.clone(), trunk.srtp)).collect(),
                certificate: Some(identity.fingerprint()),
            },
            workers,
            entropy,
        });
        let restore = sip::seam::Input::Command(sip::seam::Command::Ban(bans));
        node.handle(self.clock.now(), node::Input::Sip(restore));
        Ok(node)
    }
}

fn ready_made(loaded: &Loaded) -> anyhow::Result<(Engine, Arc<Plan>, Arc<Prompts>)> {
    let (Some(engine), Some(plan)) = (loaded.engine.clone(), loaded.plan.clone()) else {
        bail!("the configuration has faults:\n{}", crate::config::report(loaded));
    };
    match prompts(loaded) {
        Ok(prompts) => Ok((engine, plan, Arc::new(prompts))),
        Err(unplayable) => bail!("{}", unplayable.join("\n")),
    }
}

/// Every prompt, decoded and levelled; or all that cannot be played, one sentence each.
pub(crate) fn prompts(loaded: &Loaded) -> Result<Prompts, Vec<String>> {
    let (mut prompts, mut unplayable) = (Prompts::default(), Vec::new());
    for file in &loaded.prompt_files {
        let extension = file.path.rsplit('.').next().unwrap_or_default();
        let loaded = loaded
            .read(&file.path)
            .map_err(|error| format!("the prompt {} cannot be read: {error}", file.path))
            .and_then(|bytes| {
                media::prompts::load(&bytes, Some(extension))
                    .map_err(|error| format!("the prompt {} cannot be played: {error}", file.path))
            });
        match loaded {
            Ok(prompt) => prompts.insert(file.line.clone(), file.prompt.clone(), prompt),
            Err(sentence) => unplayable.push(sentence),
        }
    }
    for line in loaded.plan.iter().flat_map(|plan| plan.lines.values()) {
        prompts.insert_country(line.country);
    }
    if unplayable.is_empty() { Ok(prompts) } else { Err(unplayable) }
}

/// `--at` is refused where a carrier could be: hours and retention of real calls follow the real clock.
fn clock(engine: &Engine, plan: &Plan, at: Option<DateTime>) -> anyhow::Result<Clock> {
    let Some(at) = at else { return Ok(Clock::system()) };
    if !engine.all_trunks_on_loopback() {
        bail!("--at is for trying out: a trunk is not on loopback");
    }
    let zone = plan.lines.values().next().and_then(|line| TimeZone::get(&line.timezone).ok());
    let wall = at.to_zoned(zone.unwrap_or(TimeZone::UTC)).context("--at")?.timestamp();
    tracing::warn!(%wall, "the wall clock is shifted by --at");
    Ok(Clock::starting_at(wall))
}

fn bind(engine: &Engine, free_ports: bool) -> anyhow::Result<Bound> {
    let wanted: Vec<Listener> = engine
        .sip
        .listen
        .iter()
        .map(|listener| {
            let mut address = listener.address;
            if free_ports {
                address.set_port(0);
            }
            Listener { transport: listener.transport, address }
        })
        .collect();
    Bound::bind(&wanted).map_err(|(listener, error)| {
        let transport = listener.transport.as_str();
        anyhow::anyhow!("cannot listen for SIP on {transport}://{}: {error}", listener.address)
    })
}

fn bind_api(engine: &Engine, free_ports: bool) -> anyhow::Result<std::net::TcpListener> {
    let mut address = engine.api.listen;
    if free_ports {
        address.set_port(0);
    }
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("cannot listen for the API on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Two processes in one data folder would finish each other's recordings.
fn lock(data: &std::path::Path) -> anyhow::Result<std::fs::File> {
    private_folder(data).with_context(|| format!("the data folder {} cannot be made", data.display()))?;
    let path = data.join("lock");
    let file =
        std::fs::File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!("another sibai works in the data folder {}", data.display()),
    }
}

/// Voices and numbers are personal data: nobody else on the machine reads them.
fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("runtime")
        .enable_all()
        .build()
        .context("runtime")
}

fn spawn(name: &str, live: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(live).with_context(|| format!("thread {name}"))
}

fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system has no entropy: {error}"))?;
    Ok(seed)
}

/// API, store and streams together need little; media and control have threads of their own.
const RUNTIME_THREADS: usize = 2;

/// After `EndAll`, for the BYEs and the last packets.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// For the last rows of the journal.
const JOURNAL_WITHIN: Duration = Duration::from_secs(20);

/// How often a drain looks whether all calls are over.
const LOOK: Duration = Duration::from_millis(20);
