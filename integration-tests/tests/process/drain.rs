//! SIGTERM: no new calls, live ones go on until they end or until time is up.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Setup, Sibai};
use phones::{Action, Event};

use super::cast::{PATIENCE, Talk, becomes_true, call, recording};

#[test]
fn a_drain_refuses_new_calls_and_lets_the_live_one_end() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default())?;
    let mut talk = Talk::begin(&sibai)?;
    sibai.terminate()?;
    becomes_true("draining", PATIENCE, || Ok(sibai.log().contains("draining")))?;
    becomes_true("not ready", PATIENCE, || Ok(sibai.api().get("/readyz")?.status == 503))?;
    talk.caller.order(Action::Call(call()));
    let refused = talk.caller.wait_for(PATIENCE, |event| matches!(event, Event::Refused { .. }));
    let refused = refused.context("a second call was not refused")?;
    ensure!(matches!(refused.event, Event::Refused { code: 503, .. }), "{refused:?}");

    // The first call is as it was: it ends only when its caller ends it.
    ensure!(talk.seat.wait_for(Duration::from_secs(2), is_over).is_none(), "the live call was ended");
    talk.caller.order(Action::HangUp);
    talk.seat.wait_for(PATIENCE, is_over).context("the seat was not hung up")?;
    let status = sibai.wait(PATIENCE)?;
    ensure!(status.success(), "{status}");
    whole(&mut sibai, "caller_hung_up")
}

#[test]
fn calls_that_outlast_the_drain_are_hung_up_and_kept() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default().argument("--drain").argument("1"))?;
    let mut talk = Talk::begin(&sibai)?;
    sibai.terminate()?;
    let hung_up = |event: &Event| matches!(event, Event::HungUpByPeer { .. });
    talk.caller.wait_for(PATIENCE, hung_up).context("the caller was not hung up")?;
    talk.seat.wait_for(PATIENCE, hung_up).context("the seat was not hung up")?;
    let status = sibai.wait(PATIENCE)?;
    ensure!(status.success(), "{status}");
    whole(&mut sibai, "engine_stopped")
}

fn is_over(event: &Event) -> bool {
    matches!(event, Event::HungUpByPeer { .. } | Event::Gone)
}

/// The next start finds a record and a sealed recording, and has nothing to recover.
fn whole(sibai: &mut Sibai, cause: &str) -> Result<()> {
    sibai.run()?;
    let page = sibai.api().get("/v1/call_records")?.json()?;
    let mut records = page["call_records"].as_array().into_iter().flatten();
    let record = records.find(|row| row["recording_id"].is_string()).context("no record of the call")?;
    ensure!(record["cause"] == cause, "{record:#}");
    let id = record["recording_id"].as_str().unwrap_or_default();
    let row = recording(&sibai.api(), id, |row| row["state"] == "saved")?;
    ensure!(row["interrupted"] == false, "{row:#}");
    ensure!(!sibai.log().contains("interrupted recording"), "recovery had work");
    Ok(())
}
