//! The process: node (control as one machine), drive (sockets, threads, clocks), config, api, demo.
#![forbid(unsafe_code)]

pub mod api;
pub mod command;
pub mod config;
pub mod demo;
pub mod drive;
pub mod metrics;
pub mod node;
pub mod process;
pub mod store;
pub mod tls;
