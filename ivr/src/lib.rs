//! The line language line/v1: YAML to a checked Line or every fault at once, and its interpreter.
#![forbid(unsafe_code)]

pub mod calendar;
pub mod check;
pub mod fault;
pub mod line;
pub mod session;
pub mod shape;
pub mod yaml;

pub use check::{Checked, check, line_schema};
pub use fault::{Fault, Faults, Severity, SourceFile};
