//! Every codec with every other, open, under keys of the description and under keys of a handshake: four calls at once,
//! and each side hears and is recorded saying its own tone, and nothing of the others'.

use super::*;

#[test]
fn each_codec_with_itself() -> Result<()> {
    talk_at_once(0, Seal::Open)
}

#[test]
fn each_codec_with_the_next() -> Result<()> {
    talk_at_once(1, Seal::Open)
}

#[test]
fn each_codec_with_the_next_but_one() -> Result<()> {
    talk_at_once(2, Seal::Open)
}

#[test]
fn each_codec_with_the_one_before() -> Result<()> {
    talk_at_once(3, Seal::Open)
}

#[test]
fn each_codec_with_itself_under_sdes() -> Result<()> {
    talk_at_once(0, Seal::Sdes)
}

#[test]
fn each_codec_with_the_next_under_sdes() -> Result<()> {
    talk_at_once(1, Seal::Sdes)
}

#[test]
fn each_codec_with_the_next_but_one_under_sdes() -> Result<()> {
    talk_at_once(2, Seal::Sdes)
}

#[test]
fn each_codec_with_the_one_before_under_sdes() -> Result<()> {
    talk_at_once(3, Seal::Sdes)
}

#[test]
fn each_codec_with_itself_under_dtls() -> Result<()> {
    talk_at_once(0, Seal::Dtls)
}

#[test]
fn each_codec_with_the_next_under_dtls() -> Result<()> {
    talk_at_once(1, Seal::Dtls)
}

#[test]
fn each_codec_with_the_next_but_one_under_dtls() -> Result<()> {
    talk_at_once(2, Seal::Dtls)
}

#[test]
fn each_codec_with_the_one_before_under_dtls() -> Result<()> {
    talk_at_once(3, Seal::Dtls)
}

/// Four callers with a codec each, and as many seats, whose codecs are `turn` places further. Callers are sealed as told;
/// seats are offered keys where they are over TLS, and a handshake never: that is for browsers.
fn talk_at_once(turn: usize, seal: Seal) -> Result<()> {
    let pki = Pki::new()?;
    let setup = Setup::default()
        .with_every_transport(&pki)
        .with_callers(SEATS.len() as u16)
        .engine("max_calls: 20", "max_calls: 20\n    srtp: prefer")
        .line("seats: [li_na, wang_wei]", "seats: [li_na, wang_wei, zhao_min, chen_hao]");
    let sibai = Sibai::start(setup)?;
    let media = sibai.media_port().port();
    let phone = |n: usize, is_seat: bool| -> Result<Baresip> {
        let place = n as u16 + if is_seat { SEATS.len() as u16 } else { 0 };
        let user = if is_seat { SEATS[n].0.to_owned() } else { format!("1391234567{n}") };
        let tls = Over::Tls(sibai.tls(), sibai.configs().join("tls/ca.pem"));
        let setup = BaresipSetup {
            proxy: sibai.sip(),
            password: is_seat.then(|| sibai.password(&user).map(str::to_owned)).transpose()?,
            user,
            speech: SPEECH[(n + if is_seat { turn } else { 0 }) % SPEECH.len()],
            seal: if is_seat && seal == Seal::Dtls { Seal::Open } else { seal },
            voice: Audio::tone(f64::from(tone(n, is_seat)), Duration::from_secs(60)).samples().to_vec(),
            sip: sibai.phone_port(2 * place),
            control: sibai.control_port(place),
            media: (media, media + 98),
        };
        Baresip::start_over(&setup, if is_seat && seal == Seal::Sdes { &tls } else { &Over::Udp })
    };
    let mut seats = (0..SEATS.len()).map(|n| phone(n, true)).collect::<Result<Vec<_>>>()?;
    let mut callers = (0..SEATS.len()).map(|n| phone(n, false)).collect::<Result<Vec<_>>>()?;
    for seat in &mut seats {
        seat.registered()?;
    }
    // One after the other: the first seat that is free is rung.
    for (caller, seat) in callers.iter_mut().zip(&mut seats) {
        caller.dial("057155550100")?;
        caller.wait_for("CALL_ESTABLISHED")?;
        let end = Instant::now() + PATIENCE;
        while !seat.has_seen("CALL_INCOMING")? {
            ensure!(Instant::now() < end, "the seat does not ring:\n{}", sibai.log());
            caller.press('1')?;
        }
        seat.accept()?;
        seat.wait_for("CALL_ESTABLISHED")?;
    }
    talk(4);
    for caller in &mut callers {
        is_sealed(caller, seal)?;
        caller.hang_up()?;
    }
    for seat in &mut seats {
        seat.wait_for("CALL_CLOSED")?;
        is_sealed(seat, if seal == Seal::Sdes { seal } else { Seal::Open })?;
    }
    let heard = |phone: Baresip| phone.quit().map(|dumps| dumps.heard);
    let callers = callers.into_iter().map(heard).collect::<Result<Vec<_>>>()?;
    let seats = seats.into_iter().map(heard).collect::<Result<Vec<_>>>()?;
    for (n, (caller, seat)) in callers.iter().zip(&seats).enumerate() {
        let (one, other) = (SPEECH[n], SPEECH[(n + turn) % SPEECH.len()]);
        hear_each_other(&sibai, n, caller, seat)
            .with_context(|| format!("{one:?} to {other:?}, {seal:?}"))?;
    }
    Ok(())
}

