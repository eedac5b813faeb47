//! Lamps: what a user's phones do, as colleagues may see it (RFC 4235).

use base::LegId;

/// What a user's phones do. None of its calls: idle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lamp {
    /// Its calls, in the order of their ids.
    pub calls: Vec<LampCall>,
}

/// One call of a watched user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LampCall {
    /// The user's leg; names the call for as long as it lasts.
    pub leg: LegId,
    /// The user calls (`initiator`), or is called (`recipient`).
    pub is_caller: bool,
    /// Answered; before that it rings.
    pub is_confirmed: bool,
    /// Who is at the other end, as watchers may see it: an outside number comes masked. `None`: withheld.
    pub remote: Option<String>,
}
