//! baresip as the carrier's caller and as seats, against the real process: sound both ways, the recording
//! sample by sample, keys, hold, both codecs.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::baresip::{Baresip, BaresipSetup, Dumps, Over, Seal, Speech, as_sent};
use integration_tests::wire::pki::Pki;
use integration_tests::wire::sound;
use integration_tests::wire::{Setup, Sibai};
use phones::Audio;
use phones::Codec::{self, Pcma, Pcmu};
use serde_json::Value;

#[path = "baresip/pairs.rs"]
mod pairs;
#[path = "baresip/speech.rs"]
mod speech;
#[path = "baresip/tones.rs"]
mod tones;

#[test]
fn a_call_is_heard_both_ways_and_recorded_as_its_packets_came() -> Result<()> {
    let mut stage = Stage::set(Pcma, [Pcma, Pcmu])?;
    stage.connect()?;
    talk(9);
    let done = stage.hang_up()?;

    done.is_heard_both_ways(1..9)?;
    done.is_recorded_exactly(Pcma, Pcma)?;
    // What the phone meant before it was coded, against what is kept; aligned by the exact comparison.
    let place = sound::compare(&done.left, &as_sent(Pcma, &done.caller.said))?;
    let said = &done.caller.said[place.place..place.place + place.equal];
    let quality = sound::pesq(said, &done.left[place.before..place.before + place.equal])?;
    eprintln!("PESQ of the recorded caller: {quality:.2}");
    assert!(quality >= 4.0, "PESQ of the recorded caller is {quality}");
    assert_eq!(done.record["keys"], "21");
    assert_eq!(done.record["seat"], "chen_hao");
    assert_eq!(done.record["cause"], "caller_hung_up");
    Ok(())
}

#[test]
fn mu_law_on_both_legs_is_passed_on_as_it_is() -> Result<()> {
    codecs(Pcmu, Pcmu)
}

#[test]
fn an_a_law_caller_and_a_mu_law_seat_understand_each_other() -> Result<()> {
    codecs(Pcma, Pcmu)
}

#[test]
fn a_mu_law_caller_and_an_a_law_seat_understand_each_other() -> Result<()> {
    codecs(Pcmu, Pcma)
}

fn codecs(caller: Codec, seat: Codec) -> Result<()> {
    let mut stage = Stage::set(caller, [seat, seat])?;
    stage.connect()?;
    talk(5);
    let done = stage.hang_up()?;
    done.is_heard_both_ways(1..5)?;
    done.is_recorded_exactly(caller, seat)
}

#[test]
fn a_held_caller_hears_ringback_and_is_taken_back() -> Result<()> {
    let mut stage = Stage::set(Pcma, [Pcma, Pcma])?;
    stage.connect()?;
    talk(3);
    stage.seat.hold()?;
    // More than a period of ringback: one second of tone, four of silence.
    talk(7);
    stage.seat.resume()?;
    talk(4);
    let done = stage.hang_up()?;

    // Between two phones of one codec payloads are passed on as they are, so that every sound that was let
    // through is found sample by sample.
    let sent = as_sent(Pcma, &done.seat.said);
    let (heard, recorded) = (&done.caller.heard, &done.right);
    let second = |from: usize, to: usize| &sent[from * 8_000..to * 8_000];
    ensure!(sound::share_in(heard, second(1, 2)) > 0.9, "the caller does not hear the seat");
    let tones = phones::audio::tones_in(heard);
    let ringback = tones.iter().filter(|tone| **tone == Some(450)).count();
    // At most one while the seats rang, two in seven seconds of hold.
    ensure!(ringback >= 2, "the held caller hears {tones:?}");
    for (what, sound) in [("heard", heard), ("recorded", recorded)] {
        let held = sound::share_in(sound, second(5, 8));
        ensure!(held < 0.01, "what the seat said while it held was {what}: {held:.2}");
        let late = sound::share_in(sound, &sent[sent.len() - 20_000..sent.len() - 4_000]);
        ensure!(late > 0.9, "what the seat said after the hold was not {what}: {late:.2}");
    }
    // The caller's own channel has no hole: he talked on.
    done.is_recorded_exactly_left(Pcma)
}

