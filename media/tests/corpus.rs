//! What fuzzing has found worth keeping is read again by each run of the tests.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, and a failure is a failed test"
)]

use std::path::Path;

#[test]
fn descriptions() {
    let read = each("sdp", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
        media::property::description(text)
    });
    assert!(read >= 5, "only {read} inputs");
}

#[test]
fn descriptions_of_browsers() {
    let read = each("sdp_web", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
        media::property::web_description(text)
    });
    assert!(read >= 3, "only {read} inputs");
}

#[test]
fn control_packets() {
    let read = each("rtcp", media::property::rtcp);
    assert!(read >= 5, "only {read} inputs");
}

#[test]
fn datagrams_of_a_peer() {
    let read = each("media_packets", media::property::packets);
    assert!(read >= 5, "only {read} inputs");
}

#[test]
fn sealed_packets() {
    let read = each("srtp", media::property::srtp);
    assert!(read >= 10, "only {read} inputs");
}

/// Reads a folder's inputs; says how many there were.
fn each(folder: &str, holds: impl Fn(&[u8]) -> Result<(), String>) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(folder);
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let file = entry.unwrap().path();
        if let Err(what) = holds(&std::fs::read(&file).unwrap()) {
            panic!("{}: {what}", file.display());
        }
        read += 1;
    }
    read
}
