//! The line language line/v1: YAML to a checked Line or every fault at once, and its interpreter.
#![forbid(unsafe_code)]

pub mod calendar;
pub mod line;
pub mod session;
