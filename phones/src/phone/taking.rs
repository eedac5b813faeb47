//! Calls that come in, and what the peer asks within a call.

use std::collections::VecDeque;

use base::{Digit, Now};
use rsip::Method;

use crate::call::{Accepting, CallNo, Dialog, Stage};
use crate::digest::{self, Who};
use crate::events::{Event, Reply};
use crate::phone::calling::SDP;
use crate::phone::{PATIENCE, Phone, T1, T2};
use crate::read::{Read, user_of};
use crate::timers::Timer;

impl Phone {
    pub(super) fn take_call(&mut self, now: Now, id: u64, uri: &str, read: &Read) {
        if self.call_ids.get(&read.call_id).is_some_and(|no| self.is_same_call(*no, read)) {
            // The same INVITE by another way (RFC 3261 §8.2.2.2).
            return self.reply(now, id, 482, Vec::new(), None);
        }
        if let Some((user, password)) = self.setup.challenges.clone()
            && let Err((code, header)) = self.check_credentials(now, read, &user, &password)
        {
            return self.reply(now, id, code, header, None);
        }
        if self.live_calls() >= self.setup.calls_at_once {
            self.saw(now, None, Event::TurnedAway { from: read.from.name_addr.clone() });
            return self.reply(now, id, 486, Vec::new(), None);
        }
        if is_sealed(&read.body) {
            // It knows no SRTP.
            self.saw(now, None, Event::OfferRefused { from: read.from.name_addr.clone() });
            return self.reply(now, id, 488, Vec::new(), None);
        }
        let dialog = Dialog {
            call_id: read.call_id.clone(),
            local: read.to.name_addr.clone(),
            local_tag: self.entropy.token(6),
            remote: read.from.name_addr.clone(),
            remote_tag: read.from.tag.clone(),
            local_seq: self.entropy.below(1000) as u32,
            remote_seqs: VecDeque::from([read.seq]),
            target: read.contacts.first().map_or(String::new(), |contact| contact.uri.clone()),
            routes: read.record_routes.clone(),
        };
        let no = self.begin_call(dialog, false);
        self.bind_reply(id, no);
        let to = user_of(uri);
        let planned = self.setup.plan.iter().find(|(user, _)| user == to);
        let behaviour = planned.map_or(&self.setup.behaviour, |(_, behaviour)| behaviour).clone();
        self.tell(now, behaviour.script.clone(), Some(no));
        self.saw(
            now,
            Some(no),
            Event::Incoming {
                from: read.from.name_addr.clone(),
                to: to.to_string(),
                asserted: read.value("p-asserted-identity").map(String::from),
            },
        );
        if let Some(after) = behaviour.ring_after {
            self.timers.set(Timer::Ring(no), now.mono + after);
        }
        match behaviour.reply {
            Reply::Answer(after) | Reply::Refuse(after, _) => {
                self.timers.set(Timer::Decide(no), now.mono + after);
            }
            Reply::Wait => {}
        }
        if let Some(call) = self.calls.get_mut(&no) {
            call.reply = Some(id);
            call.invite.clone_from(&read.headers);
            call.behaviour = Some(behaviour);
        }
        self.reply(now, id, 100, Vec::new(), None);
    }

    fn is_same_call(&self, no: CallNo, read: &Read) -> bool {
        self.calls.get(&no).is_some_and(|call| {
            !call.caller && call.stage != Stage::Ended && call.dialog.remote_tag == read.from.tag
        })
    }

    /// A carrier's challenge: one nonce for each Call-ID, so that nothing need be remembered.
    fn check_credentials(
        &mut self,
        now: Now,
        read: &Read,
        user: &str,
        password: &str,
    ) -> Result<(), (u16, Vec<(String, String)>)> {
        let nonce = format!("{}-{}", hex::encode(&read.call_id), self.setup.seed);
        let who = Who { user, password };
        let Some(given) = read.value("proxy-authorization") else {
            let value = format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5");
            return Err((407, vec![("Proxy-Authenticate".into(), value)]));
        };
        digest::check(given, who, REALM, &nonce, read.method).map_err(|fault| {
            self.fault(now, None, fault);
            (403, Vec::new())
        })
    }

