//! Who guesses passwords is banned, also by the next process, until somebody lifts it (reliability A2, A3).

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::attack::{Prober, request};
use integration_tests::wire::{Setup, Sibai, program};

use crate::cast::{PATIENCE, becomes_true};
use crate::elsewhere;

#[test]
fn a_guesser_is_banned_over_a_restart_until_the_night_engineer_lifts_it() -> Result<()> {
    let mut sibai = Sibai::start(Setup::default())?;
    let mut guesser = Prober::at(elsewhere(1), sibai.sip(), SILENCE)?;
    let source = guesser.address()?.ip().to_string();
    for n in 0..10 {
        ensure!(guesser.register("8001", &format!("guess {n}"))? == Some(401), "guess {n}");
    }
    ensure!(guesser.register("8001", "guess")?.is_none(), "the eleventh was answered");
    // Its log and metric within ten seconds.
    sibai.wait_for_log("banned: too many wrong passwords", Duration::from_secs(10))?;
    sibai.metric_becomes("pbx_sip_banned", 1.0, Duration::from_secs(10))?;
    becomes_true("the ban is kept", PATIENCE, || Ok(ban(&sibai, &["list"])?.contains(&source)))?;
    sibai.kill9()?;
    sibai.run()?;
    let password = sibai.password("8001")?.to_owned();
    ensure!(guesser.register("8001", &password)?.is_none(), "the restart forgot the ban");
    let mut other = Prober::at(elsewhere(2), sibai.sip(), PATIENCE)?;
    ensure!(other.register("8001", &password)? == Some(200), "a neighbour is not banned");
    ban(&sibai, &["lift", &source])?;
    becomes_true("lifted", PATIENCE, || Ok(guesser.register("8001", &password)? == Some(200)))?;
    ensure!(!ban(&sibai, &["list"])?.contains(&source));
    Ok(())
}

#[test]
fn known_and_unknown_users_take_the_same_time() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut waits = [Vec::new(), Vec::new()];
    let tries = 2_000_u16;
    // Interleaved, each from a source of its own, so that neither bans nor the machine's moods favour one.
    for n in 0..tries {
        for (which, user) in [(0, "8001"), (1, "8999")] {
            let mut prober = Prober::at(elsewhere(100 + n / 9), sibai.sip(), PATIENCE)?;
            let plain = request("INVITE", u64::from(n), prober.address()?, user, "057155550100");
            let begun = Instant::now();
            let answer = prober.ask(&plain)?.context("an answer")?;
            waits[which].push(begun.elapsed());
            ensure!(answer.status() == Some(401));
        }
    }
    let middle = |waits: &mut Vec<Duration>| {
        waits.sort_unstable();
        waits[waits.len() / 2]
    };
    let [known, unknown] = &mut waits;
    let (known, unknown) = (middle(known), middle(unknown));
    println!("median of {tries}: known {known:?}, unknown {unknown:?}, apart {:?}", known.abs_diff(unknown));
    Ok(())
}

fn ban(sibai: &Sibai, words: &[&str]) -> Result<String> {
    let output = Command::new(program()?)
        .arg("ban")
        .args(words)
        .arg("--config")
        .arg(sibai.configs())
        .arg("--data")
        .arg(sibai.data())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// How long nothing has to come for it to count as silence.
const SILENCE: Duration = Duration::from_millis(700);
