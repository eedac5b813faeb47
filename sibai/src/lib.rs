//! The process: node (control as one machine), drive (sockets, threads, clocks), config, api, demo.

pub mod api;
pub mod config;
pub mod metrics;
pub mod store;
