//! Call records: read, and taken in.

use base::Cause;
use history::{LapseRow, LegRow, PeerReport, Quality};
use serde_json::{Value, json};

use super::house::{Answer, House, ID_1, call, each_house};
use crate::store::Scope;

/// What the articles' code sample sends (product.md A36).
const SAMPLE: &str =
    r#"{"customer_id": "C1001", "phone_number": "13912345678", "call_duration": 180, "status": "completed"}"#;

async fn post(house: &House, token: &str, key: Option<&str>, body: &str) -> Answer {
    let bearer = format!("authorization: Bearer {token}");
    let key = key.map(|key| format!("idempotency-key: {key}"));
    let headers: Vec<&str> = [bearer.as_str()].into_iter().chain(key.as_deref()).collect();
    house.ask("POST", "/v1/call_records", &headers, body).await
}

#[test]
fn a_leg_tells_how_it_sounded_and_when_it_was_not_heard() {
    each_house(async |house| {
        let report = PeerReport { loss: 0.125, r: Some(81), ..PeerReport::default() };
        let quality = Quality {
            received: 2_990,
            discarded: 7,
            peer_jitter_ms: Some(2.5),
            speech_dbm0: Some(-18.5),
            peer_report: Some(report),
            ..Quality::default()
        };
        let lapse = LapseRow { at_ms: 7_000, kind: "no_packets".into(), lasted_ms: Some(3_000) };
        let leg = LegRow {
            seat: Some("li_na".into()),
            trunk: None,
            began_ms: 0,
            rang_ms: None,
            answered_ms: Some(20),
            ended_ms: 60_000,
            cause: Cause::CallerHungUp,
            q850: None,
            quality: Some(quality),
            lapses: vec![lapse],
        };
        let mut row = call(77, "huaning", "2026-10-12T02:00:00Z");
        row.legs = vec![leg];
        house.call(&row).await;
        let token = house.token("huaning", &[Scope::ReadCalls]).await;
        let told = house.get(&format!("/v1/call_records/{}", row.id), &token).await.json();
        let leg = &told["legs"][0];
        assert_eq!(leg["lapses"], json!([{"at_ms": 7_000, "kind": "no_packets", "lasted_ms": 3_000}]));
        let quality = &leg["quality"];
        assert_eq!((&quality["discarded"], &quality["peer_jitter_ms"]), (&json!(7), &json!(2.5)));
        assert_eq!((&quality["speech_dbm0"], &quality["peer_mos"]), (&json!(-18.5), &Value::Null));
        let report = &quality["peer_report"];
        assert_eq!(
            (&report["loss"], &report["r"], &report["mos_listening"]),
            (&json!(0.125), &json!(81), &Value::Null)
        );
    });
}

#[test]
fn a_call_is_told_with_what_happened() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::ReadCalls]).await;
        let call = house.get(&format!("/v1/call_records/{ID_1}"), &token).await.json();
        let expected = json!({
            "origin": "engine", "line": "huaning", "number": "4005550100", "status": "completed",
            "cause": "caller_hung_up", "blame": "caller", "keys": "21", "menus": ["main"], "queue": "repair",
            "seat": "li_na", "duration_ms": 60_000, "talked_ms": 59_000, "waited_ms": 500,
            "recording_id": ID_1, "consent": "notice_given", "started_at": "2026-10-12T02:00:00Z",
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&call[field], value, "{field}");
        }
        let by_cause = |cause: &'static str| format!("/v1/call_records?cause={cause}");
        let rows = |page: Value| page["call_records"].as_array().unwrap().len();
        assert_eq!(rows(house.get(&by_cause("caller_hung_up"), &token).await.json()), 1);
        assert_eq!(rows(house.get(&by_cause("busy"), &token).await.json()), 0);
        assert_eq!(house.get(&by_cause("nonsense"), &token).await.status, 400);
    });
}

