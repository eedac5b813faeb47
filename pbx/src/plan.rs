//! Everything that decides a call, checked and immutable. A call keeps the `Arc` it began with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Name, NumberFormat, PhoneNumber};
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
    /// Trunks with a lower order are tried first.
    pub order: u32,
    /// Its share of the calls among trunks of one order.
    pub weight: u32,
    /// Calls that go out over it within any second, at most.
    pub calls_per_second: Option<u32>,
    /// Whether numbers outside mainland China may be dialled over it.
    pub international: bool,
    /// How the carrier wants numbers written.
    pub format: NumberFormat,
    /// Dialled before each number.
    pub dial_prefix: String,
    /// What the carrier is told of who called.
    pub original_caller: OriginalCaller,
}

impl Default for TrunkPlan {
    /// As engine.yaml has it where it says nothing: a carrier that only brings calls.
    fn default() -> Self {
        Self {
            caller_id: None,
            max_calls: 30,
            dials_out: false,
            order: 1,
            weight: 1,
            calls_per_second: None,
            international: false,
            format: NumberFormat::National,
            dial_prefix: String::new(),
            original_caller: OriginalCaller::None,
        }
    }
}

/// What a carrier is told of the caller on whose behalf an outside seat is rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OriginalCaller {
    /// Nothing: it sees the verified number.
    #[default]
    None,
    /// From is the caller, Diversion the number that was called (RFC 5806).
    Diversion,
    /// From is the caller, History-Info the number that was called (RFC 7044).
    HistoryInfo,
    /// From is the verified number, P-Asserted-Identity the caller (RFC 3325).
    Asserted,
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
