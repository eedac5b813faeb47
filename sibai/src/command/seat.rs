//! `sibai seat password NAME`: a new password, printed once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use pbx::Plan;

use crate::config::{self, Engine};
use crate::store::{Extension, Store};

/// Gives a seat a new password and prints it.
pub(super) fn password(config: Option<PathBuf>, data: &Path, seat: &str) -> anyhow::Result<()> {
    let (engine, plan) = configured(config)?;
    let all = Extension::all(&plan.extensions);
    let meant: Vec<&Extension> = all.iter().filter(|e| e.seat == seat || e.user == seat).collect();
    let extension = match meant[..] {
        [one] => one,
        [] => bail!("there is no seat {seat} with an extension"),
        _ => bail!("several lines have a seat {seat}: name its extension"),
    };
    let password = runtime()?.block_on(async {
        let store = Store::open(&engine.database.url, data).await?;
        let password = store.set_password(extension).await;
        store.close().await;
        password
    })?;
    println!("{}  {password}", extension.user);
    Ok(())
}

/// The configuration as it would be served; an error that holds the report when it cannot be.
pub(super) fn configured(folder: Option<PathBuf>) -> anyhow::Result<(Engine, Arc<Plan>)> {
    let loaded = config::find(folder, jiff::Zoned::now().date())?;
    match (loaded.engine.clone(), loaded.plan.clone()) {
        (Some(engine), Some(plan)) => Ok((engine, plan)),
        _ => bail!("the configuration has faults:\n{}", config::report(&loaded)),
    }
}

/// A small runtime for one errand.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("runtime")
}
