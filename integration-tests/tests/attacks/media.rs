//! Attacks on the audio of calls (reliability A8, B7, F12): nothing comes out of a port to whoever is not its peer, nothing
//! of his is heard or recorded, and the audio of a peer that moves with its NAT comes back.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::attack::{Prober, is_long, seconds};
use integration_tests::wire::intruder::{Intruder, LOUDER_THAN_ALL, client_hello};
use integration_tests::wire::{Setup, Sibai, sound};
use phones::{Action, Behaviour, Counts, Event, Phone};
use serde_json::Value;

use crate::cast::{PATIENCE, Talk, dial, press_until, unlike_anything};
use crate::elsewhere;

/// The seat says nothing for half a second of each call: whoever believes the first who comes believes the intruder.
#[test]
fn who_sends_to_every_port_since_before_the_call_gets_nothing_and_is_never_heard() -> Result<()> {
    let sibai = Sibai::start(Setup::default().line("wrap_up: 10s", "wrap_up: 1s"))?;
    let mut seat = sibai.seat_with("8001", |setup| {
        setup.behaviour = Behaviour::answers(Duration::ZERO);
        setup.fills_silence = false;
    })?;
    let mut caller = sibai.carrier_phone(|_| ())?;
    let intruder = Intruder::everywhere(elsewhere(1).ip(), sibai.media_range())?;
    let calls = if is_long() { 100 } else { 4 };
    for call in 0..calls {
        dial(&mut caller)?;
        press_until(&caller, '1', || seat.next(PRESS_EVERY).is_some_and(|s| s.event == Event::Answered))?;
        sleep(Duration::from_millis(500));
        caller.order(Action::Say(unlike_anything(2 * call)));
        seat.order(Action::Say(unlike_anything(2 * call + 1)));
        sleep(Duration::from_millis(1_500));
        hang_up(&mut caller, &mut seat)?;
    }
    let spoils = intruder.stop()?;
    let records = sibai.call_records(calls as usize)?;
    println!("A8: {spoils:?} in {calls} calls");
    ensure!(spoils.got == 0, "the intruder got something: {spoils:?}");
    for record in &records {
        for channel in recorded(&sibai, record)? {
            ensure!(loudest(&channel) < LOUDER_THAN_ALL, "the intruder was recorded: {record:#}");
            ensure!(phones::audio::level(&channel) > -40.0, "hardly anything was recorded: {record:#}");
        }
    }
    let [caller, seat] = [caller, seat].map(|phone| phone.finish().context("the phone's thread panicked"));
    let (caller, seat) = (caller?, seat?);
    ensure!(caller.calls().count() == calls as usize && seat.calls().count() == calls as usize);
    for ((_, one), (_, other)) in caller.calls().zip(seat.calls()) {
        let (one, other) = (one.stream(), other.stream());
        for (who, heard, said) in [("seat", other.heard(), one.said()), ("caller", one.heard(), other.said())]
        {
            ensure!(loudest(heard) < LOUDER_THAN_ALL, "the {who} hears the intruder");
            // The second before the end.
            let last = said.len().checked_sub(SECOND + SECOND / 5).context("hardly anything was said")?;
            let share = sound::share_in(heard, &said[last..last + SECOND]);
            ensure!(share > 0.95, "the {who} hears {share:.2} of what was said");
        }
    }
    let dropped = sibai.metric("pbx_rtp_packets_dropped_total")?;
    // Each call has two legs for two seconds and more.
    ensure!(dropped > 4.0 * 50.0 * calls as f64, "only {dropped} packets were counted as dropped");
    Ok(())
}