/// Both parties of a call, and its recording, hold the tones that they must.
fn hear_each_other(sibai: &Sibai, n: usize, caller: &[i16], seat: &[i16]) -> Result<()> {
    let records = sibai.call_records(SEATS.len())?;
    let record = records.iter().find(|record| record["seat"] == SEATS[n].1).context("no record")?;
    let (_, wav) = sibai.recording(record["recording_id"].as_str().context("not recorded")?)?;
    let channels = sound::channels(&wav)?;
    ensure!(channels.len() == 2, "the recording is not stereo");
    for (what, sound, said) in [
        ("the caller hears the seat", caller, tone(n, true)),
        ("the seat hears the caller", seat, tone(n, false)),
        ("the caller's channel", &channels[0], tone(n, false)),
        ("the seat's channel", &channels[1], tone(n, true)),
    ] {
        let share = share_of_tone(sound, said);
        let tones = phones::audio::tones_in(&sound[sound.len().saturating_sub(40_000)..]);
        ensure!(share >= 0.6, "{what}: {said} Hz in {share:.2} of it: {tones:?}");
    }
    Ok(())
}

/// It says so itself.
fn is_sealed(phone: &Baresip, seal: Seal) -> Result<()> {
    let log = phone.log();
    let says = |what: &str| log.contains(what);
    let is_so = match seal {
        Seal::Open => !says("a=crypto:") || says("RTP/AVP"),
        Seal::Sdes => says("SRTP is Enabled"),
        Seal::Dtls => says("DTLS-SRTP complete"),
    };
    ensure!(is_so, "not as {seal:?}:\n{log}");
    Ok(())
}

/// How much of the three seconds before the last half one has this tone.
fn share_of_tone(sound: &[i16], hertz: u32) -> f64 {
    let end = sound.len().saturating_sub(4_000);
    let stretch = &sound[end.saturating_sub(24_000)..end];
    let tones: Vec<_> = stretch.chunks_exact(800).map(phones::audio::dominant).collect();
    let right = tones.iter().filter(|tone| tone.is_some_and(|tone| tone.abs_diff(hertz) <= 10)).count();
    right as f64 / tones.len().max(30) as f64
}

/// A tone of its own for each of the eight.
fn tone(n: usize, is_seat: bool) -> u32 {
    500 + 150 * n as u32 + if is_seat { 650 } else { 0 }
}

const SEATS: [(&str, &str); 4] =
    [("8001", "li_na"), ("8002", "wang_wei"), ("8003", "zhao_min"), ("8004", "chen_hao")];

const SPEECH: [Speech; 4] = [Speech::G711(Pcma), Speech::G711(Pcmu), Speech::G722, Speech::Opus];
