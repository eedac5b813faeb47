//! The endpoint's two sides: what comes from the network and the control, and what goes to them.

mod ban;
mod command;
mod directory;
mod event;
mod flow;
mod lamp;
mod limits;
mod refer;

use bytes::Bytes;

use crate::message::{BadMessage, Message};

pub use ban::Ban;
pub use command::{Command, Destination, Diverting, DivertingForm, Outgoing};
pub use directory::{Directory, Listener, NumberUri, Registration, Trunk, User};
pub use event::{Event, Incoming, Peer};
pub use flow::{Flow, Route, Transport};
pub use lamp::{Lamp, LampCall, LampDialog};
pub use limits::Limits;
pub use refer::{Identity, Refer};

/// What can happen to the endpoint.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message, parsed where its bytes arrived.
    Received {
        /// The way it came.
        flow: Flow,
        /// The message, or why it is none.
        message: Result<Message, BadMessage>,
    },
    /// The peer of a stream connection has proved these names by a certificate; told before anything else of
    /// this connection, and only when there is a name.
    Proved {
        /// Its number.
        connection: u64,
        /// Those of `Trunk::certificate` for which the certificate is valid.
        names: Vec<String>,
    },
    /// A stream connection is gone: its registrations with it.
    Closed {
        /// Its number.
        connection: u64,
    },
    /// A stream could not be opened or written: transactions on this flow fail at once (RFC 3261 §8.1.3.1).
    Unreachable {
        /// The flow as it stood in `Output::Send`.
        flow: Flow,
    },
    /// The control wants something.
    Command(Command),
}

/// What the endpoint wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write these bytes. For a stream without `connection` the driver opens one to `flow.remote` (or
    /// reuses the one it has).
    Send {
        /// The way.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// Tell the control.
    Event(Event),
}
