//! A scripted phone: SIP by rsip over RFC 3261's transactions, RTP by rtp-rs; no socket, no clock.
//!
//! It is the judge: whatever the peer writes that cannot be read or breaks the RFCs becomes `Event::Fault`.

mod asking;
mod calling;
pub(crate) mod referring;
mod registering;
mod replying;
mod taking;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use base::{Digit, Entropy, Machine, Mono, Now};

use crate::call::{Call, CallNo, Stage};
use crate::digest::{Algorithm, Challenge};
use crate::events::{Action, Behaviour, Event, Input, Output};
use crate::g711::Codec;
use crate::phone::asking::Asking;
use crate::phone::registering::Registration;
use crate::phone::replying::Replying;
use crate::read::{Read, Start};
use crate::script::{Script, Telling};
use crate::stream::Told;
use crate::timers::{Timer, Timers};

/// What a phone is.
#[derive(Clone, Debug)]
pub struct PhoneSetup {
    /// The user part of its address.
    pub name: String,
    /// The digest user; usually the name.
    pub user: String,
    /// The password; `None` for a phone that cannot answer a challenge.
    pub password: Option<String>,
    /// The digest algorithms that it knows. Phones really know only MD5 (RFC 8760 phones know more).
    pub algorithms: Vec<Algorithm>,
    /// Registrar and outbound proxy.
    pub proxy: SocketAddr,
    /// The host part of its address.
    pub domain: String,
    /// Where it sends and receives SIP.
    pub local_sip: SocketAddr,
    /// Where it sends and receives RTP: the first of `rtp_ports` even ports.
    pub local_rtp: SocketAddr,
    /// How many RTP ports, two apart; calls share them in turn, told apart by the peer's address.
    pub rtp_ports: u16,
    /// Offered in this order.
    pub codecs: Vec<Codec>,
    /// The payload type of telephone-event in our offers.
    pub dtmf_type: u8,
    /// What it does with calls.
    pub behaviour: Behaviour,
    /// What it does with calls to these users of the Request-URI, before `behaviour`.
    pub plan: Vec<(String, Behaviour)>,
    /// More calls at once are refused with 486.
    pub calls_at_once: usize,
    /// Seconds that it asks the registrar for.
    pub expires: u32,
    /// Whether requests and answers are sent again when nothing comes (RFC 3261 timers A, E, G).
    pub repeats: bool,
    /// Whether silence is sent when there is nothing to say.
    pub fills_silence: bool,
    /// How much of each direction is kept in memory.
    pub keeps: Duration,
    /// Whether OPTIONS is answered.
    pub answers_options: bool,
    /// Ask incoming calls for these digest credentials (user, password): a carrier that challenges.
    pub challenges: Option<(String, String)>,
    /// Offer session timers of so many seconds, and refresh by re-INVITE (RFC 4028).
    pub session_expires: Option<u32>,
    /// Everything random comes from it.
    pub seed: u64,
}

impl PhoneSetup {
    /// A plain phone: MD5, A-law first, one call at once, rings and waits.
    pub fn new(name: &str, proxy: SocketAddr, local_sip: SocketAddr, local_rtp: SocketAddr) -> Self {
        Self {
            name: name.into(),
            user: name.into(),
            password: None,
            algorithms: vec![Algorithm::Md5],
            proxy,
            domain: proxy.to_string(),
            local_sip,
            local_rtp,
            rtp_ports: 1,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            dtmf_type: 101,
            behaviour: Behaviour::waits(),
            plan: Vec::new(),
            calls_at_once: 1,
            expires: 300,
            repeats: true,
            fills_silence: true,
            keeps: LONGEST_KEPT,
            answers_options: true,
            challenges: None,
            session_expires: None,
            seed: 1,
        }
    }
}

