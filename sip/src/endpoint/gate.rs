//! The gate: who asks, and may it ask this? Every request outside a dialog passes here before anything else of
//! it is judged (RFC 3261 section 8.2: authentication is the first step).

use base::{Name, Now};

use super::Endpoint;
use crate::access::Guard;
use crate::dialog::leg::Party;
use crate::message::Message;
use crate::message::method::Method;
use crate::seam::{Flow, Trunk};
use crate::trunk::address;

/// Who asks something outside any dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A trunk, by its address.
    Trunk(Name),
    /// A user who proved the password.
    User(Name),
    /// Somebody who asks no more than what we can.
    Anyone,
}

impl Asker {
    /// Who would be at the other end of a call.
    pub(super) fn party(self) -> Option<Party> {
        match self {
            Self::Trunk(name) => Some(Party::Trunk(name)),
            Self::User(name) => Some(Party::User(name)),
            Self::Anyone => None,
        }
    }
}

impl Endpoint {
    /// Who asks, when that one may ask this; `None`: it was answered, or is met with silence.
    ///
    /// | source | REGISTER | OPTIONS | anything else |
    /// |---|---|---|---|
    /// | a trunk's address | proves a password | may | may |
    /// | an address and port that hold a registration | proves a password | may | proves a password |
    /// | any other | proves a password | by `answers_strangers` | proves a password |
    ///
    /// May means that the method then gets what it deserves, which can be a refusal. Who is not known hears
    /// 401, 403 or nothing, whatever the method: that tells a scanner neither what is here nor what we can.
    pub(super) fn ask_who(&mut self, now: Now, flow: Flow, request: &Message) -> Option<Asker> {
        let is_phone = self.registrar.holds(&flow);
        let trunk = if is_phone { None } else { self.trunk_at(&flow, request) };
        if *request.method() == Method::Options && self.is_shunned(now, &flow) {
            self.refused(flow.remote, "OPTIONS", 0, "banned");
            return None;
        }
        match (request.method(), trunk) {
            (Method::Register, _) => self.prove(now, flow, request).map(Asker::User),
            (_, Some(trunk)) => Some(Asker::Trunk(trunk)),
            (Method::Options, None) if is_phone || self.wire.directory.answers_strangers => {
                Some(Asker::Anyone)
            }
            (Method::Options, None) => {
                self.refused(flow.remote, "OPTIONS", 0, "stranger");
                None
            }
            (_, None) => self.user_of_from(now, flow, request).map(Asker::User),
        }
    }

    /// Whether the way alone says who this is.
    pub(super) fn is_known(&self, flow: &Flow) -> bool {
        let is_called = |trunk: &Trunk| trunk.targets.iter().any(|target| target.remote == flow.remote);
        let mut trunks = self.wire.directory.trunks.iter();
        self.registrar.holds(flow) || trunks.any(|trunk| self.wire.is_of(trunk, flow) || is_called(trunk))
    }

    /// Whether nothing from there is answered: banned, and neither trunk nor registered phone.
    pub(super) fn is_shunned(&self, now: Now, flow: &Flow) -> bool {
        self.guard.is_banned(now, flow.remote.ip()) && !self.is_known(flow)
    }

    /// Sends this answer, or the shorter one, if it is no more than half again as long as what was asked; tells
    /// its status, 0 for silence. A source address can be forged over UDP, and then whoever owns it gets the
    /// answer: an echo that is longer than the shout would make a weapon of us (reliability A11).
    pub(super) fn answer_modestly(
        &mut self,
        flow: Flow,
        asked: usize,
        answer: Message,
        shorter: impl FnOnce() -> Option<Message>,
    ) -> u16 {
        let answer = if self.is_modest(&flow, asked, &answer) {
            Some(answer)
        } else {
            shorter().filter(|shorter| self.is_modest(&flow, asked, shorter))
        };
        let Some(answer) = answer else { return 0 };
        self.wire.send(flow, answer.as_bytes().clone());
        answer.status().unwrap_or(0)
    }

    fn is_modest(&self, flow: &Flow, asked: usize, answer: &Message) -> bool {
        answer.as_bytes().len() * 2 <= asked * 3 || flow.transport.is_reliable() || self.is_known(flow)
    }

    /// 401, with fewer algorithms where all of them would be too much.
    pub(super) fn challenge(&mut self, now: Now, flow: Flow, request: &Message, stale: bool) -> u16 {
        let asked = request.as_bytes().len();
        for most in (1..=Guard::offered(&self.wire, &flow)).rev() {
            let draft = self.guard.challenge(now, &mut self.wire, request, &flow, stale, most);
            let answer = draft.finish();
            if self.is_modest(&flow, asked, &answer) {
                self.wire.send(flow, answer.as_bytes().clone());
                return 401;
            }
        }
        0
    }

    /// The user who proved the password, and does not pose as another in From.
    fn user_of_from(&mut self, now: Now, flow: Flow, request: &Message) -> Option<Name> {
        let user = self.prove(now, flow, request)?;
        let from = request.from().ok().and_then(|from| from.uri.user().map(std::borrow::Cow::into_owned));
        if from.as_deref() != Some(user.as_str()) {
            self.refuse_stateless(flow, request, 403, "forbidden");
            return None;
        }
        Some(user)
    }

    /// The trunk to which a way belongs, by its address or its certificate.
    ///
    /// An address and port that holds a registration is the seat's; everything else on a trunk's address is
    /// the trunk.
    ///
    /// Where several share the source, it is the one whose registration the request was sent to.
    fn trunk_at(&self, flow: &Flow, request: &Message) -> Option<Name> {
        let is_it = |trunk: &&Trunk| self.wire.is_of(trunk, flow);
        let mut trunks = self.wire.directory.trunks.iter().filter(is_it);
        let first = trunks.next()?;
        let called = request.uri().ok().map(|uri| address::number(&uri)).unwrap_or_default();
        let is_called = |trunk: &&Trunk| trunk.registration.as_ref().is_some_and(|own| own.user == called);
        let called = Some(first).filter(is_called).or_else(|| trunks.find(is_called));
        Some(called.unwrap_or(first).name.clone())
    }
}
