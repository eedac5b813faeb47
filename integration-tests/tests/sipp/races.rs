//! The races and methods of SIP, one scenario of SIPp each; docs/conformance.md lists them beside the stories
//! that tell the same in virtual time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Setup, Sibai};
use phones::live::LivePhone;
use phones::{Action, Behaviour, Cue, Script};

use super::house::{CALLER, NUMBER, PATIENCE, legs, sipp_seat};

#[test]
fn whatever_a_caller_crosses_the_call_is_one_call_and_ends_once() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let scenarios = [
        "caller_updates.xml",
        "caller_reinvites_too_early.xml",
        "caller_hangs_up_while_it_reinvites.xml",
        "caller_hangs_up_before_its_ack.xml",
        "caller_is_merged.xml",
        "caller_is_out_of_order.xml",
        "caller_asks_in_its_dialog.xml",
        "caller_sends_info.xml",
        "caller_without_offer.xml",
    ];
    for scenario in scenarios {
        sibai.sipp(scenario).service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    }
    let records = sibai.call_records(scenarios.len())?;
    let causes: Vec<_> = records.iter().map(|record| record["cause"].as_str().unwrap_or_default()).collect();
    ensure!(causes.iter().all(|cause| *cause == "caller_hung_up"), "{causes:?}");
    Ok(())
}

#[test]
fn a_lost_ack_is_asked_for_by_the_200_again() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let run = sibai.sipp("caller_loses_its_ack.xml").service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    let received = run.received();
    let answers = received.iter().filter(|text| text.starts_with("SIP/2.0 200") && text.contains("1 INVITE"));
    // At once, after T1 and after 3 T1; none after the ACK.
    assert_eq!(answers.count(), 3, "{received:#?}");
    assert_eq!(sibai.call_record()?["cause"], "caller_hung_up");
    Ok(())
}

#[test]
fn what_wants_a_dialog_or_is_not_built_is_said() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    sibai.sipp("methods_refused.xml").service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    sibai.call_records(0)?;
    Ok(())
}

/// By re-INVITE and by UPDATE, at once: each takes half of the shortest session interval.
#[test]
fn our_refresh_crosses_theirs_and_both_are_told_apart() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let _seats = [talks(&sibai, "8003")?, talks(&sibai, "8004")?];
    let refreshed = |scenario: &str, from| {
        let run = sibai.sipp(scenario).from(from).service(NUMBER).key("caller", CALLER).key("key", "0");
        run.arguments(&["-recv_timeout", "60000"]).start()
    };
    let mut reinvited = refreshed("session_timer_ours.xml", sibai.carrier())?;
    let mut updated = refreshed("session_timer_ours_by_update.xml", sibai.second_carrier())?;
    reinvited.finish(REFRESHED_WITHIN)?;
    updated.finish(REFRESHED_WITHIN)?;
    let records = sibai.call_records(2)?;
    ensure!(records.iter().all(|record| record["cause"] == "caller_hung_up"), "{records:#?}");
    Ok(())
}

#[test]
fn a_reliable_183_that_crosses_our_cancel_gets_its_prack() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_is_reliable_too_late.xml")?;
    calls(&sibai)?;
    seat.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(legs(&record), [("-", "caller_gave_up"), ("zhao_min", "caller_gave_up")]);
    Ok(())
}

#[test]
fn a_phone_that_says_nothing_is_cancelled_once_it_has_rung() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_is_slow_and_cancelled.xml")?;
    let caller = sibai.sipp("caller_hangs_up.xml").service(NUMBER).key("caller", CALLER).key("key", "0");
    caller.arguments(&["-d", "1000"]).run(PATIENCE)?;
    seat.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(legs(&record), [("-", "caller_gave_up"), ("zhao_min", "caller_gave_up")]);
    Ok(())
}

#[test]
fn byes_that_cross_are_both_granted() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let hangs_up = Script::new().on_after(Cue::Answered, Duration::from_millis(500), Action::HangUp);
    let _seat = sibai.seat("8003", Behaviour::answers(Duration::from_millis(100)).with(hangs_up))?;
    let caller = sibai.sipp("caller_crosses_our_bye.xml").service(NUMBER).key("caller", CALLER);
    caller.key("key", "0").run(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(legs(&record), [("-", "seat_hung_up"), ("zhao_min", "seat_hung_up")]);
    Ok(())
}

#[test]
fn what_comes_after_the_bye_meets_no_dialog() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_refers_too_late.xml")?;
    let caller = sibai.sipp("caller_is_hung_up.xml").service(NUMBER).key("caller", CALLER);
    caller.key("key", "0").run(PATIENCE)?;
    seat.finish(PATIENCE)?;
    // Nobody was transferred.
    let record = sibai.call_record()?;
    assert_eq!(legs(&record), [("-", "seat_hung_up"), ("zhao_min", "seat_hung_up")]);
    Ok(())
}

#[test]
fn two_branches_of_a_seat_answer_and_one_is_taken() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_forks.xml")?;
    calls(&sibai)?;
    seat.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(legs(&record), [("-", "caller_hung_up"), ("zhao_min", "caller_hung_up")]);
    Ok(())
}

#[test]
fn a_seat_may_have_early_media() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_has_early_media.xml")?;
    calls(&sibai)?;
    seat.finish(PATIENCE)?;
    assert_eq!(sibai.call_record()?["seat"], "zhao_min");
    Ok(())
}

#[test]
fn a_seat_may_want_its_183_acknowledged() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_is_reliable.xml")?;
    calls(&sibai)?;
    seat.finish(PATIENCE)?;
    assert_eq!(sibai.call_record()?["seat"], "zhao_min");
    Ok(())
}

#[test]
fn an_old_register_takes_nothing_away() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let password = sibai.password("8001")?;
    let run = sibai.sipp("register_out_of_order.xml").from(sibai.phone_port(0)).service("8001");
    run.credentials("8001", password).run(PATIENCE)?;
    let registered = sibai.metric("pbx_registrations").context("registrations")?;
    assert!((registered - 1.0).abs() < 0.5, "{registered} are registered");
    Ok(())
}

/// A phone at this extension that answers and stays.
fn talks(sibai: &Sibai, extension: &str) -> Result<LivePhone> {
    sibai.seat(extension, Behaviour::answers(Duration::from_millis(100)))
}

/// A caller that presses 0 for the after-sales seats, and hangs up after talking.
fn calls(sibai: &Sibai) -> Result<()> {
    let caller = sibai.sipp("caller_hangs_up.xml").service(NUMBER).key("caller", CALLER).key("key", "0");
    caller.arguments(&["-d", "2500"]).run(PATIENCE)?;
    Ok(())
}

/// Half of the shortest session interval, 90 s (RFC 4028 section 4), and some.
const REFRESHED_WITHIN: Duration = Duration::from_secs(75);
