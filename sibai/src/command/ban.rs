//! `sibai ban list` and `sibai ban lift ADDRESS`: for whoever is called at night because a phone is locked out.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::seat::{configured, runtime};
use crate::store::Store;

/// Prints every source that is banned, until when, and the how-manieth time.
pub(super) fn list(config: Option<PathBuf>, data: &Path) -> anyhow::Result<()> {
    let (engine, _) = configured(config)?;
    let bans = runtime()?.block_on(async {
        let store = Store::open(&engine.database.url, data).await?;
        let bans = store.banned().await;
        store.close().await;
        bans
    })?;
    if bans.is_empty() {
        println!("nobody is banned");
    }
    for ban in bans {
        println!("{}  until {}  time {}", ban.source, ban.until, ban.offences);
    }
    Ok(())
}

/// Lifts one.
pub(super) fn lift(config: Option<PathBuf>, data: &Path, source: IpAddr) -> anyhow::Result<()> {
    let (engine, _) = configured(config)?;
    let source = sip::seam::Ban::network(source);
    let lifted = runtime()?.block_on(async {
        let store = Store::open(&engine.database.url, data).await?;
        let lifted = store.lift_ban(source).await;
        store.close().await;
        lifted
    })?;
    if !lifted {
        bail!("{source} is not banned");
    }
    println!("{source} is no longer banned; a running server takes it within seconds");
    Ok(())
}
