//! A bench: one switchboard, one line, and whatever the phones are scripted to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Cause, Country, Digit, Entropy, LegId, Machine, Mono, Name, Now, PhoneNumber, Timestamp};
use ivr::line::{
    KeyAction, LastTry, Line, Menu, Number, NumberStatus, Order, Place, PromptFile, Queue, Reach, Recording,
    Retention, Ring, Seat, Step, Strategy, Verb,
};

use crate::cdr::CallRecord;
use crate::plan::{Limits, Plan, TrunkPlan};
use crate::seam::{Arrival, Input, Origin, Output, Record, Sound, Target};
use crate::switchboard::Switchboard;

pub(super) struct Bench {
    pub(super) board: Switchboard,
    pub(super) now: Now,
    /// Everything said since the last `take`.
    pub(super) said: Vec<Output>,
    pub(super) records: Vec<CallRecord>,
    /// Placed legs and whom they ring: `8001#1`, or the outside number.
    pub(super) placed: Vec<(LegId, String)>,
    arrived: u64,
    agrees: bool,
}

impl Bench {
    pub(super) fn new(plan: Plan) -> Self {
        let board = Switchboard::new(Arc::new(plan), Entropy::from_number(7));
        let wall: Timestamp = "2026-10-12T10:00:00+08:00".parse().unwrap();
        let now = Now { mono: Mono::ZERO + secs(1000), wall };
        Self {
            board,
            now,
            said: Vec::new(),
            records: Vec::new(),
            placed: Vec::new(),
            arrived: 0,
            agrees: false,
        }
    }

    /// A bench where these extensions are registered, each at one phone.
    pub(super) fn with(plan: Plan, exts: &[&str]) -> Self {
        let mut bench = Self::new(plan);
        for ext in exts {
            bench.register(ext, &[1]);
        }
        bench
    }

    pub(super) fn input(&mut self, input: Input) {
        self.board.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.board.poll() {
            match &output {
                Output::GiveUp { leg, cause } if self.agrees => {
                    self.board.handle(self.now, Input::Ended { leg: *leg, cause: *cause });
                }
                Output::Place { leg, target, .. } => self.placed.push((*leg, spell(target))),
                Output::Finished(record) => self.records.push((**record).clone()),
                _ => {}
            }
            self.said.push(output);
        }
        assert_eq!(self.board.poll(), None);
    }

    /// From now on phones agree to each CANCEL at once, as most do.
    pub(super) fn agreeing(mut self) -> Self {
        self.agrees = true;
        self
    }

    /// Lets time pass, waking the board at each of its deadlines.
    pub(super) fn after(&mut self, span: Duration) {
        let until = self.now.mono + span;
        while let Some(deadline) = self.board.deadline().filter(|&deadline| deadline <= until) {
            self.now = self.now.later(deadline.since(self.now.mono));
            self.board.expire(self.now);
            self.drain();
            let next = self.board.deadline();
            assert!(next.is_none_or(|next| next > self.now.mono), "{next:?} at {:?}", self.now.mono);
        }
        self.now = self.now.later(until.since(self.now.mono));
    }

    pub(super) fn register(&mut self, ext: &str, contacts: &[u64]) {
        self.input(Input::Contacts { ext: ext.into(), contacts: contacts.to_vec() });
    }

    /// A caller from the carrier's trunk.
    pub(super) fn caller(&mut self) -> LegId {
        self.arrive(Origin::Trunk("carrier".into()), &["057155550100"], "13912345678")
    }

    pub(super) fn arrive(&mut self, origin: Origin, called: &[&str], from: &str) -> LegId {
        let leg = LegId::arrived(self.arrived);
        self.arrived += 1;
        self.input(Input::Arrived { leg, arrival: Box::new(arrival(origin, called, from)) });
        leg
    }

    /// A caller who heard welcome and notice and pressed a key of the menu.
    pub(super) fn caller_at(&mut self, key: char) -> LegId {
        let leg = self.caller();
        self.input(Input::Played { leg });
        self.input(Input::Played { leg });
        self.press(leg, key);
        leg
    }

    pub(super) fn press(&mut self, leg: LegId, key: char) {
        self.input(Input::Digit { leg, digit: Digit::from_char(key).unwrap() });
    }

    pub(super) fn answer(&mut self, leg: LegId) {
        self.input(Input::Answered { leg });
    }

    pub(super) fn end(&mut self, leg: LegId, cause: Cause) {
        self.input(Input::Ended { leg, cause });
    }

    /// The newest leg placed to this phone.
    pub(super) fn leg_to(&self, whom: &str) -> LegId {
        self.placed.iter().rev().find(|(_, to)| to == whom).unwrap_or_else(|| panic!("{whom} never rang")).0
    }

