//! Who is refused, and with which words.

use std::time::Duration;

use anyhow::{Context, Result};
use integration_tests::wire::{Setup, Sibai};

use super::house::{CALLER, NUMBER, PATIENCE, legs};

#[test]
fn an_unknown_number_is_404() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    sibai.sipp("caller_unknown.xml").service("4009999999").key("caller", CALLER).run(PATIENCE)?;
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["blame"]), (&"unknown_number".into(), &"caller".into()));
    assert_eq!((&record["status"], &record["dialled"]), (&"refused".into(), &"4009999999".into()));
    Ok(())
}

#[test]
fn the_caller_above_the_cap_hears_why_and_is_486() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut ten = sibai
        .sipp("caller_stays.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .calls(10, 20)
        .arguments(&["-d", "5000"])
        .start()?;
    sibai.metric_becomes("pbx_calls_active", 10.0, PATIENCE)?;
    sibai
        .sipp("caller_line_full.xml")
        .from(sibai.second_carrier())
        .service(NUMBER)
        .key("caller", "13900139011")
        .run(PATIENCE)?;
    // The same to callers who acknowledge what they hear, with an offer and without.
    for scenario in ["caller_acknowledges.xml", "caller_answers_in_prack.xml"] {
        let run = sibai.sipp(scenario).from(sibai.second_carrier()).service(NUMBER);
        run.key("caller", "13900139011").run(PATIENCE)?;
    }
    ten.finish(PATIENCE)?;
    let records = sibai.call_records(13)?;
    let full: Vec<_> = records.iter().filter(|record| record["cause"] == "line_full").collect();
    assert_eq!(full.len(), 3);
    assert_eq!((&full[0]["caller"], &full[0]["blame"]), (&"+8613900139011".into(), &"line".into()));
    assert_eq!(full[0]["answered_ms"], serde_json::Value::Null);
    Ok(())
}

#[test]
fn a_caller_may_give_up_while_it_hears_why_it_is_refused() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_real_prompts().line("max_calls: 10 ", "max_calls: 1 "))?;
    let stays = sibai.sipp("caller_stays.xml").service(NUMBER).key("caller", CALLER);
    let mut first = stays.arguments(&["-d", "3000"]).start()?;
    sibai.metric_becomes("pbx_calls_active", 1.0, PATIENCE)?;
    let second = sibai.sipp("caller_gives_up.xml").from(sibai.second_carrier());
    second.service(NUMBER).key("caller", "13900139013").run(PATIENCE)?;
    first.finish(PATIENCE)?;
    let records = sibai.call_records(2)?;
    let gave_up = records.iter().find(|record| record["caller"] == "+8613900139013").context("its record")?;
    assert_eq!(gave_up["answered_ms"], serde_json::Value::Null);
    assert_eq!(legs(gave_up), [("-", "caller_gave_up")]);
    Ok(())
}

#[test]
fn whoever_calls_from_elsewhere_is_asked_who_it_is() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let stranger = sibai.sipp("stranger.xml").from(sibai.phone_port(0));
    stranger.service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    // It never became a call.
    sibai.call_records(0)?;
    Ok(())
}

#[test]
fn a_wrong_password_never_registers_and_soon_gets_no_answer() -> Result<()> {
    let sibai = Sibai::start(Setup::default().logging("info,sibai::drive::control=debug"))?;
    let guess = |n: u16| {
        let run = sibai.sipp("wrong_password.xml").from(sibai.phone_port(n)).service("8001");
        run.credentials("8001", "guessed").arguments(&["-recv_timeout", "3000"]).calls(40, 40).untraced()
    };
    // Known and unknown names are refused alike.
    let unknown = sibai.sipp("wrong_password.xml").from(sibai.phone_port(0)).service("8999");
    unknown.credentials("8999", "guessed").run(PATIENCE)?;
    let run = guess(1).start()?.finish(PATIENCE);
    assert!(run.is_err(), "forty wrong passwords were all answered: nobody throttles");
    assert_eq!(sibai.metric("pbx_registrations")?.to_bits(), 0.0_f64.to_bits());
    assert!(sibai.log().contains("banned: too many wrong passwords"), "the log does not say that it bans");
    Ok(())
}

#[test]
fn what_is_not_built_is_said() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    for scenario in ["options.xml", "methods_not_built.xml", "session_too_short.xml"] {
        sibai.sipp(scenario).service(NUMBER).key("caller", CALLER).run(PATIENCE)?;
    }
    sibai.call_records(0)?;
    Ok(())
}

#[test]
fn a_stop_lets_the_live_call_end_and_takes_no_new_one() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default())?;
    let mut live = sibai
        .sipp("caller_stays.xml")
        .service(NUMBER)
        .key("caller", CALLER)
        .arguments(&["-d", "4000"])
        .start()?;
    live.wait_for("SIP/2.0 200", PATIENCE)?;
    sibai.terminate()?;
    sibai.wait_for_log("draining", PATIENCE)?;
    sibai
        .sipp("caller_unavailable.xml")
        .from(sibai.second_carrier())
        .service(NUMBER)
        .key("caller", "13900139012")
        .run(PATIENCE)?;
    live.finish(PATIENCE)?;
    let status = sibai.wait(Duration::from_secs(30))?;
    assert_eq!(status.code(), Some(0), "{}", sibai.log());
    // What it knew it wrote; what it turned away never became a call.
    sibai.run()?;
    let record = sibai.call_record()?;
    assert_eq!((&record["cause"], &record["menus"][0]), (&"caller_hung_up".into(), &"main".into()));
    Ok(())
}