    /// 180, or 183 with SDP: as `early` says, else as the behaviour does.
    pub(super) fn ring(&mut self, now: Now, no: CallNo, early: Option<bool>) {
        let contact = ("Contact".to_string(), self.contact());
        let Some(call) = self.calls.get(&no).filter(|call| call.stage == Stage::Incoming) else { return };
        let Some(id) = call.reply else { return };
        let early = early.unwrap_or(call.behaviour.as_ref().is_some_and(|b| b.early_media));
        // Without an offer there is nothing to answer yet: ours belongs into the 200 (RFC 3261 §13.2.1).
        let offered = self.replying.get(&id).is_some_and(|replying| !replying.read.body.is_empty());
        if !early || !offered {
            return self.reply(now, id, 180, vec![contact], None);
        }
        match self.answer_invite(now, no, id) {
            Ok(sdp) => self.reply(now, id, 183, vec![contact], Some((SDP, &sdp))),
            Err(()) => self.refuse(now, no, 488),
        }
    }

    /// The time of the behaviour's reply has come.
    pub(super) fn decide(&mut self, now: Now, no: CallNo) {
        let reply = self.calls.get(&no).and_then(|call| call.behaviour.as_ref()).map(|b| b.reply);
        match reply {
            Some(Reply::Answer(_)) => self.accept(now, no),
            Some(Reply::Refuse(_, code)) => self.refuse(now, no, code),
            Some(Reply::Wait) | None => {}
        }
    }

    pub(super) fn accept(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get(&no).filter(|call| call.stage == Stage::Incoming) else { return };
        let Some(id) = call.reply else { return };
        let Ok(sdp) = self.answer_invite(now, no, id) else {
            return self.refuse(now, no, 488);
        };
        self.timers.stop(Timer::Ring(no));
        self.timers.stop(Timer::Decide(no));
        if let Some(call) = self.calls.get_mut(&no) {
            call.stage = Stage::Up;
            call.answered = Some(now.mono);
            call.reply = None;
        }
        self.send_accept(now, no, id, &sdp);
        self.saw(now, Some(no), Event::Answered);
    }

    pub(super) fn refuse(&mut self, now: Now, no: CallNo, code: u16) {
        let Some(call) = self.calls.get_mut(&no).filter(|call| call.stage == Stage::Incoming) else { return };
        let Some(id) = call.reply.take() else { return };
        // It lives until the ACK.
        call.stage = Stage::Leaving;
        for timer in [Timer::Ring(no), Timer::Decide(no), Timer::Rtp(no)] {
            self.timers.stop(timer);
        }
        self.reply(now, id, code, Vec::new(), None);
    }

    /// The SDP for the answer to an INVITE: once written it stays the same (RFC 3261 §13.2.1).
    fn answer_invite(&mut self, now: Now, no: CallNo, id: u64) -> Result<String, ()> {
        let offer = self.replying.get(&id).map(|replying| replying.read.body.clone()).unwrap_or_default();
        let call = self.calls.get_mut(&no).ok_or(())?;
        if let Some(sdp) = call.session.written() {
            return Ok(sdp.to_string());
        }
        if offer.is_empty() {
            return Ok(call.write_offer());
        }
        let (answer, faults) = call.answer_offer(&offer);
        if answer.is_ok() {
            let at = self.rtp_from(now, no);
            self.timers.set(Timer::Rtp(no), at);
        }
        for fault in faults {
            self.fault(now, Some(no), fault);
        }
        answer.map_err(|_| ())
    }

