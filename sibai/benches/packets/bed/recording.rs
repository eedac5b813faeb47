//! The real recorder at the end of the tape: spools in a folder that goes with the bench.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use base::{CallId, PhoneNumber};
use codecs::Coding;
use pbx::seam::Record;
use sibai::drive::recorder::{self, Input, Recorder};
use sibai::drive::sealer::Sealer;
use sibai::store::journal::Patience;
use sibai::store::{Journal, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Thread;
use super::ours::{self, Ours};

/// A recorder that runs.
pub struct Recording {
    sender: recorder::Sender,
    thread: Option<JoinHandle<()>>,
    folder: TempDir,
    _runtime: Runtime,
}

impl Recording {
    /// Begins a recording of every call.
    pub fn start(of: &mut Ours) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let journal = runtime.block_on(async {
            let store = Store::open("sqlite://bench.db", folder.path()).await.expect("a database");
            Journal::start(store, Patience::default()).0
        });
        let spools = folder.path().join("recordings");
        std::fs::create_dir(&spools).expect("a folder");
        let (sender, inbox) = recorder::channel();
        let recorder = Recorder::new(recorder::Setup {
            clock: of.clock,
            keep_free: 0,
            tapes: of.tape.take().into_iter().collect(),
            myself: sender.clone(),
            sealer: Sealer {
                folder: spools,
                journal,
                policies: Arc::new(BTreeMap::new()),
                metrics: Arc::clone(&of.metrics),
            },
            runtime: runtime.handle().clone(),
        });
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || recorder.run(&inbox));
        for n in 0..of.legs.len() / 2 {
            let record = Box::new(record(n));
            let (caller_codec, seat_codec) = (Coding::Pcma, Coding::Pcma);
            sender.send(Input::Begin { record, caller_codec, seat_codec, now: of.clock.now() });
        }
        Self { sender, thread: thread.ok(), folder, _runtime: runtime }
    }

    /// The thread of the one that runs.
    pub fn thread() -> Thread {
        Thread::named("recorder")
    }

    /// Bytes that it has written.
    pub fn bytes(&self) -> u64 {
        bytes_in(&self.folder.path().join("recordings"))
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_in(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.sender.send(Input::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn record(n: usize) -> Record {
    Record {
        recording: ours::recording(n),
        call: CallId::from_u128(1 + n as u128),
        caller_leg: ours::leg(2 * n),
        seat_leg: ours::leg(2 * n + 1),
        line: "bench".into(),
        number: PhoneNumber::normalise("400-555-0100").expect("a number"),
        caller: None,
        queue: None,
        seat: "seat".into(),
        consent: pbx::Consent::None,
    }
}
