//! Stories of the catalog, on both databases.

use std::time::Duration;

use base::{CallId, PhoneNumber};
use sqlx::AnyPool;
use test_store::each_store;

use super::*;
use crate::retention::Subject;
use crate::seal::{Levels, Tally};
use crate::segment::Segment;
use crate::tests::{at, facts, policy};

fn sealed(facts: &Facts, secs: u64) -> Sealed {
    Sealed {
        recording: facts.recording,
        path: format!("2026/10/12/{}.wav", facts.recording),
        bytes: 44 + secs * 32_000,
        duration: Duration::from_secs(secs),
        sha256: "ab".repeat(32),
        caller: Tally { packets: 10, lost: 3, gap_samples: 480, ..Tally::default() },
        seat: Tally::default(),
        caller_levels: Levels {
            speech_dbov: Some(-24.5),
            peak_dbov: Some(-3.25),
            clipped: 0.125,
            silence: 0.5,
        },
        seat_levels: Levels { silence: 1.0, ..Levels::default() },
        dropped: 0,
        torn: 0,
        segments: vec![Segment { seat: "li_na".into(), from_ms: 0, to_ms: secs * 1000 }],
        ended_in_order: true,
        ended: facts.started + jiff::SignedDuration::from_secs(secs as i64),
    }
}

fn verdict(facts: &Facts, days: u32) -> Verdict {
    policy(days).verdict(&Subject::of(facts, Consent::None, facts.started))
}

async fn save(pool: &AnyPool, facts: &Facts, secs: u64) {
    let mut conn = pool.acquire().await.unwrap();
    open(&mut conn, facts).await.unwrap();
    saved(&mut conn, facts.recording, &sealed(facts, secs), &verdict(facts, 90)).await.unwrap();
}

#[test]
fn a_recording_goes_from_open_to_saved() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        migrate(&store.pool).await.unwrap();
        let facts = facts(1);
        let mut conn = store.pool.acquire().await.unwrap();
        open(&mut conn, &facts).await.unwrap();
        open(&mut conn, &facts).await.unwrap();
        let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
        assert_eq!((row.state, row.ended, row.codec.as_str()), (State::Recording, None, "pcma/pcmu"));
        assert_eq!((row.caller_levels, row.seat_levels), (None, None));
        assert_eq!((&row.caller, &row.seat, row.started), (&facts.caller, &facts.seat, facts.started));

        let ended = at("2026-10-12T10:00:31.5+08:00");
        end(&mut conn, facts.recording, ended, Consent::Explicit).await.unwrap();
        let sealed = sealed(&facts, 30);
        for _ in 0..2 {
            saved(&mut conn, facts.recording, &sealed, &verdict(&facts, 90)).await.unwrap();
            let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
            assert_eq!((row.state, row.ended, row.consent), (State::Saved, Some(ended), Consent::Explicit));
            assert_eq!(
                (row.duration_ms, row.bytes, row.file),
                (Some(30_000), Some(960_044), Some(sealed.path.clone()))
            );
            assert_eq!((row.rule.as_deref(), row.keep.as_deref()), (Some("default"), Some("90d")));
            assert_eq!(row.delete_after, Some(at("2027-01-10T10:00:00+08:00")));
            assert_eq!((row.caller_lost, row.caller_gap_ms, row.interrupted), (3, 60, false));
            assert_eq!(row.partial_reason, None);
            let levels = (row.caller_levels, row.seat_levels);
            assert_eq!(levels, (Some(sealed.caller_levels), Some(sealed.seat_levels)));
        }
        assert_eq!(find(&mut conn, RecordingId::from_u128(9)).await.unwrap(), None);
    });
}

