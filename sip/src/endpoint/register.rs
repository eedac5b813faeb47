//! REGISTER: who is it, and what is asked (RFC 3261 section 10.3).

use base::{Name, Now};

use super::Endpoint;
use super::wire;
use crate::access::Verdict;
use crate::message::Message;
use crate::message::name::Header;
use crate::registrar::Refusal;
use crate::registrar::binding::{Registration, Wrong};
use crate::seam::Flow;
use crate::transaction::Key;

impl Endpoint {
    /// A REGISTER of a user who proved the password.
    pub(super) fn register(&mut self, now: Now, key: &Key, flow: Flow, request: &Message, user: &Name) {
        let owner = request.to().ok().and_then(|to| to.uri.user().map(|user| Name::from(user.as_ref())));
        if owner.as_ref() != Some(user) {
            self.refuse_stateless(flow, request, 403, "forbidden");
            return;
        }
        // A phone that is registered is served even under overload: it would only ask again.
        let is_known = !self.registrar.bindings(user).is_empty();
        if self.wire.load() >= self.wire.limits.transactions && !is_known {
            self.overloaded(flow, request, "overload");
            return;
        }
        // No copy by another way is 482 (section 8.2.2.2): to register twice does no harm, and a phone that is told
        // 482 until its first transaction ends cannot be called.
        self.wire.open(key, flow, false, None);
        let limits = self.wire.limits;
        let asked = Registration::read(request, flow, &limits, &mut self.wire.entropy);
        let outcome = match asked {
            Ok(asked) => self.registrar.register(now.mono, &mut self.wire, user, &asked).map_err(|refusal| {
                match refusal {
                    Refusal::OutOfOrder => 500,
                    Refusal::Full => 503,
                }
            }),
            Err(Wrong::Contact) => Err(400),
            Err(Wrong::TooBrief) => Err(423),
        };
        let status = outcome.err().unwrap_or(200);
        let tag = self.wire.fresh_tag();
        let mut draft = wire::reply(request, flow, status, &tag);
        match status {
            200 => {
                for binding in self.registrar.bindings(user) {
                    draft = draft.header(Header::Contact, binding.told(now.mono));
                }
            }
            423 => draft = draft.header(Header::MinExpires, limits.min_expires.as_secs()),
            503 => draft = draft.header(Header::RetryAfter, self.wire.retry_after()),
            _ => {}
        }
        self.wire.respond(now.mono, key, &draft.finish());
        if status != 200 {
            self.refused(flow.remote, "REGISTER", status, "registration");
        }
    }

    /// The user who proved a password; otherwise the answer has been given.
    pub(super) fn prove(&mut self, now: Now, flow: Flow, request: &Message) -> Option<Name> {
        let verdict = self.guard.judge(now, &mut self.wire, &self.registrar, request, &flow);
        let (stale, why) = match verdict {
            Verdict::Proved(user) => return Some(user),
            Verdict::Banned => {
                self.refused(flow.remote, request.method().as_str(), 0, "banned");
                return None;
            }
            Verdict::Challenge { stale } => (stale, None),
            Verdict::Wrong => (false, Some("auth")),
        };
        let sent = self.challenge(now, flow, request, stale);
        if let Some(why) = why.or((sent == 0).then_some("amplifies")) {
            self.refused(flow.remote, request.method().as_str(), sent, why);
        }
        None
    }
}
