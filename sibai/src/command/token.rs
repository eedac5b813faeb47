//! `sibai token new`: an API token, printed once.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base::{Name, Timestamp};

use super::seat::{configured, runtime};
use crate::store::{Scope, Store};

/// Makes a token and prints it.
pub(super) fn new(
    config: Option<PathBuf>,
    data: &Path,
    name: &str,
    scopes: &[String],
    lines: &[String],
) -> anyhow::Result<()> {
    let (engine, plan) = configured(config)?;
    if let Some(unknown) = lines.iter().find(|line| !plan.lines.contains_key(line.as_str())) {
        bail!("there is no line {unknown}");
    }
    let scopes = if scopes.is_empty() {
        Scope::ALL.to_vec()
    } else {
        scopes.iter().map(|word| scope(word)).collect::<anyhow::Result<Vec<Scope>>>()?
    };
    let lines: Vec<Name> = lines.iter().map(|line| line.as_str().into()).collect();
    let bound = (!lines.is_empty()).then_some(lines.as_slice());
    let token = runtime()?.block_on(async {
        let store = Store::open(&engine.database.url, data).await?;
        let token = store.new_token(name, &scopes, bound, Timestamp::now()).await;
        store.close().await;
        token
    })?;
    println!("{token}");
    Ok(())
}

fn scope(word: &str) -> anyhow::Result<Scope> {
    Scope::from_text(word).with_context(|| {
        let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("--may {word} is none of {}", all.join(", "))
    })
}
