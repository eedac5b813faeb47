//! What the demo checks: the record, the two channels, the rule, the file over the API, the judges.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base::Cause;
use jiff::tz::TimeZone;
use phones::ear;
use serde_json::Value;

use super::story::Done;
use super::{ANSWERS, Cast, http};
use crate::process::Process;

/// Prints what is left of the call; an error names the first thing that is not as it must be.
pub(super) fn check(process: &Process, data: &Path, done: &Done, cast: Cast) -> anyhow::Result<()> {
    let record = &done.finished.record;
    ensure!(record.cause == Cause::CallerHungUp, "the call ended with {}", record.cause);
    ensure!(record.seat.as_deref() == Some(ANSWERS), "{:?} answered, not {ANSWERS}", record.seat);
    let elsewhere = done.elsewhere.as_deref().unwrap_or_default();
    ensure!(elsewhere.contains("completed elsewhere"), "the other seat was told {elsewhere:?}");
    judges(cast)?;
    let token = process.secrets().token.as_deref().context("no token was made")?;
    let recording = record.recording.context("the call was not recorded")?.to_string();
    let row = saved(process, token, &recording)?;
    show_record(done, &row);
    let audio = format!("/v1/recordings/{recording}/audio?channels=2");
    let wav = http::fetch(process.api(), token, &audio)?;
    let folder = data.join(process.recordings_folder());
    let file = find(&folder, &format!("{recording}.wav")).context("the recording has no file")?;
    let stored = std::fs::read(&file)?;
    ensure!(stored == wav, "the API gave other bytes than the file has");
    channels(&wav, done)?;
    show_recording(process, &row, &file, token, &audio, wav.len())
}

/// The phones read every message and packet with rsip and rtp-rs: nothing may have been wrong.
fn judges(cast: Cast) -> anyhow::Result<()> {
    let phones = std::iter::once(("caller".to_owned(), cast.caller)).chain(cast.seats);
    for (name, phone) in phones {
        let phone = phone.finish().context("a phone's thread panicked")?;
        let faults: Vec<&str> = phone.faults().collect();
        ensure!(faults.is_empty(), "{name} found fault: {}", faults.join("; "));
    }
    Ok(())
}

/// The recording's row once it is sealed.
fn saved(process: &Process, token: &str, recording: &str) -> anyhow::Result<Value> {
    let end = Instant::now() + SEALED_WITHIN;
    loop {
        let body = http::fetch(process.api(), token, &format!("/v1/recordings/{recording}"));
        if let Ok(body) = body {
            let row: Value = serde_json::from_slice(&body).context("the API's answer")?;
            if row["state"] == "saved" {
                return Ok(row);
            }
        }
        if Instant::now() > end {
            bail!("the recording was not sealed within {} s", SEALED_WITHIN.as_secs());
        }
        std::thread::sleep(LOOK);
    }
}

/// Left is the caller, right is the seat, and neither is in the other's channel.
fn channels(wav: &[u8], done: &Done) -> anyhow::Result<()> {
    let mut reader = hound::WavReader::new(Cursor::new(wav)).context("the recording is no WAV")?;
    ensure!(reader.spec().channels == 2, "the recording is not stereo");
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
    let side = |n: usize| samples.iter().skip(n).step_by(2).copied().collect::<Vec<i16>>();
    let (left, right) = (side(0), side(1));
    for (who, said, own, other) in
        [("caller", &done.caller_said, &left, &right), ("seat", &done.seat_said, &right, &left)]
    {
        let (likeness, place) = ear::find(said.samples(), own);
        let leaked = ear::likeness_at(said.samples(), other, place).abs();
        ensure!(likeness > ALIKE, "the {who}'s voice is not in its channel: likeness {likeness:.3}");
        ensure!(leaked < APART, "the {who}'s voice is in the other channel: likeness {leaked:.3}");
        println!(
            "  {who:<9} found in its channel at {:.2} s, likeness {likeness:.4}; in the other {leaked:.4}",
            place as f64 / 8_000.0
        );
    }
    Ok(())
}

fn show_record(done: &Done, row: &Value) {
    let record = &done.finished.record;
    let seconds =
        |span: Option<Duration>| span.map_or_else(|| "-".to_owned(), |s| format!("{:.2} s", s.as_secs_f64()));
    let keys: String = record.keys.iter().map(ToString::to_string).collect();
    println!("\nCall record {}", record.call);
    println!(
        "  caller    {}   called {}",
        base::pii::masked(row["caller"].as_str().unwrap_or("-")),
        row["number"].as_str().unwrap_or("-")
    );
    println!(
        "  keys      {keys}   queue {}   seat {}",
        word(record.queue.as_ref()),
        word(record.seat.as_ref())
    );
    println!(
        "  answered  {} after the INVITE, connected {}, talked {}",
        seconds(record.answered_after),
        seconds(record.connected_after),
        seconds(Some(record.talked))
    );
    println!(
        "  ended     {} (by the {}), consent {}",
        record.cause,
        record.cause.blame(),
        record.consent.as_str()
    );
    for leg in &record.legs {
        let quality = done.finished.sounded.get(&leg.leg).map(|sounded| sounded.quality).unwrap_or_default();
        println!(
            "  leg       {:<9} {:<20} received {} packets, lost {}, jitter {:.2} ms",
            leg.seat.as_deref().unwrap_or("caller"),
            leg.cause.as_str(),
            quality.received,
            quality.lost,
            quality.jitter_ms
        );
    }
    println!("\nRecording {}", record.recording.map(|id| id.to_string()).unwrap_or_default());
}

fn show_recording(
    process: &Process,
    row: &Value,
    file: &Path,
    token: &str,
    audio: &str,
    bytes: usize,
) -> anyhow::Result<()> {
    let due = row["retention"]["delete_after"].as_str().context("the recording has no day of deletion")?;
    let due: jiff::Timestamp = due.parse().context("delete_after")?;
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    println!("  file      {}", file.display());
    println!(
        "  kept      by the rule {:?} ({}), deleted after {}",
        row["retention"]["rule"].as_str().unwrap_or_default(),
        row["retention"]["keep"].as_str().unwrap_or_default(),
        due.to_zoned(zone).date()
    );
    println!("  fetched   {bytes} bytes over the API, the same as in the file, by");
    println!(
        "            curl -H 'Authorization: Bearer {token}' -o call.wav 'http://{}{audio}'",
        process.api()
    );
    println!("\nEverything was checked.");
    Ok(())
}

/// The file of that name below the folder; files lie by year, month and day.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { (entry.file_name() == name).then_some(path) }
    })
}

fn word(name: Option<&base::Name>) -> &str {
    name.map_or("-", |name| name.as_str())
}

/// A voice that went through G.711 once and over loopback is all but the same.
const ALIKE: f64 = 0.98;

/// What chance makes of two voices.
const APART: f64 = 0.2;

const SEALED_WITHIN: Duration = Duration::from_secs(5);

const LOOK: Duration = Duration::from_millis(50);
