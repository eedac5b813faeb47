//! Stories of the sweeper, on both databases: what is due goes, with proof, whatever interrupts it.

use std::fs;

use base::{Mono, Period};
use tempfile::TempDir;
use test_store::each_store;

use super::*;
use crate::facts::{Consent, Facts};
use crate::ledger::Tombstone;
use crate::retention::Subject;
use crate::tests::{at, ended_spool, facts, policy};

/// A sealed and saved recording that is kept for `days`; its spool is gone.
async fn kept(pool: &AnyPool, folder: &Path, facts: &Facts, days: u32) -> Row {
    ended_spool(folder, facts, 10);
    let sealed = crate::seal::seal(folder, facts.recording).unwrap();
    let verdict = policy(days).verdict(&Subject::of(facts, Consent::None, sealed.ended));
    let mut conn = pool.acquire().await.unwrap();
    catalog::open(&mut conn, facts).await.unwrap();
    catalog::end(&mut conn, facts.recording, sealed.ended, Consent::None).await.unwrap();
    catalog::saved(&mut conn, facts.recording, &sealed, &verdict).await.unwrap();
    crate::spool::remove(folder, facts.recording).unwrap();
    catalog::find(&mut conn, facts.recording).await.unwrap().unwrap()
}

async fn stones(pool: &AnyPool, id: RecordingId) -> Vec<Tombstone> {
    ledger::of(&mut pool.acquire().await.unwrap(), id).await.unwrap()
}

async fn row(pool: &AnyPool, id: RecordingId) -> Row {
    catalog::find(&mut pool.acquire().await.unwrap(), id).await.unwrap().unwrap()
}

async fn chain(pool: &AnyPool) -> Result<u64, ledger::Break> {
    ledger::verify(&mut pool.acquire().await.unwrap()).await.unwrap()
}

fn now(wall: &str, secs: u64) -> Now {
    Now { mono: Mono::from_nanos(secs * 1_000_000_000), wall: at(wall) }
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("spool")).unwrap();
    folder
}

#[test]
fn on_day_31_file_and_caller_are_gone_and_the_tombstone_remains() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        let kept = kept(&store.pool, folder.path(), &facts(1), 30).await;
        let file = folder.path().join(kept.file.as_ref().unwrap());
        let (_, sha256) = crate::seal::fingerprint(&file).unwrap();

        let day_29 = now("2026-11-11T09:59:59+08:00", 100);
        let report = sweep(&store.pool, folder.path(), None, day_29, 10).await.unwrap();
        assert_eq!((report, file.exists()), (Report::default(), true));

        let day_31 = now("2026-11-12T10:00:01+08:00", 200);
        let report = sweep(&store.pool, folder.path(), None, day_31, 10).await.unwrap();
        assert_eq!((report.deleted.as_slice(), file.exists()), (&[kept.id][..], false));
        let gone = row(&store.pool, kept.id).await;
        assert_eq!((gone.state, gone.caller, gone.deleted), (State::Deleted, None, Some(day_31.wall)));
        assert_eq!(gone.delete_reason.as_deref(), Some("kept 30d"));

        let stones = stones(&store.pool, kept.id).await;
        assert_eq!(stones.iter().map(|stone| stone.step).collect::<Vec<_>>(), [Step::Decided, Step::Deleted]);
        for stone in &stones {
            assert_eq!((&stone.sha256, stone.bytes, stone.at), (&sha256, kept.bytes.unwrap(), day_31.wall));
            assert_eq!((stone.ground.rule.as_str(), stone.ground.actor.as_str()), ("default", "sweeper"));
        }
        assert_eq!(chain(&store.pool).await, Ok(2));
        let again = sweep(&store.pool, folder.path(), None, day_31, 10).await.unwrap();
        assert_eq!(again, Report::default());
    });
}

