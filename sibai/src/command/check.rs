//! `sibai check DIR`: every fault at once.

use std::path::Path;
use std::process::ExitCode;

use jiff::civil::DateTime;

use crate::config;

/// Prints the faults; 1 when the configuration cannot be served.
pub(super) fn check(folder: &Path, at: Option<DateTime>) -> ExitCode {
    let today = at.map_or_else(|| jiff::Zoned::now().date(), DateTime::date);
    if !folder.is_dir() {
        eprintln!("sibai: there is no folder {}", folder.display());
        return ExitCode::FAILURE;
    }
    let loaded = config::load(folder, today);
    let unplayable = crate::process::prompts(&loaded).err().unwrap_or_default();
    for sentence in &unplayable {
        println!("{sentence}");
    }
    print!("{}", config::report(&loaded));
    let sound = !loaded.faults.iter().any(ivr::Fault::is_error);
    if sound && unplayable.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
