//! The recorder: one thread that moves packets from the workers' tapes into spools. It never makes media
//! wait; what it cannot take is dropped, counted and marked on the recording.
//!
//! A recording's life here: `Entering` (its row is being written; packets wait in memory) → `Writing` (a
//! spool is open) → `Ending` (the last packets are on their way along the tape) → sealed by a task.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use base::{Mono, Name, Now, RecordingId};
use codecs::Coding;
use media::Tapped;
use recordings::spool::{PacketRecord, SpoolWriter};
use recordings::{Facts, Kind};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::load::Load;
use super::sealer::{Sealer, catalog_consent};
use super::tape;

/// What the control tells the recorder.
#[derive(Debug)]
pub enum Input {
    /// A recording begins; its packets follow on a tape.
    Begin {
        /// Who, where, by which queue.
        record: Box<pbx::seam::Record>,
        /// The caller's codec.
        caller_codec: Coding,
        /// The seat's codec.
        seat_codec: Coding,
        /// Sample 0.
        now: Now,
    },
    /// Its row is written, or could not be.
    Entered {
        /// Which.
        recording: RecordingId,
        /// It is in the catalog.
        written: bool,
    },
    /// A worker dropped packets because the tape was full.
    Gap {
        /// Which.
        recording: RecordingId,
        /// How many.
        packets: u32,
    },
    /// From now on another seat is heard, or nobody.
    Segment {
        /// Which.
        recording: RecordingId,
        /// The seat.
        seat: Option<Name>,
        /// When.
        now: Mono,
    },
    /// The recording is over.
    End {
        /// Which.
        recording: RecordingId,
        /// Consent at the end.
        consent: pbx::Consent,
        /// When.
        now: Now,
    },
    /// Seal what is open, then end the thread.
    Stop,
}

/// The way into the recorder.
#[derive(Clone, Debug)]
pub struct Sender(SyncSender<Input>);

impl Sender {
    /// Never waits: the recorder's inbox holds more than all calls together can ask for.
    pub fn send(&self, input: Input) {
        if self.0.try_send(input).is_err() {
            tracing::error!("the recorder takes no orders");
        }
    }
}

/// The channel into a recorder.
pub fn channel() -> (Sender, Receiver<Input>) {
    let (sender, inbox) = sync_channel(MOST_INPUTS);
    (Sender(sender), inbox)
}

/// What a recorder needs to begin.
pub struct Setup {
    /// Both clocks.
    pub clock: Clock,
    /// Percent of the disk below which nothing is recorded.
    pub keep_free: u8,
    /// From each worker, and where is told how full it is.
    pub tapes: Vec<(tape::Reader, Arc<Load>)>,
    /// The way into this very recorder, for its tasks.
    pub myself: Sender,
    /// What becomes of spools.
    pub sealer: Sealer,
    /// For its tasks.
    pub runtime: Handle,
}

/// The thread's own.
pub struct Recorder {
    clock: Clock,
    keep_free: u8,
    tapes: Vec<(tape::Reader, Arc<Load>)>,
    takes: HashMap<RecordingId, Take>,
    myself: Sender,
    sealer: Sealer,
    runtime: Handle,
    jobs: Vec<JoinHandle<()>>,
    flushed: Mono,
    synced: Mono,
    syncing: Option<JoinHandle<()>>,
    space: (Mono, bool),
}

/// One recording.
struct Take {
    facts: Facts,
    start: Mono,
    stage: Stage,
    ending: Option<Ending>,
}

enum Stage {
    /// Until its row is written, packets wait here.
    Entering { deadline: Mono, held: Vec<Tapped>, dropped: u32, seats: Vec<(Mono, Option<Name>)> },
    /// The spool is open.
    Writing(Box<SpoolWriter>),
    /// It cannot be kept; the word says why.
    Lost(&'static str),
}

struct Ending {
    at: Mono,
    now: Now,
    consent: pbx::Consent,
}

impl Recorder {
    /// A recorder over the workers' tapes.
    pub fn new(setup: Setup) -> Self {
        let Setup { clock, keep_free, tapes, myself, sealer, runtime } = setup;
        Self {
            clock,
            keep_free,
            tapes,
            takes: HashMap::new(),
            myself,
            sealer,
            runtime,
            jobs: Vec::new(),
            flushed: Mono::ZERO,
            synced: Mono::ZERO,
            syncing: None,
            space: (Mono::ZERO, true),
        }
    }

    /// Lives until `Input::Stop`; returns when everything is sealed.
    pub fn run(mut self, inbox: &Receiver<Input>) {
        loop {
            let stop = match inbox.recv_timeout(TURN) {
                Ok(input) => self.take(input) || self.take_rest(inbox),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => false,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => true,
            };
            self.turn(self.clock.now().mono, stop);
            if stop {
                break;
            }
        }
        let jobs = std::mem::take(&mut self.jobs);
        let all = async {
            for job in jobs {
                let _ = job.await;
            }
        };
        let within = self.runtime.block_on(async { tokio::time::timeout(SEAL_WITHIN, all).await });
        if within.is_err() {
            tracing::error!("not everything was sealed; the next start does the rest");
        }
    }

