//! SIP as machines: message, transactions, dialogs, digest, registrar (RFC 3261 and family). No sockets.
#![forbid(unsafe_code)]

mod access;
pub mod admission;
mod dialog;
pub mod digest;
pub mod endpoint;
pub mod framer;
pub mod header;
mod lex;
pub mod message;
pub mod property;
mod recent;
mod registrar;
pub mod seam;
pub mod stun;
mod subscription;
pub mod transaction;
mod trunk;
pub mod websocket;

pub use digest::Algorithm;
pub use endpoint::Endpoint;
pub use header::HeaderFault;
pub use header::address::{Address, Contacts};
pub use header::auth::{Challenge, Credentials};
pub use header::cseq::CSeq;
pub use header::event::EventType;
pub use header::params::Params;
pub use header::refer_to::ReferTo;
pub use header::replaces::Replaces;
pub use header::subscription_state::{Ending, SubscriptionState};
pub use header::uri::{Host, Scheme, Uri};
pub use header::via::{Via, ViaTransport};
pub use message::bad::{BadMessage, Flaw};
pub use message::draft::Draft;
pub use message::method::Method;
pub use message::name::Header;
pub use message::{Carriage, Kind, Message, Value};
