//! Calls that are up: crossings, holds, session timers, and what is left of many.

use std::time::Duration;

use anyhow::{Context, Result};
use integration_tests::wire::{Setup, Sibai};
use phones::{Behaviour, Event};

use super::house::{CALLER, NUMBER, PATIENCE, is_heard};

#[test]
fn a_cancel_that_comes_after_the_answer_changes_nothing() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    sibai.sipp("caller_cancels_late.xml").service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["blame"]), (&"caller_hung_up".into(), &"caller".into()));
    let lasted = record["duration_ms"].as_i64().context("duration")?;
    assert!(lasted >= 250, "it ended after {lasted} ms, with the CANCEL");
    Ok(())
}

#[test]
fn holds_are_answered_in_kind_however_they_are_asked() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut seat = sibai.seat("8003", Behaviour::answers(Duration::from_millis(100)))?;
    sibai.sipp("caller_holds.xml").service(NUMBER).key("caller", CALLER).key("key", "0").run(PATIENCE)?;
    let over = |event: &Event| matches!(event, Event::HungUpByPeer { .. });
    assert!(is_heard(&mut seat, over), "{:?}", seat.seen());
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["seat"]), (&"caller_hung_up".into(), &"zhao_min".into()));
    let seat = seat.finish().context("the seat's thread panicked")?;
    assert_eq!(seat.faults().collect::<Vec<_>>(), Vec::<&str>::new());
    Ok(())
}

#[test]
fn a_session_timer_is_agreed_and_refreshed() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    sibai.sipp("session_timer.xml").service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    assert_eq!(sibai.call_record()?["cause"], "caller_hung_up");
    Ok(())
}

/// RustPBX waits 100 ms in each set-up; the bound here is ten times what an idle machine needs.
#[test]
fn an_answer_is_not_kept_waiting() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    sibai.sipp("caller_short.xml").service(NUMBER).key("caller", CALLER).calls(9, 10).run(PATIENCE)?;
    let records = sibai.call_records(9)?;
    let mut waits: Vec<i64> = records.iter().filter_map(|record| record["answered_ms"].as_i64()).collect();
    waits.sort_unstable();
    assert_eq!(waits.len(), 9);
    assert!(waits[4] < 80, "INVITE to 200 took {waits:?} ms");
    Ok(())
}

/// RustPBX keeps 0.2 MB of each call for ever, Asterisk for 32 s, FreeSWITCH collapses above 110 a second.
#[test]
fn nothing_is_left_of_five_thousand_short_calls() -> Result<()> {
    let setup = Setup::default()
        .line("max_calls: 10 ", "max_calls: 500 ")
        .engine("max_calls: 20", "max_calls: 500")
        .logging("warn");
    let sibai = Sibai::start(setup)?;
    let calls = |count: u32| {
        let run = sibai.sipp("caller_short.xml").service(NUMBER).key("caller", CALLER).untraced();
        run.calls(count, 120).arguments(&["-l", "100"]).run(Duration::from_secs(120))
    };
    let fresh = Taken::by(&sibai)?;
    // Two like halves: what a process keeps ready after a flood it has, what it loses it loses twice.
    calls(2_500)?;
    idle(&sibai)?;
    let before = Taken::by(&sibai)?;
    calls(2_500)?;
    idle(&sibai)?;
    let after = Taken::by(&sibai)?;
    eprintln!("fresh: {fresh:?}; after 2,500 calls: {before:?}; after 5,000: {after:?}");
    assert!(after.kilobytes * 100 <= before.kilobytes * 115, "{before:?} grew to {after:?}");
    assert!(after.own_kilobytes * 100 <= before.own_kilobytes * 115, "{before:?} grew to {after:?}");
    // The store opens a connection more when it needs one; what calls leak they leak 2,500 times.
    assert!(after.files <= before.files + 4, "{before:?} grew to {after:?}");
    assert_eq!(before.threads, after.threads);
    let page = sibai.api().get("/v1/call_records?limit=500")?.json()?;
    let rows = page["call_records"].as_array().context("rows")?;
    assert!(rows.iter().all(|row| row["cause"] == "caller_hung_up"), "{rows:#?}");
    let ended = sibai.metric("pbx_calls_total")?;
    assert!((ended - 5_000.0).abs() < 0.5, "{ended} calls were counted");
    Ok(())
}

/// Waits until no call is up and no transaction waits for a late repetition (32 s, RFC 3261 section 17).
fn idle(sibai: &Sibai) -> Result<()> {
    sibai.metric_becomes("pbx_calls_active", 0.0, PATIENCE)?;
    sibai.metric_becomes("pbx_sip_transactions", 0.0, Duration::from_secs(60))?;
    sibai.metric_becomes("pbx_store_queue_length", 0.0, PATIENCE)
}

/// What the process holds of the machine.
#[derive(Debug)]
struct Taken {
    kilobytes: u64,
    /// Of these, what no file stands behind.
    own_kilobytes: u64,
    files: usize,
    threads: u64,
}

impl Taken {
    fn by(sibai: &Sibai) -> Result<Self> {
        let process = format!("/proc/{}", sibai.pid()?);
        let status = std::fs::read_to_string(format!("{process}/status"))?;
        let field = |name: &str| {
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)).context("a field of status")?;
            line.split_whitespace().next().and_then(|n| n.parse().ok()).context("a number in status")
        };
        let files = std::fs::read_dir(format!("{process}/fd"))?.count();
        Ok(Self {
            kilobytes: field("VmRSS:")?,
            own_kilobytes: field("RssAnon:")?,
            files,
            threads: field("Threads:")?,
        })
    }
}
