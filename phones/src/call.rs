//! One call of a phone: its dialog, its descriptions, its sound.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use base::Mono;

use crate::events::{Behaviour, Hold};
use crate::g711::Codec;
use crate::phone::referring::Referral;
use crate::read::{Party, Read, address_of};
use crate::sdp::{Direction, Sdp, Writing, judge_answer, judge_successor};
use crate::stream::Stream;

/// The `n`-th call of a phone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallNo(pub u64);

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// INVITE sent, nothing final heard.
    Calling,
    /// INVITE received, nothing final sent.
    Incoming,
    /// Answered.
    Up,
    /// BYE sent, or refused and waiting for what must follow.
    Leaving,
    /// Over.
    Ended,
}

/// One call of a phone.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) stage: Stage,
    pub(crate) caller: bool,
    pub(crate) dialog: Dialog,
    pub(crate) session: Session,
    pub(crate) stream: Stream,
    pub(crate) digits: String,
    /// As callee: the headers of the INVITE, names in lower case.
    pub(crate) invite: Vec<(String, String)>,
    pub(crate) answered: Option<Mono>,
    /// As callee: the INVITE to answer, and how we behave.
    pub(crate) reply: Option<u64>,
    pub(crate) behaviour: Option<Behaviour>,
    /// As caller: the INVITE that asks; whether anything was heard; whether we want to give up.
    pub(crate) ask: Option<u64>,
    pub(crate) provisional: bool,
    pub(crate) gave_up: bool,
    /// Our 2xx until its ACK: where to, the bytes, the pause before the next time, its CSeq.
    pub(crate) accepting: Option<Accepting>,
    /// Hang up as soon as the ACK has come (RFC 3261 §15).
    pub(crate) hang_up_on_ack: bool,
    /// The ACK of the last 2xx, to repeat, with its CSeq.
    pub(crate) ack: Option<(u32, SocketAddr, Vec<u8>)>,
    /// A re-INVITE or UPDATE of ours is under way.
    pub(crate) renewing: bool,
    /// What came of a REFER of ours.
    pub(crate) referral: Referral,
}

#[derive(Clone, Debug)]
pub(crate) struct Accepting {
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pause: std::time::Duration,
    pub(crate) seq: u32,
    /// The 2xx holds an offer of ours: its answer is due in the ACK.
    pub(crate) offered: bool,
}

/// RFC 3261 §12: the peers' names of a call and where its requests go.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) local_tag: String,
    pub(crate) remote: String,
    pub(crate) remote_tag: Option<String>,
    pub(crate) local_seq: u32,
    /// The peer's CSeq numbers, the first one and the latest.
    pub(crate) remote_seqs: VecDeque<u32>,
    pub(crate) target: String,
    pub(crate) routes: Vec<String>,
}

/// The descriptions exchanged.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    id: u64,
    version: u64,
    last: String,
    codecs: Vec<Codec>,
    dtmf: u8,
    pub(crate) held: Option<Hold>,
    offer: Option<Sdp>,
    pub(crate) peer: Option<Sdp>,
    /// The highest version among the peer's offers that were refused unread: the next is reckoned from it.
    refused_version: u64,
}

