//! What every floor shares: time as an argument, the machine contract, ids, numbers, digits, tones, causes.
#![forbid(unsafe_code)]

pub mod cause;
pub mod digit;
pub mod entropy;
pub mod g711;
pub mod id;
pub mod machine;
pub mod name;
pub mod net;
pub mod number;
pub mod period;
pub mod pii;
pub mod stun;
pub mod time;
pub mod tone;

pub use cause::{Blame, Cause, Party};
pub use digit::Digit;
pub use entropy::Entropy;
pub use id::{CallId, LegId, RecordingId};
pub use machine::Machine;
pub use name::Name;
pub use net::{Cidr, PeerMatch};
pub use number::{NumberFormat, PhoneNumber};
pub use period::Period;
pub use pii::Pii;
pub use time::{Mono, Now, Timestamp};
pub use tone::{Country, Tone};
