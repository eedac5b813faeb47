//! `sibai serve`: takes calls until SIGTERM or Ctrl-C, then drains.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use jiff::civil::DateTime;

use crate::config;
use crate::process::{Options, Process};

/// Serves.
pub(super) fn serve(
    config: Option<PathBuf>,
    data: PathBuf,
    at: Option<DateTime>,
    drain: Duration,
) -> anyhow::Result<()> {
    let today = at.map_or_else(|| jiff::Zoned::now().date(), DateTime::date);
    let loaded = config::find(config, today)?;
    if loaded.plan.is_none() {
        bail!("the configuration has faults:\n{}", config::report(&loaded));
    }
    // Warnings do not keep anybody from serving, but they are said.
    eprint!("{}", config::warnings(&loaded));
    let mut process = Process::start(&loaded, &Options { data, at, free_ports: false })?;
    // Nobody watches here: news that nobody takes would be kept for ever.
    drop(process.news());
    print!("{}", process.banner());
    process.wait_for_signal();
    process.drain(drain)
}
