//! The brain: numbers, calls, legs, seats, queues, hunts; every decision of a call.
#![forbid(unsafe_code)]

mod call;
pub mod cdr;
mod floor;
mod hunt;
pub mod plan;
mod queue;
mod routing;
pub mod seam;
pub mod seats;
pub mod switchboard;

#[cfg(test)]
mod tests;

pub use cdr::{CallRecord, Consent, LegRecord};
pub use plan::{OriginalCaller, Plan, TrunkPlan};
pub use seam::{Arrival, Input, Output};
pub use switchboard::Switchboard;
