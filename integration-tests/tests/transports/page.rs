//! What a page with JsSIP does in the tests of browsers.

use std::time::Duration;

use anyhow::Result;
use integration_tests::wire::Sibai;
use integration_tests::wire::chromium::Chromium;
use phones::Audio;

/// A page that registers, and whose microphone hears a tone over and over.
pub(super) struct Page<'a> {
    /// `ws` or `wss`.
    pub(super) scheme: &'a str,
    /// Whose phone it is.
    pub(super) user: &'a str,
    pub(super) tone: u32,
    /// The only codec of each offer, its own and those that it gets; empty: all.
    pub(super) codec: &'a str,
    /// The only codec that its answers name, though it has agreed on all with itself; empty: all.
    pub(super) answer: &'a str,
}

impl Page<'_> {
    pub(super) fn open(&self, sibai: &Sibai) -> Result<Chromium> {
        let at = if self.scheme == "wss" { sibai.wss() } else { sibai.ws() };
        let script = SCRIPT
            .replace("SOCKET", &format!("{}://{at}", self.scheme))
            .replace("PASSWORD", sibai.password(self.user)?)
            .replace("USER", self.user)
            .replace("CODEC", self.codec)
            .replace("ANSWER", self.answer);
        let voice = Audio::tone(f64::from(self.tone), Duration::from_secs(1));
        let mut page = Chromium::with_voice(&script, voice.samples())?;
        page.wait_for("registered", PATIENCE)?;
        Ok(page)
    }
}

/// A browser needs some seconds to start on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A seat that answers, tells what it hears ten times in two seconds, and does as it is told; it calls too.
const SCRIPT: &str = r#"
const JsSIP = require("jssip");
const phone = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface("SOCKET")],
  uri: "sip:USER@sibai.test", password: "PASSWORD", session_timers: false, register_expires: 120,
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
const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const media = { mediaConstraints: { audio: plain, video: false }, pcConfig: { iceServers: [] } };
const dial = target => phone.call(target, media);
function watch(peerconnection) {
  peerconnection.addEventListener("track", ({ track }) => listen(track));
  peerconnection.addEventListener("connectionstatechange", () => report("media " + peerconnection.connectionState));
}
phone.on("newRTCSession", event => {
  call = event.session;
  const calls = event.originator === "local";
  report(calls ? "calls" : "called by " + event.request.from.uri.user);
  if (call.connection) watch(call.connection);
  call.on("peerconnection", ({ peerconnection }) => watch(peerconnection));
  call.on("sdp", event => {
    // Of the offer, whoever makes it; or, of an answer, what the other side gets to see of it.
    if ("CODEC" && event.type === "offer") event.sdp = alone(event.sdp, "CODEC");
    if ("ANSWER" && event.type === "answer" && event.originator === "local") event.sdp = alone(event.sdp, "ANSWER");
    report("sdp " + event.originator + " " + event.type + " " + event.sdp);
  });
  call.on("progress", event => report("progress " + (event.response ? event.response.status_code : "")));
  call.on("confirmed", async () => {
    report("confirmed");
    const tell = async () => {
      const all = await call.connection.getStats();
      const stream = [...all.values()].find(stats => stats.type === "inbound-rtp" && stats.codecId);
      const ours = [...all.values()].find(stats => stats.type === "outbound-rtp" && stats.codecId);
      if (!stream || !ours) return setTimeout(tell, 200);
      report("codec " + all.get(stream.codecId).mimeType);
      report("speaks " + all.get(ours.codecId).mimeType);
    };
    tell();
  });
  call.on("hold", () => report("held"));
  call.on("unhold", () => report("resumed"));
  call.on("getusermediafailed", error => report("no microphone: " + error));
  call.on("peerconnection:setremotedescriptionfailed", error => report("refused: " + error));
  call.on("failed", event => report("failed " + event.cause));
  call.on("ended", event => report("ended " + event.cause));
  if (!calls) call.answer(media);
});
phone.start();
report("started");
"#;
