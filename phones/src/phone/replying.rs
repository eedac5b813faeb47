//! Server transactions (RFC 3261 §17.2): requests in, repetitions absorbed, answers out and repeated.

use std::net::SocketAddr;
use std::time::Duration;

use base::Now;
use rsip::Method;

use crate::call::{CallNo, Stage};
use crate::events::Event;
use crate::phone::{MAX_REPLYING, PATIENCE, Phone, T1, T2, T4};
use crate::read::{Read, host_address, user_of};
use crate::timers::Timer;
use crate::write;

#[derive(Clone, Debug)]
pub(super) struct Replying {
    key: String,
    pub(super) read: Box<Read>,
    source: SocketAddr,
    /// Where answers go (RFC 3261 §18.2.2, RFC 3581 §4).
    pub(super) to: SocketAddr,
    pub(super) call: Option<CallNo>,
    last: Option<Vec<u8>>,
    pub(super) code: u16,
    pause: Duration,
    confirmed: bool,
}

impl Phone {
    pub(super) fn take_request(
        &mut self,
        now: Now,
        source: SocketAddr,
        method: Method,
        uri: &str,
        read: &Read,
    ) {
        let matched = if method == Method::Ack { Method::Invite } else { method };
        let key = format!("{} {} {matched}", read.branch(), read.sent_by());
        let known = self.reply_ids.get(&key).copied();
        if method == Method::Ack {
            return self.take_ack(now, known, read);
        }
        if let Some(id) = known {
            return self.repeat_last(id);
        }
        if self.replying.len() >= MAX_REPLYING {
            return;
        }
        let id = self.mint();
        let to = match read.via_param("rport") {
            Some(_) => source,
            None => SocketAddr::new(source.ip(), host_address(read.sent_by()).map_or(5060, |a| a.port())),
        };
        let replying = Replying {
            key: key.clone(),
            read: Box::new(read.clone()),
            source,
            to,
            call: None,
            last: None,
            code: 0,
            pause: T1,
            confirmed: false,
        };
        self.replying.insert(id, replying);
        self.reply_ids.insert(key, id);
        self.dispatch(now, id, method, uri, read);
        // A transaction without any answer (a phone that plays dead) is forgotten, as if never received.
        if self.replying.get(&id).is_some_and(|replying| replying.last.is_none() && replying.call.is_none()) {
            self.timers.set(Timer::ReplyEnds(id), now.mono + PATIENCE);
        }
    }

    fn dispatch(&mut self, now: Now, id: u64, method: Method, uri: &str, read: &Read) {
        if let Some(required) = read.value("require") {
            let required = required.to_string();
            let call = self.call_ids.get(&read.call_id).copied();
            self.fault(now, call, format!("{method} requires {required}, which we never said to support"));
            return self.reply(now, id, 420, vec![("Unsupported".into(), required)], None);
        }
        match (method, &read.to.tag) {
            (Method::Cancel, _) => self.take_cancel(now, id, read),
            (Method::Options, None) => {
                if self.setup.answers_options {
                    let accept = ("Accept".to_string(), "application/sdp".to_string());
                    self.reply(now, id, 200, vec![allow(), accept], None);
                }
            }
            (Method::Invite, None) => self.take_call(now, id, uri, read),
            (_, Some(_)) => self.take_in_dialog(now, id, method, uri, read),
            (Method::Bye | Method::Update, None) => {
                self.fault(now, None, format!("{method} without a To tag"));
                self.reply(now, id, 481, Vec::new(), None);
            }
            (_, None) => self.reply(now, id, 405, vec![allow()], None),
        }
    }

    /// Requests that belong to a call: tags, CSeq and Request-URI are judged (RFC 3261 §12.2.2).
    fn take_in_dialog(&mut self, now: Now, id: u64, method: Method, uri: &str, read: &Read) {
        let found = self.call_ids.get(&read.call_id).copied();
        let Some((no, call)) = found.and_then(|no| self.calls.get_mut(&no).map(|call| (no, call))) else {
            return self.reply(now, id, 481, Vec::new(), None);
        };
        let dialog = &mut call.dialog;
        let tags = read.to.tag.as_ref() == Some(&dialog.local_tag)
            && (dialog.remote_tag.is_none() || read.from.tag == dialog.remote_tag);
        if !tags {
            self.fault(now, Some(no), format!("{method} with other tags than its dialog's"));
            return self.reply(now, id, 481, Vec::new(), None);
        }
        // A request may be overtaken when its first sending was lost: it gets its 500 (§12.2.2), and only a
        // number that was used before, or lies before the first, is the sender's fault.
        let last = dialog.remote_seqs.iter().max().copied();
        let wrong = dialog.remote_seqs.contains(&read.seq)
            || (!call.caller && dialog.remote_seqs.front().is_some_and(|first| read.seq < *first));
        dialog.remember_seq(read.seq);
        let ended = call.stage == Stage::Ended;
        let overtaken = last.is_some_and(|last| read.seq <= last);
        if overtaken && matches!(method, Method::Invite | Method::Update) {
            call.session.refuse_offer(&read.body);
        }
        if wrong {
            self.fault(now, Some(no), format!("{method} with CSeq {} after {last:?}", read.seq));
        }
        if overtaken {
            return self.reply(now, id, 500, Vec::new(), None);
        }
        let local = self.setup.local_sip;
        if crate::read::address_of(uri) != Some(local) || user_of(uri) != self.setup.name {
            self.fault(now, Some(no), format!("{method} to {uri:?}, which is not our Contact"));
        }
        if method == Method::Notify {
            return self.take_notify(now, id, no, read);
        }
        if ended {
            return self.reply(now, id, 481, Vec::new(), None);
        }
        match method {
            Method::Bye => self.take_bye(now, id, no, read),
            Method::Invite | Method::Update => self.take_offer(now, id, no, method, read),
            Method::Info => self.take_info(now, id, no, read),
            Method::Options => self.reply(now, id, 200, vec![allow()], None),
            _ => self.reply(now, id, 405, vec![allow()], None),
        }
    }