#[test]
fn what_an_earlier_version_sealed_has_no_levels() {
    each_store(|store| async move {
        let mut conn = store.pool.acquire().await.unwrap();
        for statement in schema::VERSIONS[..2].iter().copied().flatten() {
            sqlx::query(*statement).execute(&mut *conn).await.unwrap();
        }
        let facts = facts(1);
        open(&mut conn, &facts).await.unwrap();
        for statement in [
            "UPDATE recordings SET state = 'saved'",
            "CREATE TABLE recordings_version (id BIGINT PRIMARY KEY, version BIGINT NOT NULL)",
            "INSERT INTO recordings_version (id, version) VALUES (1, 2)",
        ] {
            sqlx::query(statement).execute(&mut *conn).await.unwrap();
        }
        migrate(&store.pool).await.unwrap();
        let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
        assert_eq!((row.state, row.caller_levels, row.seat_levels), (State::Saved, None, None));
        saved(&mut conn, facts.recording, &sealed(&facts, 5), &verdict(&facts, 90)).await.unwrap();
        let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
        assert_eq!(row.seat_levels.map(|levels| levels.speech_dbov), Some(None));
    });
}

#[test]
fn the_end_of_a_call_is_one_commit_or_nothing() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let facts = facts(1);
        let mut tx = store.pool.begin().await.unwrap();
        open(&mut tx, &facts).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = store.pool.begin().await.unwrap();
        end(&mut tx, facts.recording, facts.started, Consent::None).await.unwrap();
        tx.rollback().await.unwrap();
        let row = find(&mut store.pool.acquire().await.unwrap(), facts.recording).await.unwrap().unwrap();
        assert_eq!(row.ended, None);
    });
}

#[test]
fn consent_only_becomes_stronger_and_states_do_not_run_backwards() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let mut facts = facts(1);
        facts.consent = Consent::Withdrawn;
        let mut conn = store.pool.acquire().await.unwrap();
        let id = facts.recording;
        assert!(matches!(end(&mut conn, id, facts.started, Consent::None).await, Err(StoreError::NoSuch(_))));
        open(&mut conn, &facts).await.unwrap();
        end(&mut conn, id, facts.started, Consent::Explicit).await.unwrap();
        assert_eq!(find(&mut conn, id).await.unwrap().unwrap().consent, Consent::Withdrawn);

        absent(&mut conn, id, "no_audio").await.unwrap();
        let row = find(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((row.state, row.absent_reason.as_deref()), (State::Absent, Some("no_audio")));
        assert!(matches!(
            end(&mut conn, id, facts.started, Consent::None).await,
            Err(StoreError::WrongState { state: State::Absent, .. })
        ));
        // A spool found later brings it back; from there on it cannot become absent.
        saved(&mut conn, id, &sealed(&facts, 5), &verdict(&facts, 1)).await.unwrap();
        assert!(absent(&mut conn, id, "again").await.is_err());
        assert_eq!(find(&mut conn, id).await.unwrap().unwrap().absent_reason, None);
    });
}

#[test]
fn who_withdraws_after_the_file_was_sealed_is_heard_too() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let (facts, later) = (facts(1), at("2026-10-12T10:09:00+08:00"));
        save(&store.pool, &facts, 60).await;
        let mut conn = store.pool.acquire().await.unwrap();
        let before = find(&mut conn, facts.recording).await.unwrap().unwrap();
        end(&mut conn, facts.recording, later, Consent::NoticeGiven).await.unwrap();
        assert_eq!(find(&mut conn, facts.recording).await.unwrap().unwrap(), before);
        end(&mut conn, facts.recording, later, Consent::Withdrawn).await.unwrap();
        let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
        assert_eq!((row.rule.as_deref(), row.keep.as_deref()), (Some("withdrawn"), Some("0d")));
        assert_eq!((row.consent, row.delete_after), (Consent::Withdrawn, before.ended));
    });
}

#[test]
fn no_number_that_a_caller_sends_makes_a_row_unreadable() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let mut conn = store.pool.acquire().await.unwrap();
        let odd = ["011111111111111111", "+8600123456789", "8001", "00000000000000000000", "+860"];
        for (n, raw) in (1..).zip(odd) {
            let facts = Facts { caller: PhoneNumber::normalise(raw), ..facts(n) };
            assert!(facts.caller.is_some(), "{raw}");
            open(&mut conn, &facts).await.unwrap();
            let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
            assert_eq!(row.caller, facts.caller, "{raw}");
        }
    });
}

