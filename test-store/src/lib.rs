//! For tests only: the same test on SQLite and on a private PostgreSQL server.
//!
//! ```no_run
//! test_store::each_store(|store| async move {
//!     sqlx::query("CREATE TABLE t (id BIGINT)").execute(&store.pool).await.unwrap();
//! });
//! ```
//!
//! PostgreSQL must be installed (on Debian `apt-get install postgresql`); a machine without it fails the
//! test, unless `SIBAI_TEST_POSTGRES=skip` says that this is meant.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up fails the test")]

mod postgres;

use std::future::Future;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;

/// An empty database of its own for one test.
#[derive(Clone, Debug)]
pub struct Store {
    /// Connections to it.
    pub pool: AnyPool,
    /// How to connect to it once more.
    pub url: String,
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
}

/// Runs `test` on an empty SQLite file, then on an empty PostgreSQL database.
pub fn each_store<F, R>(test: F)
where
    F: Fn(Store) -> R,
    R: Future<Output = ()>,
{
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(on_sqlite(&test));
    if std::env::var("SIBAI_TEST_POSTGRES").is_ok_and(|word| word == "skip") {
        eprintln!("PostgreSQL is skipped, as SIBAI_TEST_POSTGRES says");
        return;
    }
    let server = postgres::running();
    runtime.block_on(async {
        let url = server.new_database().await;
        run(&test, url, "postgres").await;
    });
}

async fn on_sqlite<F, R>(test: &F)
where
    F: Fn(Store) -> R,
    R: Future<Output = ()>,
{
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("test.db").display());
    run(test, url, "sqlite").await;
}

async fn run<F, R>(test: &F, url: String, kind: &'static str)
where
    F: Fn(Store) -> R,
    R: Future<Output = ()>,
{
    eprintln!("store: {kind}");
    let pool = AnyPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await.expect("a database");
    if kind == "sqlite" {
        sqlx::query("PRAGMA journal_mode = WAL").execute(&pool).await.expect("WAL");
    }
    test(Store { pool: pool.clone(), url, kind }).await;
    pool.close().await;
}

/// Enough for tests of two writers at once.
const CONNECTIONS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stores_answer_and_begin_empty() {
        each_store(|store| async move {
            sqlx::query("CREATE TABLE t (id BIGINT PRIMARY KEY)").execute(&store.pool).await.unwrap();
            sqlx::query("INSERT INTO t (id) VALUES ($1)").bind(7_i64).execute(&store.pool).await.unwrap();
            let (id,): (i64,) = sqlx::query_as("SELECT id FROM t").fetch_one(&store.pool).await.unwrap();
            assert_eq!(id, 7);
        });
    }
}