#[test]
fn ten_thousand_junk_packets_a_second_at_one_leg_harm_neither_its_call_nor_another() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut one = Talk::begin(&sibai)?;
    let port = *sibai.open_media()?.keys().find(|port| *port % 2 == 0).context("no port is open")?;
    let mut other = Talk::begin_with(&sibai, "8002", sibai.second_carrier())?;
    let junk = Intruder::junk(elsewhere(2).ip(), port, 10_000)?;
    sleep(seconds(3, 30));
    let spoils = junk.stop()?;
    let late = sibai.open_media()?;
    one.end()?;
    other.end()?;
    let records = sibai.call_records(2)?;
    let late_here = late.get(&port).copied().unwrap_or_default();
    println!("B7: {spoils:?}; the system dropped {late:?}");
    ensure!(spoils.got == 0, "junk was answered: {spoils:?}");
    for record in &records {
        for channel in recorded(&sibai, record)? {
            ensure!(loudest(&channel) < LOUDER_THAN_ALL, "junk was recorded: {record:#}");
        }
    }
    for (what, talk, late) in [("the call under attack", one, late_here), ("the other call", other, 0)] {
        for phone in [talk.caller, talk.seat] {
            let phone = phone.finish().context("the phone's thread panicked")?;
            let counts = counts(&phone)?;
            println!("{what}: {counts:?}");
            // What the system dropped before we were there to fetch it nobody can save: on a machine of its own, nothing.
            ensure!(counts.lost <= late && counts.received > 100, "{what}: {counts:?}, {late} too late");
            ensure!(loudest(phone.heard()) < LOUDER_THAN_ALL, "{what} hears junk");
        }
    }
    let dropped = sibai.metric("pbx_rtp_packets_dropped_total")? as u64;
    ensure!(dropped + late_here >= spoils.sent, "{dropped} and {late_here} of {spoils:?} were counted");
    Ok(())
}

/// The caller's NAT first, then the seat's: another port, and another address. What was lost is counted in packets.
#[test]
fn a_nat_that_rebinds_in_mid_call_costs_each_way_less_than_half_a_second_of_packets() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut talk = Talk::begin(&sibai)?;
    sleep(Duration::from_secs(1));
    for place in [elsewhere(3), elsewhere(4)] {
        // From another port of the same address, then from elsewhere.
        let home = talk.caller.local_sip();
        for to in [home, place] {
            let phone = if place == elsewhere(3) { &mut talk.caller } else { &mut talk.seat };
            phone.rebind(to.ip())?;
            sleep(Duration::from_millis(1_200));
        }
    }
    talk.end()?;
    let record = sibai.call_record()?;
    for (who, channel) in ["caller", "seat"].into_iter().zip(recorded(&sibai, &record)?) {
        let holes = holes(&channel);
        println!("F12: the recorded {who} has holes of {holes:?} packets");
        // Its own two moves; of the other's nothing is lost on the way to us.
        ensure!(holes.len() == 2 && holes.iter().all(|hole| HOLE.contains(hole)), "{who}: {holes:?}");
    }
    for (who, phone) in [("caller", talk.caller), ("seat", talk.seat)] {
        let phone = phone.finish().context("the phone's thread panicked")?;
        let holes = holes(phone.heard());
        println!("F12: the {who} hears holes of {holes:?} packets");
        ensure!(holes.len() == 4 && holes.iter().all(|hole| HOLE.contains(hole)), "{who}: {holes:?}");
    }
    Ok(())
}