/// A scripted phone.
#[derive(Clone, Debug)]
pub struct Phone {
    setup: PhoneSetup,
    entropy: Entropy,
    timers: Timers,
    outputs: VecDeque<Output>,
    registration: Registration,
    /// The last challenge of the proxy: used again with a higher count.
    challenge: Option<Challenge>,
    asking: BTreeMap<u64, Asking>,
    ask_ids: BTreeMap<String, u64>,
    replying: BTreeMap<u64, Replying>,
    reply_ids: BTreeMap<String, u64>,
    next_id: u64,
    /// Branches of requests long done: an answer to one of them is late, not wrong.
    past_branches: VecDeque<String>,
    calls: BTreeMap<CallNo, Call>,
    call_ids: BTreeMap<String, CallNo>,
    /// Calls that use each RTP address of ours.
    by_rtp: BTreeMap<SocketAddr, Vec<CallNo>>,
    next_call: u64,
    telling: BTreeMap<u64, Telling>,
    faults: VecDeque<String>,
    fault_count: u64,
}

impl Phone {
    /// A phone that has done nothing yet.
    pub fn new(setup: PhoneSetup) -> Self {
        Self {
            entropy: Entropy::from_number(setup.seed),
            setup,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            registration: Registration::default(),
            challenge: None,
            asking: BTreeMap::new(),
            ask_ids: BTreeMap::new(),
            replying: BTreeMap::new(),
            reply_ids: BTreeMap::new(),
            next_id: 0,
            past_branches: VecDeque::new(),
            calls: BTreeMap::new(),
            call_ids: BTreeMap::new(),
            by_rtp: BTreeMap::new(),
            next_call: 0,
            telling: BTreeMap::new(),
            faults: VecDeque::new(),
            fault_count: 0,
        }
    }

    /// What it is.
    pub fn setup(&self) -> &PhoneSetup {
        &self.setup
    }

    /// Whether it is registered.
    pub fn is_registered(&self) -> bool {
        self.registration.bound
    }

    /// Its calls, ended ones too as far as they are kept.
    pub fn calls(&self) -> impl DoubleEndedIterator<Item = (CallNo, &Call)> {
        self.calls.iter().map(|(no, call)| (*no, call))
    }

    /// One call.
    pub fn call(&self, no: CallNo) -> Option<&Call> {
        self.calls.get(&no)
    }

    /// How many calls are not over.
    pub fn live_calls(&self) -> usize {
        self.calls.values().filter(|call| call.stage != Stage::Ended).count()
    }

    /// What the newest call heard.
    pub fn heard(&self) -> &[i16] {
        self.calls.values().next_back().map_or(&[], |call| call.stream.heard())
    }

    /// What the newest call said.
    pub fn said(&self) -> &[i16] {
        self.calls.values().next_back().map_or(&[], |call| call.stream.said())
    }

