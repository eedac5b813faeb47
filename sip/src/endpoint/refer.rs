//! What a REFER or an INVITE with Replaces asks for, and whether it may (RFC 3515, RFC 3891).

use base::{LegId, Name};

use super::Endpoint;
use crate::dialog::leg::{self, Party, Stage};
use crate::header::refer_to::ReferTo;
use crate::header::replaces::Replaces;
use crate::header::uri::Scheme;
use crate::message::Message;
use crate::message::name::Header;
use crate::seam::Refer;

impl Endpoint {
    /// What a REFER inside this leg's dialog asks for, or the status that refuses it. A carrier has nothing to
    /// transfer: what it could reach that way it can call.
    pub(super) fn judge_refer(&self, leg: LegId, request: &Message) -> Result<Refer, u16> {
        let Some(Party::User(user)) = self.legs.leg(leg).map(|leg| &leg.party) else { return Err(403) };
        let references = request.list(Header::ReferTo);
        let [reference] = references.as_slice() else { return Err(400) };
        let reference = ReferTo::parse(reference).map_err(|_| 400_u16)?;
        if !matches!(reference.uri.scheme(), Scheme::Sip | Scheme::Sips | Scheme::Tel) {
            return Err(416);
        }
        if !reference.is_for_invite() {
            return Err(501);
        }
        let mut referrers = request.headers(Header::ReferredBy);
        let referred_by = referrers.next().map(|value| value.text().into_owned());
        if referrers.next().is_some() {
            return Err(400);
        }
        let replaces = reference.replaces.map(|named| self.find_replaced(user, &named)).transpose()?;
        // A leg cannot take its own place.
        if replaces == Some(leg) {
            return Err(482);
        }
        let to = reference.uri.user().map(std::borrow::Cow::into_owned).unwrap_or_default();
        if to.is_empty() && replaces.is_none() {
            return Err(484);
        }
        Ok(Refer { to, replaces, referred_by })
    }

    /// The leg whose place an INVITE is to take, if it asks for that; else the status that refuses it.
    pub(super) fn judge_replaces(&self, party: &Party, request: &Message) -> Result<Option<LegId>, u16> {
        let mut values = request.headers(Header::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        let Party::User(user) = party else { return Err(403) };
        if values.next().is_some() {
            return Err(400);
        }
        let named = Replaces::parse(&value.text()).map_err(|_| 400_u16)?;
        // A watcher knows the dialog from the lamp, as the phone that rings does: then the tags stand crosswise.
        self.find_replaced(user, &named)
            .or_else(|status| {
                self.find_ringing(user, &named)
                    .or_else(|_| self.find_ringing(user, &named.turned()))
                    .map_err(|_| status)
            })
            .map(Some)
    }

    /// The leg that rings under this name, when `user` may touch it: an early dialog that we began (RFC 3891
    /// section 3).
    fn find_ringing(&self, user: &Name, named: &Replaces) -> Result<LegId, u16> {
        let id = self.legs.find(&leg::index(&named.call_id, &named.to_tag)).ok_or(481_u16)?;
        let leg = self.legs.leg(id).ok_or(481_u16)?;
        let Party::User(owner) = &leg.party else { return Err(481) };
        match &leg.stage {
            Stage::Placing(placing)
                if self.wire.may_touch(user, owner)
                    && placing.early(&named.from_tag).is_some()
                    && !placing.is_given_up() =>
            {
                Ok(id)
            }
            _ => Err(481),
        }
    }

    /// The answered leg that `named` names, as RFC 3891 section 3 matches it, when `user` may touch it: its
    /// own, or one of a user of its line. One that it may not touch is no leg at all, so that nobody learns
    /// which calls other lines have.
    fn find_replaced(&self, user: &Name, named: &Replaces) -> Result<LegId, u16> {
        let id = self.legs.find(&leg::index(&named.call_id, &named.to_tag)).ok_or(481_u16)?;
        let leg = self.legs.leg(id).ok_or(481_u16)?;
        if !matches!(&leg.party, Party::User(owner) if self.wire.may_touch(user, owner)) {
            return Err(481);
        }
        match &leg.stage {
            Stage::Up(up) if !named.is_from(&up.dialog.remote_tag) => Err(481),
            Stage::Up(up) if up.hangup.is_some() => Err(603),
            Stage::Up(_) if named.early_only => Err(486),
            Stage::Up(_) => Ok(id),
            // A dialog that has ended (section 3).
            Stage::Leaving(leaving) if named.is_from(&leaving.dialog.remote_tag) => Err(603),
            Stage::Lingering(lingering) if named.is_from(&lingering.dialog.remote_tag) => Err(603),
            // Early dialogs that the peer began are not to be replaced (section 3).
            Stage::Leaving(_) | Stage::Lingering(_) | Stage::Arriving(_) | Stage::Placing(_) => Err(481),
        }
    }
}
