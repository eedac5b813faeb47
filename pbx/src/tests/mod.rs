//! The switchboard at the level of legs: stories in virtual time, a seeded simulation, and nonsense.

mod bench;
mod door;
mod hunting;
mod music;
mod nonsense;
mod picking;
mod queueing;
mod simulation;
mod talking;
mod transferring;
mod trunks;
