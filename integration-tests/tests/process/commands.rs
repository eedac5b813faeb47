//! The command line: what it refuses and in how many words, what the small tasks do to a running server.

use std::net::UdpSocket;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Api, LOOPBACK, Setup, Sibai, program};
use phones::live::{self, LivePhone, Sockets};
use phones::{Action, Event, Phone};

use super::cast::{PATIENCE, becomes_true};

#[test]
fn a_port_in_use_is_one_sentence() -> Result<()> {
    let mut sibai = Sibai::new(Setup::default())?;
    let _taken = UdpSocket::bind(sibai.sip())?;
    let address = sibai.sip().to_string();
    let told = refused(&mut sibai)?;
    ensure!(told.contains(&address) && told.contains("in use"), "{told}");
    Ok(())
}

#[test]
fn a_data_folder_that_cannot_be_is_one_sentence() -> Result<()> {
    let mut sibai = Sibai::new(Setup::default())?;
    std::fs::write(sibai.data(), "a file where the folder should be")?;
    let told = refused(&mut sibai)?;
    ensure!(told.contains(&sibai.data().display().to_string()), "{told}");
    Ok(())
}

#[test]
fn a_second_process_in_one_data_folder_is_one_sentence() -> Result<()> {
    let first = Sibai::start(Setup::default())?;
    let mut second = Sibai::new(Setup::default())?;
    std::os::unix::fs::symlink(first.data(), second.data())?;
    let told = refused(&mut second)?;
    ensure!(told.contains("another sibai"), "{told}");
    ensure!(first.api().get("/readyz")?.status == 200, "the first one was disturbed");
    Ok(())
}

#[test]
fn a_shifted_clock_is_refused_where_a_carrier_could_be() -> Result<()> {
    let setup = Setup::default().engine("allow_from: [", "allow_from: [\"192.0.2.0/24\", ");
    let told = refused(&mut Sibai::new(setup)?)?;
    ensure!(told.contains("--at") && told.contains("loopback"), "{told}");
    Ok(())
}

#[test]
fn every_fault_of_a_configuration_is_told_with_its_place() -> Result<()> {
    let setup = Setup::default()
        .line("\"1\": { queue: product_advice }", "\"1\": { queue: product_advise }")
        .line("strategy: sequential          #", "strategy: squential          #")
        .engine("keep_free: 1%", "keep_fre: 1%");
    let mut sibai = Sibai::new(setup)?;
    let check = check(&sibai)?;
    ensure!(check.status.code() == Some(1), "{check:?}");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    for (file, slip) in
        [("line.yaml", "product_advise"), ("line.yaml", "squential"), ("engine.yaml", "keep_fre")]
    {
        let (line, column) = place(&sibai, file, slip)?;
        let told = format!("{file}:{line}:{column}");
        ensure!(said.contains(&told), "{slip} is not told at {told}:\n{said}");
        ensure!(said.contains(slip), "{slip} is not shown:\n{said}");
    }
    ensure!(said.contains("product_advice"), "nothing is proposed:\n{said}");

    // The same faults keep it from serving.
    ensure!(sibai.run().is_err(), "it serves");
    ensure!(sibai.log().contains("product_advise") && sibai.log().contains("keep_fre"), "{}", sibai.log());
    ensure!(sibai.wait(PATIENCE)?.code() == Some(1), "its exit code");
    Ok(())
}

#[test]
fn the_shipped_configuration_passes_its_check() -> Result<()> {
    let passed = check(&Sibai::new(Setup::default())?)?;
    ensure!(passed.status.success(), "{passed:?}");
    let nowhere = run(&["check", "/nonexistent"])?;
    ensure!(nowhere.status.code() == Some(1), "{nowhere:?}");
    let wrong = run(&["check", "--nonsense"])?;
    ensure!(wrong.status.code() == Some(2), "{wrong:?}");
    Ok(())
}

#[test]
fn a_new_seat_password_is_taken_by_the_running_server() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let old = sibai.password("8001")?.to_owned();
    ensure!(registers(&sibai, &old, 1)?, "the old password, before");
    let told = words(&task(&sibai, &["seat", "password", "li_na"])?)?;
    let [user, new] = &told[..] else { anyhow::bail!("{told:?}") };
    ensure!(user == "8001", "{told:?}");
    let mut tries = 1;
    becomes_true("the old password is refused", Duration::from_secs(10), || {
        tries += 1;
        Ok(!registers(&sibai, &old, tries)?)
    })?;
    ensure!(registers(&sibai, new, 100)?, "the new password");
    ensure!(!sibai.log().contains(new.as_str()), "the log holds the password");
    Ok(())
}

