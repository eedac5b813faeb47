//! Transfer and identity: what REFER asks for, and who a leg now talks to.

use base::LegId;

/// A seat asks us to connect the other party of its call with somebody else (RFC 3515).
///
/// Told only for a REFER inside the dialog of an authenticated user, whose Refer-To is a `sip:` or `tel:` URI
/// for INVITE. Headers in Refer-To other than Replaces are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Whom: the user part of Refer-To (of `tel:` the number), unescaped.
    pub to: String,
    /// Attended transfer (RFC 3891): Refer-To's Replaces names this leg of ours, which was answered. A
    /// Replaces that names none of our legs is answered with 481 and not told.
    pub replaces: Option<LegId>,
    /// Referred-By, as written (RFC 3892).
    pub referred_by: Option<String>,
}

/// Who is at the other end now, as the peer of a leg is to see it (RFC 4916, RFC 3325).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User part.
    pub user: String,
    /// Display name.
    pub display: Option<String>,
    /// Written into P-Asserted-Identity too, where the peer may see it.
    pub asserted: Option<String>,
    /// The number is withheld: `Privacy: id`, and nothing of it is written.
    pub withheld: bool,
}
