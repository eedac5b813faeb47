//! The program under test: the one that cargo built beside this test, built now if it is not there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

/// The path of `sibai`, no older than its sources.
pub fn program() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("SIBAI_PROGRAM") {
        return Ok(given.into());
    }
    let test = std::env::current_exe()?;
    // target/PROFILE/deps/TEST
    let folder = test.parent().and_then(Path::parent).context("the test lies in no target folder")?;
    let program = folder.join("sibai");
    let stamp = folder.join("sibai.checked");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
    let sources = newest(root)?;
    let is_fresh = |file: &Path| program.is_file() && changed(file).is_some_and(|at| at > sources);
    if !is_fresh(&program) && !is_fresh(&stamp) {
        build(root, folder)?;
        // Cargo leaves a program alone whose own sources did not change; this remembers that it was asked.
        File::create(&stamp)?.set_modified(SystemTime::now())?;
    }
    ensure!(program.is_file(), "cargo built no {}", program.display());
    Ok(program)
}

fn build(root: &Path, folder: &Path) -> Result<()> {
    let target = folder.parent().context("the test lies in no target folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        // The profile of the tests, so that nothing is compiled twice.
        Some("debug") => "test",
        Some(name) => name,
        None => bail!("the test lies in no target folder"),
    };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--workspace", "--bin", "sibai", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .status()
        .context("cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(())
}

/// When a file that goes into the program was last changed.
fn newest(root: &Path) -> Result<SystemTime> {
    let mut newest = changed(&root.join("Cargo.lock")).context("Cargo.lock")?;
    for part in PARTS {
        walk(&root.join(part), &mut newest)?;
    }
    Ok(newest)
}

fn walk(folder: &Path, newest: &mut SystemTime) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), newest)?;
        } else {
            *newest = (*newest).max(entry.metadata()?.modified()?);
        }
    }
    Ok(())
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// What `sibai` is made of.
const PARTS: [&str; 10] = [
    "base/src",
    "sip/src",
    "media/src",
    "ivr/src",
    "recordings/src",
    "history/src",
    "phones/src",
    "pbx/src",
    "sibai/src",
    "configs",
];
