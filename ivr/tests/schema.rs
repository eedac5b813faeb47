//! What the schema, the documentation and a second YAML reader say is what the checker says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ivr::yaml::{Node, Value, parse};
use ivr::{Faults, SourceFile};
use serde_json::Value as Json;

const SHIPPED: &str = include_str!("../../configs/lines/huaning/line.yaml");
const ENGINE: &str = include_str!("../../configs/engine.yaml");
const SCHEMA: &str = include_str!("../../configs/schema/line.v1.json");
const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// The tree as plain data; unquoted numbers and truths as YAML means them.
fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Empty => Json::Null,
        Value::Scalar { text, quoted: false } if matches!(text.as_str(), "true" | "false") => {
            (text == "true").into()
        }
        Value::Scalar { text, quoted: false } if text.parse::<u64>().is_ok() => {
            text.parse::<u64>().unwrap().into()
        }
        Value::Scalar { text, .. } => text.as_str().into(),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value))).collect())
        }
    }
}

#[test]
fn serde_saphyr_reads_the_same_data() {
    let tricky = "a: |\n  two\n  lines\nb: >\n  folded\n  text\nc: 'it''s'\nd: \"\\u534e\\n\"\ne: [1, {f: g}, []]\nh:\n- i\n- j: k\n  l: m\n";
    for text in [SHIPPED, ENGINE, tricky] {
        let files = [SourceFile { path: "a".into(), text: text.to_owned() }];
        let mut faults = Faults::new(&files);
        let ours = plain(&parse(0, text, &mut faults).root.unwrap());
        assert!(!faults.any_error());
        let theirs: Json = serde_saphyr::from_str(text).unwrap();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_line_is_the_same_whether_its_quotes_are_single_or_double() {
    let checked = |text: String| {
        let file = SourceFile { path: "line.yaml".into(), text };
        ivr::check("one".into(), &[file], &|_| true, jiff::civil::date(2026, 10, 12)).line.unwrap()
    };
    assert_eq!(checked(SHIPPED.to_owned()), checked(SHIPPED.replace('"', "'")));
}

#[test]
fn the_committed_schema_is_the_one_of_the_tables() {
    assert_eq!(serde_json::from_str::<Json>(SCHEMA).unwrap(), ivr::line_schema());
}

#[test]
fn every_key_bound_default_and_code_is_in_the_reference() {
    let tables = ivr::shape::reference(&ivr::check::LINE_FILE).into_iter().flat_map(|(_, rows)| rows);
    let codes =
        ivr::fault::CODES.iter().map(|(code, title, meaning)| format!("| {code} | {title} | {meaning} |"));
    for row in tables.chain(codes) {
        assert!(REFERENCE.lines().any(|line| line == row), "docs/configuration.md lacks the row\n{row}");
    }
}
