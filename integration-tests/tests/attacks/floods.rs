//! Floods: what stands goes on, what is refused costs little, and it is over when they are (reliability L3, A10).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::attack::{Flood, memory, processor_time, request, seconds};
use integration_tests::wire::{Setup, Sibai};

use crate::cast::Talk;
use crate::{elsewhere, unharmed};

#[test]
fn three_times_the_admitted_load_harms_no_call_and_is_over_when_it_is() -> Result<()> {
    let setup = Setup::default()
        .engine("sip:\n", "sip:\n  limits: { calls_per_second: 20 }\n")
        .line("max_calls: 10 ", "max_calls: 500 ")
        .engine("max_calls: 20", "max_calls: 500");
    let sibai = Sibai::start(setup)?;
    let talk = Talk::begin(&sibai)?;
    let mut flood = Flood::from(&[sibai.second_carrier()], sibai.sip())?;
    flood.is_polite = true;
    let span = seconds(5, 60);
    let tally = flood.run(60, span, |n, from| request("INVITE", n, from, "13900139000", "057155550100"))?;
    let wait = tally.wait(503, 0.99);
    println!("L3: {} sent in {span:?}: {:?}; 503 after {wait:?} (99 %)", tally.sent, tally.heard);
    let admitted = 40 + 20 * span.as_secs();
    ensure!(tally.count(503) + admitted + 20 >= tally.sent, "{tally:?}");
    ensure!(tally.count(200) > admitted / 2, "hardly a call was let in: {:?}", tally.heard);
    // The gate is 50 ms on a machine of its own; here others work too.
    ensure!(wait < Duration::from_millis(500), "503 after {wait:?}");
    // Within five seconds after the load fell each new call is taken again: the first at once, and the next ones.
    let fell = Instant::now();
    for (rate, millis) in [(1, 1_000), (10, 2_000)] {
        let again = flood.run(rate, Duration::from_millis(millis), |n, from| {
            request("INVITE", n + rate * 1_000_000, from, "13900139000", "057155550100")
        })?;
        println!(
            "L3: then {} calls: {:?}, over {:?} after the fall",
            again.sent,
            again.heard,
            fell.elapsed()
        );
        ensure!(again.count(503) == 0 && again.wait(200, 1.0) < Duration::from_secs(1), "{again:?}");
    }
    unharmed(&sibai, talk, "L3")
}

#[test]
fn calls_that_are_never_acknowledged_cost_bounded_memory() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let pid = sibai.pid()?;
    let (before, used) = (memory(pid)?, processor_time(pid)?);
    let flood = Flood::from(&[sibai.second_carrier()], sibai.sip())?;
    let span = seconds(5, 60);
    let tally = flood.run(600, span, |n, from| request("INVITE", n, from, "13900139000", "057155550100"))?;
    let (after, used) = (memory(pid)?, processor_time(pid)?.saturating_sub(used));
    let (before, after) = (before >> 20, after >> 20);
    println!(
        "600 never-ACKed INVITE/s for {span:?}: {before} MB to {after} MB, {used:?} CPU, {:?}",
        tally.heard
    );
    ensure!(after < before + 100, "{before} MB grew to {after} MB");
    // Whoever asks meanwhile and after is answered.
    let ask = Flood::from(&[sibai.carrier()], sibai.sip())?;
    let asked = ask.run(50, Duration::from_secs(1), |n, from| request("OPTIONS", n, from, "x", "y"))?;
    println!("OPTIONS beside it: {:?} (99 %)", asked.wait(200, 0.99));
    ensure!(asked.count(200) >= 49, "{asked:?}");
    Ok(())
}

#[test]
fn strangers_floods_cost_little_and_the_call_that_stands_hears_nothing_of_them() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let talk = Talk::begin(&sibai)?;
    let pid = sibai.pid()?;
    let everywhere: Vec<_> = (0..200).map(elsewhere).collect();
    let flood = Flood::from(&everywhere, sibai.sip())?;
    let span = seconds(1, 30);
    let quiet = processor_time(pid)?;
    std::thread::sleep(Duration::from_secs(2));
    let quiet = processor_time(pid)?.saturating_sub(quiet) / 2;
    let floods: [(&str, u64, Write); 4] = [
        ("junk", 10_000, |n, _| format!("{n} junk of no meaning whatsoever\r\n\r\n")),
        ("OPTIONS", 2_000, |n, from| request("OPTIONS", n, from, "x", "y")),
        ("INVITE", 4_000, |n, from| request("INVITE", n, from, "x", "057155550100")),
        ("REGISTER", 2_000, |n, from| request("REGISTER", n, from, "8001", "")),
    ];
    for (name, rate, write) in floods {
        let used = processor_time(pid)?;
        let tally = flood.run(rate, span, write)?;
        let used = processor_time(pid)?.saturating_sub(used);
        let own = used.saturating_sub(quiet * (span.as_secs() as u32 + 1));
        let each = own.as_nanos() as f64 / 1_000.0 / tally.sent as f64;
        println!("{name}: {} sent, {:?}, {each:.1} us each beside {quiet:?}/s", tally.sent, tally.heard);
        ensure!(tally.bytes_heard * 2 <= tally.bytes_sent * 3, "{name} amplifies: {tally:?}");
        ensure!(tally.heard.keys().all(|status| [401, 503].contains(status)), "{tally:?}");
    }
    unharmed(&sibai, talk, "A10")?;
    sibai.call_records(1).context("only the call that stood")?;
    Ok(())
}

/// Writes the `n`-th request of a flood.
type Write = fn(u64, std::net::SocketAddr) -> String;