/// One seat is there over TLS, the other over TCP; neither listens for anybody. The certificate is exchanged
/// while they talk, and the connection that stands goes on.
#[test]
fn seats_over_tls_and_tcp_are_rung_over_their_own_connections() -> Result<()> {
    let pki = Pki::new()?;
    let mut stage = Stage::set_over(
        Setup::default().with_every_transport(&pki),
        [Pcma; 3].map(Speech::from),
        false,
        |sibai| [Over::Tls(sibai.tls(), sibai.configs().join("tls/ca.pem")), Over::Tcp],
    )?;
    stage.connect()?;
    talk(3);
    pki.issue(&["localhost", "127.0.0.1"])?.write(&stage.sibai.configs().join("tls"), "pbx")?;
    stage.sibai.hang_up_signal()?;
    stage.sibai.wait_for_log("certificates were loaded again", PATIENCE)?;
    talk(3);
    for (phone, transport) in [(&stage.seat, "TLS"), (&stage.other, "TCP")] {
        let log = phone.log();
        ensure!(log.contains(&format!("SIP/2.0/{transport} ")), "{transport} is nowhere:\n{log}");
        ensure!(!log.contains("SIP/2.0/UDP "), "something went over UDP:\n{log}");
    }
    let done = stage.hang_up()?;
    done.is_heard_both_ways(1..5)?;
    done.is_recorded_exactly(Pcma, Pcma)
}

#[test]
fn a_seat_puts_the_caller_through_to_another_one() -> Result<()> {
    let mut stage = Stage::set(Pcma, [Pcma, Pcmu])?;
    stage.connect()?;
    talk(4);
    stage.seat.transfer("8003")?;
    stage.other.wait_for("CALL_INCOMING")?;
    talk(2);
    stage.other.accept()?;
    stage.other.wait_for("CALL_ESTABLISHED")?;
    stage.seat.wait_for("CALL_CLOSED")?;
    talk(5);
    stage.caller.hang_up()?;
    stage.other.wait_for("CALL_CLOSED")?;
    let done = stage.over()?;

    assert_eq!(done.record["seat"], "zhao_min");
    let transfer = &done.record["transfers"][0];
    assert_eq!((transfer["by"].as_str(), transfer["to"].as_str()), (Some("chen_hao"), Some("zhao_min")));
    assert_eq!(
        (transfer["kind"].as_str(), transfer["outcome"].as_str()),
        (Some("blind"), Some("transferred"))
    );
    let segments = done.row["segments"].as_array().context("no segments")?;
    let seats: Vec<_> = segments.iter().map(|segment| segment["seat"].as_str().unwrap_or_default()).collect();
    assert_eq!(seats, ["chen_hao", "zhao_min"]);
    let from = segments[1]["from_ms"].as_u64().context("no times")? as usize * 8;
    // The caller's channel has no hole; the other one holds the A-law seat, then silence, then the mu-law one.
    done.is_recorded_exactly_left(Pcma)?;
    let (before, after) = done.right.split_at(from);
    let first = as_sent(Pcma, &done.seat.said);
    let second = as_sent(Pcmu, &done.other.said);
    for (what, sent, sound, least) in [
        ("the first seat", &first[8_000..24_000], before, 0.9),
        ("the second seat", &second[8_000..32_000], after, 0.9),
    ] {
        let share = sound::share_in(sound, sent);
        ensure!(share > least, "{what} is not recorded in its place: {share:.2}");
    }
    ensure!(sound::share_in(after, &first[8_000..24_000]) < 0.01, "the first seat is heard again");
    // The caller speaks A-law: what he hears is that of the mu-law, where phone and table round alike: one half
    // of the wave.
    let heard = sound::share_in(&done.caller.heard, &as_sent(Pcma, &second[8_000..32_000]));
    ensure!(heard > 0.4, "the caller does not hear the second seat: {heard:.2}");
    Ok(())
}

/// Sibai, a caller at the carrier's end of the trunk, and the two seats of after-sales: chen_hao, who
/// answers, and zhao_min.
struct Stage {
    sibai: Sibai,
    caller: Baresip,
    seat: Baresip,
    other: Baresip,
}

impl Stage {
    fn set(caller: Codec, [one, two]: [Codec; 2]) -> Result<Self> {
        let speech = [caller, one, two].map(Speech::from);
        Self::set_over(Setup::default(), speech, false, |_| [Over::Udp, Over::Udp])
    }

    /// `sealed`: the first seat takes SRTP.
    fn set_over(
        setup: Setup,
        speech: [Speech; 3],
        sealed: bool,
        over: impl Fn(&Sibai) -> [Over; 2],
    ) -> Result<Self> {
        let sibai = Sibai::start(setup)?;
        let [seat_over, other_over] = over(&sibai);
        let media = sibai.media_port().port();
        let phone = |user: &str, over: &Over, n: u16| -> Result<Baresip> {
            let is_seat = n > 0;
            let voice = if is_seat { "seat.wav" } else { "caller.wav" };
            let setup = BaresipSetup {
                user: user.into(),
                proxy: sibai.sip(),
                password: is_seat.then(|| sibai.password(user).map(str::to_owned)).transpose()?,
                speech: speech[usize::from(n)],
                seal: if sealed && n == 1 { Seal::Sdes } else { Seal::Open },
                voice: sound::speech(&voice_of(voice)?, 60),
                sip: if is_seat { sibai.phone_port(4 * n) } else { sibai.carrier() },
                control: sibai.phone_port(16 + n),
                media: (media, media + 98),
            };
            Baresip::start_over(&setup, over)
        };
        let caller = phone("13912345678", &Over::Udp, 0)?;
        let mut seat = phone("8004", &seat_over, 1)?;
        let mut other = phone("8003", &other_over, 2)?;
        seat.registered()?;
        other.registered()?;
        Ok(Self { sibai, caller, seat, other })
    }

