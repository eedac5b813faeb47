//! Stories of recovery, on both databases: after any death every recording is finished, once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use test_store::{Store, each_store};

use super::*;
use crate::retention::Subject;
use crate::tests::{at, cut_spool, ended_spool, facts, policy};

async fn put(store: &Store, facts: &Facts) {
    catalog::open(&mut store.pool.acquire().await.unwrap(), facts).await.unwrap();
}

async fn row(store: &Store, n: u128) -> Row {
    let id = RecordingId::from_u128(n);
    catalog::find(&mut store.pool.acquire().await.unwrap(), id).await.unwrap().unwrap()
}

async fn recovered(store: &Store, folder: &Path) -> Vec<Recovered> {
    recover(&store.pool, folder, |_| policy(90)).await.unwrap()
}

/// Every file below the folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_killed_call_is_sealed_marked_and_ends_with_its_last_packet() {
    each_store(|store| async move {
        catalog::migrate(&store.pool).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let facts = facts(1);
        put(&store, &facts).await;
        cut_spool(folder.path(), &facts, 50);
        let list = recovered(&store, folder.path()).await;
        let ended = at("2026-10-12T10:00:01+08:00");
        let expected =
            Recovered { recording: facts.recording, call: facts.call, ended, outcome: Outcome::Saved };
        assert_eq!(list, [expected]);
        let row = row(&store, 1).await;
        assert_eq!((row.state, row.interrupted, row.ended), (State::Saved, true, Some(ended)));
        assert_eq!((row.duration_ms, row.rule.as_deref()), (Some(1000), Some("default")));
        let files = files(folder.path());
        let (path, bytes) = files.first_key_value().unwrap();
        assert_eq!((files.len(), bytes.len() as u64), (1, row.bytes.unwrap()));
        assert!(path.ends_with(row.file.unwrap()));
        assert_eq!(recovered(&store, folder.path()).await, []);
    });
}

#[test]
fn a_call_that_ended_but_was_not_sealed_is_not_called_interrupted() {
    each_store(|store| async move {
        catalog::migrate(&store.pool).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let facts = facts(1);
        put(&store, &facts).await;
        ended_spool(folder.path(), &facts, 50);
        let ended = at("2026-10-12T10:00:03+08:00");
        let mut conn = store.pool.acquire().await.unwrap();
        catalog::end(&mut conn, facts.recording, ended, Consent::Withdrawn).await.unwrap();
        drop(conn);
        assert_eq!(recovered(&store, folder.path()).await[0].ended, ended);
        let row = row(&store, 1).await;
        assert_eq!((row.interrupted, row.ended, row.partial_reason.as_deref()), (false, Some(ended), None));
        assert_eq!((row.rule.as_deref(), row.delete_after), (Some("withdrawn"), Some(ended)));
    });
}

#[test]
fn orphans_get_rows_rows_without_spool_get_a_reason_and_leftovers_go() {
    each_store(|store| async move {
        catalog::migrate(&store.pool).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        cut_spool(folder.path(), &facts(1), 10); // no row
        put(&store, &facts(2)).await; // no spool
        put(&store, &facts(3)).await;
        cut_spool(folder.path(), &facts(3), 0); // no packet
        put(&store, &facts(4)).await;
        let spools = place::spool_folder(folder.path());
        fs::write(place::spool_file(folder.path(), facts(4).recording), [0; 7]).unwrap(); // no header
        fs::write(place::spool_file(folder.path(), facts(5).recording), []).unwrap(); // neither row nor header
        fs::write(spools.join("half.wav.part"), [1; 100]).unwrap();
        fs::write(spools.join("foreign.txt"), "mine").unwrap();
        fs::write(spools.join("foreign.spool"), "mine").unwrap();

        let mut list = recovered(&store, folder.path()).await;
        list.sort_by_key(|recovered| recovered.recording);
        let outcomes: Vec<_> = list.iter().map(|r| (r.recording.as_u128(), r.outcome.clone())).collect();
        assert_eq!(
            outcomes,
            [
                (1, Outcome::Saved),
                (2, Outcome::Absent("spool_missing")),
                (3, Outcome::Absent("no_audio")),
                (4, Outcome::Absent("spool_unreadable")),
            ]
        );
        assert_eq!((row(&store, 1).await.state, row(&store, 1).await.interrupted), (State::Saved, true));
        for (n, why) in [(2, "spool_missing"), (3, "no_audio"), (4, "spool_unreadable")] {
            let row = row(&store, n).await;
            assert_eq!((row.state, row.absent_reason.as_deref()), (State::Absent, Some(why)));
            assert_eq!(row.ended, Some(row.started));
        }
        let mut names: Vec<_> = files(&spools).into_keys().collect();
        names.sort();
        assert_eq!(names, [spools.join("foreign.spool"), spools.join("foreign.txt")]);
        assert_eq!(recovered(&store, folder.path()).await, []);
    });
}

