//! Scripted phones and a scripted carrier on rsip, rtp-rs and hound: an independent stack that judges ours.
#![forbid(unsafe_code)]

pub mod audio;
pub mod call;
pub mod carrier;
pub mod digest;
pub mod ear;
pub mod events;
pub mod g711;
pub mod live;
pub mod phone;
pub mod script;
pub mod stream;

mod read;
mod sdp;
mod timers;
mod write;

pub use audio::Audio;
pub use call::{Call, CallNo, Stage};
pub use carrier::{Carrier, CarrierSetup};
pub use digest::Algorithm;
pub use events::{Action, Behaviour, Dial, Event, Hold, Input, Output, Reply};
pub use g711::Codec;
pub use phone::{Phone, PhoneSetup};
pub use script::{Cue, Script, Step};
pub use stream::{Counts, Stream};
