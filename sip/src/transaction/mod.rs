//! Transactions: a request and its responses, made reliable (RFC 3261 section 17, RFC 6026, RFC 4320).
//!
//! Four machines, each a state, the bytes it may have to repeat, and at most two deadlines: when to repeat
//! (`again`) and when to end (`ends`).
//!
//! | machine | states | repeats | ends |
//! |---|---|---|---|
//! | INVITE server | Proceeding, Completed, Confirmed, Accepted | G | H, I, L |
//! | other server | Proceeding, Completed | | J |
//! | INVITE client | Calling, Proceeding, Completed, Accepted | A | B, D, M |
//! | other client | Calling, Proceeding, Completed | E | F, K |
//!
//! D, I, J and K are zero on a stream: the transaction ends at once. L and M are 64·T1 everywhere, because a
//! 2xx is repeated end to end. A server's Proceeding and an INVITE client's Proceeding have no timer in the
//! RFC; whoever opened the transaction bounds them (the leg's own deadline).

pub mod client;
pub(crate) mod key;
pub mod server;
pub mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use key::{Key, Keyring};

/// The estimate of a round trip (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest pause between repetitions (RFC 3261 section 17.1.2.1).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message can stay in the network (RFC 3261 section 17.1.2.1).
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L, M, and the wait for an ACK.
pub const PATIENCE: Duration = Duration::from_secs(32);
/// Timer D over datagrams: at least 32 s (RFC 3261 section 17.1.1.2).
pub const TIMER_D: Duration = Duration::from_secs(32);
