//! A browser as a seat: it hears and is heard, presses keys of both kinds, holds, and is recorded.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::chromium::Chromium;
use integration_tests::wire::intruder::{Intruder, LOUDER_THAN_ALL};
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai, sound};
use phones::audio::tones_in;
use phones::live::LivePhone;
use phones::{Action, Audio, Dial, Event};

use super::page::{PATIENCE, Page};

/// The page is called over WSS and takes what it is offered first: the caller's own codec. Somebody says hello and sends
/// audio to every port meanwhile.
#[test]
fn a_page_talks_in_the_callers_codec_presses_keys_and_holds() -> Result<()> {
    let mut call = Call::begin("wss", "", "")?;
    let intruder = Intruder::everywhere("127.66.6.6".parse()?, call.sibai.media_range())?;
    call.both_hear()?;
    let codec = call.page.wait_for("codec ", PATIENCE)?;
    ensure!(codec == "codec audio/PCMA", "{codec}");
    call.presses_keys()?;
    call.holds_and_resumes()?;
    call.end()?;
    let spoils = intruder.stop()?;
    ensure!(spoils.got == 0, "the intruder got something: {spoils:?}");
    Ok(())
}

/// The same page over WS, which takes Opus alone.
#[test]
fn a_page_talks_in_opus() -> Result<()> {
    let mut call = Call::begin("ws", "opus", "")?;
    call.both_hear()?;
    let codec = call.page.wait_for("codec ", PATIENCE)?;
    ensure!(codec == "codec audio/opus", "{codec}");
    call.presses_keys()?;
    call.end()
}

/// The page answers with Opus alone, and yet sends what was offered first: its own side has agreed on all. It is heard from
/// its first packet on.
#[test]
fn a_page_that_speaks_another_codec_than_it_answered_is_heard_from_the_first_packet_on() -> Result<()> {
    let mut call = Call::begin("ws", "", "opus")?;
    call.both_hear()?;
    let told = call.page.wait_for("codec ", PATIENCE)?;
    ensure!(told == "codec audio/opus", "{told}");
    let spoken = call.page.wait_for("speaks ", PATIENCE)?;
    ensure!(spoken == "speaks audio/PCMA", "{spoken}");
    call.end()
}

/// One port of ours for all browsers; the caller has ports of its own as ever.
#[test]
fn a_page_talks_through_the_port_that_browsers_share() -> Result<()> {
    let mut sibai = Sibai::new(Setup::default().with_every_transport(&Pki::new()?))?;
    let port = sibai.phone_port(5).port();
    let file = sibai.configs().join("engine.yaml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("rtp: { ", &format!("rtp: {{ workers: 1, web_port: {port}, ")))?;
    sibai.run()?;
    let mut call = Call::with(sibai, "ws", "", "")?;
    let described = call.page.reports().contains(&format!(" {port} typ host"));
    ensure!(described, "another port is offered:\n{}", call.page.reports());
    call.both_hear()?;
    call.presses_keys()?;
    call.holds_and_resumes()?;
    let metrics = call.sibai.api().get("/metrics")?.text();
    ensure!(metrics.contains("pbx_worker_legs{worker=\"0\"} 2"), "{metrics}");
    call.end()
}

/// A call that the page has answered.
struct Call {
    sibai: Sibai,
    page: Chromium,
    caller: LivePhone,
}

impl Call {
    fn begin(scheme: &str, codec: &str, answer: &str) -> Result<Self> {
        Self::with(Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?, scheme, codec, answer)
    }

    fn with(sibai: Sibai, scheme: &str, codec: &str, answer: &str) -> Result<Self> {
        let page = Page { scheme, user: "8001", tone: PAGE_TONE, codec, answer };
        let mut page = page.open(&sibai)?;
        let mut caller = sibai.carrier_phone(|_| ())?;
        caller.order(Action::Call(Dial { from: Some("13912345678".into()), ..Dial::to("057155550100") }));
        caller.wait_for(PATIENCE, |event| *event == Event::Answered).context("the call was not answered")?;
        let end = Instant::now() + PATIENCE;
        while !page.has_told("called", PRESS_EVERY) {
            ensure!(Instant::now() < end, "the page does not ring:\n{}", sibai.log());
            caller.order(Action::Press('1'));
        }
        page.wait_for("confirmed", PATIENCE)?;
        caller.order(Action::Say(Audio::tone(f64::from(CALLER_TONE), Duration::from_secs(120))));
        Ok(Self { sibai, page, caller })
    }

    fn both_hear(&mut self) -> Result<()> {
        self.page.wait_for(&format!("hears {CALLER_TONE}"), PATIENCE)?;
        // The caller's ears are looked at when all is over: they get a second and a half of the page.
        sleep(Duration::from_millis(1_500));
        Ok(())
    }

    fn presses_keys(&mut self) -> Result<()> {
        for (how, key) in [("event", '7'), ("info", '5')] {
            self.page.order(&format!("press_by_{how}(\"{key}\")"));
            let heard = self.caller.wait_for(Duration::from_secs(10), |event| *event == Event::Digit(key));
            ensure!(heard.is_some(), "the caller does not hear {key} by {how}:\n{}", self.page.reports());
        }
        Ok(())
    }

    fn holds_and_resumes(&mut self) -> Result<()> {
        self.page.order("call.hold()");
        self.page.wait_for("held", PATIENCE)?;
        self.page.order("call.unhold()");
        self.page.wait_for("resumed", PATIENCE)?;
        sleep(Duration::from_millis(500));
        self.page.forget();
        self.page.wait_for(&format!("hears {CALLER_TONE}"), PATIENCE)?;
        sleep(Duration::from_secs(1));
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.caller.order(Action::HangUp);
        self.page.wait_for("ended", PATIENCE)?;
        let record = self.sibai.call_record()?;
        ensure!(record["seat"] == "li_na" && record["cause"] == "caller_hung_up", "{record:#}");
        let (_, wav) = self.sibai.recording(record["recording_id"].as_str().context("not recorded")?)?;
        let channels = sound::channels(&wav)?;
        let [left, right] = channels.as_slice() else { bail!("the recording is not stereo") };
        for (side, tone, channel) in [("left", CALLER_TONE, left), ("right", PAGE_TONE, right)] {
            let tones = tones_in(channel);
            ensure!(tones.contains(&Some(tone)), "{side} of the recording holds {tones:?}");
            let is_quiet = channel.iter().all(|sample| sample.saturating_abs() < LOUDER_THAN_ALL);
            ensure!(is_quiet, "{side} of the recording holds an intruder");
        }
        let caller = self.caller.finish().context("the phone's thread panicked")?;
        let heard = tones_in(caller.heard());
        ensure!(heard.contains(&Some(PAGE_TONE)), "the caller heard {heard:?}");
        let faults: Vec<&str> = caller.faults().collect();
        ensure!(faults.is_empty(), "{faults:?}");
        Ok(())
    }
}

const CALLER_TONE: u32 = 1_300;
const PAGE_TONE: u32 = 700;

/// Longer than the menu's prompt of a fifth of a second.
const PRESS_EVERY: Duration = Duration::from_secs(1);
