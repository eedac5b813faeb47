//! What no compiler checks and every reader notices.

use std::path::Path;

use crate::sources::{Source, rust};
use crate::{arrows, generated};

/// Everything that is out of order, one sentence each.
pub fn complaints(root: &Path) -> Vec<String> {
    let sources = rust(root);
    let mut complaints = arrows::complaints(root);
    for source in &sources {
        for complain in [first_line, length, corridor, names, half_done, clones, permits, casts_of_panic] {
            complain(source, &mut complaints);
        }
    }
    complaints.extend(stale(root));
    complaints.extend(faulty_configs(root));
    complaints
}

/// The first line says what the file is.
fn first_line(source: &Source, complaints: &mut Vec<String>) {
    if !source.text.starts_with("//! ") {
        complaints.push(format!("{}:1: begin with `//! ` and what this file is", source.path));
    }
}

/// A file is read in one sitting.
fn length(source: &Source, complaints: &mut Vec<String>) {
    let lines = source.text.lines().count();
    if lines > LONGEST_FILE {
        complaints.push(format!("{}: {lines} lines; {LONGEST_FILE} is the most", source.path));
    }
}

/// `lib.rs` is a door, not a corridor: inside a crate, import from the module that has the thing.
fn corridor(source: &Source, complaints: &mut Vec<String>) {
    for (number, line) in (1..).zip(source.text.lines()) {
        let Some(rest) = line.trim_start().strip_prefix("use crate::") else { continue };
        let first = rest.trim_start_matches('{').chars().next().unwrap_or(' ');
        if first.is_ascii_uppercase() && !source.is_test() {
            complaints
                .push(format!("{}:{number}: import it from its module, not through lib.rs", source.path));
        }
    }
}

/// One noun per thing, and none of the empty ones.
fn names(source: &Source, complaints: &mut Vec<String>) {
    let stem = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if EMPTY_FILES.contains(&stem) {
        complaints.push(format!("{}: a file named `{stem}` says nothing about what is in it", source.path));
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        let declared = ["struct ", "enum ", "trait ", "mod ", "type "]
            .iter()
            .filter_map(|keyword| line.split(keyword).nth(1))
            .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        for name in declared {
            let comment = line.trim_start().starts_with("//");
            if let Some(word) = EMPTY_WORDS.iter().find(|word| !comment && name.ends_with(*word)) {
                complaints
                    .push(format!("{}:{number}: `{name}`: `{word}` is no noun of the house", source.path));
            }
        }
        if line.contains(&format!("fn {GETTER}")) {
            complaints.push(format!("{}:{number}: a getter has the name of what it gives", source.path));
        }
    }
}

/// Nothing is landed half done.
fn half_done(source: &Source, complaints: &mut Vec<String>) {
    for (number, line) in (1..).zip(source.text.lines()) {
        for mark in MARKS {
            if line.contains(&mark.replace('~', "")) {
                let mark = mark.replace('~', "");
                complaints.push(format!("{}:{number}: `{mark}`: finish it or leave it out", source.path));
            }
        }
    }
}

/// Reservations, tickets and drafts are `Clone` only so that a whole node can be cloned.
fn clones(source: &Source, complaints: &mut Vec<String>) {
    if source.krate() != "pbx" {
        return;
    }
    for (number, line) in (1..).zip(source.product().lines()) {
        let lower = line.to_lowercase();
        if ["ticket.clone()", "reservation.clone()", "draft.clone()", "hunt.clone()", "stage.clone()"]
            .iter()
            .any(|call| lower.contains(call))
        {
            complaints.push(format!("{}:{number}: what a stage owns is moved, not cloned", source.path));
        }
    }
}

/// Every leg that leaves has a `Permit`, and `authorize_leg` alone makes one: its fields are private to
/// `pbx/src/routing.rs`, and nobody else writes its name with braces.
fn permits(source: &Source, complaints: &mut Vec<String>) {
    let is_home = source.path == HOME_OF_PERMITS;
    for (number, line) in (1..).zip(source.text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let makes = code.contains("Permit {") && !code.contains("impl ") && !code.contains("-> ");
        if source.krate() == "pbx" && makes && !is_home {
            complaints.push(format!("{}:{number}: only authorize_leg makes a permit", source.path));
        }
    }
    if is_home {
        let body = source.text.split("struct Permit {").nth(1).and_then(|rest| rest.split('}').next());
        if body.is_none_or(|fields| fields.contains("pub")) {
            complaints.push(format!("{}: the fields of Permit must stay private", source.path));
        }
        let made = source.product().matches("Ok(Permit {").count();
        let judged = source.product().split("fn authorize_leg(").nth(1).unwrap_or_default();
        if judged.split("\n}\n").next().unwrap_or_default().matches("Ok(Permit {").count() != made {
            complaints.push(format!("{}: only authorize_leg makes a permit", source.path));
        }
    }
}

/// Outside tests nothing panics on purpose: bad input has an answer.
fn casts_of_panic(source: &Source, complaints: &mut Vec<String>) {
    if source.is_test() {
        return;
    }
    for (number, line) in (1..).zip(source.product().lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for call in ["panic!(", "unreachable!(", ".unwrap()", ".expect("] {
            if code.contains(call) {
                complaints.push(format!("{}:{number}: `{call}` outside tests", source.path));
            }
        }
    }
}

/// Generated files equal what the code generates.
fn stale(root: &Path) -> Vec<String> {
    generated::all()
        .into_iter()
        .filter(|file| {
            std::fs::read_to_string(root.join(file.path)).ok().as_deref() != Some(file.text.as_str())
        })
        .map(|file| format!("{}: stale; run `cargo xtask schema` or `cargo xtask openapi`", file.path))
        .collect()
}

/// The shipped configuration passes its own check, on a day that its calendar knows.
fn faulty_configs(root: &Path) -> Vec<String> {
    let loaded = sibai::config::load(&root.join("configs"), jiff::civil::date(2026, 10, 12));
    loaded.faults.iter().map(ToString::to_string).collect()
}

/// Where leave to place a leg is given.
const HOME_OF_PERMITS: &str = "pbx/src/routing.rs";

/// A screenful times ten: beyond it a file has more than one subject.
const LONGEST_FILE: usize = 600;

/// Names that say nothing.
const EMPTY_WORDS: &[&str] = &["Manager", "Handler", "Service", "Helper", "Context"];

/// A word that says nothing before the name of a thing.
const GETTER: &str = "get_";

/// File names that say nothing.
const EMPTY_FILES: &[&str] = &["utils", "util", "common", "misc", "helpers", "helper", "manager", "handler"];

/// Marks of unfinished work; the tilde keeps this file from complaining about itself.
const MARKS: &[&str] = &["to~do!(", "unimple~mented!(", "FIX~ME", "#[ig~nore"];