    /// A 2xx to INVITE: repeated by us until the ACK, on every transport (RFC 3261 §13.3.1.4).
    fn send_accept(&mut self, now: Now, no: CallNo, id: u64, sdp: &str) {
        let headers = vec![("Contact".to_string(), self.contact()), super::replying::allow()];
        self.reply(now, id, 200, headers, Some((SDP, sdp)));
        let Some(replying) = self.replying.get(&id) else { return };
        let Some(crate::events::Output::SendSip { to, bytes }) = self.outputs.back().cloned() else { return };
        let (seq, offered) = (replying.read.seq, replying.read.body.is_empty());
        if let Some(call) = self.calls.get_mut(&no) {
            call.accepting = Some(Accepting { to, bytes, pause: T1, seq, offered });
        }
        if self.setup.repeats {
            self.timers.set(Timer::Accept(no), now.mono + T1);
        }
        self.timers.set(Timer::AcceptEnds(no), now.mono + PATIENCE);
    }

    pub(super) fn accept_again(&mut self, now: Now, no: CallNo) {
        let Some(accepting) = self.calls.get_mut(&no).and_then(|call| call.accepting.as_mut()) else {
            return;
        };
        accepting.pause = (accepting.pause * 2).min(T2);
        let (to, bytes, pause) = (accepting.to, accepting.bytes.clone(), accepting.pause);
        self.timers.set(Timer::Accept(no), now.mono + pause);
        self.send(to, bytes);
    }

    /// No ACK in 64·T1: the call is hung up (§13.3.1.4).
    pub(super) fn accept_ends(&mut self, now: Now, no: CallNo) {
        self.timers.stop(Timer::Accept(no));
        if self.calls.get_mut(&no).and_then(|call| call.accepting.take()).is_some() {
            self.saw(now, Some(no), Event::Silence("ACK of our 200".into()));
            self.bye(now, no);
        }
    }

    pub(super) fn take_accept_ack(&mut self, now: Now, read: &Read) {
        let Some(&no) = self.call_ids.get(&read.call_id) else {
            return self.fault(now, None, "ACK to nothing");
        };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let dialog = &call.dialog;
        if read.to.tag.as_ref() != Some(&dialog.local_tag) || read.from.tag != dialog.remote_tag {
            return self.fault(now, Some(no), "ACK with other tags than its dialog's");
        }
        // A repetition comes after the first has done its work.
        let Some(accepting) = call.accepting.take() else { return };
        if accepting.seq != read.seq {
            let text = format!("ACK with CSeq {} for {}", read.seq, accepting.seq);
            call.accepting = Some(accepting);
            return self.fault(now, Some(no), text);
        }
        let hang_up = call.hang_up_on_ack;
        self.timers.stop(Timer::Accept(no));
        self.timers.stop(Timer::AcceptEnds(no));
        match (accepting.offered, read.body.is_empty()) {
            (true, false) => self.take_answer(now, no, &read.body),
            (true, true) => self.fault(now, Some(no), "our offer in the 200 was not answered in the ACK"),
            (false, _) => {}
        }
        if hang_up {
            self.bye(now, no);
        }
    }

    pub(super) fn take_cancel(&mut self, now: Now, id: u64, read: &Read) {
        let key = format!("{} {} INVITE", read.branch(), read.sent_by());
        let Some((invite, replying)) = self.reply_of(&key) else {
            self.fault(now, None, "CANCEL matches no INVITE");
            return self.reply(now, id, 481, Vec::new(), None);
        };
        let (no, seq) = (replying.call, replying.read.seq);
        if let Some(no) = no {
            self.bind_reply(id, no);
        }
        self.reply(now, id, 200, Vec::new(), None);
        if seq != read.seq {
            self.fault(now, no, format!("CANCEL with CSeq {} for {seq}", read.seq));
        }
        // After a final answer CANCEL changes nothing (RFC 3261 §9.2).
        let ours = |no: &CallNo| self.calls.get(no).is_some_and(|call| call.reply == Some(invite));
        if let Some(no) = no.filter(ours) {
            self.refuse(now, no, 487);
            let reason = read.value("reason").map(String::from);
            self.saw(now, Some(no), Event::CancelledByPeer { reason });
        }
    }

