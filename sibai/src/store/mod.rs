//! The database: opened by URL, brought up to date, and written by one connection.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base::Timestamp;
use history::CallRow;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool};

pub mod bans;
pub mod journal;
pub mod rows;
mod schema;
pub mod secrets;
pub mod tokens;
pub mod words;

pub use journal::{Entry, Journal, Progress};
pub use secrets::{Extension, NewSecrets, REALM};
pub use tokens::{Access, Scope};

/// Where everything that outlives a call is kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: AnyPool,
    readers: AnyPool,
    node: String,
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Store {
    /// Opens the database of `url`, made if it is missing, and brings its tables up to date.
    ///
    /// `sqlite://sibai.db` lies in the data folder, `sqlite:///var/lib/sibai.db` where it says;
    /// `postgres://user@host/name` is a server. The data folder is made if it is missing.
    pub async fn open(url: &str, data_folder: &Path) -> Result<Self> {
        sqlx::any::install_default_drivers();
        make_private_folder(data_folder)?;
        let node = node_name(data_folder)?;
        let (kind, url) = resolve(url, data_folder)?;
        let writer = pool(kind, &url, 1, WRITE_LIMIT).await?;
        let readers = pool(kind, &url, READERS, READ_LIMIT).await?;
        let store = Self { writer, readers, node };
        store.migrate().await?;
        Ok(store)
    }

    /// The connections for reading.
    pub fn readers(&self) -> &AnyPool {
        &self.readers
    }

    /// The one connection for writing: whoever holds it holds the pen, so SQLite is never locked by ourselves.
    pub fn writer(&self) -> &AnyPool {
        &self.writer
    }

    /// This node's name: made at the first start, kept in the data folder.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> bool {
        let asked = sqlx::query("SELECT 1").execute(&self.readers);
        matches!(tokio::time::timeout(PROBE_LIMIT, asked).await, Ok(Ok(_)))
    }

    /// Gives every call that a killed process of this node left open its CDR, with the cause `node_lost`. At
    /// start-up, before `recordings::recovery` and the first new call; returns them.
    pub async fn close_lost(&self, now: Timestamp) -> Result<Vec<CallRow>> {
        let mut transaction = self.writer.begin().await?;
        let lost = history::close_lost(&mut transaction, &self.node, now).await?;
        transaction.commit().await?;
        Ok(lost)
    }

    /// Every few seconds: says that the open calls are still up, and clears away what is too old to be asked
    /// for again.
    pub async fn tend(&self, now: Timestamp) -> Result<()> {
        let mut transaction = self.writer.begin().await?;
        history::touch(&mut transaction, &self.node, now).await?;
        history::outbox::trim(&mut transaction, now.saturating_sub(OUTBOX_KEPT)?).await?;
        sqlx::query("DELETE FROM idempotency WHERE created_at < $1")
            .bind(now.saturating_sub(IDEMPOTENCY_KEPT)?.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Closes every connection, after what they do now.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    async fn migrate(&self) -> Result<()> {
        recordings::catalog::migrate(&self.writer).await.context("the tables of recordings")?;
        let mut transaction = self.writer.begin().await.context("the database cannot be written")?;
        history::migrate(&mut transaction).await.context("the tables of calls")?;
        schema::migrate(&mut transaction).await.context("the tables of tokens and passwords")?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Which database a URL means, and the URL that the driver wants.
fn resolve(url: &str, data_folder: &Path) -> Result<(Kind, String)> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Kind::Postgres, url.to_owned()));
    }
    let Some(path) = url.strip_prefix("sqlite://") else {
        bail!("database.url begins neither with sqlite:// nor with postgres://");
    };
    if path.is_empty() || path.contains([':', '?', '#']) {
        bail!(
            "database.url: `{url}` names no file: write sqlite://NAME or sqlite:///PATH without parameters"
        );
    }
    let file = data_folder.join(path);
    // Ours before SQLite's own umask makes it readable for everybody: call records are personal data.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(PRIVATE_FILE)
        .open(&file)
        .with_context(|| format!("the database {} cannot be written", file.display()))?;
    let file = std::path::absolute(&file)?;
    Ok((Kind::Sqlite, format!("sqlite://{}?mode=rwc", percent_encoded(&file.to_string_lossy()))))
}

/// A path as part of a URL: the driver decodes it.
fn percent_encoded(path: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_~".contains(&byte);
    let encoded = |byte: u8| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(encoded).collect()
}

async fn pool(kind: Kind, url: &str, connections: u32, limit: Duration) -> Result<AnyPool> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        .after_connect(move |conn, _| Box::pin(async move { settle(conn, kind, limit).await }))
        .connect(url)
        .await
        .context("the database does not answer")
}

/// What every connection is told first.
async fn settle(conn: &mut AnyConnection, kind: Kind, limit: Duration) -> sqlx::Result<()> {
    let millis = limit.as_millis();
    let statements = match kind {
        Kind::Sqlite => vec![
            format!("PRAGMA busy_timeout = {}", BUSY_LIMIT.as_millis()),
            "PRAGMA journal_mode = WAL".into(),
            // A committed CDR survives a power loss (reliability.md, fact 3); batches make it affordable.
            "PRAGMA synchronous = FULL".into(),
            format!("PRAGMA journal_size_limit = {WAL_LIMIT}"),
        ],
        Kind::Postgres => vec![
            format!("SET statement_timeout = {millis}"),
            format!("SET lock_timeout = {millis}"),
            "SET application_name = 'sibai'".into(),
        ],
    };
    for statement in statements {
        // Constant words and numbers of ours only.
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await?;
    }
    Ok(())
}

fn make_private_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(folder)
        .with_context(|| format!("the data folder {} cannot be made", folder.display()))
}

/// Reads the node's name, or makes one.
fn node_name(data_folder: &Path) -> Result<String> {
    let file = data_folder.join(NODE_FILE);
    match fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
    let name = words::random(NODE_NAME)?;
    fs::write(&file, format!("{name}\n"))
        .with_context(|| format!("the data folder {} cannot be written", data_folder.display()))?;
    Ok(name)
}

/// Events wait this long for a receiver.
const OUTBOX_KEPT: Duration = Duration::from_hours(30 * 24);
/// A client may repeat a request this long (clients.md, REST style).
const IDEMPOTENCY_KEPT: Duration = Duration::from_hours(24);
/// Name of the file with the node's name.
const NODE_FILE: &str = "node";
/// 2^49 names: two nodes of one house never share one.
const NODE_NAME: usize = 10;
/// Lists of the API and the sweeper; SQLite reads beside its writer in WAL mode.
const READERS: u32 = 4;
/// Another process (a backup, `sibai token new`) may hold SQLite's lock this long; then the journal retries.
const BUSY_LIMIT: Duration = Duration::from_secs(1);
/// A write on a server that takes longer is given up and retried (reliability.md F7).
const WRITE_LIMIT: Duration = Duration::from_secs(2);
/// No reader holds the WAL longer (reliability.md 5, row 13).
const READ_LIMIT: Duration = Duration::from_secs(30);
/// How long somebody waits for a connection before the answer is 503.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);
/// `/readyz` answers within this.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// 64 MiB (reliability.md F6).
const WAL_LIMIT: u32 = 64 << 20;
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

#[cfg(test)]
mod tests;
