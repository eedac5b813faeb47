//! A world in virtual time, and the real process on loopback with real phones.

pub mod wire;
pub mod world;
