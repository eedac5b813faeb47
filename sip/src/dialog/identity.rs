//! Connected identity: who the other end of an answered leg is now (RFC 4916, RFC 3325, RFC 3323).

use base::Mono;

use super::leg::{Party, Stage};
use super::up::Up;
use crate::endpoint::step::Step;
use crate::header::address::Address;
use crate::header::uri::Uri;
use crate::message::draft::Draft;
use crate::message::name::Header;
use crate::seam::Identity;

/// What the peer has yet to be told, and when to try.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) identity: Identity,
    pub(crate) at: Mono,
    /// How often the peer put it off.
    pub(crate) tries: u8,
}

impl Up {
    /// The other end is somebody else now. Of several changes the last counts; while a request is under way it
    /// waits.
    pub(crate) fn identify(mut self: Box<Self>, step: &mut Step, identity: Identity) -> Option<Stage> {
        if !may_know(step) || self.hangup.is_some() {
            return Some(Stage::Up(self));
        }
        self.news = Some(News { identity, at: step.now, tries: 0 });
        self.send_refresh(step)
    }
}

/// Whether this peer may see who talks: seats may. A carrier shows what it is told to somebody outside, so that a
/// trunk is told nothing until its caller-ID policy allows it.
fn may_know(step: &Step) -> bool {
    match step.party {
        Party::User(_) => true,
        Party::Trunk(_) => false,
    }
}

/// The From of somebody, without tag.
pub(crate) fn from(step: &Step, identity: &Identity) -> Option<Address> {
    address(step, identity, &identity.user)
}

/// P-Asserted-Identity and Privacy of a request that tells who it is.
pub(crate) fn write(draft: Draft, step: &Step, identity: &Identity) -> Draft {
    let user = identity.asserted.as_ref().unwrap_or(&identity.user);
    let draft = match address(step, identity, user) {
        Some(address) => draft.header(Header::PAssertedIdentity, address),
        None => draft,
    };
    if identity.withheld { draft.header(Header::Privacy, "id") } else { draft }
}

/// Nothing of a withheld identity is written: the phone shows a stranger, not the one before.
fn address(step: &Step, identity: &Identity, user: &str) -> Option<Address> {
    if identity.withheld {
        return Some(Address::new(Uri::parse(ANONYMOUS).ok()?).named("Anonymous"));
    }
    let uri = Uri::sip(Some(user), &step.wire.directory.realm, None).ok()?;
    Some(Address::new(uri).named(identity.display.as_deref().unwrap_or("")))
}

/// Nobody (RFC 3323 section 4.1).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";
