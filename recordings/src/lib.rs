//! Recordings: spool, sealing, recovery, catalog, retention, deletion ledger.
#![forbid(unsafe_code)]

mod facts;
mod fuse;
pub mod place;
pub mod seal;
pub mod spool;
mod words;

pub use facts::{Consent, Facts, Kind, Side};
pub use words::UnknownWord;
