//! The process: node (control as one machine), drive (sockets, threads, clocks), config, api, demo.

pub mod config;
