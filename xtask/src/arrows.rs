//! The arrows between crates, and what pure crates may lean on: read from the manifests.

use std::fs;
use std::path::Path;

/// A crate of the house: its folder, which of ours it may import, and whether it is pure.
struct Room {
    name: &'static str,
    imports: &'static [&'static str],
    pure: bool,
}

/// What the manifests say against the house's plan (ARCHITECTURE.md).
pub fn complaints(root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for room in HOUSE {
        let path = format!("{}/Cargo.toml", room.name);
        let Ok(manifest) = fs::read_to_string(root.join(&path)) else {
            complaints.push(format!("{path}: missing"));
            continue;
        };
        let dependencies = dependencies(&manifest);
        for name in &dependencies {
            let ours = HOUSE.iter().any(|other| other.name == *name);
            if ours && !room.imports.contains(&name.as_str()) {
                complaints.push(format!("{path}: {} must not import {name}: no such arrow", room.name));
            }
            if room.pure && IMPURE.contains(&name.as_str()) {
                complaints.push(format!("{path}: {name} reaches the outside; {} is pure", room.name));
            }
        }
        if room.pure && !root.join(room.name).join("clippy.toml").exists() {
            complaints
                .push(format!("{}/clippy.toml: a pure crate forbids clocks, threads and sockets", room.name));
        }
    }
    complaints
}

/// The names under `[dependencies]`; what tests and benches use is their own affair.
fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

const HOUSE: &[Room] = &[
    Room { name: "base", imports: &[], pure: true },
    Room { name: "codecs", imports: &["base"], pure: true },
    Room { name: "sip", imports: &["base"], pure: true },
    Room { name: "media", imports: &["base", "codecs"], pure: true },
    Room { name: "ivr", imports: &["base"], pure: true },
    Room { name: "recordings", imports: &["base", "codecs"], pure: false },
    Room { name: "history", imports: &["base"], pure: false },
    Room { name: "phones", imports: &["base"], pure: false },
    Room { name: "pbx", imports: &["base", "ivr"], pure: true },
    Room {
        name: "sibai",
        imports: &["base", "codecs", "sip", "media", "ivr", "recordings", "history", "pbx", "phones"],
        pure: false,
    },
    Room {
        name: "integration-tests",
        imports: &["base", "codecs", "sibai", "sip", "media", "ivr", "pbx", "phones", "test-store"],
        pure: false,
    },
    Room { name: "load", imports: &["sip"], pure: false },
];

/// Crates through which a socket, a clock, a thread or the system's entropy could come in.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "rustix",
    "libc",
    "socket2",
    "rand",
    "getrandom",
    "chrono",
    "time",
    "sqlx",
    "reqwest",
    "axum",
    "futures-util",
    "crossbeam",
    "rayon",
    "tempfile",
    "tracing-subscriber",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dependencies_section_counts() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nbase.workspace = true\nbytes = \"1\"\n\n[dev-dependencies]\ntokio.workspace = true\n";
        assert_eq!(dependencies(manifest), ["base", "bytes"]);
    }
}
