//! The one contract of every machine of the house.

use crate::time::{Mono, Now};

/// A state machine without socket, clock, thread or entropy of its own.
///
/// The law: after every `handle` and every `expire`, the owner calls `poll` until it is `None`, then
/// asks for the `deadline` and calls `expire` no earlier than that. `handle` cannot fail: bad input
/// becomes an output.
pub trait Machine {
    /// What can happen to it.
    type Input;
    /// What it wants done.
    type Output;

    /// Something happened.
    fn handle(&mut self, now: Now, input: Self::Input);
    /// A deadline has come. Calling it early does nothing.
    fn expire(&mut self, now: Now);
    /// The next thing to do; `None` when drained.
    fn poll(&mut self) -> Option<Self::Output>;
    /// When to call `expire`; after `expire(now)` this is never `<= now`.
    fn deadline(&self) -> Option<Mono>;
}
