//! pjsua2, a stack that is not ours, as a seat: registered with stronger digests than MD5, and called.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::{Setup, Sibai, sound};
use phones::audio::{share_of, tones_in};
use phones::{Action, Audio, Dial, Event};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "pjsua/speech.rs"]
mod speech;

#[test]
fn a_seat_registers_with_sha_256_where_sha_512_256_is_offered_first() -> Result<()> {
    registers_and_is_called("[sha-512-256, sha-256]", &["SHA-512-256", "SHA-256"])
}

#[test]
fn a_seat_registers_where_only_sha_256_is_offered() -> Result<()> {
    registers_and_is_called("[sha-256]", &["SHA-256"])
}

#[test]
fn a_seat_asks_another_one_and_joins_it_with_the_caller() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let proxy = sibai.sip().to_string();
    let mut first = Softphone::with_tone(&proxy, "8001", sibai.password("8001")?, FIRST_TONE)?;
    let mut second = Softphone::start(&proxy, "8003", sibai.password("8003")?)?;
    first.wait_for("registered 200")?;
    second.wait_for("registered 200")?;
    let mut caller = sibai.carrier_phone(|_| ())?;
    caller.order(Action::Call(Dial { from: Some("13912345678".into()), ..Dial::to("057155550100") }));
    caller.wait_for(PATIENCE, |event| *event == Event::Answered).context("the call was not answered")?;
    let end = Instant::now() + PATIENCE;
    while !first.has_told("rings", PRESS_EVERY)? {
        ensure!(Instant::now() < end, "the seat does not ring:\n{}", sibai.log());
        caller.order(Action::Press('1'));
    }
    first.wait_for("call CONFIRMED")?;
    caller.order(Action::Say(Audio::tone(CALLER_TONE, Duration::from_secs(60))));
    std::thread::sleep(Duration::from_secs(3));
    caller.wait_for(PATIENCE, |event| *event == Event::AudioBegan).context("the caller hears nothing")?;
    first.order("call 8003")?;
    second.wait_for("call CONFIRMED")?;
    first.wait_for("call CONFIRMED")?;
    std::thread::sleep(Duration::from_secs(2));
    first.order("join")?;
    first.wait_for("done")?;
    std::thread::sleep(Duration::from_secs(3));
    caller.order(Action::HangUp);
    second.wait_for("done")?;

    let records = sibai.call_records(2)?;
    let record = records.iter().find(|record| record["internal"] == false).context("no call")?;
    ensure!(record["seat"] == "zhao_min" && record["cause"] == "caller_hung_up", "{record:#}");
    let transfer = &record["transfers"][0];
    ensure!(transfer["kind"] == "attended" && transfer["outcome"] == "transferred", "{record:#}");
    let asked = records.iter().find(|record| record["internal"] == true).context("no consultation")?;
    ensure!(asked["cause"] == "transferred" && asked["recording_id"].is_null(), "{asked:#}");
    let (row, wav) = sibai.recording(record["recording_id"].as_str().context("not recorded")?)?;
    let seats: Vec<_> =
        row["segments"].as_array().context("no segments")?.iter().map(|s| &s["seat"]).collect();
    ensure!(seats == ["li_na", "zhao_min"], "{row:#}");
    let channels = sound::channels(&wav)?;
    let [left, right] = channels.as_slice() else { bail!("the recording is not stereo") };
    let said: Vec<u32> = tones_in(left).into_iter().flatten().collect();
    ensure!(!said.is_empty() && said.iter().all(|tone| *tone == CALLER_TONE as u32), "{said:?}");
    let seats: Vec<u32> = tones_in(right).into_iter().flatten().collect();
    ensure!(seats.first() == Some(&FIRST_TONE) && seats.last() == Some(&SEAT_TONE), "{seats:?}");
    let caller = caller.finish().context("the phone's thread panicked")?;
    let faults: Vec<&str> = caller.faults().collect();
    ensure!(faults.is_empty(), "{faults:?}");
    let heard: Vec<u32> = tones_in(caller.heard()).into_iter().flatten().collect();
    ensure!(heard.ends_with(&[SEAT_TONE]) && heard.contains(&FIRST_TONE), "the caller heard {heard:?}");
    Ok(())
}

