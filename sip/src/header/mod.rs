//! Typed headers: each keeps its text and is written as it was read.

pub mod address;
pub mod auth;
pub mod cseq;
pub mod event;
pub mod params;
pub mod rack;
pub mod reason;
pub mod refer_to;
pub mod replaces;
pub mod session;
pub mod subscription_state;
pub mod uri;
pub mod via;

use thiserror::Error;

/// Why a header cannot be read as its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderFault {
    /// The message has no such header.
    #[error("the header is missing")]
    Missing,
    /// It does not follow its grammar.
    #[error("the header is malformed")]
    Malformed,
}
