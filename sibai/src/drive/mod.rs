//! Sockets, threads, epoll, files, clocks: everything that the machines must not touch.

pub mod clock;
mod connection;
pub mod control;
pub mod dns;
pub mod dtls;
pub mod inbox;
pub mod load;
pub mod net;
mod poll;
pub mod ports;
mod rank;
pub mod recorder;
pub mod sealer;
mod sockets;
mod stream;
pub mod tape;
pub mod tls;
pub mod worker;
