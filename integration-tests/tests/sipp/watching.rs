//! Phones that watch: a colleague's lamp, waiting messages; and what cannot be published.

use anyhow::Result;
use integration_tests::wire::{Setup, Sibai};

use super::house::{CALLER, NUMBER, PATIENCE, from_8001, sipp_seat};

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
