//! Client transactions (RFC 3261 §17.1): requests out, repeated, challenged, answered or not.

use std::net::SocketAddr;
use std::time::Duration;

use base::Now;
use rsip::Method;

use crate::call::CallNo;
use crate::digest::{Challenge, Who};
use crate::events::Event;
use crate::phone::{BRANCHES_KEPT, PATIENCE, Phone, T1, T2, T4};
use crate::read::Read;
use crate::timers::Timer;
use crate::write;

/// A request as its author wrote it; Via and credentials are added for each try.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) method: Method,
    pub(super) uri: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    pub(super) seq: u32,
    pub(super) routes: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<(&'static str, String)>,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Register {
        expires: u32,
    },
    Probe,
    Invite(CallNo),
    Renew(CallNo),
    Cancel(CallNo),
    Bye(CallNo),
    Info(CallNo),
    Refer(CallNo),
    /// The BYE of a fork that came second.
    Fork(CallNo),
}

#[derive(Clone, Debug)]
pub(super) struct Asking {
    draft: Draft,
    why: Why,
    to: SocketAddr,
    branch: String,
    via: String,
    bytes: Vec<u8>,
    pause: Duration,
    phase: Phase,
    /// The ACK of a refusal, to repeat.
    ack: Option<Vec<u8>>,
    /// A fresh challenge has been answered in this chain.
    answered_challenge: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Calling,
    Proceeding,
    Done,
}

impl Why {
    fn call(self) -> Option<CallNo> {
        match self {
            Self::Register { .. } | Self::Probe => None,
            Self::Invite(no)
            | Self::Renew(no)
            | Self::Cancel(no)
            | Self::Bye(no)
            | Self::Info(no)
            | Self::Refer(no)
            | Self::Fork(no) => Some(no),
        }
    }
}

impl Phone {
    /// Sends a request in a transaction of its own.
    pub(super) fn ask(&mut self, now: Now, why: Why, draft: Draft, to: SocketAddr) -> u64 {
        let branch = format!("z9hG4bK{}", self.entropy.token(8));
        self.ask_with(now, why, draft, to, branch, false)
    }

    fn ask_with(
        &mut self,
        now: Now,
        why: Why,
        draft: Draft,
        to: SocketAddr,
        branch: String,
        answered_challenge: bool,
    ) -> u64 {
        let via = format!("SIP/2.0/UDP {};branch={branch};rport", self.setup.local_sip);
        let credentials = self.credentials(&draft);
        let bytes = write::request(&draft.parts(&via, credentials.as_ref()));
        let id = self.mint();
        self.ask_ids.insert(key(&branch, draft.method), id);
        self.send(to, bytes.clone());
        if self.setup.repeats {
            self.timers.set(Timer::Ask(id), now.mono + T1);
        }
        self.timers.set(Timer::AskEnds(id), now.mono + PATIENCE);
        let asking = Asking {
            draft,
            why,
            to,
            branch,
            via,
            bytes,
            pause: T1,
            phase: Phase::Calling,
            ack: None,
            answered_challenge,
        };
        self.asking.insert(id, asking);
        id
    }

    /// CANCEL has the branch, CSeq number, To and routes of its INVITE (RFC 3261 §9.1).
    pub(super) fn ask_cancel(&mut self, now: Now, no: CallNo, invite: u64) {
        let Some(asking) = self.asking.get(&invite).filter(|asking| asking.phase != Phase::Done) else {
            return;
        };
        let mut draft = asking.draft.clone();
        draft.method = Method::Cancel;
        (draft.headers, draft.body) = (Vec::new(), None);
        let (to, branch) = (asking.to, asking.branch.clone());
        // After 64·T1 without the INVITE's final answer the client gives up (§9.1).
        self.timers.set(Timer::GiveUp(no), now.mono + PATIENCE);
        self.ask_with(now, Why::Cancel(no), draft, to, branch, true);
    }

    fn credentials(&mut self, draft: &Draft) -> Option<(&'static str, String)> {
        // CANCEL cannot be challenged (RFC 3261 §22.1).
        if draft.method == Method::Cancel {
            return None;
        }
        let password = self.setup.password.as_deref()?;
        let cnonce = self.entropy.token(8);
        let who = Who { user: &self.setup.user, password };
        Some(self.challenge.as_mut()?.answer(who, draft.method, &draft.uri, &cnonce))
    }

