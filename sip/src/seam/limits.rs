//! Bounds of the endpoint.

use std::time::Duration;

/// Bounds of the endpoint; each has its reason in docs/configuration.md.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Server and client transactions at once; above it a stateless 503 with Retry-After.
    pub transactions: usize,
    /// Dialogs (and early legs) at once.
    pub legs: usize,
    /// Bindings per user.
    pub contacts_per_user: usize,
    /// Bindings in all.
    pub bindings: usize,
    /// Shortest registration granted (423 below).
    pub min_expires: Duration,
    /// Longest registration granted.
    pub max_expires: Duration,
    /// Wrong passwords from one source within ten minutes until it is banned.
    pub failures_per_source: u32,
}

/// What a machine with two cores bears (docs/configuration.md).
impl Default for Limits {
    fn default() -> Self {
        Self {
            // 2 KB each: 80 MB when all are taken.
            transactions: 40_000,
            legs: 10_000,
            contacts_per_user: 8,
            bindings: 20_000,
            min_expires: Duration::from_mins(1),
            max_expires: Duration::from_hours(1),
            failures_per_source: 10,
        }
    }
}