    /// The faults found, oldest first, as many as are kept.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(String::as_str)
    }

    /// How many faults were found in all.
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    /// Transactions that are still remembered: 0 when everything has come to its end.
    pub fn pending(&self) -> usize {
        self.asking.len() + self.replying.len()
    }

    /// Whether OPTIONS is answered from now on.
    pub fn set_answers_options(&mut self, answers: bool) {
        self.setup.answers_options = answers;
    }

    /// Another password from now on; what was challenged before is forgotten.
    pub fn set_password(&mut self, password: Option<String>) {
        self.setup.password = password;
        self.challenge = None;
    }

    /// What it does with the next calls.
    pub fn set_behaviour(&mut self, behaviour: Behaviour) {
        self.setup.behaviour = behaviour;
    }

    fn saw(&mut self, now: Now, call: Option<CallNo>, event: Event) {
        if let Event::Fault(text) = &event {
            self.fault_count += 1;
            if self.faults.len() == FAULTS_KEPT {
                self.faults.pop_front();
            }
            self.faults.push_back(text.clone());
        }
        let mut due = Vec::new();
        for (id, telling) in &mut self.telling {
            due.extend(telling.hears(call, &event).map(|after| (*id, after)));
        }
        for (id, after) in due {
            self.timers.set(Timer::Script(id), now.mono + after);
        }
        self.outputs.push_back(Output::Saw { call, event });
    }

    fn fault(&mut self, now: Now, call: Option<CallNo>, text: impl Into<String>) {
        self.saw(now, call, Event::Fault(text.into()));
    }

    fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.outputs.push_back(Output::SendSip { to, bytes });
    }

    fn mint(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.setup.name, self.setup.local_sip)
    }

    fn tell(&mut self, now: Now, script: Script, call: Option<CallNo>) {
        if script.is_empty() {
            return;
        }
        if self.telling.len() >= MAX_STORIES {
            self.saw(now, call, Event::CannotDo("too many stories at once".into()));
            return;
        }
        let id = self.mint();
        self.telling.insert(id, Telling::new(script, call));
        self.tell_on(now.mono, id);
    }

    fn tell_on(&mut self, now: Mono, id: u64) {
        let Some(telling) = self.telling.get_mut(&id) else { return };
        if telling.is_over() {
            self.telling.remove(&id);
        } else if let Some(after) = telling.ready() {
            self.timers.set(Timer::Script(id), now + after);
        }
    }

    fn tell_step(&mut self, now: Now, due: Mono, id: u64) {
        let Some(telling) = self.telling.get_mut(&id) else { return };
        let call = telling.call;
        if let Some(action) = telling.act() {
            let made = self.act(now, call, action);
            if let Some(telling) = self.telling.get_mut(&id) {
                telling.call = telling.call.or(made);
            }
        }
        self.tell_on(due, id);
    }

    fn take_sip(&mut self, now: Now, source: SocketAddr, bytes: &[u8]) {
        // A keep-alive (RFC 5626 §4.4.1) or an empty datagram says nothing.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        let read = match Read::of(bytes) {
            Ok(read) => read,
            Err(fault) => return self.fault(now, None, fault),
        };
        let call = self.call_ids.get(&read.call_id).copied();
        for fault in &read.faults {
            self.fault(now, call, format!("{}: {fault}", title(&read)));
        }
        match &read.start {
            Start::Response(code) => self.take_response(now, *code, &read),
            Start::Request { method, uri } => {
                let (method, uri) = (*method, uri.clone());
                self.take_request(now, source, method, &uri, &read);
            }
        }
    }

    fn take_rtp(&mut self, now: Now, at: SocketAddr, source: SocketAddr, bytes: &[u8]) {
        let users = self.by_rtp.get(&at).map_or(&[][..], Vec::as_slice);
        let matching = |no: &&CallNo| self.calls.get(no).is_some_and(|c| c.stream.remote() == Some(source));
        // Before the answer is known a lone call takes what comes (RFC 3264 §5.1: be ready upon offering).
        let lone = if let [only] = users { Some(only) } else { None };
        let late = |call: &Call| {
            call.stage == Stage::Ended && call.stream.local() == at && call.stream.remote() == Some(source)
        };
        let found = users.iter().find(matching);
        // What was under way when its call ended is nobody's.
        if found.is_none() && self.calls.values().any(late) {
            return;
        }
        let Some(&no) = found.or(lone) else { return };
        let Some(call) = self.calls.get_mut(&no) else { return };
        for told in call.stream.hear(now.mono, source, bytes) {
            match told {
                Told::Began => self.saw(now, Some(no), Event::AudioBegan),
                Told::Fault(text) => self.fault(now, Some(no), text),
                Told::Digit(digit) => self.take_digit(now, no, digit),
            }
        }
    }

    fn take_digit(&mut self, now: Now, no: CallNo, digit: Digit) {
        if let Some(call) = self.calls.get_mut(&no)
            && call.digits.len() < DIGITS_KEPT
        {
            call.digits.push(digit.as_char());
        }
        self.saw(now, Some(no), Event::Digit(digit.as_char()));
    }

    fn send_rtp(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no).filter(|call| call.stage != Stage::Ended) else { return };
        let (packet, next) = call.stream.step(now.mono);
        if let (Some(bytes), Some(to)) = (packet, call.stream.remote()) {
            let from = call.stream.local();
            self.outputs.push_back(Output::SendRtp { from, to, bytes });
        }
        self.timers.set(Timer::Rtp(no), next);
    }

    /// Takes every reason away for the call to be remembered as live.
    fn end_call(&mut self, now: Now, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no).filter(|call| call.stage != Stage::Ended) else { return };
        call.stage = Stage::Ended;
        (call.accepting, call.ask, call.reply) = (None, None, None);
        let local = call.stream.local();
        if let Some(users) = self.by_rtp.get_mut(&local) {
            users.retain(|user| *user != no);
        }
        for timer in [
            Timer::Rtp(no),
            Timer::Accept(no),
            Timer::AcceptEnds(no),
            Timer::Ring(no),
            Timer::Decide(no),
            Timer::GiveUp(no),
            Timer::Again(no),
            Timer::Refresh(no),
        ] {
            self.timers.stop(timer);
        }
        self.saw(now, Some(no), Event::Gone);
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        while self.calls.len() > CALLS_KEPT + self.setup.calls_at_once {
            let ended = self.calls.iter().find(|(_, call)| call.stage == Stage::Ended);
            let Some((no, id)) = ended.map(|(no, call)| (*no, call.dialog.call_id.clone())) else { return };
            self.calls.remove(&no);
            self.call_ids.remove(&id);
            self.telling.retain(|_, telling| telling.call != Some(no));
        }
    }

    fn expire_one(&mut self, now: Now, due: Mono, timer: Timer) {
        match timer {
            Timer::Rtp(no) => self.send_rtp(now, no),
            Timer::Ask(id) => self.ask_again(now, id),
            Timer::AskEnds(id) => self.ask_ends(now, id),
            Timer::Reply(id) => self.reply_again(now, id),
            Timer::ReplyEnds(id) => self.reply_ends(now, id),
            Timer::Accept(no) => self.accept_again(now, no),
            Timer::AcceptEnds(no) => self.accept_ends(now, no),
            Timer::Ring(no) => self.ring(now, no, None),
            Timer::Decide(no) => self.decide(now, no),
            Timer::GiveUp(no) => self.give_up_ends(now, no),
            Timer::Again(no) | Timer::Refresh(no) => self.renew(now, no),
            Timer::Register => self.register(now, self.setup.expires),
            Timer::Script(id) => self.tell_step(now, due, id),
        }
    }
}

