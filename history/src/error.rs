//! What can go wrong between a call's row and its table.

use thiserror::Error;

/// Why history could not be written or read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The database refused, or did not answer.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// A stored row holds what this version cannot read.
    #[error("call {call}: column {column} holds {found:?}")]
    BadRow {
        /// The row's id as stored.
        call: String,
        /// The column.
        column: &'static str,
        /// What it holds.
        found: String,
    },
    /// The tables were written by a newer version.
    #[error("the tables of history have version {found}, this program knows {known}: use a newer one")]
    TooNew {
        /// What the database says.
        found: i64,
        /// What we know.
        known: i64,
    },
}