    pub(super) fn take_bye(&mut self, now: Now, id: u64, no: CallNo, read: &Read) {
        self.bind_reply(id, no);
        self.reply(now, id, 200, Vec::new(), None);
        let Some(call) = self.calls.get(&no) else { return };
        let (stage, pending) = (call.stage, call.reply);
        match stage {
            // Both hung up at once: ours is still to be answered, and ends the call.
            Stage::Leaving | Stage::Ended => return,
            Stage::Incoming => {
                // The caller may end an early dialog by BYE (RFC 3261 §15); the INVITE still wants an answer.
                if let Some(invite) = pending {
                    self.reply(now, invite, 487, Vec::new(), None);
                }
            }
            Stage::Calling => self.fault(now, Some(no), "BYE by the callee before it answered"),
            Stage::Up => {}
        }
        let reason = read.value("reason").map(String::from);
        self.saw(now, Some(no), Event::HungUpByPeer { reason });
        self.end_call(now, no);
    }

    /// A re-INVITE or UPDATE: hold, resume, refresh, a new address.
    pub(super) fn take_offer(&mut self, now: Now, id: u64, no: CallNo, method: Method, read: &Read) {
        self.bind_reply(id, no);
        let contact = ("Contact".to_string(), self.contact());
        let Some(call) = self.calls.get_mut(&no) else { return };
        // Two offers at once (RFC 3261 §14.2, RFC 3311 §5.2).
        let crossing = call.renewing || (call.accepting.is_some() && method == Method::Invite);
        if crossing || (call.stage != Stage::Up && method == Method::Invite) {
            call.session.refuse_offer(&read.body);
            return self.reply(now, id, 491, Vec::new(), None);
        }
        if read.contacts.is_empty() {
            self.fault(now, Some(no), format!("{method} without a Contact"));
        }
        let Some(call) = self.calls.get_mut(&no) else { return };
        call.dialog.learn_target(&read.contacts);
        if read.body.is_empty() {
            return match method {
                Method::Invite => {
                    let offer = call.write_offer();
                    self.send_accept(now, no, id, &offer);
                }
                _ => self.reply(now, id, 200, vec![contact], None),
            };
        }
        let held = call.session.peer.as_ref().is_some_and(crate::sdp::Sdp::holds);
        let (answer, faults) = call.answer_offer(&read.body);
        let holds = call.session.peer.as_ref().is_some_and(crate::sdp::Sdp::holds);
        for fault in faults {
            self.fault(now, Some(no), fault);
        }
        match (answer, method) {
            (Err(_), _) => return self.reply(now, id, 488, Vec::new(), None),
            (Ok(sdp), Method::Invite) => self.send_accept(now, no, id, &sdp),
            (Ok(sdp), _) => self.reply(now, id, 200, vec![contact], Some((SDP, &sdp))),
        }
        match (held, holds) {
            (false, true) => self.saw(now, Some(no), Event::HeldByPeer),
            (true, false) => self.saw(now, Some(no), Event::ResumedByPeer),
            _ => {}
        }
    }

    pub(super) fn take_info(&mut self, now: Now, id: u64, no: CallNo, read: &Read) {
        self.bind_reply(id, no);
        let signal = read.body.lines().find_map(|line| line.trim().strip_prefix("Signal=")).map(str::trim);
        let digit = signal.and_then(|text| text.chars().next()).and_then(Digit::from_char);
        match digit {
            Some(digit) => {
                self.reply(now, id, 200, Vec::new(), None);
                self.take_digit(now, no, digit);
            }
            None => self.reply(now, id, 415, vec![("Accept".into(), "application/dtmf-relay".into())], None),
        }
    }
}

/// Whether an offer has audio under SRTP alone.
fn is_sealed(offer: &str) -> bool {
    let mut audio = offer.lines().filter(|line| line.starts_with("m=audio ")).peekable();
    audio.peek().is_some() && audio.all(|line| line.contains("RTP/SAVP"))
}

/// The realm of a scripted carrier.
const REALM: &str = "carrier";