    fn take_ack(&mut self, now: Now, known: Option<u64>, read: &Read) {
        let Some(replying) = known.and_then(|id| self.replying.get_mut(&id)) else {
            return self.take_accept_ack(now, read);
        };
        if replying.code < 300 {
            let call = replying.call;
            self.fault(now, call, "ACK of a 2xx with the branch of its INVITE");
            return self.take_accept_ack(now, read);
        }
        if std::mem::replace(&mut replying.confirmed, true) {
            return;
        }
        let (seq, tag, call) = (replying.read.seq, read.to.tag.is_some(), replying.call);
        if let Some(id) = known {
            self.timers.stop(Timer::Reply(id));
            // Timer I.
            self.timers.set(Timer::ReplyEnds(id), now.mono + T4);
        }
        if seq != read.seq || !tag {
            self.fault(now, call, "ACK of a refusal with another CSeq or without a To tag");
        }
        self.refusal_acknowledged(now, call);
    }

    fn repeat_last(&mut self, id: u64) {
        if let Some(replying) = self.replying.get(&id)
            && let Some(bytes) = replying.last.clone()
        {
            let to = replying.to;
            self.send(to, bytes);
        }
    }

    /// Answers, and sets the transaction's timers.
    pub(super) fn reply(
        &mut self,
        now: Now,
        id: u64,
        code: u16,
        headers: Vec<(String, String)>,
        body: Option<(&str, &str)>,
    ) {
        let fresh_tag = self.entropy.token(6);
        let Some(replying) = self.replying.get_mut(&id) else { return };
        let tag = replying.call.and_then(|no| self.calls.get(&no)).map(|call| call.dialog.local_tag.clone());
        // 100 may have no tag; everything else has the dialog's, or one of its own (§8.2.6.2).
        let tag = (code > 100).then(|| tag.unwrap_or(fresh_tag));
        let read = &replying.read;
        let invite = read.method == Method::Invite;
        let mut headers = headers;
        if invite && (101..300).contains(&code) {
            headers.extend(read.values("record-route").map(|v| ("Record-Route".to_string(), v.to_string())));
        }
        let bytes = write::response(read, replying.source, code, tag.as_deref(), &headers, body);
        replying.last = Some(bytes.clone());
        replying.code = code;
        let to = replying.to;
        self.send(to, bytes);
        if code >= 200 {
            // Timers H, J and L are all 64·T1.
            self.timers.set(Timer::ReplyEnds(id), now.mono + PATIENCE);
            if invite && code >= 300 && self.setup.repeats {
                self.timers.set(Timer::Reply(id), now.mono + T1);
            }
        }
    }

    pub(super) fn reply_again(&mut self, now: Now, id: u64) {
        let Some(replying) = self.replying.get_mut(&id).filter(|replying| !replying.confirmed) else {
            return;
        };
        replying.pause = (replying.pause * 2).min(T2);
        self.timers.set(Timer::Reply(id), now.mono + replying.pause);
        self.repeat_last(id);
    }

    pub(super) fn reply_ends(&mut self, now: Now, id: u64) {
        self.timers.stop(Timer::Reply(id));
        let Some(replying) = self.replying.remove(&id) else { return };
        self.reply_ids.remove(&replying.key);
        if replying.read.method == Method::Invite && replying.code >= 300 && !replying.confirmed {
            self.saw(now, replying.call, Event::Silence("ACK of a refusal".into()));
            self.refusal_acknowledged(now, replying.call);
        }
    }

    fn refusal_acknowledged(&mut self, now: Now, call: Option<CallNo>) {
        let Some(no) = call else { return };
        // A refused re-INVITE leaves its call up.
        if self.calls.get(&no).is_some_and(|call| call.stage == Stage::Leaving && !call.caller) {
            self.end_call(now, no);
        }
    }

    /// Ties a transaction to its call: its answers carry the dialog's tag.
    pub(super) fn bind_reply(&mut self, id: u64, no: CallNo) {
        if let Some(replying) = self.replying.get_mut(&id) {
            replying.call = Some(no);
        }
    }

    pub(super) fn reply_of(&self, key: &str) -> Option<(u64, &Replying)> {
        let id = *self.reply_ids.get(key)?;
        Some((id, self.replying.get(&id)?))
    }
}

pub(super) fn allow() -> (String, String) {
    ("Allow".to_string(), super::ALLOW.to_string())
}