    /// Dials, goes through both menus to after-sales, and the seat answers.
    fn connect(&mut self) -> Result<()> {
        self.queue()?;
        self.take()
    }

    /// As far as the seats ring.
    fn queue(&mut self) -> Result<()> {
        self.caller.dial("057155550100")?;
        self.caller.wait_for("CALL_ESTABLISHED")?;
        self.log_says("Menu { menu: \"main\"")?;
        self.caller.press('2')?;
        self.log_says("Menu { menu: \"after_sales_menu\"")?;
        self.caller.press('1')?;
        self.seat.wait_for("CALL_INCOMING")?;
        self.other.wait_for("CALL_INCOMING").map(drop)
    }

    fn take(&mut self) -> Result<()> {
        self.seat.accept()?;
        self.seat.wait_for("CALL_ESTABLISHED")?;
        self.other.wait_for("CALL_CLOSED")?;
        self.log_says("Connected {")
    }

    fn log_says(&self, what: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.sibai.log().replace('\\', "").contains(what) {
            ensure!(Instant::now() < end, "{what:?} was not logged");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn hang_up(mut self) -> Result<Done> {
        self.caller.hang_up()?;
        self.seat.wait_for("CALL_CLOSED")?;
        self.over()
    }

    /// The call is over.
    fn over(self) -> Result<Done> {
        let record = self.sibai.call_record()?;
        let recording = record["recording_id"].as_str().context("the call was not recorded")?;
        let (row, wav) = self.sibai.recording(recording)?;
        let mut channels = sound::channels(&wav)?;
        ensure!(channels.len() == 2, "the recording is not stereo");
        let (right, left) = (channels.pop().unwrap_or_default(), channels.pop().unwrap_or_default());
        let other = self.other.quit()?;
        Ok(Done { caller: self.caller.quit()?, seat: self.seat.quit()?, other, left, right, record, row })
    }
}

/// What is left of the call.
struct Done {
    caller: Dumps,
    seat: Dumps,
    other: Dumps,
    left: Vec<i16>,
    right: Vec<i16>,
    record: Value,
    /// The recording's row.
    row: Value,
}

impl Done {
    /// What each said in these seconds of the conversation, the other has heard.
    fn is_heard_both_ways(&self, seconds: std::ops::Range<usize>) -> Result<()> {
        let span = seconds.start * 8_000..seconds.end * 8_000;
        let (likeness, _) = phones::ear::find(&self.seat.said[span.clone()], &self.caller.heard);
        ensure!(likeness >= ALIKE, "the caller does not hear the seat: {likeness:.4}");
        let heard = &self.seat.heard;
        let (likeness, _) =
            phones::ear::find(&heard[span.start..span.end.min(heard.len())], &self.caller.said);
        ensure!(likeness >= ALIKE, "the seat does not hear the caller: {likeness:.4}");
        Ok(())
    }

    /// Every sample of both channels is what the packets hold; silence only before the first and behind the
    /// last.
    fn is_recorded_exactly(&self, caller: Codec, seat: Codec) -> Result<()> {
        self.is_recorded_exactly_left(caller)?;
        exactly(&self.right, &as_sent(seat, &self.seat.said)).context("the seat's channel")
    }

    fn is_recorded_exactly_left(&self, codec: Codec) -> Result<()> {
        exactly(&self.left, &as_sent(codec, &self.caller.said)).context("the caller's channel")
    }
}

fn exactly(recorded: &[i16], sent: &[i16]) -> Result<()> {
    let exact = sound::compare(recorded, sent)?;
    eprintln!("{exact:?}");
    ensure!(exact.before < EDGE && exact.behind < EDGE, "silent at an edge: {exact:?}");
    ensure!(exact.equal + exact.before + exact.behind == recorded.len(), "{exact:?}");
    Ok(())
}

fn voice_of(file: &str) -> Result<Vec<i16>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sibai/voices").join(file);
    Ok(Audio::load(&path)?.samples().to_vec())
}

/// Lets both talk: there is nothing to wait for, time itself is what is recorded.
fn talk(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}

/// What went through G.711 and a jitter buffer is all but the same.
const ALIKE: f64 = 0.95;

/// Half a second, in samples: a busy machine may be late with the first packet.
const EDGE: usize = 4_000;

const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(50);
