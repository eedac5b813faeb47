//! REFER and Replaces on the wire: what is refused, with which words, and what comes off untold.

use std::time::Duration;

use anyhow::Result;
use integration_tests::wire::{Setup, Sibai};
use phones::{Action, Behaviour, Cue, Script};

use super::house::{PATIENCE, from_8001, legs, sipp_seat};

/// Seat 8001 calls 8003 and puts it through to 8004, as `scenario` says; 8004 hangs up a moment later.
fn puts_through(scenario: &str) -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut first = sipp_seat(&sibai, "8003", 0, "seat_is_put_through.xml")?;
    let script = Script::new().on_after(Cue::Answered, Duration::from_millis(1000), Action::HangUp);
    let _second = sibai.seat("8004", Behaviour::answers(Duration::from_millis(500)).with(script))?;
    from_8001(&sibai, scenario, 1, "8003")?.run(PATIENCE)?;
    first.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(
        (&record["internal"], &record["transfers"][0]["outcome"]),
        (&true.into(), &"transferred".into())
    );
    Ok(())
}

#[test]
fn a_phone_that_wants_no_subscription_hears_202_and_a_bye() -> Result<()> {
    puts_through("refer_untold.xml")
}

#[test]
fn a_refer_that_asks_for_no_transfer_is_refused_by_its_own_status() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut callee = sipp_seat(&sibai, "8003", 0, "seat_answers.xml")?;
    from_8001(&sibai, "refer_refused.xml", 1, "8003")?.run(PATIENCE)?;
    callee.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!(legs(&record), [("li_na", "caller_hung_up"), ("zhao_min", "caller_hung_up")]);
    Ok(())
}

#[test]
fn a_call_that_is_not_there_is_not_replaced() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    from_8001(&sibai, "refer_replaces_nothing.xml", 0, "8003")?.run(PATIENCE)?;
    sibai.call_records(0)?;
    Ok(())
}