impl Machine for Phone {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Sip { source, bytes } => self.take_sip(now, source, &bytes),
            Input::Rtp { at, source, bytes } => self.take_rtp(now, at, source, &bytes),
            Input::Do(action) => {
                self.act(now, None, action);
            }
            Input::DoOn(no, action) => {
                self.act(now, Some(no), action);
            }
            Input::Play(script) => self.tell(now, script, None),
        }
    }

    fn expire(&mut self, now: Now) {
        while let Some((due, timer)) = self.timers.take_due(now.mono) {
            self.expire_one(now, due, timer);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Mono> {
        self.timers.next()
    }
}

impl Phone {
    /// Does it; the call that was made, if one was.
    fn act(&mut self, now: Now, no: Option<CallNo>, action: Action) -> Option<CallNo> {
        match action {
            Action::Register => self.register(now, self.setup.expires),
            Action::Unregister => self.register(now, 0),
            Action::Probe => self.probe(now),
            Action::Call(dial) => return self.dial(now, dial),
            action => {
                let newest = || self.calls.iter().rev().find(|(_, call)| call.stage != Stage::Ended);
                match no.or_else(|| newest().map(|(no, _)| *no)) {
                    Some(no) if self.calls.contains_key(&no) => self.act_on(now, no, action),
                    _ => self.saw(now, no, Event::CannotDo(format!("{action:?} without a call"))),
                }
            }
        }
        None
    }
}

/// What a message is, in two words.
fn title(read: &Read) -> String {
    match &read.start {
        Start::Request { method, .. } => method.to_string(),
        Start::Response(code) => format!("{code} to {}", read.method),
    }
}

/// RFC 3261 table 4.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L, M: 64·T1.
const PATIENCE: Duration = Duration::from_secs(32);
/// Ended calls that are kept for the judges.
const CALLS_KEPT: usize = 64;
/// Faults kept in words; all are counted.
const FAULTS_KEPT: usize = 200;
/// Digits kept of one call.
const DIGITS_KEPT: usize = 1000;
/// Branches remembered so that a late answer is not taken for a wrong one.
const BRANCHES_KEPT: usize = 512;
/// Server transactions at once; more are not answered, as a real phone would not.
const MAX_REPLYING: usize = 10_000;
/// Stories at once: one for each call of the load tool, and some.
const MAX_STORIES: usize = 20_000;
/// Ten minutes of each direction.
const LONGEST_KEPT: Duration = Duration::from_mins(10);
/// Nobody lets it ring longer (a phone's own timer C).
const LONGEST_RINGING: Duration = Duration::from_mins(5);
/// Methods that a phone takes.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";
