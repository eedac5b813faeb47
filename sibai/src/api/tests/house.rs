//! A small house to test the API in: two lines with a recording and a call each, and tokens.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use base::{CallId, Cause, Name, Period, PhoneNumber, RecordingId, Timestamp};
use codecs::Coding;
use history::{CallRow, Origin};
use jiff::SignedDuration;
use recordings::retention::Verdict;
use recordings::seal::Sealed;
use recordings::{Consent, Facts, Kind, Segment, catalog};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::api::{ApiState, router};
use crate::metrics::Metrics;
use crate::store::{Scope, Store};

pub(super) struct House {
    pub(super) state: ApiState,
    pub(super) router: Router,
    pub(super) folder: TempDir,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    /// Sends a request; `headers` as `name: value`.
    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 16 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// GET with a token.
    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, &[&format!("authorization: Bearer {token}")], "").await
    }

    /// A token for one line.
    pub(super) async fn token(&self, line: &str, scopes: &[Scope]) -> String {
        let lines: [Name; 1] = [line.into()];
        self.state.store.new_token("crm", scopes, Some(&lines), at("2026-10-12T00:00:00Z")).await.unwrap()
    }

    pub(super) async fn call(&self, row: &CallRow) {
        let mut conn = self.state.store.writer().acquire().await.unwrap();
        history::write(&mut conn, row, row.started).await.unwrap();
    }

    /// A sealed recording of `frames` stereo samples.
    pub(super) async fn recording(&self, n: u128, line: &str, started: &str, frames: u16) {
        let facts = facts(n, line, started);
        let mut conn = self.state.store.writer().acquire().await.unwrap();
        catalog::open(&mut conn, &facts).await.unwrap();
        let name = format!("2026/10/12/{}.wav", facts.recording);
        let file = self.state.recordings.join(&name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let bytes = wav(frames);
        fs::write(&file, &bytes).unwrap();
        let sealed = Sealed {
            recording: facts.recording,
            path: name,
            bytes: bytes.len() as u64,
            duration: Duration::from_micros(u64::from(frames) * 125),
            sha256: format!("{n:064x}"),
            caller: recordings::seal::Tally::default(),
            seat: recordings::seal::Tally::default(),
            caller_levels: recordings::seal::Levels {
                speech_dbov: Some(-25.44),
                peak_dbov: Some(-7.96),
                clipped: 0.0,
                silence: 0.581_23,
            },
            seat_levels: recordings::seal::Levels { silence: 1.0, ..Default::default() },
            dropped: 0,
            torn: 0,
            segments: vec![Segment { seat: "li_na".into(), from_ms: 0, to_ms: 60_000 }],
            ended_in_order: true,
            ended: facts.started + Duration::from_mins(1),
        };
        let verdict = Verdict {
            rule: "default".into(),
            keep: Period::Days(90),
            delete_after: facts.started + Duration::from_hours(90 * 24),
        };
        catalog::saved(&mut conn, facts.recording, &sealed, &verdict).await.unwrap();
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn facts(n: u128, line: &str, started: &str) -> Facts {
    Facts {
        recording: RecordingId::from_u128(n),
        call: CallId::from_u128(n),
        line: line.into(),
        number: PhoneNumber::normalise("4005550100").unwrap(),
        caller: PhoneNumber::normalise("13800138000"),
        queue: Some("repair".into()),
        seat: Some("li_na".into()),
        kind: Kind::Call,
        consent: Consent::NoticeGiven,
        started: at(started),
        caller_codec: Coding::Pcma,
        seat_codec: Coding::Pcma,
    }
}

pub(super) fn call(n: u128, line: &str, started: &str) -> CallRow {
    CallRow {
        id: CallId::from_u128(n),
        origin: Origin::Engine,
        line: Some(line.into()),
        number: PhoneNumber::normalise("4005550100"),
        dialled: "4005550100".into(),
        diverted: Vec::new(),
        caller: PhoneNumber::normalise("13800138000"),
        internal: false,
        started: at(started),
        answered_ms: Some(20),
        connected_ms: Some(1_000),
        lasted_ms: 60_000,
        talked_ms: 59_000,
        waited_ms: 500,
        cause: Some(Cause::CallerHungUp),
        keys: "21".into(),
        menus: vec!["main".into()],
        queue: Some("repair".into()),
        seat: Some("li_na".into()),
        transfers: Vec::new(),
        recording: Some(RecordingId::from_u128(n)),
        consent: "notice_given".into(),
        sip_call_id: "a@b".into(),
        legs: Vec::new(),
    }
}

/// A stereo WAV in which every sample tells its place: left n, right n + 2.
pub(super) fn wav(frames: u16) -> Vec<u8> {
    let data = u32::from(frames) * 4;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((data + 36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    bytes.extend(8_000_u32.to_le_bytes());
    bytes.extend(32_000_u32.to_le_bytes());
    bytes.extend(b"\x04\0\x10\0data");
    bytes.extend(data.to_le_bytes());
    for n in 0..frames {
        bytes.extend(n.to_le_bytes());
        bytes.extend((n + 2).to_le_bytes());
    }
    bytes
}

/// Runs the story in a fresh house on each database: line `huaning` owns 1, line `lantian` owns 2.
pub(super) fn each_house(told: impl AsyncFn(&House)) {
    test_store::each_store(async |database| {
        let folder = tempfile::tempdir().unwrap();
        let url = if database.kind == "sqlite" { "sqlite://sibai.db" } else { database.url.as_str() };
        let store = Store::open(url, folder.path()).await.unwrap();
        fs::create_dir_all(recordings::place::spool_folder(&folder.path().join("recordings"))).unwrap();
        let state = ApiState {
            store,
            recordings: folder.path().join("recordings"),
            metrics: Arc::new(Metrics::default()),
            ready: Arc::new(AtomicBool::new(true)),
            clock_offset: SignedDuration::ZERO,
            metrics_open: false,
        };
        let house = House { router: router(state.clone()), state, folder };
        for (n, line) in [(1, "huaning"), (2, "lantian")] {
            house.recording(n, line, "2026-10-12T02:00:00Z", 1000).await;
            house.call(&call(n, line, "2026-10-12T02:00:00Z")).await;
        }
        told(&house).await;
        house.state.store.close().await;
    });
}

pub(super) const ID_1: &str = "00000000-0000-0000-0000-000000000001";
pub(super) const ID_2: &str = "00000000-0000-0000-0000-000000000002";
