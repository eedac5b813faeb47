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

/// A browser needs some seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The page is called over WSS and takes what it is offered first: the caller's own codec. Somebody says hello and sends
/// audio to every port meanwhile.
#[test]
fn a_page_talks_in_the_callers_codec_presses_keys_and_holds() -> Result<()> {
    let mut call = Call::begin("wss", "")?;
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
    let mut call = Call::begin("ws", "opus")?;
    call.both_hear()?;
    let codec = call.page.wait_for("codec ", PATIENCE)?;
    ensure!(codec == "codec audio/opus", "{codec}");
    call.presses_keys()?;
    call.end()
}

/// A call that the page has answered.
struct Call {
    sibai: Sibai,
    page: Chromium,
    caller: LivePhone,
}

impl Call {
    fn begin(scheme: &str, codec: &str) -> Result<Self> {
        let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
        let at = if scheme == "wss" { sibai.wss() } else { sibai.ws() };
        let script = SCRIPT
            .replace("SOCKET", &format!("{scheme}://{at}"))
            .replace("PASSWORD", sibai.password("8001")?)
            .replace("CODEC", codec);
        let voice = Audio::tone(f64::from(PAGE_TONE), Duration::from_secs(1));
        let mut page = Chromium::with_voice(&script, voice.samples())?;
        page.wait_for("registered", PATIENCE)?;
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

/// A seat that answers, tells what it hears ten times in two seconds, and does as it is told.
const SCRIPT: &str = r#"
const JsSIP = require("jssip");
const phone = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface("SOCKET")],
  uri: "sip:8001@sibai.test", password: "PASSWORD", session_timers: false, register_expires: 120,
});
let call;
const sender = () => call.connection.getSenders().find(sender => sender.track);
const press_by_info = key => call.sendDTMF(key, { transportType: "INFO" });
function press_by_event(key) {
  const keys = sender().dtmf;
  keys.addEventListener("tonechange", ({ tone }) => report("tone " + tone));
  keys.insertDTMF(key, 160, 70);
}
async function listen(track) {
  const stream = new MediaStream([track]);
  const silent = new Audio();
  silent.muted = true;
  silent.srcObject = stream;
  silent.play();
  const context = new AudioContext();
  await context.resume();
  const ear = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(ear);
  const bins = new Float32Array(ear.frequencyBinCount);
  setInterval(() => {
    ear.getFloatFrequencyData(bins);
    const best = bins.indexOf(Math.max(...bins));
    const hertz = best * context.sampleRate / ear.fftSize;
    report(bins[best] > -60 ? "hears " + Math.round(hertz / 10) * 10 : "hears nothing");
  }, 200);
}
// An offer of one codec and its keys; by its own wish a browser would send what was offered first.
function alone(sdp, codec) {
  const type = mapping => sdp.match(new RegExp("a=rtpmap:(\\d+) " + mapping, "i"))[1];
  const kept = [type(codec), type("telephone-event/" + (codec === "opus" ? 48000 : 8000))];
  return sdp.replace(/(m=audio \d+ \S+) .*/, `$1 ${kept.join(" ")}`)
    .replace(/a=(?:rtpmap|fmtp):(\d+) .*\r\n/g, (line, type) => kept.includes(type) ? line : "");
}
phone.on("registered", () => report("registered"));
phone.on("registrationFailed", event => report("failed " + event.cause));
phone.on("newRTCSession", event => {
  call = event.session;
  report("called by " + event.request.from.uri.user);
  call.on("peerconnection", ({ peerconnection }) => {
    peerconnection.addEventListener("track", ({ track }) => listen(track));
    peerconnection.addEventListener("connectionstatechange", () => report("media " + peerconnection.connectionState));
  });
  call.on("sdp", event => {
    if ("CODEC" && event.originator === "remote" && event.type === "offer") event.sdp = alone(event.sdp, "CODEC");
    report("sdp " + event.originator + " " + event.type + " " + event.sdp);
  });
  call.on("confirmed", async () => {
    report("confirmed");
    const tell = async () => {
      const all = await call.connection.getStats();
      const stream = [...all.values()].find(stats => stats.type === "inbound-rtp" && stats.codecId);
      if (stream) report("codec " + all.get(stream.codecId).mimeType); else setTimeout(tell, 200);
    };
    tell();
  });
  call.on("hold", () => report("held"));
  call.on("unhold", () => report("resumed"));
  call.on("getusermediafailed", error => report("no microphone: " + error));
  call.on("peerconnection:setremotedescriptionfailed", error => report("refused: " + error));
  call.on("failed", event => report("failed " + event.cause));
  call.on("ended", event => report("ended " + event.cause));
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  call.answer({ mediaConstraints: { audio: plain, video: false }, pcConfig: { iceServers: [] } });
});
phone.start();
report("started");
"#;
