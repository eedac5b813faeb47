//! The shipped line: it has no fault, and what it says is what is understood.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use ivr::{Checked, SourceFile, check};
use jiff::civil::date;

fn shipped() -> Checked {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/lines/huaning");
    let text = include_str!("../../configs/lines/huaning/line.yaml").to_owned();
    let file = SourceFile { path: "line.yaml".into(), text };
    check("huaning".into(), &[file], &|path| folder.join(path).is_file(), date(2026, 10, 12))
}

#[test]
fn the_example_has_no_fault() {
    let checked = shipped();
    for fault in &checked.faults {
        eprintln!("{fault}");
    }
    assert!(checked.faults.is_empty());
    assert!(checked.line.is_some());
}
