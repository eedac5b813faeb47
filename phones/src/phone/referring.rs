//! Transfers: REFER within a call, blind or with Replaces, and the NOTIFYs that follow (RFC 3515, RFC 3891).

use base::Now;
use rsip::Method;

use crate::call::{CallNo, Stage};
use crate::events::Event;
use crate::phone::Phone;
use crate::phone::asking::Why;
use crate::read::Read;
use crate::write;

/// What a call knows of its own REFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Referral {
    /// None was sent, or it was refused.
    #[default]
    None,
    /// Sent; a NOTIFY may be faster than its answer.
    Asked,
    /// Accepted.
    Open,
    /// The last NOTIFY came.
    Over,
}

impl Phone {
    /// Asks for the peer to be put through to `to`.
    pub(super) fn transfer(&mut self, now: Now, no: CallNo, to: &str) {
        let uri = match to.split_once(':') {
            Some(_) => to.to_owned(),
            None => format!("sip:{to}@{}", self.setup.domain),
        };
        self.refer(now, no, &format!("<{uri}>"));
    }

    /// Asks for the peer to be joined with the peer of the newest other call that is up.
    pub(super) fn join(&mut self, now: Now, no: CallNo) {
        let up = |(other, call): &(&CallNo, &crate::call::Call)| **other != no && call.stage == Stage::Up;
        let Some((_, other)) = self.calls.iter().rev().find(up) else {
            return self.saw(now, Some(no), Event::CannotDo("join without another call".into()));
        };
        let uri = other.dialog.remote.trim().trim_matches(['<', '>']).to_owned();
        let uri = uri.rsplit('<').next().unwrap_or_default().to_owned();
        let replaces = write::escaped(&other.replaces());
        self.refer(now, no, &format!("<{uri}?Replaces={replaces}>"));
    }

    fn refer(&mut self, now: Now, no: CallNo, refer_to: &str) {
        let headers = vec![
            ("Contact".to_string(), self.contact()),
            ("Refer-To".into(), refer_to.to_owned()),
            ("Referred-By".into(), format!("<sip:{}@{}>", self.setup.name, self.setup.domain)),
        ];
        if let Some(call) = self.calls.get_mut(&no) {
            call.referral = Referral::Asked;
        }
        self.ask_in_dialog(now, no, Method::Refer, headers, None, Why::Refer(no));
    }

    pub(super) fn refer_answered(&mut self, now: Now, no: CallNo, code: u16) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        if code < 300 {
            if call.referral == Referral::Asked {
                call.referral = Referral::Open;
            }
            self.saw(now, Some(no), Event::ReferAccepted);
        } else {
            call.referral = Referral::None;
            self.saw(now, Some(no), Event::RequestRefused(code));
        }
    }

    /// How far the transfer came. The subscription outlives the call.
    pub(super) fn take_notify(&mut self, now: Now, id: u64, no: CallNo, read: &Read) {
        self.bind_reply(id, no);
        let Some(call) = self.calls.get_mut(&no) else { return };
        if matches!(call.referral, Referral::None | Referral::Over) {
            // One that overtook its predecessor, or follows a refusal, is nobody's fault on a bad wire.
            return self.reply(now, id, 481, Vec::new(), None);
        }
        let state = read.value("subscription-state").unwrap_or_default().to_ascii_lowercase();
        let over = state.starts_with("terminated");
        call.referral = if over { Referral::Over } else { Referral::Open };
        let status = read.body.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        let mut must = |good: bool, text: &str| {
            if !good {
                self.fault(now, Some(no), format!("NOTIFY {text}"));
            }
        };
        must(read.value("event").is_some_and(|event| event.starts_with("refer")), "of another event");
        must(over || state.starts_with("active"), "without a state of the subscription");
        must(!read.contacts.is_empty(), "without a Contact");
        let kind = read.value("content-type").unwrap_or_default();
        must(kind.starts_with("message/sipfrag"), "with something else than a sipfrag");
        must(status.is_some(), "without a status line");
        must(over == status.is_some_and(|status| status >= 200), "whose state and status contradict");
        self.reply(now, id, 200, Vec::new(), None);
        if let Some(status) = status {
            self.saw(now, Some(no), Event::Notified { status, over });
        }
    }
}