fn registers_and_is_called(digest: &str, offered: &[&str]) -> Result<()> {
    let (sibai, second) = with_second_listener(digest)?;
    let mut seat = Softphone::start(&second, "8001", sibai.password("8001")?)?;
    seat.wait_for("registered 200")?;
    let log = seat.log()?;
    for algorithm in offered {
        ensure!(log.contains(&format!("algorithm={algorithm}")), "{algorithm} was not offered:\n{log}");
    }
    ensure!(!log.contains("algorithm=MD5"), "MD5 was offered:\n{log}");

    let mut caller = sibai.carrier_phone(|_| ())?;
    caller.order(Action::Call(Dial { from: Some("13912345678".into()), ..Dial::to("057155550100") }));
    caller.wait_for(PATIENCE, |event| *event == Event::Answered).context("the call was not answered")?;
    let end = Instant::now() + PATIENCE;
    while !seat.has_told("rings", PRESS_EVERY)? {
        ensure!(Instant::now() < end, "the seat does not ring:\n{}", sibai.log());
        caller.order(Action::Press('1'));
    }
    seat.wait_for("call CONFIRMED")?;
    caller.order(Action::Say(Audio::tone(CALLER_TONE, Duration::from_secs(4))));
    // Both tones last: four seconds are said in four seconds.
    std::thread::sleep(Duration::from_secs(5));
    caller.order(Action::HangUp);
    seat.wait_for("done")?;
    let record = sibai.call_record()?;
    ensure!(record["seat"] == "li_na" && record["cause"] == "caller_hung_up", "{record:#}");

    let caller = caller.finish().context("the phone's thread panicked")?;
    let heard = tones_in(caller.heard());
    ensure!(heard.contains(&Some(SEAT_TONE)), "the caller heard {heard:?}");
    let faults: Vec<&str> = caller.faults().collect();
    ensure!(faults.is_empty(), "{faults:?}");
    let heard = seat.heard()?;
    let best = heard.chunks(8_000).map(|second| share_of(second, CALLER_TONE)).fold(0.0, f64::max);
    ensure!(best > 0.8, "the seat hardly heard the caller: {best:.2} of {} samples", heard.len());
    Ok(())
}

/// Sibai with one more listener, with a digest of its own, and that listener's address.
fn with_second_listener(digest: &str) -> Result<(Sibai, String)> {
    let mut last = None;
    for _ in 0..TRIES {
        let port = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let more = format!("{{ on: \"udp://127.0.0.1:{port}\", digest: {digest} }}]\n  digest: [md5]");
        match Sibai::start(Setup::default().engine("]\n  digest: [md5]", &format!(", {more}"))) {
            Ok(sibai) => return Ok((sibai, format!("127.0.0.1:{port}"))),
            // Only the port may have been taken since it was found free.
            Err(error) if format!("{error:#}").contains("in use") => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.context("no attempt")?)
}

/// A pjsua2 phone in a process of its own; killed when dropped.
struct Softphone {
    child: Child,
    lines: Receiver<String>,
    folder: TempDir,
}

impl Softphone {
    fn start(proxy: &str, user: &str, password: &str) -> Result<Self> {
        Self::with_tone(proxy, user, password, SEAT_TONE)
    }

    fn with_tone(proxy: &str, user: &str, password: &str, tone: u32) -> Result<Self> {
        Self::particular(proxy, user, password, tone, &json!({}))
    }

    fn particular(proxy: &str, user: &str, password: &str, tone: u32, how: &Value) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/softphone.py");
        let mut child = Command::new(sound::python()?)
            .arg(script)
            .args([proxy, user, password])
            .arg(folder.path())
            .arg(tone.to_string())
            .arg(how.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python")?;
        let out = child.stdout.take().context("its output")?;
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, folder })
    }

    fn order(&mut self, words: &str) -> Result<()> {
        let orders = self.child.stdin.as_mut().context("its input")?;
        writeln!(orders, "{words}").context("an order")
    }

    fn wait_for(&mut self, wanted: &str) -> Result<()> {
        ensure!(self.has_told(wanted, PATIENCE)?, "{wanted:?} was not told:\n{}", self.log()?);
        Ok(())
    }

    fn has_told(&mut self, wanted: &str, within: Duration) -> Result<bool> {
        let end = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line == wanted => return Ok(true),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "the softphone has ended before {wanted:?} (run ./test.sh --install if pjsua2 is missing):\n{}",
                        self.log().unwrap_or_default()
                    )
                }
            }
        }
    }

    fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log"))?).into_owned())
    }

    /// What it heard, at 8 kHz: its recorder writes 16 kHz.
    fn heard(&self) -> Result<Vec<i16>> {
        let mut reader = hound::WavReader::open(self.folder.path().join("heard.wav"))?;
        let step = (reader.spec().sample_rate / 8_000) as usize;
        let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
        Ok(samples.into_iter().step_by(step.max(1)).collect())
    }
}

impl Drop for Softphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the script plays.
const SEAT_TONE: u32 = 1_000;

/// What the seat says that transfers.
const FIRST_TONE: u32 = 850;

const CALLER_TONE: f64 = 700.0;

/// For what must come; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

const PRESS_EVERY: Duration = Duration::from_millis(700);

const TRIES: usize = 3;
