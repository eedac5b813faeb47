//! Everything that decides a call, checked and immutable. A call keeps the `Arc` it began with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Name, PhoneNumber};
use ivr::line::Line;

/// The checked configuration of all lines and trunks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Lines by id.
    pub lines: BTreeMap<Name, Arc<Line>>,
    /// Every number in normal form (dialled and `arrives_as`) to its line and the 400 number it means.
    pub numbers: BTreeMap<PhoneNumber, (Name, PhoneNumber)>,
    /// Every extension to its line and seat.
    pub extensions: BTreeMap<Name, (Name, Name)>,
    /// Trunks by name.
    pub trunks: BTreeMap<Name, TrunkPlan>,
    /// Bounds of the engine.
    pub limits: Limits,
}

/// What the brain knows of a trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkPlan {
    /// The verified number shown when an outside seat is rung.
    pub caller_id: Option<PhoneNumber>,
    /// Calls over it at once, both ways.
    pub max_calls: u32,
    /// Whether it can be dialled out on (it has a host).
    pub dials_out: bool,
}

/// Bounds of the engine; docs/configuration.md names each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Calls of the whole engine at once.
    pub max_calls: u32,
    /// The longest call.
    pub max_call: Duration,
    /// From INVITE to a conversation or menu, at most.
    pub max_setup: Duration,
    /// How long a confirm seat may take to press its key.
    pub confirm_within: Duration,
}
