//! What fuzzing has found worth keeping is read again by each run of the tests.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, and a failure is a failed test"
)]

use std::path::Path;

use sip::property;

fn replay(target: &str, body: impl Fn(&[u8]) -> property::Verdict) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let file = entry.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        if let Err(what) = body(&bytes) {
            panic!("{}: {what}", file.display());
        }
        read += 1;
    }
    assert!(read > 10, "{target}: only {read} inputs");
}

fn text(body: impl Fn(&str) -> property::Verdict) -> impl Fn(&[u8]) -> property::Verdict {
    move |bytes| std::str::from_utf8(bytes).map_or(Ok(()), &body)
}

#[test]
fn messages() {
    replay("sip_message", property::message);
}

#[test]
fn streams() {
    replay("sip_stream", property::stream);
}

#[test]
fn websockets() {
    replay("sip_websocket", property::websocket);
}

#[test]
fn uris() {
    replay("sip_uri", text(property::uri));
}

#[test]
fn vias() {
    replay("sip_via", text(property::via));
}

#[test]
fn contacts() {
    replay("sip_contact", text(property::address));
}

#[test]
fn digests() {
    replay("sip_digest", text(property::digest));
}
