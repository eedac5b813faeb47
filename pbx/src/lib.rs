//! The brain: numbers, calls, legs, seats, queues, hunts; every decision of a call.
#![forbid(unsafe_code)]

pub mod cdr;
pub mod plan;
pub mod seam;

pub use cdr::{CallRecord, Consent, LegRecord};
pub use plan::{Plan, TrunkPlan};
pub use seam::{Arrival, Input, Output};
