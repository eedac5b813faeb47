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
    /// Its dialog between the phone and us, so that a colleague can name it in Replaces. The endpoint fills it
    /// in; what the control says of it does not count.
    pub dialog: Option<LampDialog>,
}

/// A dialog as the watched phone knows it (RFC 4235 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LampDialog {
    /// Call-ID.
    pub call_id: String,
    /// The phone's tag.
    pub local_tag: String,
    /// Ours.
    pub remote_tag: String,
}