#[test]
fn the_sample_of_the_articles_is_taken_in() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::ReadCalls, Scope::WriteCalls]).await;
        let reply = post(house, &token, None, SAMPLE).await;
        assert_eq!(reply.status, 201);
        let record = reply.json();
        for (field, value) in [
            ("origin", json!("imported")),
            ("customer_id", json!("C1001")),
            ("caller", json!("139****5678")),
            ("duration_ms", json!(180_000)),
            ("status", json!("completed")),
            ("line", json!("huaning")),
        ] {
            assert_eq!(record[field], value, "{field}");
        }
        let again = house.get(reply.header("location"), &token).await;
        assert_eq!(again.json(), record);
    });
}

#[test]
fn a_repeated_request_with_a_key_makes_one_record() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::ReadCalls, Scope::WriteCalls]).await;
        let first = post(house, &token, Some("k1"), SAMPLE).await;
        let second = post(house, &token, Some("k1"), SAMPLE).await;
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
        assert_eq!(first.json(), second.json());
        assert_eq!(second.header("idempotency-replayed"), "true");
        let other = SAMPLE.replace("180", "181");
        assert_eq!(post(house, &token, Some("k1"), &other).await.status, 422, "the key is taken");
        assert_eq!(post(house, &token, Some("k2"), &other).await.status, 201);
        let stranger = house.token("lantian", &[Scope::WriteCalls]).await;
        assert_eq!(post(house, &stranger, Some("k1"), SAMPLE).await.status, 201, "keys are per token");
        assert_eq!(post(house, &token, Some(&"k".repeat(129)), SAMPLE).await.status, 400);
        let page = house.get("/v1/call_records", &token).await.json();
        assert_eq!(page["call_records"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn a_field_that_makes_no_sense_is_named() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::WriteCalls]).await;
        for (field, value, status) in [
            ("customer_id", json!(""), 422),
            ("customer_id", json!("x".repeat(65)), 422),
            ("phone_number", json!("bob"), 422),
            ("call_duration", json!(-1), 422),
            ("call_duration", json!(86_401), 422),
            ("call_duration", json!("soon"), 422),
            ("status", json!("Very Done"), 422),
            ("started_at", json!("yesterday"), 400),
            ("line", json!("lantian"), 422),
            ("extra", json!(1), 422),
        ] {
            let mut body: Value = serde_json::from_str(SAMPLE).unwrap();
            body[field] = value.clone();
            let answer = post(house, &token, None, &body.to_string()).await;
            assert_eq!(answer.status.as_u16(), status, "{field} {value}");
            let fault = answer.json()["errors"][0].to_string();
            assert!(fault.contains(field) || fault.contains("body"), "{field}: {fault}");
        }
        assert_eq!(post(house, &token, None, "").await.status, 400);
        assert_eq!(post(house, &token, None, "[").await.status, 400);
        let long = json!({"customer_id": "x".repeat(70_000)}).to_string();
        assert_eq!(post(house, &token, None, &long).await.status, 413);
    });
}

#[test]
fn numbers_and_texts_both_stand_for_ids_and_durations() {
    each_house(async |house| {
        let token = house.token("huaning", &[Scope::WriteCalls]).await;
        let body = json!({
            "customer_id": 1001, "phone_number": "+86 139 1234 5678", "call_duration": "60",
            "status": "completed", "started_at": "2026-10-12T10:00:00+08:00",
        });
        let record = post(house, &token, None, &body.to_string()).await.json();
        assert_eq!((&record["customer_id"], &record["duration_ms"]), (&json!("1001"), &json!(60_000)));
        assert_eq!(record["started_at"], "2026-10-12T02:00:00Z");
    });
}

#[test]
fn a_token_of_several_lines_says_which() {
    each_house(async |house| {
        let lines = ["huaning".into(), "lantian".into()];
        let at = super::house::at("2026-10-12T00:00:00Z");
        let store = &house.state.store;
        let both = store.new_token("both", &[Scope::WriteCalls], Some(&lines), at).await.unwrap();
        assert_eq!(post(house, &both, None, SAMPLE).await.status, 422);
        let mut body: Value = serde_json::from_str(SAMPLE).unwrap();
        body["line"] = json!("lantian");
        assert_eq!(post(house, &both, None, &body.to_string()).await.json()["line"], "lantian");
        let every = store.new_token("every", &[Scope::WriteCalls], None, at).await.unwrap();
        assert_eq!(post(house, &every, None, SAMPLE).await.json()["line"], Value::Null);
    });
}