    /// Whom it rang since the last time it was asked.
    pub(super) fn rang(&mut self) -> Vec<String> {
        std::mem::take(&mut self.placed).into_iter().map(|(_, to)| to).collect()
    }

    pub(super) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    pub(super) fn gave_up(&self, leg: LegId) -> Option<Cause> {
        self.said.iter().find_map(|output| match output {
            Output::GiveUp { leg: whose, cause } if *whose == leg => Some(*cause),
            _ => None,
        })
    }

    pub(super) fn hung_up(&self, leg: LegId) -> Option<Cause> {
        self.said.iter().find_map(|output| match output {
            Output::HangUp { leg: whose, cause } if *whose == leg => Some(*cause),
            _ => None,
        })
    }

    pub(super) fn refused(&self, leg: LegId) -> Option<(u16, Cause)> {
        self.said.iter().find_map(|output| match output {
            Output::Refuse { leg: whose, status, cause } if *whose == leg => Some((*status, *cause)),
            _ => None,
        })
    }

    pub(super) fn bridged(&self, a: LegId, b: LegId) -> bool {
        self.said.contains(&Output::Bridge { a, b })
    }

    pub(super) fn plays(&self, leg: LegId) -> Option<String> {
        self.said.iter().rev().find_map(|output| match output {
            Output::Play { leg: whose, sound } if *whose == leg => Some(match sound {
                Sound::Prompt { prompt, .. } => prompt.as_str().to_owned(),
                Sound::Music { prompt, .. } => format!("{prompt} over and over"),
                Sound::Tone { tone, length: None, .. } => tone.as_str().to_owned(),
                Sound::Tone { tone, length: Some(length), .. } => {
                    format!("{} for {} ms", tone.as_str(), length.as_millis())
                }
            }),
            _ => None,
        })
    }

    pub(super) fn recorded(&self) -> Option<Record> {
        self.said.iter().find_map(|output| match output {
            Output::Record(record) => Some((**record).clone()),
            _ => None,
        })
    }

    /// The only row so far.
    pub(super) fn record(&self) -> &CallRecord {
        assert_eq!(self.records.len(), 1, "{:?}", self.records);
        &self.records[0]
    }
}

pub(super) fn arrival(origin: Origin, called: &[&str], from: &str) -> Arrival {
    Arrival {
        origin,
        called: called.iter().map(|&called| called.to_owned()).collect(),
        caller: from.to_owned(),
        display: None,
        diverted: Vec::new(),
        withheld: from.is_empty(),
        replaces: None,
        call_id: "abc@carrier".to_owned(),
    }
}

fn spell(target: &Target) -> String {
    match target {
        Target::Contact { ext, contact: 1 } => ext.as_str().to_owned(),
        Target::Contact { ext, contact } => format!("{ext}#{contact}"),
        Target::Outside { number, .. } => number.as_str().to_owned(),
    }
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn number(raw: &str) -> PhoneNumber {
    PhoneNumber::normalise(raw).unwrap()
}

/// The example line, made by hand: keys 1 advice (sequential: li_na, wang_wei), 2 after_sales (parallel:
/// zhao_min, chen_hao), 3 complaints (parallel: zhao_min, li_na), 4 a `ring` step to the duty mobile.
pub(super) fn plan() -> Plan {
    let line = line();
    let own = number("4005550100");
    let name = line.id.clone();
    let numbers = ["4005550100", "057155550100"].map(|n| (number(n), (name.clone(), own.clone())));
    let extensions = line.seats.iter().filter_map(|(seat, of)| match &of.reach {
        Reach::Ext(ext) => Some((ext.clone(), (name.clone(), seat.clone()))),
        Reach::Phone { .. } => None,
    });
    let trunk =
        TrunkPlan { caller_id: Some(number("057155550100")), dials_out: true, ..TrunkPlan::default() };
    Plan {
        numbers: numbers.into(),
        extensions: extensions.collect(),
        trunks: [("carrier".into(), trunk)].into(),
        limits: Limits {
            max_calls: 100,
            max_call: secs(4 * 3600),
            max_setup: secs(180),
            confirm_within: secs(10),
        },
        lines: [(name, Arc::new(line))].into(),
    }
}

/// Changes the only line of a plan.
pub(super) fn change(plan: &mut Plan, change: impl FnOnce(&mut Line)) {
    let line = plan.lines.get_mut(&Name::from("huaning")).unwrap();
    change(Arc::make_mut(line));
}

pub(super) fn queue_mut<'a>(line: &'a mut Line, name: &str) -> &'a mut Queue {
    line.queues.get_mut(&Name::from(name)).unwrap()
}