    fn take_rest(&mut self, inbox: &Receiver<Input>) -> bool {
        loop {
            match inbox.try_recv() {
                Ok(input) => {
                    if self.take(input) {
                        return true;
                    }
                }
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// `true` for `Stop`.
    fn take(&mut self, input: Input) -> bool {
        match input {
            Input::Begin { record, caller_codec, seat_codec, now } => {
                self.begin(facts(&record, caller_codec, seat_codec, now), now.mono);
            }
            Input::Entered { recording, written } => {
                if !written {
                    tracing::error!(%recording, "its row could not be written; recovery will add it");
                }
                self.open_spool(recording);
            }
            Input::Gap { recording, packets } => self.gap(recording, packets),
            Input::Segment { recording, seat, now } => {
                if let Some(take) = self.takes.get_mut(&recording) {
                    take.turn_to(seat, now);
                }
            }
            Input::End { recording, consent, now } => {
                if let Some(take) = self.takes.get_mut(&recording) {
                    take.ending = Some(Ending { at: now.mono + LAST_PACKETS, now, consent });
                }
            }
            Input::Stop => return true,
        }
        false
    }

    /// The row first; frames wait in memory until it is written, or until waiting has cost enough.
    fn begin(&mut self, facts: Facts, start: Mono) {
        let recording = facts.recording;
        let stage = if self.has_space(start) {
            Stage::Entering { deadline: start + ROW_WITHIN, held: Vec::new(), dropped: 0, seats: Vec::new() }
        } else {
            tracing::error!(%recording, "not recorded: the disk is nearly full");
            Stage::Lost("disk_full")
        };
        let (sealer, myself, row) = (self.sealer.clone(), self.myself.clone(), facts.clone());
        self.takes.insert(recording, Take { facts, start, stage, ending: None });
        self.jobs.push(self.runtime.spawn(async move {
            let written = sealer.enter(&row).await;
            myself.send(Input::Entered { recording, written });
        }));
    }

    fn has_space(&mut self, now: Mono) -> bool {
        let (looked, enough) = self.space;
        if looked != Mono::ZERO && now.since(looked) < LOOK_AT_DISK {
            return enough;
        }
        // A folder whose file system cannot be asked is not a full one; writing will tell.
        let enough = recordings::disk::enough_space(&self.sealer.folder, self.keep_free).unwrap_or(true);
        self.space = (now, enough);
        enough
    }

    fn open_spool(&mut self, recording: RecordingId) {
        let Some(take) = self.takes.get_mut(&recording) else { return };
        let Stage::Entering { held, dropped, seats, .. } = &mut take.stage else { return };
        let (held, dropped, seats) = (std::mem::take(held), *dropped, std::mem::take(seats));
        match SpoolWriter::create(&self.sealer.folder, &take.facts) {
            Ok(writer) => take.stage = Stage::Writing(Box::new(writer)),
            Err(error) => {
                tracing::error!(%recording, %error, "not recorded: no spool");
                self.sealer.metrics.recordings_failed.add(1);
                take.stage = Stage::Lost("disk_error");
            }
        }
        for packet in &held {
            take.append(packet);
        }
        for (at, seat) in seats {
            take.turn_to(seat, at);
        }
        if dropped > 0 {
            self.gap(recording, dropped);
        }
    }

    fn gap(&mut self, recording: RecordingId, packets: u32) {
        let at_us = self.clock.now().mono;
        let Some(take) = self.takes.get_mut(&recording) else { return };
        let at_us = micros(at_us.since(take.start));
        match &mut take.stage {
            Stage::Writing(writer) => {
                let _ = writer.mark_gap(at_us, packets);
            }
            Stage::Entering { dropped, .. } => *dropped += packets,
            Stage::Lost(_) => {}
        }
        tracing::warn!(%recording, packets, "the recorder was behind: packets dropped and marked");
    }

    /// What is done every turn: packets to spools, spools to the kernel, ended ones to their sealing.
    fn turn(&mut self, now: Mono, stop: bool) {
        for (tape, load) in &mut self.tapes {
            load.waiting(tape.waiting());
            while let Some(packet) = tape.take() {
                if let Some(take) = self.takes.get_mut(&packet.recording) {
                    take.append(&packet);
                }
            }
        }
        let late: Vec<RecordingId> = self.takes.values().filter(|t| t.is_late(now)).map(Take::id).collect();
        for recording in late {
            self.open_spool(recording);
        }
        if now.since(self.flushed) >= FLUSH_EVERY {
            self.flushed = now;
            for take in self.takes.values_mut() {
                take.flush();
            }
        }
        self.sync(now);
        let over = |take: &Take| stop || take.ending.as_ref().is_some_and(|ending| ending.at <= now);
        let done: Vec<RecordingId> = self.takes.values().filter(|take| over(take)).map(Take::id).collect();
        for recording in done {
            self.seal(recording);
        }
        self.jobs.retain(|job| !job.is_finished());
        self.sealer.metrics.recordings_active.set(self.takes.len() as i64);
    }

    /// Once a second everything goes to the disk, all spools with one call (reliability.md, fact 3). A disk
    /// that is slower than that is waited for by nobody: the next sync comes when this one is done.
    fn sync(&mut self, now: Mono) {
        let busy = self.syncing.as_ref().is_some_and(|job| !job.is_finished());
        if busy || self.takes.is_empty() || now.since(self.synced) < SYNC_EVERY {
            return;
        }
        self.synced = now;
        let folder = self.sealer.folder.clone();
        self.syncing = Some(self.runtime.spawn_blocking(move || {
            if let Err(error) = recordings::spool::sync_all(&folder) {
                tracing::error!(%error, "the recordings folder cannot be synced");
            }
        }));
    }

    fn seal(&mut self, recording: RecordingId) {
        self.open_spool(recording);
        let Some(take) = self.takes.remove(&recording) else { return };
        let ending = take.ending.unwrap_or_else(|| {
            let now = self.clock.now();
            Ending { at: now.mono, now, consent: pbx::Consent::None }
        });
        let at_us = micros(ending.now.mono.since(take.start));
        let consent = catalog_consent(ending.consent);
        let (sealer, facts, wall) = (self.sealer.clone(), take.facts, ending.now.wall);
        self.jobs.push(match take.stage {
            Stage::Writing(writer) => {
                self.runtime.spawn(async move { sealer.seal(facts, *writer, at_us, wall, consent).await })
            }
            Stage::Lost(why) => {
                self.runtime.spawn(async move { sealer.lost(facts, why, wall, consent).await })
            }
            Stage::Entering { .. } => return,
        });
    }
}

impl Take {
    const fn id(&self) -> RecordingId {
        self.facts.recording
    }

    fn is_late(&self, now: Mono) -> bool {
        matches!(self.stage, Stage::Entering { deadline, .. } if deadline <= now)
    }

    fn append(&mut self, packet: &Tapped) {
        match &mut self.stage {
            Stage::Entering { held, .. } if held.len() < MOST_HELD => held.push(*packet),
            Stage::Entering { dropped, .. } => *dropped += 1,
            Stage::Writing(writer) => {
                let record = PacketRecord {
                    side: match packet.side {
                        media::Side::Caller => recordings::Side::Caller,
                        media::Side::Seat => recordings::Side::Seat,
                    },
                    arrival_us: micros(packet.arrived.since(self.start)),
                    seq: packet.sequence,
                    rtp_ts: packet.timestamp,
                    ssrc: packet.ssrc,
                    coding: packet.coding,
                    payload: packet.bytes(),
                };
                if let Err(error) = writer.append(&record) {
                    tracing::error!(recording = %self.facts.recording, %error, "the spool broke");
                }
            }
            Stage::Lost(_) => {}
        }
    }

    fn turn_to(&mut self, seat: Option<Name>, at: Mono) {
        let at_us = micros(at.since(self.start));
        match &mut self.stage {
            Stage::Entering { seats, .. } if seats.len() < MOST_HELD => seats.push((at, seat)),
            Stage::Writing(writer) => {
                if let Err(error) = writer.mark_seat(at_us, seat.as_ref()) {
                    tracing::error!(recording = %self.facts.recording, %error, "the spool broke");
                }
            }
            Stage::Entering { .. } | Stage::Lost(_) => {}
        }
    }

    fn flush(&mut self) {
        if let Stage::Writing(writer) = &mut self.stage
            && let Err(error) = writer.flush()
        {
            tracing::error!(recording = %self.facts.recording, %error, "the spool broke");
        }
    }
}

fn facts(record: &pbx::seam::Record, caller_codec: Coding, seat_codec: Coding, now: Now) -> Facts {
    Facts {
        recording: record.recording,
        call: record.call,
        line: record.line.clone(),
        number: record.number.clone(),
        caller: record.caller.clone(),
        queue: record.queue.clone(),
        seat: Some(record.seat.clone()),
        kind: Kind::Call,
        consent: catalog_consent(record.consent),
        started: now.wall,
        caller_codec,
        seat_codec,
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Begins and ends that may wait: many times the calls that can be up.
const MOST_INPUTS: usize = 16_384;

/// How long the thread sleeps when nobody tells it anything: a packet's time.
const TURN: Duration = Duration::from_millis(20);

/// What a `kill -9` can cost at most, with a turn on top (reliability.md F1: 200 ms in all).
const FLUSH_EVERY: Duration = Duration::from_millis(80);

/// A stop does not wait longer for disk and database: spools survive it.
const SEAL_WITHIN: Duration = Duration::from_secs(20);

/// What a power loss can cost, with the flush on top (reliability.md F2).
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The last packets need this long through worker and tape.
const LAST_PACKETS: Duration = Duration::from_millis(150);

/// A database that needs longer for one row is in trouble; the spool opens all the same, and recovery
/// adds the row from its header.
const ROW_WITHIN: Duration = Duration::from_millis(1_500);

/// Two seconds of both sides.
const MOST_HELD: usize = 200;

/// How often the file system is asked for its free space.
const LOOK_AT_DISK: Duration = Duration::from_secs(10);