#[test]
fn cut_off_at_any_step_the_next_pass_ends_the_work_once() {
    each_store(|store| async move {
        catalog::migrate(&store.pool).await.unwrap();
        let wall = at("2027-10-12T10:00:00+08:00");
        let mut written = 0;
        for steps in 0..20 {
            let folder = folder();
            let (a, b) = (facts(100 + u128::from(steps) * 2), facts(101 + u128::from(steps) * 2));
            let a = kept(&store.pool, folder.path(), &a, 30).await;
            let b = kept(&store.pool, folder.path(), &b, 30).await;
            let cut = sweep_with(&store.pool, folder.path(), wall, 10, &mut Fuse::after(steps)).await;
            // Wherever it stopped: a file without a decision in the ledger is never gone.
            for kept in [&a, &b] {
                if !folder.path().join(kept.file.as_ref().unwrap()).exists() {
                    assert_eq!(stones(&store.pool, kept.id).await[0].step, Step::Decided);
                }
            }
            let done = sweep_with(&store.pool, folder.path(), wall, 10, &mut Fuse::never()).await.unwrap();
            assert!(done.failed.is_empty() && done.missing.is_empty(), "{done:?}");
            written += 4;
            for kept in [&a, &b] {
                assert!(!folder.path().join(kept.file.as_ref().unwrap()).exists());
                assert_eq!(row(&store.pool, kept.id).await.state, State::Deleted);
                let steps: Vec<_> =
                    stones(&store.pool, kept.id).await.iter().map(|stone| stone.step).collect();
                assert_eq!(steps, [Step::Decided, Step::Deleted]);
            }
            assert_eq!(chain(&store.pool).await, Ok(written));
            if cut.is_ok() {
                assert!(steps >= 8, "both deletions have their kill-points");
                return;
            }
        }
        panic!("the fuse never held for a whole pass");
    });
}

#[test]
fn a_clock_that_jumped_deletes_nothing() {
    let before = now("2026-10-12T10:00:00+08:00", 1000);
    let steady = |wall, secs| steady_clock(Some(before), now(wall, secs)).is_ok();
    assert!(steady("2026-10-12T11:00:00+08:00", 4600));
    assert!(steady("2026-10-12T11:04:59+08:00", 4600), "NTP may correct some minutes");
    assert!(!steady("2026-10-12T11:05:01+08:00", 4600));
    assert!(!steady("2028-10-12T11:00:00+08:00", 4600), "two years");
    assert!(!steady("2026-10-12T09:00:00+08:00", 4600), "an hour back");
    assert!(!steady("2026-10-12T09:59:59+08:00", 1000), "a second back");
    assert!(!steady("2026-10-12T10:54:59+08:00", 4600), "slower by more than five minutes");
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        let kept = kept(&store.pool, folder.path(), &facts(1), 30).await;
        let jumped = now("2028-10-12T10:00:00+08:00", 1060);
        let result = sweep(&store.pool, folder.path(), Some(before), jumped, 10).await;
        assert!(matches!(result, Err(SweepError::ClockJumped { seconds }) if seconds > 60_000_000));
        assert_eq!(row(&store.pool, kept.id).await.state, State::Saved);
        // The new time holds for a while: it counts.
        let later = now("2028-10-12T10:01:00+08:00", 1120);
        let report = sweep(&store.pool, folder.path(), Some(jumped), later, 10).await.unwrap();
        assert_eq!(report.deleted, [kept.id]);
    });
}

#[test]
fn a_missing_file_is_said_and_a_missing_folder_stops_everything() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        let kept = kept(&store.pool, folder.path(), &facts(1), 30).await;
        let due = now("2027-10-12T10:00:00+08:00", 1);
        let wrong = folder.path().join("not_mounted");
        assert!(matches!(sweep(&store.pool, &wrong, None, due, 10).await, Err(SweepError::NoFolder(_))));
        assert_eq!(row(&store.pool, kept.id).await.state, State::Saved);

        fs::remove_file(folder.path().join(kept.file.as_ref().unwrap())).unwrap();
        let report = sweep(&store.pool, folder.path(), None, due, 10).await.unwrap();
        assert_eq!((report.missing.as_slice(), report.deleted.as_slice()), (&[kept.id][..], &[][..]));
        assert_eq!(stones(&store.pool, kept.id).await[1].step, Step::Missing);
        assert_eq!(row(&store.pool, kept.id).await.state, State::Deleted);
    });
}

#[test]
fn a_file_that_will_not_go_is_tried_again() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        let stuck = kept(&store.pool, folder.path(), &facts(1), 30).await;
        let other = kept(&store.pool, folder.path(), &facts(2), 30).await;
        // A folder in the file's place cannot be unlinked, not even by root.
        let file = folder.path().join(stuck.file.as_ref().unwrap());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let due = now("2027-10-12T10:00:00+08:00", 1);
        for first in [true, false] {
            let report = sweep(&store.pool, folder.path(), None, due, 10).await.unwrap();
            assert_eq!(report.failed.len(), 1);
            assert_eq!(report.deleted.contains(&other.id), first);
            assert_eq!(row(&store.pool, stuck.id).await.state, State::Deleting);
        }
        fs::remove_dir(&file).unwrap();
        let report = sweep(&store.pool, folder.path(), None, due, 10).await.unwrap();
        assert_eq!(report.deleted, [stuck.id]);
        assert_eq!(chain(&store.pool).await, Ok(4));
    });
}

