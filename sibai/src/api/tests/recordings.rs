//! Listing and deleting recordings.

use serde_json::{Value, json};

use super::house::{ID_1, each_house};
use crate::store::Scope;

fn ids(page: &Value, rows: &str) -> Vec<u64> {
    let tail = |row: &Value| u64::from_str_radix(&row["id"].as_str().unwrap()[24..], 16).unwrap();
    page[rows].as_array().unwrap().iter().map(tail).collect()
}

#[test]
fn a_caller_is_masked_unless_the_token_may_see_numbers() {
    each_house(async |house| {
        let plain = house.token("huaning", &[Scope::ReadRecordings, Scope::ReadCalls]).await;
        let reveals =
            house.token("huaning", &[Scope::ReadRecordings, Scope::ReadCalls, Scope::RevealNumbers]).await;
        for path in ["/v1/recordings", "/v1/call_records"] {
            for path in [path.to_owned(), format!("{path}/{ID_1}")] {
                let body = String::from_utf8(house.get(&path, &plain).await.body.to_vec()).unwrap();
                assert!(body.contains("138****8000") && !body.contains("13800138000"), "{path} {body}");
                let body = String::from_utf8(house.get(&path, &reveals).await.body.to_vec()).unwrap();
                assert!(body.contains("+8613800138000"), "{path} {body}");
            }
        }
    });
}

#[test]
fn a_recording_tells_how_loud_its_channels_are() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::ReadRecordings]).await;
        let recording = house.get(&format!("/v1/recordings/{ID_1}"), &token).await.json();
        let caller = json!({"level_dbov": -25.4, "peak_dbov": -8.0, "clipped": 0.0, "silence": 0.5812});
        assert_eq!(recording["caller_levels"], caller);
        assert_eq!(recording["seat_levels"]["level_dbov"], Value::Null);
    });
}

#[test]
fn filters_choose() {
    each_house(async |house| {
        house.recording(3, "huaning", "2026-10-13T02:00:00Z", 16_000).await;
        let token = house.token("huaning", &[Scope::ReadRecordings]).await;
        for (query, expected) in [
            ("", vec![3, 1]),
            ("?from=2026-10-13T00:00:00Z", vec![3]),
            ("?to=2026-10-13T10:00:00%2B08:00", vec![1]),
            ("?min_secs=2", vec![3]),
            ("?caller=138-0013-8000&number=400-555-0100", vec![3, 1]),
            ("?caller=13912345678", vec![]),
            ("?seat=li_na&queue=repair", vec![3, 1]),
            ("?queue=sales", vec![]),
        ] {
            let page = house.get(&format!("/v1/recordings{query}"), &token).await.json();
            assert_eq!(ids(&page, "recordings"), expected, "{query}");
        }
    });
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::ReadRecordings, Scope::ReadCalls]).await;
        for (query, input) in [
            ("from=yesterday", "from"),
            ("to=12", "to"),
            ("caller=bob", "caller"),
            ("number=x", "number"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=x", "query"),
            ("cursor=zzz", "cursor"),
            ("sort=asc", "query"),
        ] {
            for path in ["/v1/recordings", "/v1/call_records"] {
                let answer = house.get(&format!("{path}?{query}"), &token).await;
                assert_eq!(answer.status, 400, "{path} {query}");
                assert_eq!(answer.json()["errors"][0]["input"], input, "{path} {query}");
            }
        }
    });
}

#[test]
fn pages_are_followed_by_link_or_cursor_to_the_end() {
    each_house(async |house| {
        for n in 10..15 {
            house.recording(n, "huaning", "2026-10-11T02:00:00Z", 8).await;
            house.call(&super::house::call(n, "huaning", "2026-10-11T02:00:00Z")).await;
        }
        let token = house.token("huaning", &[Scope::ReadRecordings, Scope::ReadCalls]).await;
        for (path, rows) in [("/v1/recordings", "recordings"), ("/v1/call_records", "call_records")] {
            let mut seen = Vec::new();
            let mut next = format!("{path}?limit=2&queue=repair");
            loop {
                let answer = house.get(&next, &token).await;
                let page = answer.json();
                seen.extend(ids(&page, rows));
                let Some(cursor) = page["next_cursor"].as_str() else {
                    assert_eq!(answer.header("link"), "");
                    break;
                };
                let expected = format!("{path}?limit=2&queue=repair&cursor={cursor}");
                assert_eq!(answer.header("link"), format!("<{expected}>; rel=\"next\""));
                next = expected;
            }
            assert_eq!(seen, [1, 14, 13, 12, 11, 10]);
        }
    });
}

#[test]
fn a_deletion_needs_a_reason_and_leaves_a_tombstone() {
    each_house(async |house| {
        let token = house.token("huaning", Scope::ALL).await;
        let bearer = format!("authorization: Bearer {token}");
        let path = format!("/v1/recordings/{ID_1}");
        for (query, body, status) in [
            ("", "", 422),
            ("?reason=%20", "", 422),
            ("", r#"{"reason": ""}"#, 422),
            ("", r#"{"because": "x"}"#, 422),
            ("", "{", 400),
            ("?why=x", "", 400),
        ] {
            let answer = house.ask("DELETE", &format!("{path}{query}"), &[&bearer], body).await;
            assert_eq!(answer.status.as_u16(), status, "{query} {body}");
        }
        let file = house.state.recordings.join(format!("2026/10/12/{ID_1}.wav"));
        assert!(file.exists());
        let deleted = house.ask("DELETE", &format!("{path}?reason=ticket%204711"), &[&bearer], "").await;
        assert_eq!(deleted.status, 200);
        assert!(!file.exists());
        let row = deleted.json();
        assert_eq!((&row["state"], &row["deleted"]["reason"]), (&"deleted".into(), &"ticket 4711".into()));
        assert_eq!(row["deleted"]["by"], "crm");
        assert_eq!((&row["audio"], &row["caller"]), (&Value::Null, &Value::Null));
        assert_eq!(row["sha256"], format!("{:064x}", 1), "what was deleted can still be named");

        assert_eq!(house.get(&path, &token).await.json()["state"], "deleted");
        assert_eq!(house.get(&format!("{path}/audio"), &token).await.status, 410);
        assert_eq!(house.ask("DELETE", &format!("{path}?reason=x"), &[&bearer], "").await.status, 410);
        assert!(ids(&house.get("/v1/recordings", &token).await.json(), "recordings").is_empty());
        assert_eq!(house.state.metrics.recordings_deleted.now(), 1);
    });
}
