//! The codecs of pjsua2, open and under keys of the description: what one says the other hears, and the recording holds.

use integration_tests::wire::pki::Pki;
use phones::Codec::{self, Pcma, Pcmu};

use super::*;

#[test]
fn a_seat_that_speaks_g722_alone() -> Result<()> {
    speaks(Pcma, "G722", Seal::None)
}

#[test]
fn a_seat_that_speaks_mu_law_alone() -> Result<()> {
    speaks(Pcma, "PCMU", Seal::None)
}

#[test]
fn a_seat_that_must_be_sealed_speaks_a_law() -> Result<()> {
    speaks(Pcmu, "PCMA", Seal::Must)
}

#[test]
fn a_seat_that_must_be_sealed_speaks_mu_law() -> Result<()> {
    speaks(Pcmu, "PCMU", Seal::Must)
}

#[test]
fn a_seat_that_must_be_sealed_speaks_g722() -> Result<()> {
    speaks(Pcma, "G722", Seal::Must)
}

#[test]
fn a_seat_that_may_be_sealed_speaks_g722_over_tls() -> Result<()> {
    speaks(Pcmu, "G722", Seal::May)
}

#[test]
fn a_seat_that_may_be_sealed_speaks_a_law_over_tls() -> Result<()> {
    speaks(Pcma, "PCMA", Seal::May)
}

/// Ours is offered beside plain RTP, which it refuses: it is asked once more.
#[test]
fn a_seat_that_insists_on_keys_that_we_only_prefer_is_asked_again_over_tls() -> Result<()> {
    speaks(Pcma, "PCMA", Seal::Insists)
}

#[test]
fn a_seat_whose_line_says_that_it_must_be_sealed() -> Result<()> {
    speaks(Pcma, "PCMA", Seal::MustBySeat)
}

#[test]
fn a_seat_that_must_be_sealed_calls_one_that_is_not() -> Result<()> {
    calls_another(&json!({ "codec": "PCMA", "srtp": "mandatory" }), "a=crypto:")
}

/// A seat as particular as told calls another one, which is not.
fn calls_another(how: &Value, told: &str) -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let proxy = sibai.sip().to_string();
    let mut first = Softphone::particular(&proxy, "8001", sibai.password("8001")?, FIRST_TONE, how)?;
    let mut second = Softphone::start(&proxy, "8003", sibai.password("8003")?)?;
    first.wait_for("registered 200")?;
    second.wait_for("registered 200")?;
    first.order("call 8003")?;
    second.wait_for("call CONFIRMED")?;
    first.wait_for("call CONFIRMED")?;
    std::thread::sleep(Duration::from_secs(4));
    // The end of its orders is its end.
    drop(first.child.stdin.take());
    second.wait_for("done")?;
    first.wait_for("done")?;
    let log = first.log()?;
    ensure!(log.matches(told).count() > 1, "{told} stands nowhere:\n{log}");
    for (who, phone, tone) in [("caller", first, SEAT_TONE), ("callee", second, FIRST_TONE)] {
        let heard = phone.heard()?;
        let right = heard.chunks_exact(800).filter(|s| share_of(s, f64::from(tone)) > 0.8).count();
        ensure!(right >= 20, "the {who} hears {tone} Hz in {right} stretches:\n{}", sibai.log());
    }
    Ok(())
}

/// What is agreed on SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seal {
    None,
    /// Both insist; over UDP, where anybody may read the keys.
    Must,
    /// The same, as the seat says; the engine only prefers it.
    MustBySeat,
    /// Both prefer it; over TLS.
    May,
    /// We prefer it, the phone insists; over TLS.
    Insists,
}

fn speaks(caller: Codec, codec: &str, seal: Seal) -> Result<()> {
    let pki = Pki::new()?;
    let setup = match seal {
        Seal::None => Setup::default(),
        Seal::Must => Setup::default().engine("opus] }", "opus], srtp: require }"),
        Seal::MustBySeat => Setup::default().line("ext: \"8001\" }", "ext: \"8001\", srtp: require }"),
        Seal::May | Seal::Insists => Setup::default().with_every_transport(&pki),
    };
    let sibai = Sibai::start(setup)?;
    let how = match seal {
        Seal::None => json!({ "codec": codec }),
        Seal::Must | Seal::MustBySeat => json!({ "codec": codec, "srtp": "mandatory" }),
        Seal::Insists => json!({ "codec": codec, "srtp": "mandatory", "tls": sibai.tls().to_string() }),
        Seal::May => json!({ "codec": codec, "srtp": "optional", "tls": sibai.tls().to_string() }),
    };
    let proxy = sibai.sip().to_string();
    let mut seat = Softphone::particular(&proxy, "8001", sibai.password("8001")?, SEAT_TONE, &how)?;
    seat.wait_for("registered 200")?;
    let mut caller = sibai.carrier_phone(|setup| setup.codecs = vec![caller])?;
    caller.order(Action::Call(Dial { from: Some("13912345678".into()), ..Dial::to("057155550100") }));
    caller.wait_for(PATIENCE, |event| *event == Event::Answered).context("the call was not answered")?;
    let end = Instant::now() + PATIENCE;
    while !seat.has_told("rings", PRESS_EVERY)? {
        ensure!(Instant::now() < end, "the seat does not ring:\n{}", sibai.log());
        caller.order(Action::Press('1'));
    }
    seat.wait_for("call CONFIRMED")?;
    caller.order(Action::Say(Audio::tone(CALLER_TONE, Duration::from_secs(60))));
    std::thread::sleep(Duration::from_secs(4));
    caller.order(Action::HangUp);
    seat.wait_for("done")?;

    let log = seat.log()?;
    ensure!((seal == Seal::None) != (log.matches("a=crypto:").count() > 1), "{seal:?}:\n{log}");
    let refused = log.matches("SIP/2.0 488").count();
    ensure!((seal == Seal::Insists) == (refused > 0), "{seal:?}: 488 stands there {refused} times:\n{log}");
    let record = sibai.call_record()?;
    let (_, wav) = sibai.recording(record["recording_id"].as_str().context("not recorded")?)?;
    let channels = sound::channels(&wav)?;
    let [left, right] = channels.as_slice() else { bail!("the recording is not stereo") };
    let caller = caller.finish().context("the phone's thread panicked")?;
    let faults: Vec<&str> = caller.faults().collect();
    ensure!(faults.is_empty(), "{faults:?}");
    for (what, sound, tone) in [
        ("the caller hears", caller.heard(), f64::from(SEAT_TONE)),
        ("the seat hears", &seat.heard()?, CALLER_TONE),
        ("the caller's channel holds", left, CALLER_TONE),
        ("the seat's channel holds", right, f64::from(SEAT_TONE)),
    ] {
        // Its jitter buffer stretches and cuts under load: two seconds of three.
        let end = sound.len().saturating_sub(4_000);
        let stretch = sound[end.saturating_sub(24_000)..end].chunks_exact(800);
        let right = stretch.filter(|stretch| share_of(stretch, tone) > 0.8).count();
        ensure!(right >= 20, "{what} {tone} Hz in {right} of 30 stretches");
    }
    Ok(())
}
