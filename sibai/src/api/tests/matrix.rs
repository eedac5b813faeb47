//! Every route of the document with every kind of token: none can be forgotten (reliability.md A12, A13).

use serde_json::Value;

use super::house::{House, ID_1, ID_2, each_house};
use crate::api::openapi_text;
use crate::store::Scope;

struct Route {
    method: String,
    path: String,
    scope: Option<Scope>,
}

fn routes() -> Vec<Route> {
    let document: Value = serde_json::from_str(&openapi_text()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let word = operation["security"][0]["bearer"][0].as_str();
            let scope = word.map(|word| Scope::from_text(word).unwrap());
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), scope });
        }
    }
    routes
}

/// What a request needs besides its token to be right.
fn body(route: &Route) -> &'static str {
    match (route.method.as_str(), route.path.as_str()) {
        ("DELETE", _) => r#"{"reason": "a test"}"#,
        ("POST", "/v1/call_records") => {
            r#"{"customer_id": "C1", "phone_number": "13912345678", "call_duration": 180, "status": "completed"}"#
        }
        _ => "",
    }
}

async fn status(house: &House, route: &Route, id: &str, authorization: Option<&str>) -> (u16, Value) {
    let header = authorization.map(|value| format!("authorization: {value}"));
    let headers: Vec<&str> = header.iter().map(String::as_str).collect();
    let answer = house.ask(&route.method, &route.path.replace("{id}", id), &headers, body(route)).await;
    let mut json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.as_u16() >= 400 {
        let what = format!("{} {}", route.method, route.path);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
        if route.method != "HEAD" {
            assert_eq!(json["status"], answer.status.as_u16(), "{what}");
            assert_eq!(json["request_id"], answer.header("x-request-id"), "{what}");
            json["request_id"] = Value::Null;
        }
        assert!(!answer.header("x-request-id").is_empty(), "{what}");
    }
    (answer.status.as_u16(), json)
}

#[test]
fn the_document_has_the_routes_that_were_promised() {
    let mut names: Vec<String> =
        routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "DELETE /v1/recordings/{id}",
            "GET /healthz",
            "GET /metrics",
            "GET /openapi.json",
            "GET /readyz",
            "GET /v1/call_records",
            "GET /v1/call_records/{id}",
            "GET /v1/recordings",
            "GET /v1/recordings/{id}",
            "GET /v1/recordings/{id}/audio",
            "HEAD /v1/recordings/{id}/audio",
            "POST /v1/call_records",
        ]
    );
}

#[test]
fn no_route_opens_to_no_token_or_a_wrong_one() {
    each_house(async |house| {
        let right = house.token("huaning", Scope::ALL).await;
        let last = if right.ends_with('a') { 'b' } else { 'a' };
        let forged = format!("Bearer {}{last}", &right[..right.len() - 1]);
        let basic = format!("Basic {right}");
        for route in routes().iter().filter(|route| route.scope.is_some()) {
            for wrong in [None, Some("Bearer x"), Some("Bearer"), Some(forged.as_str()), Some(basic.as_str())]
            {
                let (status, _) = status(house, route, ID_1, wrong).await;
                assert_eq!(status, 401, "{} {} {wrong:?}", route.method, route.path);
            }
        }
        let in_url = house.ask("GET", &format!("/v1/recordings?access_token={right}"), &[], "").await;
        assert_eq!(in_url.status, 401, "a URL stands in logs");
    });
}

#[test]
fn every_scope_opens_its_own_routes_only() {
    each_house(async |house| {
        for route in routes() {
            let Some(needed) = route.scope else { continue };
            let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|scope| *scope != needed).collect();
            let token = format!("Bearer {}", house.token("huaning", &others).await);
            let (status, problem) = status(house, &route, ID_1, Some(&token)).await;
            assert_eq!(status, 403, "{} {} {problem}", route.method, route.path);
            let detail = problem["detail"].as_str().unwrap_or(needed.as_str());
            assert!(detail.contains(needed.as_str()), "{detail}");
        }
    });
}

#[test]
fn what_belongs_to_another_line_is_answered_like_what_does_not_exist() {
    each_house(async |house| {
        let token = format!("Bearer {}", house.token("huaning", Scope::ALL).await);
        for route in routes().iter().filter(|route| route.path.contains("{id}")) {
            let other = status(house, route, ID_2, Some(&token)).await;
            let nothing = status(house, route, "00000000-0000-0000-0000-00000000ffff", Some(&token)).await;
            let no_id = status(house, route, "..%2f..%2fetc", Some(&token)).await;
            assert_eq!(other.0, 404, "{} {}", route.method, route.path);
            assert_eq!(other, nothing);
            assert_eq!(other, no_id);
        }
    });
}

