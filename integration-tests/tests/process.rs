//! The process: killed, drained, misconfigured, short of its database or its disk; its command line.

#[path = "process/cast.rs"]
mod cast;
#[path = "process/commands.rs"]
mod commands;
#[path = "process/drain.rs"]
mod drain;
#[path = "process/killed.rs"]
mod killed;
#[path = "process/names.rs"]
mod names;
#[path = "process/ranks.rs"]
mod ranks;
#[path = "process/store.rs"]
mod store;
