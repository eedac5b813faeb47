//! The database locked, the database a server, the disk gone: calls go on, and what happened is told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Setup, Sibai};
use phones::audio::tones_in;
use phones::{Action, Audio};
use sqlx::{AnyConnection, Connection};

use super::cast::{PATIENCE, Talk, becomes_true, recording};

#[test]
fn a_locked_database_delays_the_record_and_not_the_call() -> Result<()> {
    // A short wrap-up: the same seat takes both calls.
    let sibai = Sibai::start(Setup::default().line("wrap_up: 10s", "wrap_up: 1s"))?;
    let url = format!("sqlite://{}", sibai.data().join("sibai.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut locker = runtime.block_on(async {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&url).await
    })?;
    let mut talk = Talk::begin(&sibai)?;
    runtime.block_on(sqlx::query("BEGIN EXCLUSIVE").execute(&mut locker)).context("the lock")?;
    // The call lives and ends as ever.
    speak(&talk, 700);
    talk.end()?;
    sibai.metric_becomes("pbx_calls_active", 0.0, PATIENCE)?;
    // A second call is set up and ended without the database; as if nothing were wrong.
    talk.again()?;
    speak(&talk, 900);
    talk.end()?;
    becomes_true("the journal waits", PATIENCE, || Ok(sibai.log().contains("the database is away")))?;
    runtime.block_on(sqlx::query("ROLLBACK").execute(&mut locker)).context("the lock's end")?;

    was_heard(talk, 900)?;
    becomes_true("both records are written", Duration::from_secs(60), || {
        let page = sibai.api().get("/v1/call_records")?.json()?;
        let records = page["call_records"].as_array().cloned().unwrap_or_default();
        Ok(records.len() == 2 && records.iter().all(|row| row["cause"] == "caller_hung_up"))
    })?;
    let page = sibai.api().get("/v1/call_records")?.json()?;
    for record in page["call_records"].as_array().into_iter().flatten() {
        let id = record["recording_id"].as_str().context("not recorded")?;
        recording(&sibai.api(), id, |row| row["state"] == "saved")?;
    }
    Ok(())
}

#[test]
fn postgresql_holds_calls_and_recordings_when_its_url_is_given() {
    test_store::each_store(|store| async move {
        if store.kind == "postgres" {
            on_postgresql(&store).await.unwrap();
        }
    });
}

async fn on_postgresql(store: &test_store::Store) -> Result<()> {
    let mut sibai = Sibai::start(Setup::default().engine("sqlite://sibai.db", &store.url))?;
    let mut talk = Talk::begin(&sibai)?;
    speak(&talk, 700);
    talk.end()?;
    let record = sibai.call_record()?;
    ensure!(record["cause"] == "caller_hung_up", "{record:#}");
    let id = record["recording_id"].as_str().context("not recorded")?;
    recording(&sibai.api(), id, |row| row["state"] == "saved")?;
    for table in ["calls", "recordings"] {
        let (count,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(&store.pool)
            .await?;
        ensure!(count == 1, "{count} rows in {table}");
    }
    ensure!(!sibai.data().join("sibai.db").exists(), "there is an SQLite file as well");
    // A second start finds what the first one made, and its token still works.
    ensure!(sibai.stop()?.success(), "its exit code");
    sibai.run()?;
    ensure!(sibai.call_record()? == record, "the record has changed");
    Ok(())
}

#[test]
fn a_disk_that_refuses_marks_the_recording_and_not_the_call() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let spool = sibai.data().join("recordings/spool");
    std::fs::remove_dir(&spool)?;
    std::fs::write(&spool, "a file where the folder was")?;
    let mut talk = Talk::begin(&sibai)?;
    speak(&talk, 900);
    talk.end()?;
    let record = sibai.call_record()?;
    was_heard(talk, 900)?;
    ensure!(record["cause"] == "caller_hung_up", "{record:#}");
    let id = record["recording_id"].as_str().context("not meant to be recorded")?;
    let row = recording(&sibai.api(), id, |row| row["state"] == "absent")?;
    ensure!(row["absent_reason"] == "disk_error", "{row:#}");
    let log = sibai.log();
    let told = log.lines().find(|line| line.contains("ERROR") && line.contains(id));
    ensure!(told.is_some_and(|line| line.contains("not recorded")), "nothing was logged");
    ensure!(sibai.metric("pbx_recordings_failed_total")? >= 1.0, "nothing was counted");
    Ok(())
}

/// The caller says a tone for two seconds, which takes two seconds.
fn speak(talk: &Talk, hertz: u32) {
    talk.caller.order(Action::Hush);
    talk.caller.order(Action::Say(Audio::tone(f64::from(hertz), Duration::from_secs(2))));
    std::thread::sleep(Duration::from_millis(2_500));
}

/// The seat has heard it.
fn was_heard(talk: Talk, hertz: u32) -> Result<()> {
    let seat = talk.seat.finish().context("the phone's thread panicked")?;
    let tones: Vec<_> = seat.calls().flat_map(|(_, call)| tones_in(call.stream().heard())).collect();
    ensure!(tones.contains(&Some(hertz)), "the seat heard {tones:?}");
    Ok(())
}
