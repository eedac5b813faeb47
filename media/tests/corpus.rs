//! What fuzzing has found worth keeping is read again by each run of the tests.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, and a failure is a failed test"
)]

use std::path::Path;

#[test]
fn descriptions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/sdp");
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let file = entry.unwrap().path();
        let Ok(text) = String::from_utf8(std::fs::read(&file).unwrap()) else { continue };
        if let Err(what) = media::property::description(&text) {
            panic!("{}: {what}", file.display());
        }
        read += 1;
    }
    assert!(read >= 5, "only {read} inputs");
}