#[test]
fn a_new_token_works_at_once() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let told = words(&task(&sibai, &["token", "new", "--name", "crm", "--may", "read_recordings"])?)?;
    let [token] = &told[..] else { anyhow::bail!("{told:?}") };
    let api = Api::new(sibai.api().address(), token);
    ensure!(api.get("/v1/recordings")?.status == 200, "the new token");
    ensure!(api.get("/v1/call_records")?.status == 403, "it may only read recordings");
    ensure!(Api::new(api.address(), "sibai_x_y").get("/v1/recordings")?.status == 401, "no token");
    let wrong = task(&sibai, &["token", "new", "--may", "fly"])?;
    ensure!(wrong.status.code() == Some(1), "{wrong:?}");
    Ok(())
}

#[test]
fn the_demo_checks_itself() -> Result<()> {
    let demo = run(&["demo"])?;
    let said = String::from_utf8_lossy(&demo.stdout).into_owned();
    ensure!(demo.status.success(), "{said}\n{}", String::from_utf8_lossy(&demo.stderr));
    for words in ["completed elsewhere", "Call record", "curl -H", "Everything was checked."] {
        ensure!(said.to_lowercase().contains(&words.to_lowercase()), "{words:?} is not shown:\n{said}");
    }
    ensure!(!said.contains("13912345678"), "a whole number is shown");
    Ok(())
}

/// What it says on its way out; it must be one sentence and a failure.
fn refused(sibai: &mut Sibai) -> Result<String> {
    ensure!(sibai.run().is_err(), "it serves");
    let status = sibai.wait(PATIENCE)?;
    ensure!(status.code() == Some(1), "{status}");
    let log = sibai.log();
    // Before it may stand what the log and the check's warnings say.
    let said: Vec<&str> = log.lines().skip_while(|line| !line.starts_with("sibai: ")).collect();
    let [sentence] = said[..] else { anyhow::bail!("not one sentence: {log}") };
    Ok(sentence.to_owned())
}

fn check(sibai: &Sibai) -> Result<Output> {
    run(&["check", "--at", "2026-10-12T10:00", &sibai.configs().display().to_string()])
}

/// A task beside the running server, on its configuration and data.
fn task(sibai: &Sibai, words: &[&str]) -> Result<Output> {
    let (configs, data) = (sibai.configs().display().to_string(), sibai.data().display().to_string());
    run(&[words, &["--config", &configs, "--data", &data]].concat())
}

fn run(arguments: &[&str]) -> Result<Output> {
    Command::new(program()?).args(arguments).output().context("sibai")
}

/// What it printed, as words, when it succeeded.
fn words(output: &Output) -> Result<Vec<String>> {
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
}

/// Line and column of a slip, both from 1, the column in characters.
fn place(sibai: &Sibai, file: &str, slip: &str) -> Result<(usize, usize)> {
    let path = match file {
        "engine.yaml" => sibai.configs().join(file),
        _ => sibai.configs().join("lines/huaning").join(file),
    };
    let text = std::fs::read_to_string(path)?;
    let (number, line) = (1..).zip(text.lines()).find(|(_, line)| line.contains(slip)).context("the slip")?;
    let column = line.split(slip).next().unwrap_or_default().chars().count() + 1;
    Ok((number, column))
}

/// Whether a phone of 8001 with this password is registered.
fn registers(sibai: &Sibai, password: &str, seed: u64) -> Result<bool> {
    let sockets = Sockets::free(LOOPBACK, 1)?;
    let mut setup = sockets.setup("8001", sibai.sip())?;
    setup.password = Some(password.to_owned());
    setup.seed = seed;
    let mut phone: LivePhone = live::run(Phone::new(setup), sockets)?;
    phone.order(Action::Register);
    let told = |event: &Event| matches!(event, Event::Registered { .. } | Event::RegisterFailed(_));
    let seen = phone.wait_for(PATIENCE, told).context("REGISTER was not answered")?;
    Ok(matches!(seen.event, Event::Registered { .. }))
}
