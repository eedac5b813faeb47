//! REFER inside a dialog, and what its sender is told of what came of it (RFC 3515, RFC 4488).
//!
//! A dialog has one referral at a time. Of its NOTIFYs one is out at a time, because two could overtake each
//! other and the later one, with the lower number, would be refused; what comes meanwhile waits, and only the
//! last of it is told. The subscription may outlive the call (RFC 5057 section 4): see `Lingering`.

use std::time::Duration;

use base::Mono;

use super::Dialog;
use super::within::Asked;
use crate::endpoint::step::Step;
use crate::endpoint::wire::{self, Owner};
use crate::header::event::EventType;
use crate::header::subscription_state::{Ending, SubscriptionState};
use crate::message::Message;
use crate::message::draft::{Draft, reason_phrase};
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::{Event, Refer};
use crate::transaction::{Key, PATIENCE};

/// What the peer of a dialog asks for, and what it has yet to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Referral {
    stage: Stage,
    /// One was accepted before: from the second on an id tells them apart (RFC 3515 section 2.4.6).
    is_repeated: bool,
    /// Our BYE is out: what overtook it would be refused, or make it refused (RFC 3261 section 12.2.2).
    is_held: bool,
}

#[derive(Clone, Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// The control has yet to answer.
    Asked(Box<Waiting>),
    /// Accepted; the control reports.
    Told(Box<Subscription>),
}

#[derive(Clone, Debug)]
struct Waiting {
    key: Key,
    request: Message,
    ends: Mono,
}

/// The subscription that a REFER makes.
#[derive(Clone, Debug)]
struct Subscription {
    event: EventType,
    /// The peer wants to hear nothing (`Refer-Sub: false`).
    is_silent: bool,
    ends: Mono,
    /// The status that was reported last.
    last: u16,
    /// What is to be told next.
    next: Option<Next>,
    out: Option<Key>,
    /// How many NOTIFYs went out.
    count: u32,
    /// The last NOTIFY is out.
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Going,
    Done,
    TimedOut,
}

impl Referral {
    /// A REFER came; `judged` is what it asks for, or why not.
    pub(crate) fn asked(&mut self, step: &mut Step, asked: Asked, judged: Result<Refer, u16>) {
        if !matches!(self.stage, Stage::Idle) {
            return asked.answer(step, 491);
        }
        match judged {
            Ok(refer) => {
                let ends = step.now + CONTROL_PATIENCE;
                let waiting = Waiting { key: asked.key.clone(), request: asked.request.clone(), ends };
                self.stage = Stage::Asked(Box::new(waiting));
                step.wire.tell(Event::Referred { leg: step.id, refer: Box::new(refer) });
            }
            Err(status) => asked.answer_allowing(step, status),
        }
    }

    /// The control takes it up: 202, and the first NOTIFY.
    pub(crate) fn accept(&mut self, step: &mut Step, dialog: &mut Dialog) {
        let Some(waiting) = self.waiting() else { return };
        let is_silent = waiting
            .request
            .header(Header::ReferSub)
            .is_some_and(|value| value.text().trim().eq_ignore_ascii_case("false"));
        let mut draft = wire::reply(&waiting.request, dialog.flow, 202, &dialog.local_tag)
            .header(Header::Contact, dialog.contact(step.wire, &dialog.flow));
        if is_silent {
            draft = draft.header(Header::ReferSub, "false");
        }
        step.wire.respond(step.now, &waiting.key, &draft.finish());
        let id = self.is_repeated.then(|| waiting.request.cseq().number.to_string());
        self.is_repeated = true;
        let subscription = Subscription {
            event: EventType { package: PACKAGE.to_owned(), id },
            is_silent,
            ends: step.now + LONGEST,
            last: 100,
            next: Some(Next::Going),
            out: None,
            count: 0,
            is_over: false,
        };
        self.stage = Stage::Told(Box::new(subscription));
        self.tell(step, dialog);
    }

