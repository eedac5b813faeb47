//! One subscription: what its watcher was told last, and what it is to be told next (RFC 6665 section 4.2).

use std::time::Duration;

use base::{Mono, Name};

use super::asking::{Asking, Package};
use super::dialog_info;
use crate::dialog::Dialog;
use crate::dialog::leg::{Index, index};
use crate::endpoint::wire::{Owner, Wire};
use crate::header::event::EventType;
use crate::header::subscription_state::{Ending, SubscriptionState};
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::{Lamp, LampCall};
use crate::transaction::Key;

/// A watcher's subscription, with the dialog that it lives in.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(super) id: u64,
    pub(super) index: Index,
    /// Who watches.
    pub(crate) watcher: Name,
    /// Whom.
    pub(super) target: Name,
    package: Package,
    event: EventType,
    pub(crate) dialog: Dialog,
    /// When it was granted last: the one that was quiet longest goes first.
    pub(super) granted: Mono,
    expires: Mono,
    /// It is to end, and the watcher has yet to be told.
    ending: Option<Ending>,
    /// The NOTIFY that has no answer yet: there is never a second one beside it.
    out: Option<Key>,
    /// There are news, to be told from then on.
    due: Option<Mono>,
    version: u32,
    shown: Vec<LampCall>,
}

/// Whether there is anything left of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Stays,
    Gone,
}

impl Watch {
    /// A subscription that was granted now. One of no seconds is told of once and ends.
    pub(crate) fn new(now: Mono, watcher: Name, target: Name, asking: Asking, dialog: Dialog) -> Self {
        let index = index(&dialog.call_id, &dialog.local_tag);
        let Asking { package, event, seconds } = asking;
        let mut watch = Self {
            id: 0,
            index,
            watcher,
            target,
            package,
            event,
            dialog,
            granted: now,
            expires: now,
            ending: None,
            out: None,
            due: None,
            version: 0,
            shown: Vec::new(),
        };
        watch.grant(now, seconds);
        watch
    }

    /// Whether a SUBSCRIBE inside its dialog is about it.
    pub(super) fn is_about(&self, asking: &Asking) -> bool {
        self.ending.is_none() && self.package == asking.package && self.event == asking.event
    }

    /// Granted anew, from now on; the whole state is told at once (RFC 6665 section 4.2.1.2).
    pub(super) fn grant(&mut self, now: Mono, seconds: u32) {
        self.granted = now;
        self.expires = now + Duration::from_secs(seconds.into());
        self.due = Some(now);
        if seconds == 0 {
            self.ending = Some(Ending::Timeout);
        }
    }

    /// What it shows has changed: told soon, with whatever changes until then.
    pub(super) fn changed(&mut self, now: Mono) {
        self.due = self.due.or(Some(now + COALESCE));
    }

    /// It is to end, for this reason.
    pub(super) fn end(&mut self, now: Mono, reason: Ending) {
        self.ending = self.ending.take().or(Some(reason));
        self.due = Some(now);
    }

    pub(super) fn shows_lamps(&self) -> bool {
        self.package == Package::Dialog
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let due = self.due.filter(|_| self.out.is_none());
        let expires = Some(self.expires).filter(|_| self.ending.is_none());
        base::time::soonest(due, expires)
    }

    pub(super) fn expire(&mut self, now: Mono, wire: &mut Wire, lamp: Option<&Lamp>) -> Left {
        if self.ending.is_none() && self.expires <= now {
            self.end(now, Ending::Timeout);
        }
        self.tell(now, wire, lamp)
    }

    /// Sends what is due, unless the NOTIFY before it has no answer yet.
    pub(super) fn tell(&mut self, now: Mono, wire: &mut Wire, lamp: Option<&Lamp>) -> Left {
        if self.out.is_some() || self.due.is_none_or(|due| due > now) {
            return Left::Stays;
        }
        if wire.load() >= wire.limits.transactions {
            self.due = Some(now + UNDER_LOAD);
            return Left::Stays;
        }
        self.due = None;
        // What comes of the last one changes nothing any more.
        let owner = if self.ending.is_some() { Owner::Nobody } else { Owner::Watch(self.id) };
        self.out = self.notify(now, wire, lamp, owner);
        if self.ending.is_some() || self.out.is_none() { Left::Gone } else { Left::Stays }
    }

    fn notify(&mut self, now: Mono, wire: &mut Wire, lamp: Option<&Lamp>, owner: Owner) -> Option<Key> {
        let state = match &self.ending {
            Some(reason) => SubscriptionState::Terminated { reason: reason.clone() },
            None => SubscriptionState::Active { expires: whole_seconds(self.expires.since(now)) },
        };
        let (flow, draft) = self.dialog.request(wire, &Method::Notify)?;
        let body = self.body(&wire.directory.realm, lamp);
        let request = draft
            .header(Header::Contact, self.dialog.contact(wire, &flow))
            .header(Header::Event, &self.event)
            .header(Header::SubscriptionState, state)
            .body(self.package.content_type(), body)
            .finish();
        wire.request(now, flow, request, owner)
    }

    fn body(&mut self, realm: &str, lamp: Option<&Lamp>) -> String {
        match self.package {
            Package::Dialog => {
                let none = Lamp::default();
                let lamp = lamp.unwrap_or(&none);
                let xml = dialog_info::write(realm, &self.target, self.version, lamp, &self.shown);
                self.version = self.version.wrapping_add(1);
                self.shown.clone_from(&lamp.calls);
                xml
            }
            // There are no mailboxes, so that nothing can wait in one.
            Package::MessageSummary => {
                let account = dialog_info::address(&self.target, realm);
                format!("Messages-Waiting: no\r\nMessage-Account: {account}\r\n")
            }
        }
    }

    /// The watcher answered the NOTIFY `key`. Who refuses one watches no more (RFC 6665 section 4.2.2), unless
    /// it says when to come again.
    pub(super) fn notified(&mut self, now: Mono, key: &Key, status: u16, later: Option<u32>) -> Left {
        if status < 200 || self.out.take_if(|out| out == key).is_none() {
            return Left::Stays;
        }
        match (status, later) {
            (200..300, _) => Left::Stays,
            (500.., Some(seconds)) => {
                let pause = Duration::from_secs(seconds.into()).min(LONGEST_PAUSE);
                self.due = Some(now + pause);
                Left::Stays
            }
            _ => Left::Gone,
        }
    }

    /// Whether the NOTIFY `key` is the one that is out.
    pub(super) fn waits_for(&self, key: &Key) -> bool {
        self.out.as_ref() == Some(key)
    }
}

/// Rounded up: no watcher must be told that its subscription is over while it is not.
fn whole_seconds(span: Duration) -> u32 {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// A queue that rings ten seats changes ten lamps at once; a phone is told once.
const COALESCE: Duration = Duration::from_millis(100);
/// Lamps can wait while calls cannot.
const UNDER_LOAD: Duration = Duration::from_secs(1);
/// A watcher that asks for a longer pause than this is asked again all the same.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
