//! REGISTER: who is it, and what is asked (RFC 3261 section 10.3).

use base::{Name, Now};

use super::Endpoint;
use super::wire;
use crate::access::Verdict;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;
use crate::registrar::Refusal;
use crate::registrar::binding::{OUTBOUND, Registration, Wrong};
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
            Ok(asked) => match self.registrar.register(now.mono, &mut self.wire, user, &asked) {
                Ok(moved) => {
                    for moved in moved {
                        self.legs.moved(user, moved);
                        self.wire.moved(moved);
                    }
                    Ok(())
                }
                Err(Refusal::OutOfOrder) => Err(500),
                Err(Refusal::Full) => Err(503),
            },
            Err(Wrong::Contact) => Err(400),
            Err(Wrong::TooBrief) => Err(423),
            Err(Wrong::NoOutbound) => Err(439),
        };
        let status = outcome.err().unwrap_or(200);
        let tag = self.wire.fresh_tag();
        let mut draft = wire::reply(request, flow, status, &tag);
        match status {
            200 => draft = self.registered(now, draft, flow, request, user),
            423 => draft = draft.header(Header::MinExpires, limits.min_expires.as_secs()),
            503 => draft = draft.header(Header::RetryAfter, self.wire.retry_after()),
            _ => {}
        }
        self.wire.respond(now.mono, key, &draft.finish());
        if status != 200 {
            self.refused(flow.remote, "REGISTER", status, "registration");
        }
    }

    /// What the 200 tells: every binding, the Path as it came (RFC 3327 section 5.3), and what was agreed on.
    fn registered(&self, now: Now, draft: Draft, flow: Flow, request: &Message, user: &Name) -> Draft {
        let bindings = self.registrar.bindings(user);
        let mut draft = draft.copied(request, Header::Path).header(Header::Supported, REGISTRAR_SUPPORTED);
        for binding in bindings {
            draft = draft.header(Header::Contact, binding.told(now.mono));
        }
        if bindings.iter().any(|binding| binding.outbound && binding.flow == flow) {
            draft = draft.header(Header::Require, OUTBOUND).header_named("Flow-Timer", FLOW_TIMER);
        }
        draft
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

/// What the registrar knows beyond what calls do.
pub(super) const REGISTRAR_SUPPORTED: &str = "path, outbound";
/// Seconds within which a phone with outbound is to send a keep-alive (RFC 5626 section 4.4): below what
/// NATs grant to streams, above what a battery minds.
const FLOW_TIMER: u32 = 60;
