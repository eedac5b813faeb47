//! SIP as machines: message, transactions, dialogs, digest, registrar (RFC 3261 and family). No sockets.
#![forbid(unsafe_code)]

pub mod digest;
pub mod framer;
pub mod header;
mod lex;
pub mod message;

pub use digest::Algorithm;
pub use header::HeaderFault;
pub use header::address::{Address, Contacts};
pub use header::auth::{Challenge, Credentials};
pub use header::cseq::CSeq;
pub use header::params::Params;
pub use header::uri::{Host, Scheme, Uri};
pub use header::via::{Via, ViaTransport};
pub use message::bad::{BadMessage, Flaw};
pub use message::draft::Draft;
pub use message::method::Method;
pub use message::name::Header;
pub use message::{Carriage, Kind, Message, Value};
