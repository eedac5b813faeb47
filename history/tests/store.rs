//! What history promises, on every database it is for.
#![allow(missing_docs, clippy::unwrap_used, clippy::needless_pass_by_value)]

use base::{CallId, Cause, Name, PhoneNumber, RecordingId, Timestamp};
use history::{
    CallRow, Cursor, Filter, HistoryError, LapseRow, LegRow, OpenCall, Origin, PeerReport, Quality,
    TransferRow, outbox,
};
use sqlx::{AnyConnection, Connection};

#[test]
fn a_call_is_read_back_as_it_was_written() {
    each_store(async |conn| {
        let call = talked(7, "2026-10-12T02:00:00Z");
        assert!(history::write(conn, &call, now()).await.unwrap());
        assert_eq!(history::find(conn, call.id, None).await.unwrap(), Some(call));
    });
}

#[test]
fn a_replayed_call_is_written_once() {
    each_store(async |conn| {
        let call = talked(7, "2026-10-12T02:00:00Z");
        assert!(history::write(conn, &call, now()).await.unwrap());
        assert!(!history::write(conn, &call, now()).await.unwrap());
        let page = history::list(conn, &Filter::default(), None, 10).await.unwrap();
        assert_eq!(page.calls, [call]);
        assert_eq!(outbox::pending(conn, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn whatever_the_wire_put_into_a_row_it_can_be_stored() {
    each_store(async |conn| {
        let mut call = talked(7, "2026-10-12T02:00:00Z");
        call.dialled = "400\0'; DROP TABLE calls; --".into();
        call.caller = None;
        call.legs[0].quality = None;
        history::write(conn, &call, now()).await.unwrap();
        let found = history::find(conn, call.id, None).await.unwrap().unwrap();
        assert_eq!(found.dialled, "400'; DROP TABLE calls; --");
        assert_eq!(found.legs, call.legs);
    });
}

#[test]
fn pages_join_without_gap_or_overlap_even_within_one_microsecond() {
    each_store(async |conn| {
        for n in 1..=7 {
            history::write(conn, &talked(n, "2026-10-12T02:00:00Z"), now()).await.unwrap();
        }
        let mut seen = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = history::list(conn, &Filter::default(), cursor, 3).await.unwrap();
            assert!(page.calls.len() <= 3);
            seen.extend(page.calls.iter().map(|call| call.id.as_u128()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    });
}

#[test]
fn a_filter_keeps_what_it_names_and_nothing_else() {
    each_store(async |conn| {
        let mut other = talked(2, "2026-10-12T03:00:00Z");
        other.line = Some("lantian".into());
        other.caller = PhoneNumber::normalise("13912345678");
        other.number = PhoneNumber::normalise("400-555-0200");
        other.seat = Some("8002".into());
        other.queue = None;
        other.cause = Some(Cause::SeatHungUp);
        let call = talked(1, "2026-10-12T02:00:00Z");
        for row in [&call, &other] {
            history::write(conn, row, now()).await.unwrap();
        }
        let hour: Timestamp = "2026-10-12T03:00:00Z".parse().unwrap();
        let one = |filter: Filter| (filter, call.id);
        let two = |filter: Filter| (filter, other.id);
        let all = Filter::default;
        let cases = [
            one(Filter { lines: Some(vec!["huaning".into()]), ..all() }),
            one(Filter { to: Some(hour), ..all() }),
            two(Filter { from: Some(hour), ..all() }),
            two(Filter { caller: other.caller.clone(), ..all() }),
            two(Filter { number: other.number.clone(), ..all() }),
            two(Filter { seat: other.seat.clone(), ..all() }),
            one(Filter { queue: call.queue.clone(), ..all() }),
            two(Filter { cause: other.cause, ..all() }),
        ];
        for (filter, id) in cases {
            let page = history::list(conn, &filter, None, 10).await.unwrap();
            assert_eq!(page.calls.iter().map(|call| call.id).collect::<Vec<_>>(), [id], "{filter:?}");
        }
        let nobody = Filter { lines: Some(vec![]), ..all() };
        assert!(history::list(conn, &nobody, None, 10).await.unwrap().calls.is_empty());
    });
}

#[test]
fn another_line_cannot_find_a_call() {
    each_store(async |conn| {
        let call = talked(1, "2026-10-12T02:00:00Z");
        history::write(conn, &call, now()).await.unwrap();
        let strangers: [Name; 1] = ["lantian".into()];
        assert_eq!(history::find(conn, call.id, Some(&strangers)).await.unwrap(), None);
        let own: [Name; 2] = ["lantian".into(), "huaning".into()];
        assert!(history::find(conn, call.id, Some(&own)).await.unwrap().is_some());
    });
}

#[test]
fn a_killed_process_owes_each_open_call_exactly_one_record() {
    each_store(async |conn| {
        let started: Timestamp = "2026-10-12T02:00:00Z".parse().unwrap();
        let seen: Timestamp = "2026-10-12T02:01:30Z".parse().unwrap();
        for n in 1..=3 {
            history::open(conn, "node-a", &up(n, started), started).await.unwrap();
        }
        history::open(conn, "node-b", &up(9, started), started).await.unwrap();
        let talking = OpenCall {
            connected_ms: Some(30_000),
            seat: Some("8001".into()),
            recording: Some(RecordingId::from_u128(5)),
            ..up(2, started)
        };
        history::open(conn, "node-a", &talking, started).await.unwrap();
        history::touch(conn, "node-a", seen).await.unwrap();
        let mut ended = talked(1, "2026-10-12T02:00:00Z");
        ended.cause = Some(Cause::CallerHungUp);
        history::write(conn, &ended, seen).await.unwrap();
        // A note that was queued before the end and is replayed after it changes nothing.
        history::open(conn, "node-a", &up(1, started), seen).await.unwrap();

        let lost = history::close_lost(conn, "node-a", now()).await.unwrap();
        assert_eq!(lost.iter().map(|call| call.id.as_u128()).collect::<Vec<_>>(), [2, 3]);
        assert!(history::close_lost(conn, "node-a", now()).await.unwrap().is_empty());

        let two = history::find(conn, CallId::from_u128(2), None).await.unwrap().unwrap();
        assert_eq!(two.cause, Some(Cause::NodeLost));
        assert_eq!((two.lasted_ms, two.talked_ms), (90_000, 60_000));
        assert_eq!(two.recording, Some(RecordingId::from_u128(5)));
        let one = history::find(conn, CallId::from_u128(1), None).await.unwrap().unwrap();
        assert_eq!(one.cause, Some(Cause::CallerHungUp), "a written end is not rewritten");
        assert_eq!(
            history::close_lost(conn, "node-b", now()).await.unwrap().len(),
            1,
            "another node's calls"
        );
    });
}

#[test]
fn a_rolled_back_end_leaves_neither_row_nor_event() {
    each_store(async |conn| {
        let call = talked(1, "2026-10-12T02:00:00Z");
        let mut transaction = conn.begin().await.unwrap();
        history::write(&mut transaction, &call, now()).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(history::find(conn, call.id, None).await.unwrap(), None);
        assert!(outbox::pending(conn, 10).await.unwrap().is_empty());
    });
}

#[test]
fn an_event_is_offered_until_it_is_delivered_and_trimmed_when_old() {
    each_store(async |conn| {
        let early: Timestamp = "2026-10-12T02:00:00Z".parse().unwrap();
        history::write(conn, &talked(1, "2026-10-12T02:00:00Z"), early).await.unwrap();
        history::write(conn, &talked(2, "2026-10-12T02:00:00Z"), now()).await.unwrap();
        let events = outbox::pending(conn, 10).await.unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].kind, "call.ended");
        assert!(!events[0].payload.contains("13800138000"), "an event holds no number");
        outbox::delivered(conn, &events[0].id, now()).await.unwrap();
        assert_eq!(outbox::pending(conn, 10).await.unwrap(), events[1..]);
        assert_eq!(outbox::trim(conn, now()).await.unwrap(), 1);
    });
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    each_store(async |conn| {
        history::migrate(conn).await.unwrap();
        sqlx::query("INSERT INTO history_schema (version) VALUES (99)").execute(&mut *conn).await.unwrap();
        let refused = history::migrate(conn).await;
        assert!(matches!(refused, Err(HistoryError::TooNew { found: 99, .. })), "{refused:?}");
    });
}

fn now() -> Timestamp {
    "2026-10-12T04:00:00Z".parse().unwrap()
}

fn up(n: u128, started: Timestamp) -> OpenCall {
    OpenCall {
        id: CallId::from_u128(n),
        line: Some("huaning".into()),
        number: PhoneNumber::normalise("4005550100"),
        dialled: "4005550100".into(),
        caller: PhoneNumber::normalise("13800138000"),
        internal: false,
        started,
        answered_ms: Some(20),
        connected_ms: None,
        queue: Some("sales".into()),
        seat: None,
        transfers: Vec::new(),
        recording: None,
        consent: "notice_given".into(),
        sip_call_id: "a@b".into(),
    }
}

fn talked(n: u128, started: &str) -> CallRow {
    CallRow {
        id: CallId::from_u128(n),
        origin: Origin::Engine,
        line: Some("huaning".into()),
        number: PhoneNumber::normalise("4005550100"),
        diverted: vec![PhoneNumber::normalise("0571-55550199").unwrap()],
        dialled: "4005550100".into(),
        caller: PhoneNumber::normalise("13800138000"),
        internal: false,
        started: started.parse().unwrap(),
        answered_ms: Some(20),
        connected_ms: Some(9_000),
        lasted_ms: 60_000,
        talked_ms: 51_000,
        waited_ms: 3_000,
        cause: Some(Cause::CallerHungUp),
        keys: "2*1".into(),
        menus: vec!["main".into(), "after sales".into()],
        queue: Some("repair".into()),
        seat: Some("8001".into()),
        transfers: vec![TransferRow {
            at_ms: 20_000,
            by: "8002".into(),
            to: "8001".into(),
            kind: "blind".into(),
            outcome: Some("transferred".into()),
        }],
        recording: Some(RecordingId::from_u128(n + 100)),
        consent: "notice_given".into(),
        sip_call_id: "a@b".into(),
        legs: legs(),
    }
}

fn legs() -> Vec<LegRow> {
    vec![
        LegRow {
            seat: None,
            trunk: Some("local".into()),
            began_ms: 0,
            rang_ms: None,
            answered_ms: Some(20),
            ended_ms: 60_000,
            cause: Cause::CallerHungUp,
            q850: None,
            quality: Some(Quality {
                received: 2_990,
                lost: 10,
                jitter_ms: 1.5,
                sent: 3_000,
                peer_loss: Some(0.25),
                round_trip_ms: None,
                mos: Some(4.2),
                peer_mos: None,
                discarded: 7,
                peer_jitter_ms: Some(2.5),
                speech_dbm0: Some(-18.5),
                peer_report: Some(PeerReport {
                    loss: 0.125,
                    burst_ms: 80,
                    r: Some(81),
                    mos_listening: Some(4.1),
                    ..PeerReport::default()
                }),
            }),
            lapses: vec![
                LapseRow { at_ms: 7_000, kind: "no_packets".into(), lasted_ms: Some(3_000) },
                LapseRow { at_ms: 50_000, kind: "dead_air".into(), lasted_ms: None },
            ],
        },
        LegRow {
            seat: Some("8001".into()),
            trunk: None,
            began_ms: 6_000,
            rang_ms: Some(6_100),
            answered_ms: None,
            ended_ms: 9_000,
            cause: Cause::AnsweredElsewhere,
            q850: Some(26),
            quality: None,
            lapses: Vec::new(),
        },
    ]
}

/// Runs the story on a fresh database of each kind, with history's tables in it.
fn each_store(story: impl AsyncFn(&mut AnyConnection)) {
    test_store::each_store(async |store| {
        let mut conn = store.pool.acquire().await.unwrap();
        history::migrate(&mut conn).await.unwrap();
        story(&mut conn).await;
    });
}