#[test]
fn a_saved_row_keeps_its_file_and_loses_its_spool_but_only_if_the_file_is_whole() {
    each_store(|store| async move {
        catalog::migrate(&store.pool).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        for n in 1..=2 {
            put(&store, &facts(n)).await;
            ended_spool(folder.path(), &facts(n), 20);
            let sealed = seal::seal(folder.path(), facts(n).recording).unwrap();
            let verdict = policy(30).verdict(&Subject::of(&facts(n), Consent::None, sealed.ended));
            let mut conn = store.pool.acquire().await.unwrap();
            catalog::saved(&mut conn, facts(n).recording, &sealed, &verdict).await.unwrap();
        }
        let file = folder.path().join(row(&store, 2).await.file.unwrap());
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..100]).unwrap();
        let list = recovered(&store, folder.path()).await;
        assert_eq!(list.iter().map(|r| r.recording.as_u128()).collect::<Vec<_>>(), [2]);
        assert_eq!(fs::read(&file).unwrap(), whole);
        assert_eq!(files(folder.path()).len(), 2);
    });
}

/// The state of the world after a death: rows, spools and a leftover of every kind.
async fn wreck(store: &Store, folder: &Path) {
    catalog::migrate(&store.pool).await.unwrap();
    for n in [1, 2, 3, 4] {
        put(store, &facts(n)).await;
    }
    cut_spool(folder, &facts(1), 30);
    ended_spool(folder, &facts(2), 30);
    cut_spool(folder, &facts(3), 0);
    cut_spool(folder, &facts(5), 5);
    fs::write(place::part_file(folder, facts(1).recording), [7; 9]).unwrap();
}

#[test]
fn killed_at_any_step_of_recovery_the_next_one_ends_with_the_same_world() {
    each_store(|store| async move {
        let reference = tempfile::tempdir().unwrap();
        wreck(&store, reference.path()).await;
        let told = recovered(&store, reference.path()).await;
        assert_eq!(told.len(), 5);
        let mut rows = Vec::new();
        for n in 1..=5 {
            rows.push(row(&store, n).await);
        }
        let world: Vec<_> = files(reference.path()).into_values().collect();

        for steps in 0..200 {
            sqlx::query("DELETE FROM recordings").execute(&store.pool).await.unwrap();
            let folder = tempfile::tempdir().unwrap();
            wreck(&store, folder.path()).await;
            let first =
                recover_with(&store.pool, folder.path(), |_| policy(90), &mut Fuse::after(steps)).await;
            // Killed once more on the way, a little further.
            let again = Fuse::after(steps / 2 + 1);
            let _ = recover_with(&store.pool, folder.path(), |_| policy(90), &mut again.clone()).await;
            recovered(&store, folder.path()).await;
            for (n, expected) in (1..).zip(&rows) {
                assert_eq!(&row(&store, n).await, expected, "after {steps} steps");
            }
            assert_eq!(files(folder.path()).into_values().collect::<Vec<_>>(), world, "after {steps} steps");
            if first.is_ok() {
                assert!(steps > 20, "every step has its kill-point");
                return;
            }
        }
        panic!("the fuse never held for a whole recovery");
    });
}
