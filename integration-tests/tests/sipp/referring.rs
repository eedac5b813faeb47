//! REFER and Replaces on the wire: what is refused, and with which words.

use anyhow::Result;
use integration_tests::wire::{Setup, Sibai};

use super::house::{PATIENCE, from_8001, legs, sipp_seat};

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
