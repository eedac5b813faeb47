//! Kamailio as carrier: a registering trunk, digest, Record-Route, topology hiding, outages, with SIPp behind it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{CarrierConfig, Kamailio, Running, Setup, Sibai};
use serde_json::Value;

#[test]
fn a_registering_trunk_brings_calls_keeps_its_routes_and_outlives_a_restart_of_the_registrar() -> Result<()> {
    let mut sibai = house(&[Trunk { name: "account", registers: true, order: 1 }])?;
    let mut carrier =
        Kamailio::start(sibai.folder(), "carrier", CarrierConfig { hides: true, ..config(&sibai, 0) })?;
    sibai.run()?;
    sibai.metric_becomes("pbx_trunks_registered", 1.0, PATIENCE)?;
    // The far caller rings through the registrar; its key leads to the mobile, over the same trunk.
    let mut phone = far_phone(&sibai, "far_phone.xml")?;
    far_caller(&sibai)?.finish(PATIENCE)?;
    phone.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    ensure!(record["cause"] == "caller_hung_up" && record["seat"] == "duty_mobile", "{record:#}");
    ensure!(trunks(&record) == ["account", "account"], "{record:#}");
    let invite =
        phone.received().into_iter().find(|message| message.starts_with("INVITE")).context("INVITE")?;
    ensure!(!invite.contains(&format!("@{}", sibai.sip())), "the topology is hidden:\n{invite}");
    // The registrar forgets everybody; it is found out and registered with again.
    carrier.stop()?;
    sibai.wait_for_log("\"up\":false", PATIENCE)?;
    carrier.run()?;
    until(PATIENCE, || Ok(times_up(&sibai, "account") == 2))?;
    let mut phone = far_phone(&sibai, "far_phone_hangs_up.xml")?;
    let mut caller = far_caller_who_stays(&sibai)?;
    phone.finish(PATIENCE)?;
    caller.finish(PATIENCE)?;
    let records = sibai.call_records(2)?;
    ensure!(records[0]["cause"] == "seat_hung_up", "{:#}", records[0]);
    // An orderly stop takes the registration back.
    sibai.terminate()?;
    sibai.wait(PATIENCE)?;
    ensure!(sibai.log().contains("\"why\":\"left\""), "{}", sibai.log());
    Ok(())
}

/// We refresh both legs at half of the shortest session interval: what we ask within a dialog finds its way through
/// the carrier that recorded its route and hid who is behind it.
#[test]
fn our_refreshes_follow_the_recorded_routes_through_a_carrier_that_hides() -> Result<()> {
    let mut sibai = house(&[Trunk { name: "account", registers: true, order: 1 }])?;
    let _carrier =
        Kamailio::start(sibai.folder(), "carrier", CarrierConfig { hides: true, ..config(&sibai, 0) })?;
    sibai.run()?;
    sibai.metric_becomes("pbx_trunks_registered", 1.0, PATIENCE)?;
    let phone = sibai.sipp("far_phone_refreshed.xml").from(sibai.phone_port(FAR)).to(sibai.carrier());
    let mut phone = phone.arguments(&["-recv_timeout", "60000"]).start()?;
    let caller = caller(&sibai, "far_caller_refreshed.xml").to(sibai.carrier());
    let mut caller = caller.arguments(&["-recv_timeout", "60000", "-d", "3000"]).start()?;
    caller.finish(REFRESHED_WITHIN)?;
    phone.finish(PATIENCE)?;
    for (who, at, method) in [(&caller, CALLERS, "INVITE"), (&phone, FAR, "UPDATE")] {
        let received = who.received();
        let asked = received.iter().rfind(|message| message.starts_with(method)).context("our refresh")?;
        // To whoever is behind the carrier, by its own address, which we never saw.
        let own = sibai.phone_port(at);
        ensure!(asked.lines().next().is_some_and(|line| line.contains(&own.to_string())), "{asked}");
        ensure!(asked.lines().filter(|line| line.starts_with("Via: ")).count() > 1, "{asked}");
        ensure!(!asked.contains(&sibai.sip().to_string()), "the topology is hidden:\n{asked}");
    }
    let record = sibai.call_record()?;
    ensure!(record["cause"] == "caller_hung_up" && record["seat"] == "duty_mobile", "{record:#}");
    Ok(())
}