    pub(super) fn ask_again(&mut self, now: Now, id: u64) {
        let Some(asking) = self.asking.get_mut(&id).filter(|asking| asking.phase != Phase::Done) else {
            return;
        };
        // Timer A doubles without end, timer E up to T2, and is T2 after a provisional answer.
        let invite = asking.draft.method == Method::Invite;
        asking.pause = match (invite, asking.phase) {
            (true, _) => asking.pause * 2,
            (false, Phase::Calling) => (asking.pause * 2).min(T2),
            (false, _) => T2,
        };
        let (to, bytes, pause) = (asking.to, asking.bytes.clone(), asking.pause);
        self.timers.set(Timer::Ask(id), now.mono + pause);
        self.send(to, bytes);
    }

    /// Timers B and F, or the end of remembering.
    pub(super) fn ask_ends(&mut self, now: Now, id: u64) {
        self.timers.stop(Timer::Ask(id));
        let Some(asking) = self.asking.remove(&id) else { return };
        self.ask_ids.remove(&key(&asking.branch, asking.draft.method));
        if self.past_branches.len() == BRANCHES_KEPT {
            self.past_branches.pop_front();
        }
        self.past_branches.push_back(asking.branch);
        if asking.phase != Phase::Done {
            self.saw(now, asking.why.call(), Event::Silence(asking.draft.method.to_string()));
            self.conclude(now, asking.why, 408, None);
        }
    }

    pub(super) fn take_response(&mut self, now: Now, code: u16, read: &Read) {
        let Some(&id) = self.ask_ids.get(&key(read.branch(), read.method)) else {
            if !self.past_branches.iter().any(|branch| branch == read.branch()) {
                let call = self.call_ids.get(&read.call_id).copied();
                self.fault(now, call, format!("{code} to a {} that was never sent", read.method));
            }
            return;
        };
        let Some(asking) = self.asking.get_mut(&id) else { return };
        let why = asking.why;
        let faults = asking.judge(code, read);
        let invite = asking.draft.method == Method::Invite;
        let first_final = code >= 200 && asking.phase != Phase::Done;
        if code < 200 {
            if asking.phase == Phase::Calling {
                asking.phase = Phase::Proceeding;
                if invite {
                    // Once heard, it may ring as long as it likes (§17.1.1.2).
                    self.timers.stop(Timer::Ask(id));
                    self.timers.stop(Timer::AskEnds(id));
                }
            }
        } else if first_final {
            asking.phase = Phase::Done;
            self.timers.stop(Timer::Ask(id));
            // Timer D or M for INVITE, timer K otherwise: late repetitions are still ours.
            self.timers.set(Timer::AskEnds(id), now.mono + if invite { PATIENCE } else { T4 });
        }
        for fault in faults {
            self.fault(now, why.call(), fault);
        }
        if invite && code >= 300 {
            self.ack_refusal(id, read);
        }
        if first_final && matches!(code, 401 | 407) && self.answer_challenge(now, id, code, read) {
            return;
        }
        if first_final || code < 200 || (invite && code < 300) {
            self.conclude(now, why, code, Some(read));
        }
    }

    /// The ACK of a refusal belongs to the INVITE's transaction: same branch, same CSeq number (§17.1.1.3).
    fn ack_refusal(&mut self, id: u64, read: &Read) {
        let Some(asking) = self.asking.get_mut(&id) else { return };
        let bytes = asking.ack.get_or_insert_with(|| {
            let mut draft = asking.draft.clone();
            draft.method = Method::Ack;
            draft.to = with_tag(&draft.to, read.to.tag.as_deref());
            (draft.headers, draft.body) = (Vec::new(), None);
            write::request(&draft.parts(&asking.via, None))
        });
        let (to, bytes) = (asking.to, bytes.clone());
        self.send(to, bytes);
    }

    /// Tries again with credentials; `false` when that is no use.
    fn answer_challenge(&mut self, now: Now, id: u64, code: u16, read: &Read) -> bool {
        let Some(asking) = self.asking.get(&id) else { return false };
        let (why, mut draft, to) = (asking.why, asking.draft.clone(), asking.to);
        let tried = asking.answered_challenge;
        let name = if code == 401 { "www-authenticate" } else { "proxy-authenticate" };
        let challenges: Vec<_> = read.values(name).map(|v| Challenge::read(v, code == 407)).collect();
        if challenges.is_empty() {
            self.fault(now, why.call(), format!("{code} without {name}"));
        }
        let mut known = None;
        for challenge in challenges {
            match challenge {
                Ok(challenge) if known.is_none() && self.setup.algorithms.contains(&challenge.algorithm) => {
                    known = Some(challenge);
                }
                Ok(_) => {}
                Err(fault) => self.fault(now, why.call(), fault),
            }
        }
        let Some(challenge) = known.filter(|challenge| !tried || challenge.stale) else { return false };
        if self.setup.password.is_none() {
            return false;
        }
        self.challenge = Some(challenge);
        match self.seq_for(why) {
            Some(seq) => draft.seq = seq,
            None => return false,
        }
        let branch = format!("z9hG4bK{}", self.entropy.token(8));
        let again = self.ask_with(now, why, draft, to, branch, true);
        if let Why::Invite(no) = why
            && let Some(call) = self.calls.get_mut(&no)
        {
            call.ask = Some(again);
            call.provisional = false;
        }
        true
    }

