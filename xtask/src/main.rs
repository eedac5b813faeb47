//! `cargo xtask tidy | schema | openapi`: chores, each held by a test of the same name.

use std::path::Path;
use std::process::ExitCode;

use xtask::{generated, tidy};

fn main() -> ExitCode {
    let root = xtask::root();
    let task = std::env::args().nth(1).unwrap_or_default();
    let done = match task.as_str() {
        "tidy" => report(&tidy::complaints(&root)),
        "schema" => write(&root, generated::schemas()),
        "openapi" => write(&root, vec![generated::openapi()]),
        _ => Err(anyhow::anyhow!("usage: cargo xtask tidy | schema | openapi")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn report(complaints: &[String]) -> anyhow::Result<()> {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() { Ok(()) } else { anyhow::bail!("{} complaints", complaints.len()) }
}

fn write(root: &Path, files: Vec<generated::File>) -> anyhow::Result<()> {
    for file in files {
        let path = root.join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, file.text)?;
        println!("{}", file.path);
    }
    Ok(())
}