#[test]
fn a_call_finds_the_second_trunk_when_the_first_refuses_or_is_silent() -> Result<()> {
    let mut sibai = house(&[
        Trunk { name: "first", registers: false, order: 1 },
        Trunk { name: "second", registers: false, order: 2 },
    ])?;
    let mut first =
        Kamailio::start(sibai.folder(), "first", CarrierConfig { refuses: Some(503), ..config(&sibai, 0) })?;
    let _second =
        Kamailio::start(sibai.folder(), "second", CarrierConfig { asks_invites: true, ..config(&sibai, 1) })?;
    sibai.run()?;
    // 503: at once.
    let mut phone = far_phone(&sibai, "far_phone.xml")?;
    near_caller(&sibai)?.finish(PATIENCE)?;
    phone.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    ensure!(trunks(&record) == ["callers", "first", "second"], "{record:#}");
    ensure!(began(&record, 2) - began(&record, 1) < 500, "{record:#}");
    // Silence: within four seconds; nobody answers there from now on.
    first.stop()?;
    let died = Instant::now();
    let mut phone = far_phone(&sibai, "far_phone.xml")?;
    near_caller(&sibai)?.finish(PATIENCE)?;
    phone.finish(PATIENCE)?;
    let records = sibai.call_records(2)?;
    let record = &records[0];
    if trunks(record) == ["callers", "first", "second"] {
        let silence = began(record, 2) - began(record, 1);
        ensure!((1_000..=4_000).contains(&silence), "{record:#}");
    } else {
        ensure!(
            died.elapsed() > Duration::from_secs(3) && trunks(record) == ["callers", "second"],
            "{record:#}"
        );
    }
    // Out of use by now: a further call does not try it.
    std::thread::sleep(Duration::from_secs(6).saturating_sub(died.elapsed()));
    let mut phone = far_phone(&sibai, "far_phone.xml")?;
    near_caller(&sibai)?.finish(PATIENCE)?;
    phone.finish(PATIENCE)?;
    let records = sibai.call_records(3)?;
    ensure!(trunks(&records[0]) == ["callers", "second"], "{:#}", records[0]);
    // Back after three answers.
    first.becomes(|config| config.refuses = None)?;
    let back = Instant::now();
    until(PATIENCE, || Ok(times_up(&sibai, "first") == 2))?;
    ensure!(back.elapsed() >= Duration::from_secs(4), "not before its third answer: {:?}", back.elapsed());
    let mut phone = far_phone(&sibai, "far_phone.xml")?;
    near_caller(&sibai)?.finish(PATIENCE)?;
    phone.finish(PATIENCE)?;
    let records = sibai.call_records(4)?;
    ensure!(trunks(&records[0]) == ["callers", "first"], "{:#}", records[0]);
    Ok(())
}

struct Trunk {
    name: &'static str,
    registers: bool,
    order: u32,
}

/// A Sibai with these trunks in place of the example's, and one that only brings callers; not started yet.
fn house(trunks: &[Trunk]) -> Result<Sibai> {
    let setup = Setup::default()
        .variable("CARRIER_USER", USER)
        .variable("CARRIER_WORD", WORD)
        .line("    confirm: \"1\"\n", "");
    let sibai = Sibai::new(setup)?;
    let file = sibai.configs().join("engine.yaml");
    let text = std::fs::read_to_string(&file)?;
    let (before, rest) = text.split_once("trunks:\n").context("trunks")?;
    let (_, after) = rest.split_once("database:").context("database")?;
    let mut list = String::new();
    for (n, trunk) in trunks.iter().enumerate() {
        let Trunk { name, registers, order } = trunk;
        list.push_str(&trunk_of(name, at(&sibai, n), *registers, *order));
    }
    let callers = sibai.phone_port(CALLERS);
    std::fs::write(
        &file,
        format!(
            "{before}trunks:\n{list}  - {{ name: callers, allow_from: [\"{callers}\"] }}\ndatabase:{after}"
        ),
    )?;
    Ok(sibai)
}