/// A call under DTLS without ICE: its peer is where its description says, and may begin from its signalling's address.
#[test]
fn a_handshake_is_shaken_with_the_peer_and_not_with_whoever_says_hello() -> Result<()> {
    let setup = Setup::default().engine("max_calls: 20", "max_calls: 20\n    srtp: prefer");
    let sibai = Sibai::start(setup)?;
    let mut peer = Prober::at(sibai.carrier(), sibai.sip(), PATIENCE)?;
    let mut media = Prober::at(sibai.media_port(), sibai.sip(), Duration::from_secs(5))?;
    let intruder = Intruder::everywhere(elsewhere(5).ip(), sibai.media_range())?;
    let sdp = SEALED.replace("PORT", &media.address()?.port().to_string());
    let invite =
        integration_tests::wire::attack::request("INVITE", 1, sibai.carrier(), "13912345678", "057155550100");
    let (head, _) = invite.split_once("Content-Length").context("a head")?;
    let invite = format!("{head}Content-Length: {}\r\n\r\n{sdp}", sdp.len());
    let mut answer = peer.ask(&invite)?.context("no answer")?;
    // Before the answer come provisional ones, and questions whether the trunk is there.
    for _ in 0..MOST_MESSAGES {
        if answer.status() >= Some(200) {
            break;
        }
        answer = peer.hear()?.context("no final answer")?;
    }
    ensure!(answer.status() == Some(200), "{answer:?}\n{}", sibai.log());
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    ensure!(body.contains("a=setup:passive") && body.contains("a=fingerprint:"), "{body}");
    let port = body.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()).context("a port")?;
    sleep(Duration::from_millis(500));
    media.turn_to(port.parse()?);
    let first = media.exchange(&client_hello())?.context("the peer's hello was not answered")?;
    // HelloVerifyRequest (RFC 6347 section 4.2.1): it must show that it is where it says.
    ensure!(first.first() == Some(&22) && first.get(13) == Some(&3), "{first:?}");
    let spoils = intruder.stop()?;
    println!("A8: {spoils:?} round a handshake");
    ensure!(spoils.got == 0, "the intruder got something: {spoils:?}");
    Ok(())
}

fn hang_up(caller: &mut phones::live::LivePhone, seat: &mut phones::live::LivePhone) -> Result<()> {
    caller.order(Action::HangUp);
    let is_over = |event: &Event| matches!(event, Event::HungUpByPeer { .. });
    seat.wait_for(PATIENCE, is_over).context("the seat was not hung up")?;
    caller.wait_for(PATIENCE, |event| *event == Event::Gone).context("the call does not end")?;
    Ok(())
}

/// Both channels of a call's recording.
fn recorded(sibai: &Sibai, record: &Value) -> Result<[Vec<i16>; 2]> {
    let (_, wav) = sibai.recording(record["recording_id"].as_str().context("not recorded")?)?;
    let Ok(channels) = sound::channels(&wav)?.try_into() else { bail!("the recording is not stereo") };
    Ok(channels)
}

fn counts(phone: &Phone) -> Result<Counts> {
    let (_, call) = phone.calls().next().context("no call")?;
    Ok(call.stream().counts())
}

/// How long each silence within the noise is, in packets: noise has none by itself.
fn holes(audio: &[i16]) -> Vec<usize> {
    let is_loud = |frame: &[i16]| phones::audio::level(frame) > -30.0;
    let frames: Vec<bool> = audio.chunks_exact(FRAME).map(is_loud).collect();
    // What is said begins with the last long silence's end: before it there are prompts.
    let runs = frames.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()));
    let runs: Vec<(bool, usize)> = runs.collect();
    let begin = runs.iter().position(|(loud, length)| *loud && *length > 25).unwrap_or(runs.len());
    let end = runs.iter().rposition(|(loud, _)| *loud).unwrap_or(0);
    runs.get(begin..end).unwrap_or_default().iter().filter(|(loud, _)| !loud).map(|(_, n)| *n).collect()
}

fn loudest(audio: &[i16]) -> i16 {
    audio.iter().map(|sample| sample.saturating_abs()).max().unwrap_or(0)
}

const SECOND: usize = 8_000;

/// 20 ms.
const FRAME: usize = 160;

/// The latch waits for 300 ms of silence, and half a second is too much.
const HOLE: std::ops::RangeInclusive<usize> = 10..=25;

const PRESS_EVERY: Duration = Duration::from_millis(700);

const MOST_MESSAGES: usize = 20;

const SEALED: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio PORT UDP/TLS/RTP/SAVP 8\r\na=rtpmap:8 PCMA/8000\r\na=setup:active\r\na=rtcp-mux\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
    10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n";
