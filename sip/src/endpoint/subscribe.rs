//! SUBSCRIBE: who may watch whom, inside and outside a dialog (RFC 6665 section 4.2.1).

use base::{Name, Now};

use super::Endpoint;
use super::wire;
use crate::dialog::within::capabilities;
use crate::dialog::{Dialog, is_sips, leg};
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::Flow;
use crate::subscription::asking::{ALLOW_EVENTS, Asking, LEAST_SECONDS, Package};
use crate::subscription::watch::Watch;
use crate::subscription::{self};
use crate::transaction::Key;

impl Endpoint {
    /// A SUBSCRIBE outside any dialog, of a user who proved the password.
    pub(super) fn subscribe(&mut self, now: Now, key: &Key, flow: Flow, request: &Message, watcher: Name) {
        if self.is_draining {
            return self.overloaded(flow, request, "draining");
        }
        if self.wire.load() >= self.wire.limits.transactions || self.subscriptions.len() >= subscription::MOST
        {
            return self.overloaded(flow, request, "overload");
        }
        let asking = Asking::read(request);
        let target = asking.as_ref().map_err(|&status| status);
        let target = target.and_then(|asking| self.watched(&watcher, asking.package, request));
        let (asking, target) = match (asking, target) {
            (Ok(asking), Ok(target)) => (asking, target),
            (Err(status), _) | (_, Err(status)) => {
                return self.refuse_stateless(flow, request, status, "subscription");
            }
        };
        let merge = self.wire.keys.merge(request);
        if merge.as_ref().is_some_and(|merge| self.wire.is_merged(merge, key)) {
            return self.refuse_stateless(flow, request, 482, "merged");
        }
        let tag = self.wire.fresh_tag();
        let Ok(dialog) = Dialog::as_server(request, flow, &tag, None) else {
            return self.refuse_stateless(flow, request, 400, "contact");
        };
        self.wire.open(key, flow, false, merge);
        let granted = wire::reply(request, flow, 200, &tag)
            .header(Header::Expires, asking.seconds)
            .header(Header::Contact, dialog.contact(&self.wire, &flow))
            .finish();
        self.wire.respond(now.mono, key, &granted);
        let watch = Watch::new(now.mono, watcher, target, asking, dialog);
        self.subscriptions.begin(now.mono, &mut self.wire, watch);
    }

    /// Whom the request wants to watch, if it may; else the status that refuses it. Users of other lines and
    /// users that do not exist are refused alike.
    fn watched(&self, watcher: &Name, package: Package, request: &Message) -> Result<Name, u16> {
        let uri = request.uri().map_err(|_| 400_u16)?;
        let to = request.to().map_err(|_| 400_u16)?;
        let user = uri.user().or_else(|| to.uri.user()).ok_or(404_u16)?;
        let users = &self.wire.directory.users;
        let (target, _) = users.get_key_value(user.as_ref()).ok_or(404_u16)?;
        match package {
            Package::Dialog if self.wire.may_touch(watcher, target) => Ok(target.clone()),
            Package::MessageSummary if watcher == target => Ok(target.clone()),
            Package::Dialog | Package::MessageSummary => Err(404),
        }
    }

    /// The subscription in whose dialog this request is.
    pub(super) fn find_subscription(&self, request: &Message) -> Option<u64> {
        let index = leg::index(&request.call_id(), &request.to_tag()?);
        self.subscriptions.find(&index, &request.from_tag().unwrap_or_default())
    }

    /// A request inside the dialog of a subscription.
    pub(super) fn within_subscription(
        &mut self,
        now: Now,
        key: &Key,
        flow: Flow,
        id: u64,
        request: &Message,
    ) {
        if !self.is_watcher(now, flow, id, request) {
            return;
        }
        self.wire.open(key, flow, *request.method() == Method::Invite, None);
        let in_order = self.subscriptions.in_dialog(id, |watch| {
            let in_order = watch.dialog.takes_number(request.cseq().number);
            if in_order {
                watch.dialog.flow = flow;
            }
            in_order
        });
        let status = match request.method() {
            _ if in_order != Some(true) => Err(500),
            Method::Subscribe => self.renewed(now, id, request),
            Method::Options => Ok(None),
            // There is no call in this dialog.
            _ => Err(481),
        };
        let answer = wire::reply(request, flow, status.err().unwrap_or(200), "");
        let answer = match status {
            Ok(Some(seconds)) => {
                let contact = self.wire.contact_as(&flow, is_sips(request, &flow));
                answer.header(Header::Expires, seconds).header(Header::Contact, contact)
            }
            Ok(None) => capabilities(answer),
            Err(status) => explained(answer, status),
        };
        self.wire.respond(now.mono, key, &answer.finish());
        self.subscriptions.expire(now.mono, &mut self.wire);
    }

    /// Refreshes or ends; the seconds that were granted, or the status that refuses.
    fn renewed(&mut self, now: Now, id: u64, request: &Message) -> Result<Option<u32>, u16> {
        let asking = Asking::read(request)?;
        if !self.subscriptions.renew(now.mono, id, &asking) {
            return Err(481);
        }
        self.subscriptions.in_dialog(id, |watch| watch.dialog.refresh_target(request));
        Ok(Some(asking.seconds))
    }

    /// Tags can be overheard: from a new address the password is asked for. `false`: it was answered.
    fn is_watcher(&mut self, now: Now, flow: Flow, id: u64, request: &Message) -> bool {
        let Some(watch) = self.subscriptions.watch(id) else { return false };
        if watch.dialog.flow.remote.ip() == flow.remote.ip() {
            return true;
        }
        let watcher = watch.watcher.clone();
        let Some(proved) = self.prove(now, flow, request) else { return false };
        if proved != watcher {
            self.refuse_stateless(flow, request, 403, "forbidden");
        }
        proved == watcher
    }
}

/// What a refusal of a SUBSCRIBE says beside its status.
pub(super) fn explained(draft: Draft, status: u16) -> Draft {
    match status {
        489 => draft.header(Header::AllowEvents, ALLOW_EVENTS),
        423 => draft.header(Header::MinExpires, LEAST_SECONDS),
        _ => draft,
    }
}