#[test]
fn a_deletion_by_hand_says_who_and_why() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        let kept = kept(&store.pool, folder.path(), &facts(1), 30).await;
        let wall = at("2026-10-12T12:00:00+08:00");
        let gone =
            delete(&store.pool, folder.path(), kept.id, "客户要求删除", "token:crm", wall).await.unwrap();
        assert_eq!(gone.deleted, [kept.id]);
        let stone = &stones(&store.pool, kept.id).await[0];
        assert_eq!((stone.ground.rule.as_str(), stone.ground.actor.as_str()), ("manual", "token:crm"));
        assert_eq!(stone.ground.reason, "客户要求删除");
        let again = delete(&store.pool, folder.path(), kept.id, "x", "y", wall).await;
        assert!(matches!(
            again,
            Err(SweepError::Store(StoreError::WrongState { state: State::Deleted, .. }))
        ));

        let running = facts(2);
        catalog::open(&mut store.pool.acquire().await.unwrap(), &running).await.unwrap();
        assert!(delete(&store.pool, folder.path(), running.recording, "x", "y", wall).await.is_err());
        let unknown = delete(&store.pool, folder.path(), RecordingId::from_u128(99), "x", "y", wall).await;
        assert!(matches!(unknown, Err(SweepError::Store(StoreError::NoSuch(_)))));
        assert_eq!(chain(&store.pool).await, Ok(2));
    });
}

#[test]
fn the_limit_of_a_pass_holds_and_says_that_there_is_more() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        for n in 1..=5 {
            kept(&store.pool, folder.path(), &facts(n), 30).await;
        }
        let due = now("2027-10-12T10:00:00+08:00", 1);
        let counts = [(2, true), (2, true), (1, false)];
        for (deleted, more) in counts {
            let report = sweep(&store.pool, folder.path(), None, due, 2).await.unwrap();
            assert_eq!((report.deleted.len(), report.more), (deleted, more));
        }
    });
}

#[test]
fn a_shorter_policy_counts_and_a_longer_one_does_not() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        let kept = kept(&store.pool, folder.path(), &facts(1), 60).await;
        let line = facts(1).line;
        assert_eq!(reapply(&store.pool, &line, &policy(90)).await.unwrap(), 0);
        assert_eq!(row(&store.pool, kept.id).await.delete_after, kept.delete_after);
        assert_eq!(reapply(&store.pool, &"other".into(), &policy(7)).await.unwrap(), 0);
        assert_eq!(reapply(&store.pool, &line, &policy(7)).await.unwrap(), 1);
        let shorter = row(&store.pool, kept.id).await;
        assert_eq!(shorter.delete_after, Some(Period::Days(7).after(kept.ended.unwrap(), "UTC")));
        assert_eq!(shorter.keep.as_deref(), Some("7d"));
    });
}

#[test]
fn a_changed_ledger_is_found_out() {
    each_store(|store| async move {
        let folder = folder();
        catalog::migrate(&store.pool).await.unwrap();
        for n in 1..=3 {
            kept(&store.pool, folder.path(), &facts(n), 30).await;
        }
        let due = now("2027-10-12T10:00:00+08:00", 1);
        sweep(&store.pool, folder.path(), None, due, 10).await.unwrap();
        assert_eq!(chain(&store.pool).await, Ok(6));
        let run = |sql: &'static str| sqlx::query(sql).execute(&store.pool);
        run("UPDATE tombstones SET actor = 'nobody' WHERE seq = 3").await.unwrap();
        assert_eq!(chain(&store.pool).await.unwrap_err().seq, 3);
        run("UPDATE tombstones SET actor = 'sweeper' WHERE seq = 3").await.unwrap();
        assert_eq!(chain(&store.pool).await, Ok(6));
        run("DELETE FROM tombstones WHERE seq = 6").await.unwrap();
        assert_eq!(chain(&store.pool).await.unwrap_err().what, "its end was cut off");
        run("DELETE FROM tombstones WHERE seq = 2").await.unwrap();
        assert_eq!(chain(&store.pool).await.unwrap_err().seq, 3);
    });
}
