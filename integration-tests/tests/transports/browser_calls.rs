//! A browser that calls: a colleague, the line's own number, another browser.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::chromium::Chromium;
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai, sound};
use phones::audio::tones_in;
use phones::{Action, Audio, Behaviour, Cue, Event, Script};

use super::page::{PATIENCE, Page};

/// Over WS, with an offer of Opus alone, to a phone that speaks G.711: what each says is coded anew for the other.
#[test]
fn a_page_calls_a_colleague_in_opus_presses_keys_and_holds() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let mut seat = sibai.seat("8003", speaks())?;
    let mut page =
        Page { scheme: "ws", user: "8001", tone: PAGE_TONE, codec: "opus", answer: "" }.open(&sibai)?;
    dials(&mut page, "8003")?;
    page.wait_for("progress 180", PATIENCE)?;
    page.wait_for("confirmed", PATIENCE)?;
    page.wait_for("codec audio/opus", PATIENCE)?;
    page.wait_for(&format!("hears {SEAT_TONE}"), PATIENCE)?;
    for (how, key) in [("event", '7'), ("info", '5')] {
        page.order(&format!("press_by_{how}(\"{key}\")"));
        let heard = seat.wait_for(Duration::from_secs(10), |event| *event == Event::Digit(key));
        ensure!(heard.is_some(), "the seat does not hear {key} by {how}:\n{}", page.reports());
    }
    page.order("call.hold()");
    page.wait_for("held", PATIENCE)?;
    page.order("call.unhold()");
    page.wait_for("resumed", PATIENCE)?;
    sleep(Duration::from_millis(500));
    page.forget();
    page.wait_for(&format!("hears {SEAT_TONE}"), PATIENCE)?;
    sleep(Duration::from_millis(1_500));
    page.order("call.terminate()");
    page.wait_for("ended", PATIENCE)?;
    let record = sibai.call_record()?;
    ensure!(record["internal"] == true && record["cause"] == "caller_hung_up", "{record:#}");
    ensure!(record["recording_id"].is_null(), "colleagues are not recorded: {record:#}");
    let seat = seat.finish().context("the phone's thread panicked")?;
    let heard = tones_in(seat.heard());
    ensure!(heard.contains(&Some(PAGE_TONE)), "the seat heard {heard:?}");
    let faults: Vec<&str> = seat.faults().collect();
    ensure!(faults.is_empty(), "{faults:?}");
    Ok(())
}

/// Over WSS: a menu, a queue, a seat, and the recording that the line's policy wants.
#[test]
fn a_page_calls_the_line_in_a_law_and_is_recorded() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let mut seat = sibai.seat("8001", speaks())?;
    let mut page =
        Page { scheme: "wss", user: "8003", tone: PAGE_TONE, codec: "PCMA", answer: "" }.open(&sibai)?;
    dials(&mut page, "4005550100")?;
    page.wait_for("confirmed", PATIENCE)?;
    // The menu is pressed by events: what the page hears of it is for the line's own tests.
    let end = Instant::now() + PATIENCE;
    let rings = |event: &Event| matches!(event, Event::Incoming { .. });
    while seat.wait_for(PRESS_EVERY, rings).is_none() {
        ensure!(Instant::now() < end, "the seat does not ring:\n{}\n{}", page.reports(), sibai.log());
        page.order("press_by_event(\"1\")");
    }
    page.wait_for("speaks audio/PCMA", PATIENCE)?;
    page.forget();
    page.wait_for(&format!("hears {SEAT_TONE}"), PATIENCE)?;
    sleep(Duration::from_millis(1_500));
    page.order("call.terminate()");
    page.wait_for("ended", PATIENCE)?;
    let record = sibai.call_record()?;
    ensure!(record["seat"] == "li_na" && record["cause"] == "caller_hung_up", "{record:#}");
    let (_, wav) = sibai.recording(record["recording_id"].as_str().context("not recorded")?)?;
    let channels = sound::channels(&wav)?;
    let [left, right] = channels.as_slice() else { bail!("the recording is not stereo") };
    for (side, tone, channel) in [("left", PAGE_TONE, left), ("right", SEAT_TONE, right)] {
        let tones = tones_in(channel);
        ensure!(tones.contains(&Some(tone)), "{side} of the recording holds {tones:?}");
    }
    Ok(())
}

/// Both speak Opus, whatever stands first in our list: nothing is decoded between them.
#[test]
fn a_page_calls_another_page_and_both_speak_opus() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let mut seat =
        Page { scheme: "wss", user: "8003", tone: SEAT_TONE, codec: "", answer: "" }.open(&sibai)?;
    let mut page =
        Page { scheme: "ws", user: "8001", tone: PAGE_TONE, codec: "", answer: "" }.open(&sibai)?;
    dials(&mut page, "8003")?;
    for (page, tone) in [(&mut seat, PAGE_TONE), (&mut page, SEAT_TONE)] {
        page.wait_for("confirmed", PATIENCE)?;
        page.wait_for("codec audio/opus", PATIENCE)?;
        page.wait_for("speaks audio/opus", PATIENCE)?;
        page.wait_for(&format!("hears {tone}"), PATIENCE)?;
    }
    page.order("call.terminate()");
    seat.wait_for("ended", PATIENCE)?;
    let record = sibai.call_record()?;
    ensure!(record["internal"] == true && record["cause"] == "caller_hung_up", "{record:#}");
    Ok(())
}

fn dials(page: &mut Chromium, target: &str) -> Result<()> {
    page.order(&format!("dial(\"{target}\")"));
    page.wait_for("calls", PATIENCE)?;
    Ok(())
}

/// A seat that answers and speaks until the other hangs up.
fn speaks() -> Behaviour {
    let tone = Audio::tone(f64::from(SEAT_TONE), Duration::from_secs(120));
    Behaviour::answers(Duration::from_secs(1)).with(Script::new().on(Cue::Answered, Action::Say(tone)))
}

const SEAT_TONE: u32 = 1_300;
const PAGE_TONE: u32 = 700;

/// Longer than the menu's prompt of a fifth of a second.
const PRESS_EVERY: Duration = Duration::from_secs(1);