fn line() -> Line {
    let seat = |title: &str, reach| Seat { title: title.to_owned(), reach, srtp: None };
    let ext = |ext: &str| Reach::Ext(ext.into());
    let duty = Reach::Phone { number: number("13800138001"), confirm: Digit::from_char('1') };
    let answer_call = ["welcome"].map(|prompt| step(Verb::Play(prompt.into())));
    let mut flow = answer_call.to_vec();
    flow.extend([step(Verb::RecordingNotice), step(Verb::Menu("main".into()))]);
    let mut complaints = queue(Strategy::Parallel, &["zhao_min", "li_na"], 20, 120, 30);
    complaints.when_no_seats = ring_mobile();
    Line {
        id: "huaning".into(),
        title: "华宁".to_owned(),
        timezone: "Asia/Shanghai".into(),
        language: "zh-CN".into(),
        country: Country::Cn,
        music: None,
        max_calls: 10,
        when_full: vec![step(Verb::Play("lines_busy".into()))],
        start: "answer_call".into(),
        numbers: vec![Number {
            number: number("4005550100"),
            status: NumberStatus::Active,
            arrives_as: vec![number("057155550100")],
            may_call_out: false,
        }],
        prompts: prompts(),
        calendars: BTreeMap::new(),
        hours: BTreeMap::new(),
        lists: BTreeMap::new(),
        seats: [
            ("li_na".into(), seat("李娜", ext("8001"))),
            ("wang_wei".into(), seat("王伟", ext("8002"))),
            ("zhao_min".into(), seat("赵敏", ext("8003"))),
            ("chen_hao".into(), seat("陈浩", ext("8004"))),
            ("duty_mobile".into(), seat("值班手机", duty)),
        ]
        .into(),
        queues: [
            ("advice".into(), queue(Strategy::Sequential, &["li_na", "wang_wei"], 15, 180, 10)),
            ("after_sales".into(), queue(Strategy::Parallel, &["zhao_min", "chen_hao"], 20, 300, 20)),
            ("complaints".into(), complaints),
        ]
        .into(),
        flows: [("answer_call".into(), flow)].into(),
        menus: [("main".into(), menu())].into(),
        recording: Some(Recording {
            queues: true,
            rings: true,
            notice: "notice".into(),
            refuse_key: Some(Digit::POUND),
        }),
        retention: Retention {
            keep: base::Period::Days(90),
            longest_without_consent: base::Period::Months(6),
            rules: vec![],
        },
    }
}

fn menu() -> Menu {
    let key = |key| Digit::from_char(key).unwrap();
    let goes = |verb| KeyAction::Steps(vec![step(verb)]);
    Menu {
        prompt: "main_menu".into(),
        timeout: secs(6),
        tries: 3,
        keys: [
            (key('1'), goes(Verb::Queue("advice".into()))),
            (key('2'), goes(Verb::Queue("after_sales".into()))),
            (key('3'), goes(Verb::Queue("complaints".into()))),
            (key('4'), KeyAction::Steps(ring_mobile())),
        ]
        .into(),
        no_input: vec![],
        wrong_key: vec![],
        when_exhausted: vec![step(Verb::HangUp)],
        type_ahead: false,
    }
}

fn prompts() -> BTreeMap<Name, PromptFile> {
    ["welcome", "notice", "main_menu", "lines_busy", "all_busy", "nobody", "press_to_accept", "piano"]
        .map(|name| (name.into(), PromptFile { file: format!("prompts/{name}.wav"), text: None }))
        .into()
}

fn ring_mobile() -> Vec<Step> {
    vec![
        step(Verb::Ring(ring(Strategy::Sequential, &["duty_mobile"], 25))),
        step(Verb::Play("nobody".into())),
    ]
}

fn queue(strategy: Strategy, seats: &[&str], timeout: u64, max_wait: u64, wrap_up: u64) -> Queue {
    let play = |prompt: &str| vec![step(Verb::Play(prompt.into()))];
    Queue {
        ring: ring(strategy, seats, timeout),
        max_wait: secs(max_wait),
        max_waiting: 20,
        wrap_up: secs(wrap_up),
        music: None,
        when_no_seats: play("nobody"),
        when_full: play("all_busy"),
        when_timed_out: play("all_busy"),
    }
}

pub(super) fn ring(strategy: Strategy, seats: &[&str], timeout: u64) -> Ring {
    Ring {
        strategy,
        seats: seats.iter().map(|&seat| seat.into()).collect(),
        timeout: secs(timeout),
        pause: secs(1),
        order: Order::FromTop,
        last_try: LastTry::Finish,
    }
}

pub(super) fn step(verb: Verb) -> Step {
    Step { place: Place { file: "line.yaml".into(), line: 1, column: 1 }, verb }
}
