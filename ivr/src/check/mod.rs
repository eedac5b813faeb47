//! From the files of a line's folder to a `Line`, or every fault in them.

mod draft;
mod rules;
mod table;
mod verbs;
mod walk;

use std::collections::BTreeSet;

use base::Name;
use jiff::civil::Date;
use serde_json::{Value as Json, json};

pub use table::LINE_FILE;

use crate::fault::{Fault, Faults, SourceFile};
use crate::line::Line;
use crate::shape::{self, Declared, Kind};
use crate::yaml::{Entry, Node, Parsed, Spot, Value, parse};

/// What checking a folder gave.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The line, when no fault keeps it from being served.
    pub line: Option<Line>,
    /// In the order of files and lines; warnings among them.
    pub faults: Vec<Fault>,
    /// All sections of all files, for rules between lines. Its spots count files as they were given.
    pub tree: Node,
}

/// Checks the files of one line's folder together. `exists` says whether a path relative to the folder
/// is a file; `today` is for calendars that end.
pub fn check(line_id: Name, files: &[SourceFile], exists: &dyn Fn(&str) -> bool, today: Date) -> Checked {
    let mut faults = Faults::new(files);
    let (root, damaged) = merge(files, &mut faults);
    let declared = declared(&root);
    shape::check(&root, &Kind::Struct(&LINE_FILE), &declared, damaged, &mut faults);
    if faults.has("E003") {
        return Checked { line: None, faults: faults.finish(), tree: root };
    }
    let mut draft = draft::Draft::read(line_id, &root, files);
    rules::check(&root, &draft.line, &rules::World { exists, today, damaged }, &mut faults);
    if !damaged {
        walk::check(&root, &mut draft, &mut faults);
    }
    let line = (!faults.any_error()).then_some(draft.line);
    Checked { line, faults: faults.finish(), tree: root }
}

/// The JSON Schema of a line's file as this build carries it out.
///
/// A folder may spread its sections over files, so a file alone must only have its format.
pub fn line_schema() -> Json {
    let mut schema = shape::schema("line/v1: one company's service", &LINE_FILE);
    schema["required"] = json!(["format"]);
    schema
}

/// One map of all sections of all files. The second is true when parts could not be read.
fn merge(files: &[SourceFile], faults: &mut Faults<'_>) -> (Node, bool) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut damaged = files.is_empty();
    for (index, file) in files.iter().enumerate() {
        let number = u16::try_from(index).unwrap_or(u16::MAX);
        let parsed = parse(number, &file.text, faults);
        damaged |= parsed.damaged;
        match sections(parsed, number, "line/v1", faults) {
            Some(sections) => sections.into_iter().for_each(|section| join(&mut entries, section, faults)),
            None => damaged = true,
        }
    }
    (Node { at: Spot { file: 0, line: 1, column: 1 }, value: Value::Map(entries) }, damaged)
}

/// The entries of a file whose `format` is the wanted one.
pub fn sections(parsed: Parsed, file: u16, format: &str, faults: &mut Faults<'_>) -> Option<Vec<Entry>> {
    let start = Spot { file, line: 1, column: 1 };
    let write = format!("write `format: {format}` as the first key");
    let root = match parsed.root {
        Some(root) => root,
        None if parsed.damaged => return None,
        None => {
            faults.add(start, "E010", "an empty file", write);
            return None;
        }
    };
    let Value::Map(entries) = root.value else {
        faults.add(root.at, "E014", format!("{} where a map of sections is wanted", root.what()), write);
        return None;
    };
    match entries.iter().position(|entry| entry.key == "format") {
        None if parsed.damaged => {}
        None => faults.add(start, "E010", "the file does not say its format", write),
        Some(place) => {
            let entry = &entries[place];
            if entry.value.text() != Some(format) {
                let message =
                    format!("the format {:?} is unknown here", entry.value.text().unwrap_or_default());
                faults.add(entry.value.at, "E010", message, write);
                return None;
            }
            if place > 0 {
                faults.add(entry.at, "E010", "format is not the first key", write);
            }
        }
    }
    Some(entries)
}

/// Adds a section; one that another file began is continued, but no entry may come twice.
fn join(entries: &mut Vec<Entry>, section: Entry, faults: &mut Faults<'_>) {
    let Some(begun) =
        entries.iter_mut().find(|entry| entry.key == section.key && entry.at.file != section.at.file)
    else {
        return entries.push(section);
    };
    if section.key == "format" {
        return;
    }
    match (&mut begun.value.value, section.value.value) {
        (Value::Map(have), Value::Map(more)) => {
            for entry in more {
                if let Some(first) =
                    have.iter().find(|first| first.key == entry.key && first.at.file != entry.at.file)
                {
                    let first = faults.place(first.at);
                    let message =
                        format!("`{}` is defined in {}:{} already", entry.key, first.file, first.line);
                    faults.add(entry.at, "E019", message, "keep one of them");
                } else {
                    have.push(entry);
                }
            }
        }
        (Value::List(have), Value::List(more)) => have.extend(more),
        _ => faults.add(
            section.at,
            "E019",
            format!("`{}` is in another file already", section.key),
            "keep one",
        ),
    }
}

fn declared(root: &Node) -> Declared {
    NAMED_SECTIONS
        .iter()
        .map(|section| {
            let same = root.entries().iter().filter(|entry| entry.key == *section);
            let names: BTreeSet<String> =
                same.flat_map(|entry| entry.value.entries()).map(|entry| entry.key.clone()).collect();
            (*section, names)
        })
        .collect()
}

/// The sections whose entries are referred to by name.
const NAMED_SECTIONS: [&str; 8] =
    ["prompts", "calendars", "hours", "lists", "seats", "queues", "flows", "menus"];