#[test]
fn interrupted_and_partial_are_told_apart() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let mut conn = store.pool.acquire().await.unwrap();
        // (number, end noted in the row, end record in the spool, dropped, marked) -> (interrupted, partial)
        let table = [
            (1, true, true, 0, None, false, None),
            (2, false, false, 0, None, true, None),
            (3, false, true, 0, None, false, None),
            (4, true, false, 0, None, false, Some("spool_broken")),
            (5, true, true, 8, None, false, Some("recorder_overflow")),
            (6, true, false, 8, Some("disk_full"), false, Some("disk_full")),
        ];
        for (n, ended, in_order, dropped, marked, interrupted, partial_reason) in table {
            let facts = facts(n);
            open(&mut conn, &facts).await.unwrap();
            if ended {
                end(&mut conn, facts.recording, facts.started, Consent::None).await.unwrap();
            }
            if let Some(reason) = marked {
                partial(&mut conn, facts.recording, reason).await.unwrap();
            }
            let sealed = Sealed { ended_in_order: in_order, dropped, ..sealed(&facts, 5) };
            for _ in 0..2 {
                saved(&mut conn, facts.recording, &sealed, &verdict(&facts, 1)).await.unwrap();
                let row = find(&mut conn, facts.recording).await.unwrap().unwrap();
                assert_eq!(
                    (row.interrupted, row.partial_reason.as_deref()),
                    (interrupted, partial_reason),
                    "{n}"
                );
            }
        }
    });
}

#[test]
fn lists_are_filtered_and_bound_to_lines() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let minute = jiff::SignedDuration::from_mins(1);
        for n in 1..=6_u128 {
            let mut facts = facts(n);
            facts.started += minute * n as i32;
            if n % 2 == 0 {
                (facts.line, facts.queue, facts.seat) = ("other".into(), None, Some("wang_wei".into()));
            }
            if n == 3 {
                facts.caller = None;
            }
            save(&store.pool, &facts, n as u64).await;
        }
        let base = facts(0).started;
        let other = Lines::Only(vec!["other".into()]);
        let none = Filter::default;
        let caller = PhoneNumber::normalise("139-1234-5678");
        let table: Vec<(Filter, Vec<u128>)> = vec![
            (none(), vec![6, 5, 4, 3, 2, 1]),
            (Filter { from: Some(base + minute * 3), ..none() }, vec![6, 5, 4, 3]),
            (Filter { to: Some(base + minute * 3), ..none() }, vec![2, 1]),
            (Filter { number: PhoneNumber::normalise("4005550100"), ..none() }, vec![6, 5, 4, 3, 2, 1]),
            (Filter { number: PhoneNumber::normalise("4005550199"), ..none() }, vec![]),
            (Filter { caller, ..none() }, vec![6, 5, 4, 2, 1]),
            (Filter { seat: Some("li_na".into()), ..none() }, vec![5, 3, 1]),
            (Filter { queue: Some("after_sales".into()), min_secs: Some(3), ..none() }, vec![5, 3]),
            (Filter { call: Some(CallId::from_u128(1004)), ..none() }, vec![4]),
            (Filter { state: Some(State::Recording), ..none() }, vec![]),
            (Filter { state: Some(State::Saved), ..none() }, vec![6, 5, 4, 3, 2, 1]),
            (Filter { lines: other.clone(), ..none() }, vec![6, 4, 2]),
            (Filter { lines: other.clone(), seat: Some("li_na".into()), ..none() }, vec![]),
            (
                Filter { lines: Lines::Only(vec!["other".into(), "huaning".into()]), ..none() },
                vec![6, 5, 4, 3, 2, 1],
            ),
            (Filter { lines: Lines::Only(Vec::new()), ..none() }, vec![]),
            (Filter { queue: Some("x' OR '1'='1".into()), ..none() }, vec![]),
        ];
        let mut conn = store.pool.acquire().await.unwrap();
        for (filter, expected) in table {
            let page = list(&mut conn, &filter, None, 100).await.unwrap();
            let ids: Vec<u128> = page.rows.iter().map(|row| row.id.as_u128()).collect();
            assert_eq!(ids, expected, "{filter:?}");
            assert!(page.rows.iter().all(|row| filter.lines.hold(&row.line)));
        }
    });
}

