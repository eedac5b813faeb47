//! Sockets, threads, epoll, files, clocks: everything that the machines must not touch.

pub mod clock;
pub mod control;
pub mod inbox;
pub mod net;
pub mod ports;
pub mod recorder;
pub mod sealer;
pub mod stream;
pub mod worker;
