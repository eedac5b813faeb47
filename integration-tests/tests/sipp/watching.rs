//! Phones that watch: a colleague's lamp, waiting messages; and REFERs that are none.

use anyhow::Result;
use integration_tests::wire::{Setup, Sibai, Sipp};

use super::house::{CALLER, NUMBER, PATIENCE, legs, sipp_seat};

/// A scenario of seat 8001 about `service`, with its password.
fn from_8001(sibai: &Sibai, scenario: &str, n: u16, service: &str) -> Result<Sipp> {
    // SIPp would put the server's address as the digest's URI otherwise; phones put the Request-URI.
    let uri = format!("{service}@{}", sibai.sip());
    let run = sibai.sipp(scenario).from(sibai.phone_port(n)).service(service).key("seat", "8001");
    Ok(run.credentials("8001", sibai.password("8001")?).arguments(&["-auth_uri", &uri]))
}

#[test]
fn a_watcher_sees_a_seat_ring_talk_and_be_idle_again() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sipp_seat(&sibai, "8003", 0, "seat_answers.xml")?;
    let mut watcher = from_8001(&sibai, "subscribe_dialog.xml", 1, "8003")?.start()?;
    watcher.wait_for("NOTIFY", PATIENCE)?;
    let caller = sibai.sipp("caller_hangs_up.xml").service(NUMBER).key("caller", CALLER).key("key", "0");
    caller.arguments(&["-d", "1500"]).run(PATIENCE)?;
    seat.finish(PATIENCE)?;
    watcher.finish(PATIENCE)?;
    assert_eq!(sibai.call_record()?["seat"], "zhao_min");
    Ok(())
}

#[test]
fn a_phone_is_told_that_no_messages_wait() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    from_8001(&sibai, "subscribe_mwi.xml", 0, "8001")?.run(PATIENCE)?;
    Ok(())
}

#[test]
fn nothing_is_published_here() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    from_8001(&sibai, "publish.xml", 0, "8001")?.run(PATIENCE)?;
    Ok(())
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
