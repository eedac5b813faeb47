//! A caller in the menu, and the seats that ring for it.

use std::time::Duration;

use anyhow::{Context, Result};
use integration_tests::wire::{Setup, Sibai};
use phones::{Action, Behaviour, Cue, Event, Script};
use serde_json::Value;

use super::house::{CALLER, NUMBER, PATIENCE, is_heard, legs, sipp_seat};

#[test]
fn seats_ring_one_after_the_other() -> Result<()> {
    let sibai = Sibai::start(Setup::default().line("timeout: 15s", "timeout: 1s"))?;
    let mut first = sibai.seat("8001", Behaviour::waits())?;
    let _second = sibai.seat("8002", talks(500))?;
    sibai
        .sipp("caller_is_hung_up.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "1")
        .run(PATIENCE)?;
    let cancelled = |event: &Event| matches!(event, Event::CancelledByPeer { .. });
    assert!(first.wait_for(PATIENCE, cancelled).is_some(), "{:?}", first.seen());
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("seat_hung_up", "seat", "1", Some("product_advice"), Some("wang_wei")));
    assert_eq!(legs(&record), [("-", "seat_hung_up"), ("li_na", "no_answer"), ("wang_wei", "seat_hung_up")]);
    Ok(())
}

#[test]
fn all_seats_ring_at_once_and_the_losers_are_told_who_won() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut winner = sipp_seat(&sibai, "8003", 0, "seat_answers.xml")?;
    let mut loser = sipp_seat(&sibai, "8004", 1, "seat_rings.xml")?;
    let mut caller = sibai
        .sipp("caller_hangs_up.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "0")
        .arguments(&["-d", "1500"])
        .start()?;
    caller.finish(PATIENCE)?;
    winner.finish(PATIENCE)?;
    loser.finish(PATIENCE)?;
    let cancel =
        loser.received().into_iter().find(|message| message.starts_with("CANCEL")).context("CANCEL")?;
    assert!(cancel.contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\""), "{cancel}");
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("caller_hung_up", "caller", "0", Some("after_sales"), Some("zhao_min")));
    assert_eq!(
        legs(&record),
        [("-", "caller_hung_up"), ("chen_hao", "answered_elsewhere"), ("zhao_min", "caller_hung_up")]
    );
    Ok(())
}

#[test]
fn a_busy_seat_costs_no_time() -> Result<()> {
    let sibai = Sibai::start(Setup::default().line("timeout: 15s", "timeout: 60s"))?;
    let mut busy = sipp_seat(&sibai, "8001", 0, "seat_busy.xml")?;
    let _second = sibai.seat("8002", talks(300))?;
    // The first one's 60 s would be longer than the caller's patience.
    sibai
        .sipp("caller_is_hung_up.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "1")
        .run(PATIENCE)?;
    busy.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("seat_hung_up", "seat", "1", Some("product_advice"), Some("wang_wei")));
    assert_eq!(legs(&record), [("-", "seat_hung_up"), ("li_na", "busy"), ("wang_wei", "seat_hung_up")]);
    Ok(())
}

#[test]
fn when_nobody_answers_the_caller_hears_so_and_is_hung_up() -> Result<()> {
    let setup = Setup::default().line("timeout: 20s", "timeout: 1s").line("max_wait: 5min", "max_wait: 3s");
    let sibai = Sibai::start(setup)?;
    let _seat = sibai.seat("8003", Behaviour::waits())?;
    sibai
        .sipp("caller_is_hung_up.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "0")
        .run(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("flow_ended", "line", "0", Some("after_sales"), None));
    let rung = legs(&record);
    assert!(rung.len() > 2, "one pass only: {rung:?}");
    assert!(rung.iter().skip(1).all(|leg| *leg == ("zhao_min", "no_answer")), "{rung:?}");
    Ok(())
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_frees_every_seat() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut one = sipp_seat(&sibai, "8003", 0, "seat_rings.xml")?;
    let mut two = sipp_seat(&sibai, "8004", 1, "seat_rings.xml")?;
    let mut caller = sibai
        .sipp("caller_hangs_up.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "0")
        .arguments(&["-d", "1000"])
        .start()?;
    caller.finish(PATIENCE)?;
    one.finish(PATIENCE)?;
    two.finish(PATIENCE)?;
    for seat in [&one, &two] {
        let cancel =
            seat.received().into_iter().find(|message| message.starts_with("CANCEL")).context("CANCEL")?;
        assert!(!cancel.contains("elsewhere"), "{cancel}");
    }
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("caller_gave_up", "caller", "0", Some("after_sales"), None));
    assert_eq!(record["status"], "left_waiting");
    assert_eq!(
        legs(&record),
        [("-", "caller_gave_up"), ("chen_hao", "caller_gave_up"), ("zhao_min", "caller_gave_up")]
    );
    Ok(())
}

#[test]
fn an_answer_that_crosses_its_cancel_is_acknowledged_and_hung_up() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut crosses = sipp_seat(&sibai, "8004", 0, "seat_crosses_cancel.xml")?;
    let _winner = sibai.seat("8003", talks(1_500))?;
    sibai
        .sipp("caller_is_hung_up.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "0")
        .run(PATIENCE)?;
    crosses.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("seat_hung_up", "seat", "0", Some("after_sales"), Some("zhao_min")));
    assert_eq!(
        legs(&record),
        [("-", "seat_hung_up"), ("chen_hao", "answered_elsewhere"), ("zhao_min", "seat_hung_up")]
    );
    Ok(())
}

#[test]
fn wrong_keys_lead_to_a_person_in_the_end() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let _seat = sibai.seat("8003", talks(300))?;
    sibai
        .sipp("caller_presses_thrice.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .key("key", "9")
        .run(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("seat_hung_up", "seat", "", Some("after_sales"), Some("zhao_min")));
    assert_eq!(record["menus"], serde_json::json!(["main"]));
    Ok(())
}

#[test]
fn a_silent_caller_is_led_to_a_person() -> Result<()> {
    let sibai = Sibai::start(Setup::default().line("timeout: 6s ", "timeout: 1s "))?;
    let mut seat = sibai.seat("8004", talks(300))?;
    sibai.sipp("caller_is_silent.xml").service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    assert!(is_heard(&mut seat, |event| *event == Event::Answered));
    let record = sibai.call_record()?;
    assert_eq!(ending(&record), ("seat_hung_up", "seat", "", Some("after_sales"), Some("chen_hao")));
    Ok(())
}

/// Answers after a moment, talks for so many milliseconds, and hangs up.
fn talks(millis: u64) -> Behaviour {
    let script = Script::new().on_after(Cue::Answered, Duration::from_millis(millis), Action::HangUp);
    Behaviour::answers(Duration::from_millis(200)).with(script)
}

/// Cause, blame, keys, queue, seat.
fn ending(record: &Value) -> (&str, &str, &str, Option<&str>, Option<&str>) {
    let word = |name: &str| record[name].as_str();
    (
        word("cause").unwrap_or_default(),
        word("blame").unwrap_or_default(),
        word("keys").unwrap_or_default(),
        word("queue"),
        word("seat"),
    )
}
