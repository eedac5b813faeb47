//! The load tool: calls with real audio, both legs ours, and what the server in between made of them.
#![forbid(unsafe_code)]

pub mod audio;
pub mod caller;
pub mod child;
pub mod configuration;
pub mod dialogue;
pub mod ear;
pub mod options;
pub mod report;
pub mod run;
pub mod seats;
pub mod signalling;
pub mod streams;
