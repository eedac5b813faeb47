//! What happened: call detail records and their legs, open calls, and the outbox, in SQL.
//!
//! Every function takes a connection and leaves the transaction to its caller, so that whatever ends with a
//! call is committed with it (reliability.md 5, row 10). Statements are portable: SQLite and PostgreSQL.
#![forbid(unsafe_code)]

pub mod call;
mod columns;
pub mod error;
pub mod open;
pub mod outbox;
mod read;
pub mod schema;
mod write;

pub use call::{CallRow, LapseRow, LegRow, Origin, PeerReport, Quality, TransferRow};
pub use error::HistoryError;
pub use open::{OpenCall, close_lost, open, touch};
pub use read::{Cursor, Filter, NotACursor, Page, find, list};
pub use schema::migrate;
pub use write::write;
