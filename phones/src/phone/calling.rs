//! Placing calls, and what a phone does within a call.

use std::collections::VecDeque;
use std::time::Duration;

use base::{Digit, Now};
use rsip::Method;

use crate::call::{Call, CallNo, Dialog, Session, Stage};
use crate::events::{Action, Dial, Event, Hold};
use crate::phone::asking::{Draft, Why};
use crate::phone::{LONGEST_RINGING, Phone, T1};
use crate::read::Read;
use crate::stream::Stream;
use crate::timers::Timer;
use crate::write;

impl Phone {
    pub(super) fn dial(&mut self, now: Now, dial: Dial) -> Option<CallNo> {
        if self.live_calls() >= self.setup.calls_at_once {
            self.saw(now, None, Event::CannotDo("call: too many calls at once".into()));
            return None;
        }
        let uri = match dial.target.split_once(':') {
            Some(_) => dial.target.clone(),
            None => format!("sip:{}@{}", dial.target, self.setup.domain),
        };
        let from = dial.from.unwrap_or_else(|| self.setup.name.clone());
        let dialog = Dialog {
            call_id: format!("{}@{}", self.entropy.token(12), self.setup.local_sip.ip()),
            local: format!("<sip:{from}@{}>", self.setup.domain),
            local_tag: self.entropy.token(6),
            remote: format!("<{uri}>"),
            remote_tag: None,
            local_seq: (self.entropy.below(1000)) as u32,
            remote_seqs: VecDeque::new(),
            target: uri,
            routes: Vec::new(),
        };
        let no = self.begin_call(dialog, true);
        let mut headers =
            vec![("Contact".to_string(), self.contact()), ("Allow".into(), super::ALLOW.into())];
        headers.extend(dial.asserted.map(|value| ("P-Asserted-Identity".into(), value)));
        if let Some(seconds) = self.setup.session_expires {
            headers.push(("Supported".into(), "timer".into()));
            headers.push(("Session-Expires".into(), format!("{seconds};refresher=uac")));
        }
        headers.extend(dial.headers);
        self.tell(now, dial.script, Some(no));
        let call = self.calls.get_mut(&no)?;
        let body = (!dial.offerless).then(|| (SDP, call.write_offer()));
        let draft = call.draft(Method::Invite, headers, body);
        let proxy = self.setup.proxy;
        let id = self.ask(now, Why::Invite(no), draft, proxy);
        self.calls.get_mut(&no)?.ask = Some(id);
        self.timers.set(Timer::GiveUp(no), now.mono + LONGEST_RINGING);
        Some(no)
    }

    /// A new call with a free RTP port, or the least used one.
    pub(super) fn begin_call(&mut self, dialog: Dialog, caller: bool) -> CallNo {
        let no = CallNo(self.next_call);
        self.next_call += 1;
        let base = self.setup.local_rtp;
        let ports = (0..self.setup.rtp_ports.max(1)).map(|n| base.port().saturating_add(n.saturating_mul(2)));
        let users = |port: &u16| {
            let address = std::net::SocketAddr::new(base.ip(), *port);
            self.by_rtp.get(&address).map_or(0, Vec::len)
        };
        let port = ports.min_by_key(users).unwrap_or(base.port());
        let local = std::net::SocketAddr::new(base.ip(), port);
        self.by_rtp.entry(local).or_default().push(no);
        let stream = Stream::new(local, self.setup.keeps, self.setup.fills_silence, &mut self.entropy);
        let session = self.entropy.below(1 << 31);
        self.call_ids.insert(dialog.call_id.clone(), no);
        let call = Call {
            stage: if caller { Stage::Calling } else { Stage::Incoming },
            caller,
            dialog,
            session: Session::new(session, self.setup.codecs.clone(), self.setup.dtmf_type),
            stream,
            digits: String::new(),
            invite: Vec::new(),
            answered: None,
            reply: None,
            behaviour: None,
            ask: None,
            provisional: false,
            gave_up: false,
            accepting: None,
            hang_up_on_ack: false,
            ack: None,
            renewing: false,
            referral: crate::phone::referring::Referral::None,
        };
        self.calls.insert(no, call);
        no
    }

    pub(super) fn invite_answered(&mut self, now: Now, no: CallNo, code: u16, read: Option<&Read>) {
        match (code, read) {
            (..200, Some(read)) => self.invite_rings(now, no, code, read),
            (200..300, Some(read)) => self.invite_accepted(now, no, read),
            _ => self.invite_refused(now, no, code, read),
        }
    }