    /// The control refuses it, or the dialog ends before it could answer.
    pub(crate) fn refuse(&mut self, step: &mut Step, dialog: &Dialog, status: u16) {
        let Some(waiting) = self.waiting() else { return };
        let status = if (300..700).contains(&status) { status } else { 603 };
        let response = wire::reply(&waiting.request, dialog.flow, status, &dialog.local_tag).finish();
        step.wire.respond(step.now, &waiting.key, &response);
    }

    /// The control says how far it came.
    pub(crate) fn progress(&mut self, step: &mut Step, dialog: &mut Dialog, status: u16) {
        let Stage::Told(subscription) = &mut self.stage else { return };
        if subscription.is_over || subscription.next.is_some_and(|next| next != Next::Going) {
            return;
        }
        let status = if (100..700).contains(&status) { status } else { 500 };
        let is_final = status >= 200;
        let is_news = status != subscription.last && subscription.count < MOST_NOTIFIES;
        subscription.last = status;
        if is_final {
            subscription.next = Some(Next::Done);
        } else if is_news {
            subscription.next = Some(Next::Going);
        }
        self.tell(step, dialog);
    }

    /// A SUBSCRIBE of the peer, which refreshes or ends its subscription (RFC 3515 section 2.4.4).
    pub(crate) fn subscribe(&mut self, step: &mut Step, dialog: &mut Dialog, asked: Asked) {
        let event = asked.request.header(Header::Event).map(|value| EventType::parse(&value.text()));
        let Some(Ok(event)) = event else { return asked.answer(step, 400) };
        if event.package != PACKAGE {
            return asked.answer_with(step, 489, |draft| draft.header(Header::AllowEvents, PACKAGE));
        }
        let subscription = match &mut self.stage {
            Stage::Told(subscription) if !subscription.is_silent && !subscription.is_over => subscription,
            _ => return asked.answer(step, 481),
        };
        if subscription.event != event {
            return asked.answer(step, 481);
        }
        let left = seconds(subscription.ends.since(step.now));
        // It ends when the transfer does; no refresh makes it longer than that.
        let granted = asked.request.number(Header::Expires).unwrap_or(left).min(left);
        let contact = dialog.contact(step.wire, &dialog.flow);
        asked.answer_with(step, 200, |draft| {
            draft.header(Header::Expires, granted).header(Header::Contact, contact)
        });
        if subscription.next != Some(Next::Done) {
            subscription.next = Some(if granted == 0 { Next::TimedOut } else { Next::Going });
        }
        self.tell(step, dialog);
    }

    /// The peer answered a NOTIFY. Whoever refuses one has no use for more (RFC 6665 section 4.2.2).
    pub(crate) fn notified(&mut self, step: &mut Step, dialog: &mut Dialog, key: &Key, status: u16) {
        let Stage::Told(subscription) = &mut self.stage else { return };
        if status < 200 || subscription.out.take_if(|out| out == key).is_none() {
            return;
        }
        if status >= 300 || subscription.is_over {
            self.stage = Stage::Idle;
            return;
        }
        self.tell(step, dialog);
    }

    /// Nobody answered a NOTIFY.
    pub(crate) fn unheard(&mut self, key: &Key) {
        if matches!(&self.stage, Stage::Told(subscription) if subscription.out.as_ref() == Some(key)) {
            self.stage = Stage::Idle;
        }
    }

    /// Whether the peer has yet to be told something, so that the dialog must live on.
    pub(crate) fn lives(&self) -> bool {
        matches!(&self.stage, Stage::Told(subscription) if !subscription.is_silent)
    }

    /// Whether a NOTIFY is out or about to go.
    pub(crate) fn is_telling(&self) -> bool {
        let Stage::Told(subscription) = &self.stage else { return false };
        !subscription.is_silent && (subscription.out.is_some() || subscription.next.is_some())
    }