    /// The next CSeq of the chain to which a request belongs; `None` when it is no longer wanted.
    fn seq_for(&mut self, why: Why) -> Option<u32> {
        match why {
            Why::Register { .. } | Why::Probe => Some(self.registration.next_seq()),
            Why::Cancel(_) | Why::Fork(_) => None,
            Why::Invite(no) => {
                let call = self.calls.get_mut(&no).filter(|call| !call.gave_up)?;
                Some(call.dialog.next_seq())
            }
            Why::Renew(no) | Why::Bye(no) | Why::Info(no) | Why::Refer(no) => {
                Some(self.calls.get_mut(&no)?.dialog.next_seq())
            }
        }
    }

    fn conclude(&mut self, now: Now, why: Why, code: u16, read: Option<&Read>) {
        match why {
            Why::Register { expires } if code >= 200 => self.registered(now, expires, code, read),
            Why::Probe if code >= 200 => self.saw(now, None, Event::ProbeAnswered(code)),
            Why::Invite(no) => self.invite_answered(now, no, code, read),
            Why::Renew(no) if code >= 200 => self.renew_answered(now, no, code, read),
            Why::Bye(no) if code >= 200 => self.end_call(now, no),
            Why::Info(no) if code >= 200 => {
                let event = if code < 300 { Event::InfoAccepted } else { Event::RequestRefused(code) };
                self.saw(now, Some(no), event);
            }
            Why::Refer(no) if code >= 200 => self.refer_answered(now, no, code),
            Why::Cancel(no) if code >= 300 && code != 408 => {
                // A 481 is legal when the final answer is already on its way (§9.2).
                let over = self.calls.get(&no).is_none_or(|call| call.ask.is_none());
                if code != 481 && !over {
                    self.fault(now, Some(no), format!("CANCEL refused with {code}"));
                }
            }
            Why::Register { .. }
            | Why::Probe
            | Why::Renew(_)
            | Why::Bye(_)
            | Why::Info(_)
            | Why::Refer(_)
            | Why::Cancel(_)
            | Why::Fork(_) => {}
        }
    }
}

impl Asking {
    /// What is wrong with an answer to this request (RFC 3261 §8.2.6.2, §18.1.2).
    fn judge(&self, code: u16, read: &Read) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |good: bool, text: &str| {
            if !good {
                faults.push(format!("{code} to {}: {text}", self.draft.method));
            }
        };
        must(read.vias.len() == 1, "it does not have exactly our Via");
        must(read.call_id == self.draft.call_id, "another Call-ID");
        must(read.seq == self.draft.seq, "another CSeq number");
        let sent_from = crate::read::param(&self.draft.from, "tag");
        must(read.from.tag.as_deref() == sent_from, "another From tag");
        let sent_to = crate::read::param(&self.draft.to, "tag");
        must(sent_to.is_none() || read.to.tag.as_deref() == sent_to || code == 100, "another To tag");
        // rport was asked for: a server that knows RFC 3581 fills it in.
        must(read.via_param("rport").is_some_and(|port| port.parse::<u16>().is_ok()), "rport not filled in");
        must(read.via_param("received").is_some(), "received not filled in (RFC 3581 §4)");
        faults
    }
}

impl Draft {
    pub(super) fn parts<'a>(
        &'a self,
        via: &'a str,
        credentials: Option<&'a (&'static str, String)>,
    ) -> write::Request<'a> {
        let credentials = credentials.map(|(name, value)| (*name, value.as_str()));
        write::Request {
            method: self.method,
            uri: &self.uri,
            via,
            from: &self.from,
            to: &self.to,
            call_id: &self.call_id,
            seq: self.seq,
            routes: &self.routes,
            headers: &self.headers,
            credentials,
            body: self.body.as_ref().map(|(kind, text)| (*kind, text.as_str())),
        }
    }
}

/// A To value with the tag of an answer.
fn with_tag(to: &str, tag: Option<&str>) -> String {
    match tag {
        Some(tag) if crate::read::param(to, "tag").is_none() => format!("{to};tag={tag}"),
        _ => to.to_string(),
    }
}

fn key(branch: &str, method: Method) -> String {
    format!("{branch} {method}")
}