    fn invite_rings(&mut self, now: Now, no: CallNo, code: u16, read: &Read) {
        let Some(call) = self.calls.get_mut(&no).filter(|call| call.stage == Stage::Calling) else { return };
        let first = !std::mem::replace(&mut call.provisional, true);
        if call.gave_up {
            if first {
                self.send_cancel(now, no);
            }
            return;
        }
        if code == 100 {
            return;
        }
        if read.value("require").is_some_and(|value| value.contains("100rel")) {
            return self.fault(now, Some(no), "100rel required, though we do not support it");
        }
        call.dialog.learn_as_caller(read);
        let sound = !read.body.is_empty();
        if sound {
            self.take_answer(now, no, &read.body);
        }
        self.saw(now, Some(no), if sound { Event::Early } else { Event::Ringing(code) });
    }

    fn invite_accepted(&mut self, now: Now, no: CallNo, read: &Read) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        if let Some((_, to, bytes)) = call.ack.as_ref().filter(|(seq, ..)| *seq == read.seq)
            && read.to.tag == call.dialog.remote_tag
        {
            // Our ACK was lost: the same again (RFC 3261 §13.2.2.4).
            let (to, bytes) = (*to, bytes.clone());
            return self.send(to, bytes);
        }
        if call.stage != Stage::Calling {
            return self.drop_fork(now, no, read);
        }
        call.dialog.learn_as_caller(read);
        call.ask = None;
        self.timers.stop(Timer::GiveUp(no));
        let answer = self.take_accept_body(now, no, read);
        let Some(call) = self.calls.get_mut(&no) else { return };
        let (gave_up, has_sound) = (call.gave_up, call.session.peer.is_some());
        call.stage = Stage::Up;
        call.answered = Some(now.mono);
        self.acknowledge(no, read.seq, answer);
        if gave_up {
            self.saw(now, Some(no), Event::CrossedCancel);
            return self.bye(now, no);
        }
        if !has_sound {
            self.fault(now, Some(no), "200 to INVITE without a usable SDP");
            return self.bye(now, no);
        }
        if let Some(seconds) = self.setup.session_expires {
            self.timers.set(Timer::Refresh(no), now.mono + Duration::from_secs(u64::from(seconds / 2)));
        }
        self.saw(now, Some(no), Event::Answered);
    }

    /// The SDP of a 2xx: an answer, or an offer when we made none; our answer to it, for the ACK.
    fn take_accept_body(&mut self, now: Now, no: CallNo, read: &Read) -> Option<String> {
        let call = self.calls.get_mut(&no)?;
        if read.body.is_empty() {
            return None;
        }
        if !call.session.has_offered() {
            let (answer, faults) = call.answer_offer(&read.body);
            self.timers.set(Timer::Rtp(no), now.mono);
            for fault in faults {
                self.fault(now, Some(no), fault);
            }
            return answer.map_err(|fault| self.fault(now, Some(no), fault)).ok();
        }
        self.take_answer(now, no, &read.body);
        None
    }

    pub(super) fn take_answer(&mut self, now: Now, no: CallNo, body: &str) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let faults = call.take_answer(body);
        self.timers.set(Timer::Rtp(no), self.rtp_from(now, no));
        for fault in faults {
            self.fault(now, Some(no), fault);
        }
    }

    /// When the next packet is due: at once for a stream that has not begun.
    pub(super) fn rtp_from(&self, now: Now, no: CallNo) -> base::Mono {
        self.calls.get(&no).and_then(|call| call.stream.due()).unwrap_or(now.mono)
    }

    /// Sends the ACK of a 2xx: a request of the dialog, outside any transaction.
    pub(super) fn acknowledge(&mut self, no: CallNo, seq: u32, answer: Option<String>) {
        let branch = format!("z9hG4bK{}", self.entropy.token(8));
        let via = format!("SIP/2.0/UDP {};branch={branch};rport", self.setup.local_sip);
        let Some(call) = self.calls.get_mut(&no) else { return };
        let mut draft = call.draft(Method::Ack, Vec::new(), answer.map(|text| (SDP, text)));
        draft.seq = seq;
        let bytes = write::request(&draft.parts(&via, None));
        let to = call.dialog.next_hop().unwrap_or(self.setup.proxy);
        call.ack = Some((seq, to, bytes.clone()));
        self.send(to, bytes);
    }

    /// A second answer from another fork: acknowledged and hung up (RFC 3261 §13.2.2.4).
    fn drop_fork(&mut self, now: Now, no: CallNo, read: &Read) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let (dialog, ack) = (call.dialog.clone(), call.ack.clone());
        call.dialog.learn_as_caller(read);
        self.acknowledge(no, read.seq, None);
        let Some(call) = self.calls.get_mut(&no) else { return };
        call.dialog.local_seq += 1;
        let draft = call.draft(Method::Bye, Vec::new(), None);
        let to = call.dialog.next_hop().unwrap_or(self.setup.proxy);
        (call.dialog, call.ack) = (dialog, ack);
        self.ask(now, Why::Fork(no), draft, to);
    }

    fn invite_refused(&mut self, now: Now, no: CallNo, code: u16, read: Option<&Read>) {
        let Some(call) = self.calls.get(&no).filter(|call| call.stage == Stage::Calling) else { return };
        let reason = read.and_then(|read| read.value("reason")).map(String::from);
        let event =
            if call.gave_up && code == 487 { Event::Cancelled } else { Event::Refused { code, reason } };
        self.saw(now, Some(no), event);
        self.end_call(now, no);
    }

    pub(super) fn act_on(&mut self, now: Now, no: CallNo, action: Action) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let up = call.stage == Stage::Up;
        match (action, call.stage) {
            (Action::Ring, Stage::Incoming) => self.ring(now, no, Some(false)),
            (Action::EarlyMedia, Stage::Incoming) => self.ring(now, no, Some(true)),
            (Action::Answer, Stage::Incoming) => self.accept(now, no),
            (Action::Refuse(code), Stage::Incoming) => self.refuse(now, no, code),
            (Action::HangUp, Stage::Incoming) => self.refuse(now, no, 603),
            (Action::GiveUp | Action::HangUp, Stage::Calling) => self.give_up(now, no),
            (Action::HangUp, Stage::Up) => self.hang_up(now, no),
            (Action::Say(audio), Stage::Up | Stage::Calling | Stage::Incoming) => call.stream.say(audio),
            (Action::Hush, _) => call.stream.hush(),
            (Action::Press(key), _) if up => {
                if !Digit::from_char(key).is_some_and(|digit| call.stream.press(digit)) {
                    self.saw(now, Some(no), Event::CannotDo(format!("press {key:?}")));
                }
            }
            (Action::Transfer(to), _) if up => self.transfer(now, no, &to),
            (Action::Join, _) if up => self.join(now, no),
            (Action::PressInfo(key), _) if up => self.press_info(now, no, key),
            (Action::Hold(hold), _) if up && !call.renewing => {
                call.session.held = Some(hold);
                self.renew(now, no);
            }
            (Action::Resume, _) if up && !call.renewing => {
                let by_update = call.session.held == Some(Hold::Update);
                call.session.held = None;
                self.renew_by(now, no, by_update);
            }
            // An ending call needs no ending: both sides may hang up at once.
            (Action::HangUp | Action::GiveUp, Stage::Leaving | Stage::Ended) => {}
            (action, stage) => {
                self.saw(now, Some(no), Event::CannotDo(format!("{action:?} while {stage:?}")));
            }
        }
    }

    fn give_up(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        // Before any provisional answer the CANCEL has to wait for one (RFC 3261 §9.1).
        if !std::mem::replace(&mut call.gave_up, true) && call.provisional {
            self.send_cancel(now, no);
        }
    }

    fn send_cancel(&mut self, now: Now, no: CallNo) {
        if let Some(invite) = self.calls.get(&no).and_then(|call| call.ask) {
            self.ask_cancel(now, no, invite);
        }
    }

    /// It rang too long, or the CANCEL was never followed by a final answer.
    pub(super) fn give_up_ends(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get(&no) else { return };
        if !call.gave_up {
            return self.give_up(now, no);
        }
        let ask = call.ask;
        self.saw(now, Some(no), Event::Silence("INVITE after CANCEL".into()));
        if let Some(id) = ask {
            self.ask_ends(now, id);
        }
        self.end_call(now, no);
    }

    pub(super) fn hang_up(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        if call.accepting.is_some() {
            call.hang_up_on_ack = true;
            return;
        }
        self.bye(now, no);
    }

    pub(super) fn bye(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        call.stage = Stage::Leaving;
        call.stream.hush();
        self.timers.stop(Timer::Rtp(no));
        self.timers.stop(Timer::Refresh(no));
        self.ask_in_dialog(now, no, Method::Bye, Vec::new(), None, Why::Bye(no));
    }

    fn press_info(&mut self, now: Now, no: CallNo, key: char) {
        let body = ("application/dtmf-relay", format!("Signal={key}\r\nDuration=160\r\n"));
        self.ask_in_dialog(now, no, Method::Info, Vec::new(), Some(body), Why::Info(no));
    }

    pub(super) fn ask_in_dialog(
        &mut self,
        now: Now,
        no: CallNo,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<(&'static str, String)>,
        why: Why,
    ) {
        let proxy = self.setup.proxy;
        let Some(call) = self.calls.get_mut(&no) else { return };
        let draft = call.draft(method, headers, body);
        let to = call.dialog.next_hop().unwrap_or(proxy);
        self.ask(now, why, draft, to);
    }

    /// Offers anew: after a hold, a 491, or to refresh the session.
    pub(super) fn renew(&mut self, now: Now, no: CallNo) {
        let held = self.calls.get(&no).and_then(|call| call.session.held);
        self.renew_by(now, no, held == Some(Hold::Update));
    }

    fn renew_by(&mut self, now: Now, no: CallNo, by_update: bool) {
        let contact = self.contact();
        if let Some(seconds) = self.setup.session_expires {
            self.timers.set(Timer::Refresh(no), now.mono + Duration::from_secs(u64::from(seconds / 2)));
        }
        let Some(call) = self.calls.get_mut(&no).filter(|call| call.stage == Stage::Up) else { return };
        if call.renewing {
            return;
        }
        // One offer after the other: what our 200 said has to be acknowledged first (RFC 3264 §4).
        if call.accepting.is_some() {
            return self.timers.set(Timer::Again(no), now.mono + T1);
        }
        call.renewing = true;
        let offer = call.write_offer();
        let method = if by_update { Method::Update } else { Method::Invite };
        let mut headers = vec![("Contact".to_string(), contact)];
        if let Some(seconds) = self.setup.session_expires {
            headers.push(("Supported".into(), "timer".into()));
            headers.push(("Session-Expires".into(), format!("{seconds};refresher=uac")));
        }
        self.ask_in_dialog(now, no, method, headers, Some((SDP, offer)), Why::Renew(no));
    }

    pub(super) fn renew_answered(&mut self, now: Now, no: CallNo, code: u16, read: Option<&Read>) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let read = match (code, read) {
            (200..300, Some(read)) => read,
            (491, _) => {
                call.renewing = false;
                // §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other 0 to 2 s.
                let (least, most) = if call.caller { (2100, 1900) } else { (0, 2000) };
                let pause = Duration::from_millis(least + self.entropy.below(most));
                return self.timers.set(Timer::Again(no), now.mono + pause);
            }
            _ => {
                call.renewing = false;
                return self.saw(now, Some(no), Event::RequestRefused(code));
            }
        };
        if read.method == Method::Invite {
            if let Some((_, to, bytes)) = call.ack.as_ref().filter(|(seq, ..)| *seq == read.seq) {
                let (to, bytes) = (*to, bytes.clone());
                return self.send(to, bytes);
            }
            call.dialog.learn_target(&read.contacts);
            self.acknowledge(no, read.seq, None);
        }
        let Some(call) = self.calls.get_mut(&no).filter(|call| call.stage == Stage::Up) else { return };
        call.renewing = false;
        self.take_answer(now, no, &read.body);
        self.saw(now, Some(no), Event::Reagreed);
    }
}

impl Call {
    /// A request of this call's dialog; every one but ACK and the first INVITE's own number takes the next.
    pub(super) fn draft(
        &mut self,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<(&'static str, String)>,
    ) -> Draft {
        let seq = if method == Method::Ack { self.dialog.local_seq } else { self.dialog.next_seq() };
        Draft {
            method,
            uri: self.dialog.target.clone(),
            from: self.dialog.local_value(),
            to: self.dialog.remote_value(),
            call_id: self.dialog.call_id.clone(),
            seq,
            routes: self.dialog.routes.clone(),
            headers,
            body,
        }
    }
}

pub(super) const SDP: &str = "application/sdp";
