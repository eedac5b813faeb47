//! `kill -9` in the middle of a call: what is lost, what is found, what is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Setup, Sibai, sound};
use phones::{Behaviour, Event, Phone};

use super::cast::{PATIENCE, Talk, dial, press_until, recording};

#[test]
fn kill_minus_nine_costs_a_recorded_call_no_more_than_a_fifth_of_a_second() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default())?;
    let mut moment = Moments::new();
    let mut known = BTreeSet::new();
    let mut worst = Duration::ZERO;
    for round in 1..=KILLS {
        let talk = Talk::begin(&sibai)?;
        let wait = moment.next();
        let end = Instant::now() + wait;
        // Time itself is what is recorded.
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        sibai.kill9()?;
        let (caller, seat) = (said(talk.caller)?, said(talk.seat)?);

        let began = Instant::now();
        sibai.run()?;
        let back = began.elapsed();
        let page = sibai.api().get("/v1/call_records?limit=500")?.json()?;
        let records = page["call_records"].as_array().context("records")?;
        ensure!(records.len() == round, "{} records after {round} calls: {page:#}", records.len());
        ensure!(records.iter().all(|row| row["cause"] == "node_lost"), "{page:#}");
        ensure!(records.iter().all(|row| row["blame"] == "engine"), "{page:#}");
        let new: Vec<&str> = records
            .iter()
            .filter_map(|row| row["recording_id"].as_str())
            .filter(|id| !known.contains(*id))
            .collect();
        ensure!(new.len() == 1, "recordings of the call: {new:?}");
        let row = recording(&sibai.api(), new[0], |row| row["state"] == "saved")?;
        ensure!(row["interrupted"] == true, "{row:#}");
        let audio = sibai.api().get(&format!("/v1/recordings/{}/audio?channels=2", new[0]))?;
        ensure!(audio.status == 200, "{}", audio.text());
        let channels = sound::channels(&audio.body)?;
        for (who, said, recorded) in [("caller", caller, &channels[0]), ("seat", seat, &channels[1])] {
            let lost = lost(recorded, &said).context(who)?;
            eprintln!("kill {round} after {wait:?}: {who} lost {lost:?}, back within {back:?}");
            ensure!(lost <= MOST_LOST, "{lost:?} of the {who} are lost");
            worst = worst.max(lost);
        }
        known.insert(new[0].to_owned());
        nothing_left_over(&sibai.data().join("recordings"), &known)?;
    }
    eprintln!("lost at most {worst:?} in {KILLS} kills");
    Ok(())
}

#[test]
fn a_call_that_was_ringing_is_told_once_and_has_no_recording() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default())?;
    let mut seat = sibai.seat("8001", Behaviour::waits())?;
    let mut caller = sibai.carrier_phone(|_| ())?;
    dial(&mut caller)?;
    let rings = |event: &Event| matches!(event, Event::Incoming { .. });
    press_until(&caller, '1', || seat.next(Duration::from_millis(100)).is_some_and(|s| rings(&s.event)))?;
    // A call is in the database a moment after its INVITE, not at once: the journal writes behind.
    sibai.metric_becomes("pbx_store_queue_length", 0.0, PATIENCE)?;
    sibai.kill9()?;
    for _ in 0..2 {
        sibai.run()?;
        let record = sibai.call_record()?;
        ensure!(record["cause"] == "node_lost" && record["recording_id"].is_null(), "{record:#}");
        ensure!(sibai.stop()?.success(), "its exit code");
    }
    nothing_left_over(&sibai.data().join("recordings"), &BTreeSet::new())
}

#[test]
fn a_call_that_had_just_ended_is_told_once_and_its_recording_is_whole() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default())?;
    let mut moment = Moments::new();
    let mut known = BTreeSet::new();
    for round in 1..=KILLS {
        let mut talk = Talk::begin(&sibai)?;
        std::thread::sleep(Duration::from_millis(900));
        talk.end()?;
        // While the last packets are written, the file is made, the rows are entered.
        let wait = moment.next().saturating_sub(Duration::from_millis(EARLIEST)) / 6;
        std::thread::sleep(wait);
        sibai.kill9()?;
        let seat = said(talk.seat)?;
        sibai.run()?;
        let records = sibai.call_records(round)?;
        for record in &records {
            let cause = record["cause"].as_str().unwrap_or_default();
            ensure!(["caller_hung_up", "node_lost"].contains(&cause), "{record:#}");
            let id = record["recording_id"].as_str().context("not recorded")?;
            recording(&sibai.api(), id, |row| row["state"] == "saved")?;
            if known.insert(id.to_owned()) {
                let audio = sibai.api().get(&format!("/v1/recordings/{id}/audio?channels=2"))?;
                let channels = sound::channels(&audio.body)?;
                let lost = lost(&channels[1], &seat)?;
                eprintln!("kill {round}, {wait:?} after the end ({cause}): seat lost {lost:?}");
                ensure!(lost <= MOST_LOST, "{lost:?} of the seat are lost");
            }
        }
        nothing_left_over(&sibai.data().join("recordings"), &known)?;
    }
    Ok(())
}

/// Everything that a phone has said, as it sounds after the codec. It ends here.
fn said(phone: phones::live::LivePhone) -> Result<Vec<i16>> {
    let phone: Phone = phone.finish().context("the phone's thread panicked")?;
    Ok(phone.said().to_vec())
}

/// How much of what was said is not recorded at its end. Every sample before is compared.
fn lost(recorded: &[i16], said: &[i16]) -> Result<Duration> {
    // Phones fill the time before they speak with silence, which is recorded, too: begin where both speak.
    let loud = |sound: &[i16]| sound.iter().position(|s| s.unsigned_abs() > LOUD);
    let (from, spoken) = (loud(recorded).context("nothing recorded")?, loud(said).context("nothing said")?);
    let (recorded, said) = (&recorded[from..], &said[spoken..]);
    let exact = sound::compare(recorded, said)?;
    ensure!(exact.place == 0, "the recording begins {} samples late", exact.place);
    Ok(Duration::from_micros((said.len() - exact.equal) as u64 * 125))
}

/// No spool, no half file, and exactly one file a recording.
fn nothing_left_over(folder: &Path, known: &BTreeSet<String>) -> Result<()> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    let names: BTreeSet<String> = files
        .iter()
        .filter_map(|file| file.file_stem())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    ensure!(files.iter().all(|file| file.extension().is_some_and(|e| e == "wav")), "{files:?}");
    ensure!(names == *known, "files {names:?}, rows {known:?}");
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Random moments of a conversation; the seed is printed, though the kernel's own timing is not in it.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seed = since.as_nanos() as u64 | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(EARLIEST + self.0 % 1_800)
    }
}

const KILLS: usize = 6;

/// Milliseconds of conversation before a kill, at least.
const EARLIEST: u64 = 700;

/// Reliability F1.
const MOST_LOST: Duration = Duration::from_millis(200);

/// Above a codec's silence.
const LOUD: u16 = 100;