#[test]
fn no_list_shows_anything_of_another_line() {
    each_house(async |house| {
        let token = house.token("huaning", Scope::ALL).await;
        for (path, rows) in [("/v1/recordings", "recordings"), ("/v1/call_records", "call_records")] {
            let page = house.get(path, &token).await.json();
            let lines: Vec<&str> =
                page[rows].as_array().unwrap().iter().map(|row| row["line"].as_str().unwrap()).collect();
            assert_eq!(lines, ["huaning"]);
        }
    });
}

#[test]
fn the_right_token_opens_every_route() {
    each_house(async |house| {
        // Deleting comes last: the others want to see what is deleted.
        let mut routes = routes();
        routes.sort_by_key(|route| route.method == "DELETE");
        for route in routes {
            let scopes: Vec<Scope> = route.scope.into_iter().collect();
            let token = match scopes.as_slice() {
                [] => None,
                scopes => Some(format!("Bearer {}", house.token("huaning", scopes).await)),
            };
            let (status, answer) = status(house, &route, ID_1, token.as_deref()).await;
            let expected = if route.method == "POST" { 201 } else { 200 };
            assert_eq!(status, expected, "{} {} {answer}", route.method, route.path);
        }
    });
}

#[test]
fn a_revoked_token_opens_nothing() {
    each_house(async |house| {
        let token = house.token("huaning", Scope::ALL).await;
        assert_eq!(house.get("/v1/recordings", &token).await.status, 200);
        house.state.store.revoke_token("crm", super::house::at("2026-10-12T03:00:00Z")).await.unwrap();
        assert_eq!(house.get("/v1/recordings", &token).await.status, 401);
    });
}

#[test]
fn a_path_or_method_that_is_not_ours_is_a_problem_too() {
    each_house(async |house| {
        let lost = house.ask("GET", "/v1/nothing/13800138000", &[], "").await;
        assert_eq!(
            (lost.status.as_u16(), lost.json()["type"].as_str()),
            (404, Some("urn:sibai:problem:not_found"))
        );
        let wrong = house.ask("PATCH", "/v1/recordings", &[], "").await;
        assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, "GET, HEAD"));
        assert_eq!(wrong.json()["status"], 405);
        let wrong = house.ask("POST", &format!("/v1/recordings/{ID_1}"), &[], "").await;
        assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, "DELETE, GET, HEAD"));
    });
}

#[test]
fn metrics_are_open_where_only_this_machine_can_ask() {
    each_house(async |house| {
        assert_eq!(house.ask("GET", "/metrics", &[], "").await.status, 401);
        let open = crate::api::ApiState { metrics_open: true, ..house.state.clone() };
        open.metrics.calls_active.set(3);
        let house = House {
            router: crate::api::router(open.clone()),
            state: open,
            folder: tempfile::tempdir().unwrap(),
        };
        let answer = house.ask("GET", "/metrics", &[], "").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
        assert!(String::from_utf8_lossy(&answer.body).contains("\npbx_calls_active 3\n"));
        assert_eq!(house.ask("GET", "/v1/recordings", &[], "").await.status, 401, "only metrics are open");
    });
}

#[test]
fn ready_means_that_calls_are_taken_and_the_database_answers() {
    use std::sync::atomic::Ordering;
    each_house(async |house| {
        assert_eq!(house.ask("GET", "/readyz", &[], "").await.status, 200);
        house.state.ready.store(false, Ordering::Relaxed);
        let drains = house.ask("GET", "/readyz", &[], "").await;
        assert_eq!((drains.status.as_u16(), drains.header("retry-after")), (503, "5"));
        assert_eq!(house.ask("GET", "/healthz", &[], "").await.status, 200, "alive while it drains");
        house.state.ready.store(true, Ordering::Relaxed);
        house.state.store.close().await;
        assert_eq!(house.ask("GET", "/readyz", &[], "").await.status, 503);
        let token = "sibai_abcdefghjk_abcdefghjkmnpqrstuvwxyz234";
        let away = house.get("/v1/recordings", token).await;
        assert_eq!((away.status.as_u16(), away.header("retry-after")), (503, "5"));
    });
}
