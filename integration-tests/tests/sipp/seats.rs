//! Phones that register and call.

use anyhow::{Context, Result};
use integration_tests::wire::{Setup, Sibai};
use phones::{Behaviour, Event};

use super::house::{CALLER, NUMBER, PATIENCE, is_heard, legs, sipp_seat};

#[test]
fn a_caller_who_gives_up_is_told_200_and_487() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut rung = sipp_seat(&sibai, "8003", 0, "seat_rings.xml")?;
    let at = sibai.phone_port(1);
    let password = sibai.password("8001")?;
    sibai.sipp("register.xml").from(at).service("8001").credentials("8001", password).run(PATIENCE)?;
    // SIPp would put the server's address as the digest's URI otherwise; phones put the Request-URI.
    let uri = format!("8003@{}", sibai.sip());
    sibai
        .sipp("seat_dials_and_gives_up.xml")
        .from(at)
        .service("8003")
        .key("seat", "8001")
        .credentials("8001", password)
        .arguments(&["-auth_uri", &uri])
        .run(PATIENCE)?;
    rung.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["internal"]), (&"caller_gave_up".into(), &true.into()));
    assert_eq!(record["answered_ms"], serde_json::Value::Null);
    assert_eq!(legs(&record), [("li_na", "caller_gave_up"), ("zhao_min", "caller_gave_up")]);
    Ok(())
}

/// `RustPBX` loses the 180 when the 200 follows at once: 12 of 500 reached the caller.
#[test]
fn every_ringing_reaches_the_caller_even_when_the_answer_follows_at_once() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let (caller, callee) = (sibai.phone_port(0), sibai.phone_port(1));
    for (at, extension) in [(caller, "8001"), (callee, "8003")] {
        let password = sibai.password(extension)?;
        sibai
            .sipp("register.xml")
            .from(at)
            .service(extension)
            .credentials(extension, password)
            .run(PATIENCE)?;
    }
    let mut rung =
        sibai.sipp("seat_answers_at_once.xml").from(callee).service("8003").calls(20, 10).start()?;
    let uri = format!("8003@{}", sibai.sip());
    sibai
        .sipp("seat_dials.xml")
        .from(caller)
        .service("8003")
        .key("seat", "8001")
        .credentials("8001", sibai.password("8001")?)
        .calls(20, 10)
        // One after the other: a seat is never offered two calls.
        .arguments(&["-auth_uri", &uri, "-l", "1"])
        .run(PATIENCE)?;
    rung.finish(PATIENCE)?;
    let records = sibai.call_records(20)?;
    assert!(records.iter().all(|record| record["cause"] == "caller_hung_up"), "{records:#?}");
    Ok(())
}

#[test]
fn a_phone_on_tcp_is_rung_over_the_connection_that_it_opened() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let at = sibai.phone_port(0);
    let answers = concat!(env!("CARGO_MANIFEST_DIR"), "/sipp/seat_answers.xml");
    let mut phone = sibai
        .sipp("register_and_stay.xml")
        .from(at)
        .over_tcp()
        .service("8003")
        .credentials("8003", sibai.password("8003")?)
        .arguments(&["-oocsf", answers, "-d", "8000"])
        .start()?;
    sibai.metric_becomes("pbx_registrations", 1.0, PATIENCE)?;
    let mut caller = sibai.sipp("caller_hangs_up.xml").service(NUMBER).key("caller", CALLER);
    caller = caller.key("key", "0").arguments(&["-d", "2000"]);
    caller.run(PATIENCE)?;
    phone.finish(PATIENCE)?;
    let received = phone.received();
    assert!(received.iter().any(|message| message.starts_with("INVITE")), "{received:#?}");
    assert!(received.iter().any(|message| message.starts_with("BYE")), "{received:#?}");
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["seat"]), (&"caller_hung_up".into(), &"zhao_min".into()));
    Ok(())
}

#[test]
fn a_carrier_may_call_over_tcp() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let caller = sibai.sipp("caller_short.xml").over_tcp().service(NUMBER).key("caller", CALLER);
    caller.run(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["status"]), (&"caller_hung_up".into(), &"left_menu".into()));
    Ok(())
}

#[test]
fn a_seat_may_call_its_own_line() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sibai.seat("8001", Behaviour::waits())?;
    seat.order(phones::Action::Call(phones::Dial::to("4005550100")));
    assert!(is_heard(&mut seat, |event| *event == Event::Answered), "{:?}", seat.seen());
    seat.order(phones::Action::HangUp);
    let record = sibai.call_record()?;
    assert_eq!((&record["internal"], &record["number"]), (&true.into(), &"4005550100".into()));
    Ok(())
}

#[test]
fn who_withholds_its_number_is_known_to_the_record_and_to_no_seat() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_answers.xml")?;
    let caller = sibai.sipp("caller_is_withheld_and_diverted.xml").service(NUMBER).key("caller", CALLER);
    caller.key("key", "0").arguments(&["-d", "2000"]).run(PATIENCE)?;
    seat.finish(PATIENCE)?;
    let received = seat.received();
    let invite = received.iter().find(|message| message.starts_with("INVITE")).context("INVITE")?;
    assert!(invite.contains("\nFrom: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{invite}");
    assert!(invite.contains("\nPrivacy: id"), "{invite}");
    assert!(received.iter().all(|message| !message.contains(CALLER)), "{received:#?}");
    let record = sibai.call_record()?;
    assert_eq!(record["diverted"], serde_json::json!(["+8657155550199", "4005550100"]), "{record:#}");
    // What the network said of its own hang-up, and what a normal one is.
    assert_eq!(record["legs"][0]["q850"], 31, "{record:#}");
    Ok(())
}