#[test]
fn pages_join_without_gap_even_where_times_are_equal() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        for n in 1..=23_u128 {
            let mut facts = facts(n);
            facts.started += jiff::SignedDuration::from_secs((n / 5) as i64);
            save(&store.pool, &facts, 1).await;
        }
        let mut conn = store.pool.acquire().await.unwrap();
        let (mut cursor, mut ids) = (None, Vec::new());
        loop {
            let page = list(&mut conn, &Filter::default(), cursor, 4).await.unwrap();
            assert!(page.rows.len() <= 4);
            ids.extend(page.rows.iter().map(|row| row.id.as_u128()));
            let Some(next) = page.next else { break };
            cursor = Some(next.to_string().parse::<Cursor>().unwrap());
        }
        assert_eq!(ids, (1..=23).rev().collect::<Vec<_>>());
    });
}

#[test]
fn a_cursor_is_read_back_or_refused() {
    for text in ["", "x", &"0".repeat(47), &"g".repeat(48), &"é".repeat(24)] {
        assert_eq!(text.parse::<Cursor>(), Err(NotACursor));
    }
}

#[test]
fn what_is_due_comes_longest_overdue_first() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let mut conn = store.pool.acquire().await.unwrap();
        for (n, days) in [(1, 90), (2, 30), (3, 60)] {
            let facts = facts(n);
            open(&mut conn, &facts).await.unwrap();
            saved(&mut conn, facts.recording, &sealed(&facts, 1), &verdict(&facts, days)).await.unwrap();
        }
        let ids = |rows: Vec<Row>| rows.iter().map(|row| row.id.as_u128()).collect::<Vec<_>>();
        let day_60 = at("2026-12-11T10:00:00+08:00");
        assert_eq!(ids(due(&mut conn, day_60, 10).await.unwrap()), [2, 3]);
        assert_eq!(ids(due(&mut conn, day_60, 1).await.unwrap()), [2]);
        let just_before = day_60 - jiff::SignedDuration::from_micros(1);
        assert_eq!(ids(due(&mut conn, just_before, 10).await.unwrap()), [2]);
    });
}

#[test]
fn two_programs_that_start_at_once_make_one_schema() {
    each_store(|store| async move {
        let (one, two) = tokio::join!(migrate(&store.pool), migrate(&store.pool));
        // SQLite may tell the second that the file is busy; what counts is that nothing is broken.
        assert!(one.is_ok() || two.is_ok(), "{one:?} {two:?}");
        migrate(&store.pool).await.unwrap();
        sqlx::query("UPDATE recordings_version SET version = 99").execute(&store.pool).await.unwrap();
        assert!(matches!(migrate(&store.pool).await, Err(StoreError::Later { found: 99, .. })));
    });
}

#[test]
fn settling_gives_the_verdict_of_the_end_that_was_noted() {
    each_store(|store| async move {
        migrate(&store.pool).await.unwrap();
        let mut conn = store.pool.acquire().await.unwrap();
        let facts = facts(1);
        let sealed = sealed(&facts, 5);
        assert!(matches!(settle(&mut conn, &sealed, &policy(30)).await, Err(StoreError::NoSuch(_))));
        open(&mut conn, &facts).await.unwrap();
        end(&mut conn, facts.recording, at("2026-10-12T10:01:00+08:00"), Consent::None).await.unwrap();
        let row = settle(&mut conn, &sealed, &policy(30)).await.unwrap();
        assert_eq!((row.state, row.delete_after), (State::Saved, Some(at("2026-11-11T10:01:00+08:00"))));
    });
}
