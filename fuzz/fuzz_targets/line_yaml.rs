//! Any line.yaml: faults or a line, never a panic.
#![no_main]

use ivr::SourceFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = SourceFile { path: "line.yaml".into(), text: text.to_owned() };
    let _ = ivr::check("line".into(), &[file], &|_| true, jiff::civil::date(2026, 10, 12));
});
