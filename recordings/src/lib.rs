//! Recordings: spool, sealing, recovery, catalog, retention, deletion ledger.
//!
//! The way of a recording: [`catalog::open`] before the first frame; [`spool::SpoolWriter`] while the call
//! runs; [`catalog::end`] in the transaction that ends the call; [`seal::seal`] after it; [`catalog::saved`]
//! with the [`retention::Policy`]'s verdict; [`spool::remove`]. Then [`sweep::sweep`] until its day comes.
//! [`recovery::recover`] at start-up finishes whatever was cut off anywhere on that way.
#![forbid(unsafe_code)]

pub mod audio;
pub mod catalog;
pub mod disk;
mod facts;
mod fuse;
pub mod ledger;
pub mod place;
pub mod recovery;
pub mod retention;
pub mod seal;
pub mod segment;
pub mod spool;
pub mod sweep;
#[cfg(test)]
mod tests;
mod words;

pub use facts::{Consent, Facts, Kind, Side};
pub use segment::Segment;
pub use words::UnknownWord;