    /// Keeps what is to be told back until the BYE was answered.
    pub(crate) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Tells what was kept back.
    pub(crate) fn release(&mut self, step: &mut Step, dialog: &mut Dialog) {
        self.is_held = false;
        self.tell(step, dialog);
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Asked(waiting) => Some(waiting.ends),
            Stage::Told(subscription) => Some(subscription.ends),
        }
    }

    pub(crate) fn expire(&mut self, step: &mut Step, dialog: &mut Dialog) {
        if self.deadline().is_none_or(|at| at > step.now) {
            return;
        }
        match &mut self.stage {
            Stage::Idle => {}
            Stage::Asked(_) => self.refuse(step, dialog, 500),
            Stage::Told(subscription) => {
                if subscription.is_silent || subscription.is_over || subscription.next == Some(Next::TimedOut)
                {
                    self.stage = Stage::Idle;
                    return;
                }
                subscription.next = Some(Next::TimedOut);
                subscription.ends = step.now + PATIENCE;
                self.tell(step, dialog);
            }
        }
    }

    fn waiting(&mut self) -> Option<Box<Waiting>> {
        match std::mem::take(&mut self.stage) {
            Stage::Asked(waiting) => Some(waiting),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Sends what is to be told, unless a NOTIFY is still out or all are held back.
    fn tell(&mut self, step: &mut Step, dialog: &mut Dialog) {
        let Stage::Told(subscription) = &mut self.stage else { return };
        if self.is_held || subscription.out.is_some() {
            return;
        }
        let Some(next) = subscription.next.take() else { return };
        subscription.is_over = next != Next::Going;
        if subscription.is_silent {
            if subscription.is_over {
                self.stage = Stage::Idle;
            }
            return;
        }
        subscription.count += 1;
        if subscription.is_over {
            // From here on only the NOTIFY's own transaction counts.
            subscription.ends = subscription.ends.max(step.now + PATIENCE);
        }
        let request = dialog.request(step.wire, &Method::Notify);
        let sent = request.and_then(|(flow, draft)| {
            let draft = draft.header(Header::Contact, dialog.contact(step.wire, &flow));
            let request = subscription.write(step.now, next, draft).finish();
            step.wire.request(step.now, flow, request, Owner::Notify(step.id))
        });
        match sent {
            Some(key) => subscription.out = Some(key),
            None => self.stage = Stage::Idle,
        }
    }
}

impl Subscription {
    fn write(&self, now: Mono, next: Next, draft: Draft) -> Draft {
        let state = match next {
            Next::Going => SubscriptionState::Active { expires: seconds(self.ends.since(now)) },
            Next::Done => SubscriptionState::Terminated { reason: Ending::NoResource },
            Next::TimedOut => SubscriptionState::Terminated { reason: Ending::Timeout },
        };
        draft
            .header(Header::Event, &self.event)
            .header(Header::SubscriptionState, state)
            .body(SIPFRAG, sipfrag(self.last))
    }
}

/// A status line, the least that a fragment must hold (RFC 3515 section 2.4.5).
fn sipfrag(status: u16) -> String {
    format!("SIP/2.0 {status} {}\r\n", reason_phrase(status))
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// The event package of REFER.
const PACKAGE: &str = "refer";
/// RFC 3420, as RFC 3515 section 2.4.5 wants it.
const SIPFRAG: &str = "message/sipfrag;version=2.0";
/// How long the control may think: it answers at once, so this frees only what it forgot.
const CONTROL_PATIENCE: Duration = Duration::from_secs(10);
/// A transfer rings three minutes at most, so that its outcome is known by then.
const LONGEST: Duration = Duration::from_mins(4);
/// The most NOTIFYs of one REFER before its last: a target that rings is told of a few times, not hundreds.
const MOST_NOTIFIES: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Carriage;

    /// RFC 3420: a fragment is the beginning of a message.
    #[test]
    fn every_status_is_told_in_a_line_that_our_own_parser_reads() {
        let rest = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n\
                    CSeq: 1 INVITE\r\n\r\n";
        for status in 100..700 {
            let whole = format!("{}{rest}", sipfrag(status));
            let message = Message::parse(whole.into(), Carriage::Datagram).unwrap();
            assert_eq!(message.status(), Some(status));
        }
    }
}