impl Call {
    /// Where it stands.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether we placed it.
    pub fn is_caller(&self) -> bool {
        self.caller
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// As callee: a header of the INVITE, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.invite.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The keys that arrived, in order.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// When it was answered.
    pub fn answered(&self) -> Option<Mono> {
        self.answered
    }

    /// Its sound.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// This call as a Replaces names it to the peer (RFC 3891 §3).
    pub fn replaces(&self) -> String {
        let Dialog { call_id, local_tag, remote_tag, .. } = &self.dialog;
        format!("{call_id};to-tag={};from-tag={local_tag}", remote_tag.as_deref().unwrap_or("0"))
    }

    /// Whether we hold the peer.
    pub fn holds(&self) -> bool {
        self.session.held.is_some()
    }

    /// An offer of ours, with the present hold.
    pub(crate) fn write_offer(&mut self) -> String {
        let direction = match self.session.held {
            None | Some(Hold::Zero) => Direction::SendRecv,
            Some(Hold::SendOnly | Hold::Update) => Direction::SendOnly,
            Some(Hold::Inactive) => Direction::Inactive,
        };
        let codecs = self.session.codecs.clone();
        let dtmf = Some(self.session.dtmf);
        let text = self.session.write(self.stream.local(), &codecs, dtmf, direction, &[]);
        self.stream.accept(&codecs, dtmf);
        self.session.offer = Sdp::read(&text).ok();
        text
    }

    /// Takes the answer to our offer; what is wrong with it.
    pub(crate) fn take_answer(&mut self, text: &str) -> Vec<String> {
        let answer = match Sdp::read(text) {
            Ok(answer) => answer,
            Err(fault) => return vec![fault],
        };
        let Some(offer) = self.session.offer.clone() else {
            return vec!["an SDP answer to no offer".into()];
        };
        let mut faults = judge_answer(&offer, &answer);
        faults.extend(
            self.session
                .peer
                .as_ref()
                .and_then(|old| judge_successor(old, &answer, self.session.refused_version)),
        );
        let takes = matches!(answer.direction, Direction::SendRecv | Direction::RecvOnly);
        self.agree(&answer, takes && self.session.held.is_none());
        self.session.peer = Some(answer);
        faults
    }

    /// Takes an offer and writes the answer; `Err` when there is no codec in common. Faults beside.
    pub(crate) fn answer_offer(&mut self, text: &str) -> (Result<String, String>, Vec<String>) {
        let offer = match Sdp::read(text) {
            Ok(offer) => offer,
            Err(fault) => return (Err(fault.clone()), vec![fault]),
        };
        let mut faults = offer.faults.clone();
        faults.extend(
            self.session
                .peer
                .as_ref()
                .and_then(|old| judge_successor(old, &offer, self.session.refused_version)),
        );
        let Some(codec) = offer.codecs().find(|codec| self.session.codecs.contains(codec)) else {
            return (Err("no codec in common".into()), faults);
        };
        let holding = self.session.held.is_some();
        let direction = match (offer.direction, holding) {
            (Direction::SendRecv, false) => Direction::SendRecv,
            (Direction::SendRecv, true) | (Direction::RecvOnly, _) => Direction::SendOnly,
            (Direction::SendOnly, false) => Direction::RecvOnly,
            (Direction::SendOnly, true) | (Direction::Inactive, _) => Direction::Inactive,
        };
        let text = self.session.write(self.stream.local(), &[codec], offer.dtmf(), direction, &offer.others);
        self.stream.accept(&[codec], offer.dtmf());
        let takes = matches!(offer.direction, Direction::SendRecv | Direction::RecvOnly);
        self.agree(&offer, takes && !holding);
        self.session.peer = Some(offer);
        (Ok(text), faults)
    }

    fn agree(&mut self, peer: &Sdp, sending: bool) {
        let codec = peer.codecs().find(|codec| self.session.codecs.contains(codec));
        let codec = codec.unwrap_or(self.stream.codec());
        self.stream.agree(peer.target(), codec, peer.dtmf(), sending);
    }
}

impl Session {
    pub(crate) fn new(id: u64, codecs: Vec<Codec>, dtmf: u8) -> Self {
        Self {
            id,
            version: id,
            last: String::new(),
            codecs,
            dtmf,
            held: None,
            offer: None,
            peer: None,
            refused_version: 0,
        }
    }

    /// What was last written, if anything.
    pub(crate) fn written(&self) -> Option<&str> {
        (!self.last.is_empty()).then_some(&self.last)
    }

    /// An offer of the peer was refused unread.
    pub(crate) fn refuse_offer(&mut self, text: &str) {
        let version = Sdp::read(text).map_or(0, |offer| offer.version);
        self.refused_version = self.refused_version.max(version);
    }

    pub(crate) fn has_offered(&self) -> bool {
        self.offer.is_some()
    }

    /// Writes a description; its version steps when anything else in it changed (RFC 3264 §8).
    fn write(
        &mut self,
        local: SocketAddr,
        codecs: &[Codec],
        dtmf: Option<u8>,
        direction: Direction,
        others: &[(usize, String)],
    ) -> String {
        let zero = self.held == Some(Hold::Zero);
        let (session, version) = (self.id, self.version);
        let mut writing = Writing { session, version, local, codecs, dtmf, direction, zero, others };
        let text = writing.text();
        if !self.last.is_empty() && self.last != text {
            self.version += 1;
            writing.version = self.version;
        }
        self.last = writing.text();
        self.last.clone()
    }
}

impl Dialog {
    pub(crate) fn remember_seq(&mut self, seq: u32) {
        if self.remote_seqs.len() == SEQS_KEPT {
            self.remote_seqs.remove(1);
        }
        self.remote_seqs.push_back(seq);
    }

    /// The next CSeq number.
    pub(crate) fn next_seq(&mut self) -> u32 {
        self.local_seq += 1;
        self.local_seq
    }

    /// Where in-dialog requests go: the first route, else the target; `None` when that is no address.
    pub(crate) fn next_hop(&self) -> Option<SocketAddr> {
        address_of(self.routes.first().map_or(self.target.as_str(), |route| bare(route)))
    }

    /// The From of our requests.
    pub(crate) fn local_value(&self) -> String {
        format!("{};tag={}", self.local, self.local_tag)
    }

    /// The To of our requests.
    pub(crate) fn remote_value(&self) -> String {
        match &self.remote_tag {
            Some(tag) => format!("{};tag={tag}", self.remote),
            None => self.remote.clone(),
        }
    }

    /// Takes tag, target and routes from a response to our INVITE (RFC 3261 §12.1.2).
    pub(crate) fn learn_as_caller(&mut self, read: &Read) {
        self.remote_tag.clone_from(&read.to.tag);
        self.routes = read.record_routes.iter().rev().cloned().collect();
        self.learn_target(&read.contacts);
    }

    /// A target refresh: re-INVITE, UPDATE and their 2xx (RFC 3261 §12.2).
    pub(crate) fn learn_target(&mut self, contacts: &[Party]) {
        if let Some(contact) = contacts.first() {
            self.target.clone_from(&contact.uri);
        }
    }
}

impl fmt::Display for CallNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}", self.0)
    }
}

/// A route without its brackets.
fn bare(route: &str) -> &str {
    route.trim().trim_start_matches('<')
}

/// Requests that can still be under way; a repeated number comes sooner.
const SEQS_KEPT: usize = 64;
