//! The verdicts as a table of docs/conformance.md: the committed file and the code say the same.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::verdicts::{Set, Tcp, VERDICTS, Verdict};

/// Compares the committed table with the verdicts; with `WRITE_CONFORMANCE=1` writes it anew instead.
pub(crate) fn compare() -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let text = std::fs::read_to_string(&file).context("docs/conformance.md")?;
    let (before, rest) = text.split_once(BEGIN).context("the table's beginning is not marked")?;
    let (_, after) = rest.split_once(END).context("the table's end is not marked")?;
    let whole = format!("{before}{BEGIN}\n{}{END}{after}", table()?);
    if std::env::var_os("WRITE_CONFORMANCE").is_some() {
        return Ok(std::fs::write(&file, whole)?);
    }
    ensure!(
        text == whole,
        "docs/conformance.md says otherwise: WRITE_CONFORMANCE=1 cargo nextest run -p integration-tests \
        --test torture document"
    );
    Ok(())
}

/// Every story and every scenario that the document names is there.
pub(crate) fn find_what_it_names() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/conformance.md"))?;
    let (_, rows) = text.split_once("<!-- verdicts: end -->").context("no end of the verdicts")?;
    let mut sources = String::new();
    for folder in ["sip/src", "sip/tests", "pbx/src", "sibai/src", "integration-tests/tests"] {
        read_all(&root.join(folder), &mut sources)?;
    }
    // Of a scenario its file, and a test that plays it.
    let scenarios = root.join("integration-tests/sipp");
    let is_played = |name: &str| sources.contains(&format!("{name}\""));
    let mut found = 0;
    for name in rows.split('`').skip(1).step_by(2) {
        let is_there = if name.contains('.') {
            scenarios.join(name).exists() && is_played(name)
        } else {
            sources.contains(&format!("fn {name}("))
        };
        ensure!(is_there, "there is no {name}");
        found += 1;
    }
    ensure!(found > 100, "only {found} names");
    for entry in std::fs::read_dir(scenarios)? {
        let name = entry?.file_name();
        ensure!(is_played(&name.to_string_lossy()), "nobody plays {}", name.display());
    }
    Ok(())
}

fn read_all(folder: &Path, into: &mut String) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn table() -> Result<String> {
    let mut text = String::new();
    for (set, title) in SETS {
        write!(text, "\n### {title}\n\n| | message | trunk | seat | stranger | over TCP | why |\n")?;
        text.push_str("|---|---|--:|--:|--:|---|---|\n");
        for verdict in VERDICTS.iter().filter(|verdict| verdict.set == set) {
            let Verdict { section, name, why, .. } = verdict;
            let [trunk, seat, stranger] = [verdict.trunk, verdict.seat, verdict.stranger].map(answer);
            let tcp = match verdict.tcp {
                Tcp::Same => String::new(),
                Tcp::Closes(code) => format!("{code}, closed"),
                Tcp::Waits => "waits".to_owned(),
                Tcp::ThenInvite(trunk, other) => format!("then {trunk}, {other}, {other}"),
            };
            writeln!(text, "| {section} | {name} | {trunk} | {seat} | {stranger} | {tcp} | {why} |")?;
        }
    }
    text.push('\n');
    Ok(text)
}

fn answer(code: u16) -> String {
    if code == 0 { "—".to_owned() } else { code.to_string() }
}

const SETS: [(Set, &str); 4] = [
    (Set::Rfc4475, "RFC 4475"),
    (Set::Rfc5118, "RFC 5118 (IPv6)"),
    (Set::Traffic, "What phones and carriers really send"),
    (Set::Oversize, "What is too large"),
];

const BEGIN: &str = "<!-- verdicts: begin -->";
const END: &str = "<!-- verdicts: end -->";