fn trunk_of(name: &str, host: std::net::SocketAddr, registers: bool, order: u32) -> String {
    format!(
        "  - {{ name: {name}, host: \"{host}\", user: env:CARRIER_USER, password: env:CARRIER_WORD, \
         caller_id: \"0571-55550100\", order: {order}, register: {registers} }}\n"
    )
}

fn at(sibai: &Sibai, n: usize) -> std::net::SocketAddr {
    if n == 0 { sibai.carrier() } else { sibai.second_carrier() }
}

fn config(sibai: &Sibai, n: usize) -> CarrierConfig {
    CarrierConfig {
        listen: at(sibai, n),
        far: sibai.phone_port(FAR),
        callers: sibai.phone_port(CALLERS),
        user: USER.into(),
        password: WORD.into(),
        asks_invites: false,
        hides: false,
        refuses: None,
    }
}

/// The mobile behind the carriers.
fn far_phone(sibai: &Sibai, scenario: &str) -> Result<Running> {
    let phone = sibai.sipp(scenario).from(sibai.phone_port(FAR)).to(sibai.carrier()).start()?;
    std::thread::sleep(Duration::from_millis(300));
    Ok(phone)
}

/// Somebody behind the registrar who presses the key of the mobile, is talked to, and hangs up.
fn far_caller(sibai: &Sibai) -> Result<Running> {
    caller(sibai, "far_caller.xml").to(sibai.carrier()).arguments(&["-d", "1500"]).start()
}

/// The same, who is hung up.
fn far_caller_who_stays(sibai: &Sibai) -> Result<Running> {
    caller(sibai, "caller_is_hung_up.xml").to(sibai.carrier()).start()
}

/// Somebody who needs no carrier.
fn near_caller(sibai: &Sibai) -> Result<Running> {
    caller(sibai, "caller_hangs_up.xml").arguments(&["-d", "6500"]).start()
}

fn caller(sibai: &Sibai, scenario: &str) -> integration_tests::wire::Sipp {
    let sipp = sibai.sipp(scenario).from(sibai.phone_port(CALLERS)).service("057155550100");
    sipp.key("caller", "13900139000").key("key", "3")
}

/// How often the log told that this trunk answers.
fn times_up(sibai: &Sibai, trunk: &str) -> usize {
    let name = format!("\"trunk\":\"{trunk}\"");
    let tells = |line: &&str| {
        line.contains(&name) && line.contains("\"message\":\"trunk\"") && line.contains("\"up\":true")
    };
    sibai.log().lines().filter(tells).count()
}

fn until(within: Duration, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + within;
    while !is_so()? {
        ensure!(Instant::now() < end, "not within {} s", within.as_secs());
        std::thread::sleep(Duration::from_millis(40));
    }
    Ok(())
}

/// The trunk of each leg, in their order.
fn trunks(record: &Value) -> Vec<&str> {
    record["legs"].as_array().into_iter().flatten().filter_map(|leg| leg["trunk"].as_str()).collect()
}

fn began(record: &Value, leg: usize) -> i64 {
    record["legs"][leg]["began_ms"].as_i64().unwrap_or_default()
}

const USER: &str = "account";
const WORD: &str = "a word";
/// Ports of phones: the mobile behind the carriers, and who calls.
const FAR: u16 = 0;
const CALLERS: u16 = 1;
/// Each step takes some seconds; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
/// Half of the shortest session interval, 90 s (RFC 4028 section 4), and some.
const REFRESHED_WITHIN: Duration = Duration::from_secs(75);
