//! A seeded world of phones: they answer, are busy, decline, ignore, answer across the CANCEL, or never
//! say a word; callers give up; seats register and unregister. After every input the laws hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::{CallId, Cause, Digit, Entropy, LegId, Machine, Mono, Name, Now};
use ivr::line::{LastTry, Order, Strategy};

use super::bench::{Bench, arrival, change, plan, secs};
use crate::plan::Plan;
use crate::seam::{Input, Origin, Output, Refer, Sound, Target, Told};
use crate::switchboard::Switchboard;

/// `SIM_SEED=17 cargo nextest run -p pbx simulation` replays one seed.
#[allow(clippy::disallowed_methods)] // a test may be told its seed
fn seeds(from: u64, to: u64) {
    let replay = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = replay.map_or(from..to, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let run = std::panic::catch_unwind(|| run(seed));
        assert!(run.is_ok(), "replay with SIM_SEED={seed} cargo nextest run -p pbx simulation");
    }
}

#[test]
fn random_phones_keep_the_laws_a() {
    seeds(0, 6_000);
}

#[test]
fn random_phones_keep_the_laws_b() {
    seeds(6_000, 12_000);
}

#[test]
fn random_phones_keep_the_laws_c() {
    seeds(12_000, 18_000);
}

#[test]
fn random_phones_keep_the_laws_d() {
    seeds(18_000, 24_000);
}

/// A world in which nothing happens keeps every law: this one says what does happen.
#[test]
fn the_worlds_are_not_empty() {
    let mut seen = Seen::default();
    for seed in 0..500 {
        let run = run(seed);
        seen.conversations += run.conversations;
        seen.late_answers_taken += run.late_answers_taken;
        seen.late_answers_hung_up += run.late_answers_hung_up;
        seen.mobiles += run.mobiles;
        seen.twins += run.twins;
        seen.accepted += run.accepted;
        seen.transferred += run.transferred;
        seen.retaps += run.retaps;
    }
    let least = Seen {
        conversations: 200,
        late_answers_taken: 5,
        late_answers_hung_up: 50,
        mobiles: 20,
        twins: 100,
        accepted: 40,
        transferred: 15,
        retaps: 12,
    };
    assert!(
        seen.conversations >= least.conversations
            && seen.late_answers_taken >= least.late_answers_taken
            && seen.late_answers_hung_up >= least.late_answers_hung_up
            && seen.mobiles >= least.mobiles
            && seen.twins >= least.twins
            && seen.accepted >= least.accepted
            && seen.transferred >= least.transferred
            && seen.retaps >= least.retaps,
        "{seen:?} is less than {least:?}"
    );
}

#[derive(Clone, Debug, Default)]
struct Seen {
    conversations: u32,
    late_answers_taken: u32,
    late_answers_hung_up: u32,
    mobiles: u32,
    twins: u32,
    accepted: u32,
    transferred: u32,
    retaps: u32,
}

fn run(seed: u64) -> Seen {
    let mut dice = Entropy::from_number(seed);
    let plan = random_plan(&mut dice);
    let mut world = World::new(plan, dice);
    for _ in 0..=world.dice.below(5) {
        let at = world.within(60_000);
        world.schedule(at, Act::Calls);
    }
    for ext in EXTENSIONS {
        world.schedule(Duration::ZERO, Act::Registers(ext));
        if world.chance(25) {
            let at = world.within(90_000);
            world.schedule(at, Act::Registers(ext));
        }
    }
    if world.chance(20) {
        let at = world.within(90_000);
        world.schedule(at, Act::Reloads);
    }
    world.go();
    world.judge();
    world.seen
}

fn random_plan(dice: &mut Entropy) -> Plan {
    let mut plan = plan();
    change(&mut plan, |line| {
        for queue in line.queues.values_mut() {
            let ring = &mut queue.ring;
            ring.strategy = [Strategy::Sequential, Strategy::Parallel][dice.below(2) as usize];
            ring.order = [Order::FromTop, Order::Remember][dice.below(2) as usize];
            ring.last_try = [LastTry::Finish, LastTry::Cut][dice.below(2) as usize];
            ring.timeout = secs(3 + dice.below(12));
            ring.pause = secs(dice.below(4));
            if dice.below(3) == 0 {
                ring.seats.push("duty_mobile".into());
            }
            queue.max_wait = secs(10 + dice.below(50));
            queue.wrap_up = secs(dice.below(20));
            queue.max_waiting = 1 + dice.below(4) as u32;
        }
    });
    if dice.below(4) == 0 {
        plan.trunks.values_mut().for_each(|trunk| trunk.max_calls = 3);
    }
    plan
}

/// What will happen of itself.
#[derive(Clone, Debug)]
enum Act {
    Calls,
    Registers(&'static str),
    Reloads,
    Says(Input),
    /// A seat's phone transfers, blind or attended, well or badly.
    Refers(LegId),
    /// A seat that talks dials another one.
    Consults(LegId),
    /// `Played`, unless something else plays by then.
    Ends(LegId, u64),
}

/// A party as the world knows it.
#[derive(Clone, Debug)]
struct Phone {
    /// `None`: a caller.
    seat: Option<Name>,
    /// Its extension, also when it called.
    ext: Option<Name>,
    caller: LegId,
    answered: bool,
    /// We gave it up or hung up, or it ended: it is nobody's any more.
    let_go: bool,
    over: bool,
    /// Says nothing at all any more.
    mute: bool,
    answers_late: bool,
    keyed: bool,
    plays: u64,
}

struct World {
    board: Switchboard,
    twin: Option<Switchboard>,
    now: Now,
    dice: Entropy,
    acts: BTreeMap<(Mono, u64), Act>,
    scheduled: u64,
    phones: BTreeMap<LegId, Phone>,
    arrived: u64,
    finished: BTreeSet<CallId>,
    connected: BTreeSet<CallId>,
    /// Which call each seat talks in.
    talking: BTreeMap<Name, CallId>,
    /// Phones that wait to hear what came of their REFER.
    referring: BTreeSet<LegId>,
    referred: BTreeSet<LegId>,
    seen: Seen,
}

impl World {
    fn new(plan: Plan, dice: Entropy) -> Self {
        let bench = Bench::new(plan);
        Self {
            board: bench.board,
            twin: None,
            now: bench.now,
            dice,
            acts: BTreeMap::new(),
            scheduled: 0,
            phones: BTreeMap::new(),
            arrived: 0,
            finished: BTreeSet::new(),
            connected: BTreeSet::new(),
            talking: BTreeMap::new(),
            referring: BTreeSet::new(),
            referred: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.dice.below(100) < percent
    }

    fn within(&mut self, millis: u64) -> Duration {
        Duration::from_millis(self.dice.below(millis))
    }

    fn schedule(&mut self, after: Duration, act: Act) {
        self.scheduled += 1;
        self.acts.insert((self.now.mono + after, self.scheduled), act);
    }

    fn says(&mut self, after: Duration, input: Input) {
        self.schedule(after, Act::Says(input));
    }

    fn go(&mut self) {
        loop {
            let act = self.acts.keys().next().map(|&(at, _)| at);
            let alarm = self.board.deadline();
            let Some(next) = act.into_iter().chain(alarm).min() else { return };
            self.now = self.now.later(next.since(self.now.mono));
            if alarm == Some(next) {
                self.both(Machine::expire);
                assert!(self.board.deadline().is_none_or(|at| at > self.now.mono), "a deadline in the past");
            } else if let Some((_, act)) = self.acts.pop_first() {
                self.act(act);
            }
            if self.twin.is_none() && self.chance(1) {
                self.twin = Some(self.board.clone());
                self.seen.twins += 1;
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Calls => self.calls(),
            Act::Registers(ext) => {
                let contacts = (0..self.dice.below(3)).collect();
                self.input(&Input::Contacts { ext: ext.into(), contacts });
            }
            Act::Reloads => {
                let plan = random_plan(&mut self.dice);
                self.input(&Input::Plan(Arc::new(plan)));
            }
            Act::Ends(leg, plays) => {
                if self.phones.get(&leg).is_some_and(|phone| !phone.over && phone.plays == plays) {
                    self.input(&Input::Played { leg });
                }
            }
            Act::Says(input) => self.party_says(&input),
            Act::Refers(leg) => self.refers(leg),
            Act::Consults(leg) => self.consults(leg),
        }
    }

    fn calls(&mut self) {
        let leg = LegId::arrived(self.arrived);
        self.arrived += 1;
        let direct = self.chance(15);
        let (origin, called) = if direct {
            (Origin::Extension("8001".into()), ["8003", "4005550100"][self.dice.below(2) as usize])
        } else {
            (Origin::Trunk("carrier".into()), "057155550100")
        };
        let mut phone = Phone::new(None, leg);
        phone.ext = direct.then(|| "8001".into());
        self.phones.insert(leg, phone);
        if direct {
            let at = self.within(40_000);
            self.schedule(at, Act::Refers(leg));
        }
        self.input(&Input::Arrived { leg, arrival: Box::new(arrival(origin, &[called], "13912345678")) });
        for _ in 0..self.dice.below(6) {
            let digit = Digit::from_char(char::from(b"1234#29"[self.dice.below(7) as usize])).unwrap();
            let at = self.within(40_000);
            self.says(at, Input::Digit { leg, digit });
        }
        let patience = if self.chance(20) { self.within(20_000) } else { self.within(300_000) };
        self.says(patience, Input::Ended { leg, cause: Cause::CallerHungUp });
    }

    /// A seat that talks calls another seat or the line, and joins the two calls, or does not.
    fn consults(&mut self, of: LegId) {
        let Some(phone) = self.phones.get(&of) else { return };
        let Some(ext) = phone.ext.clone().filter(|_| phone.answered && !phone.over && !phone.mute) else {
            return;
        };
        let leg = LegId::arrived(self.arrived);
        self.arrived += 1;
        let to = ["8001", "8002", "8003", "8004", "4005550100"][self.dice.below(5) as usize];
        let mut phone = Phone::new(None, leg);
        phone.ext = Some(ext.clone());
        self.phones.insert(leg, phone);
        let arrival = arrival(Origin::Extension(ext), &[to], "");
        self.input(&Input::Arrived { leg, arrival: Box::new(arrival) });
        let asks = if self.chance(50) { leg } else { of };
        let at = self.within(30_000);
        self.schedule(at, Act::Refers(asks));
        let patience = self.within(60_000);
        self.says(patience, Input::Ended { leg, cause: Cause::CallerHungUp });
    }

    /// The phone of a leg asks for a transfer.
    fn refers(&mut self, leg: LegId) {
        let Some(phone) = self.phones.get(&leg).filter(|phone| phone.answered && !phone.over && !phone.mute)
        else {
            return;
        };
        let own = |other: &Phone| other.ext == phone.ext && other.answered && !other.over;
        let other =
            self.phones.iter().rev().find(|&(&other, phone)| other != leg && own(phone)).map(|(&leg, _)| leg);
        let to = ["8001", "8002", "8003", "8004", "00160012345"][self.dice.below(5) as usize].to_owned();
        let replaces = other.filter(|_| self.chance(80));
        self.input(&Input::Referred { leg, refer: Box::new(Refer { to, replaces }) });
        if self.chance(40) {
            let at = self.within(3_000);
            self.says(at, Input::Ended { leg, cause: Cause::SeatHungUp });
        }
    }

    /// A phone says something, if it still can.
    fn party_says(&mut self, input: &Input) {
        let leg = match input {
            Input::Answered { leg }
            | Input::Ended { leg, .. }
            | Input::Progressed { leg, .. }
            | Input::Digit { leg, .. }
            | Input::Held { leg, .. } => *leg,
            _ => unreachable!("{input:?}"),
        };
        let Some(phone) = self.phones.get_mut(&leg) else { return };
        if phone.over || phone.mute {
            return;
        }
        match input {
            // One INVITE has one final response: 200, busy or decline.
            Input::Answered { .. } | Input::Ended { cause: Cause::Busy | Cause::Declined, .. }
                if phone.answered =>
            {
                return;
            }
            Input::Answered { .. } => phone.answered = true,
            Input::Ended { .. } => (phone.over, phone.let_go) = (true, true),
            Input::Digit { digit, .. } => phone.keyed |= *digit == Digit::from_char('1').unwrap(),
            _ => {}
        }
        let ended = matches!(input, Input::Ended { .. });
        self.input(input);
        if ended && leg.is_arrived() && !self.referred.contains(&leg) {
            let left = self.phones.iter().find(|(_, other)| other.caller == leg && !other.let_go);
            assert!(left.is_none(), "the caller is gone and {left:?} still rings");
        }
    }

    fn input(&mut self, input: &Input) {
        self.both(|board, now| board.handle(now, input.clone()));
    }

    /// Board and twin live through the same, and say the same.
    fn both(&mut self, mut happens: impl FnMut(&mut Switchboard, Now)) {
        happens(&mut self.board, self.now);
        if let Some(twin) = &mut self.twin {
            happens(twin, self.now);
        }
        while let Some(output) = self.board.poll() {
            if let Some(twin) = &mut self.twin {
                assert_eq!(twin.poll().as_ref(), Some(&output), "the twin says something else");
            }
            self.hear(output);
        }
        assert_eq!(self.twin.as_mut().and_then(Machine::poll), None);
        assert!(!self.board.forgets_somebody(), "a caller sleeps beside an idle seat");
    }

    fn hear(&mut self, output: Output) {
        match output {
            Output::Place { leg, caller, target, .. } => self.placed(leg, caller, &target),
            Output::Answer { leg } => self.phone(leg).answered = true,
            Output::GiveUp { leg, .. } => self.given_up(leg),
            Output::HangUp { leg, .. } => {
                self.seen.late_answers_hung_up += u32::from(self.phone(leg).let_go);
                let phone = self.phone(leg);
                assert!(phone.answered && !phone.over, "{leg} is hung up without a call");
                (phone.over, phone.let_go) = (true, true);
            }
            Output::Refuse { leg, .. } => {
                let phone = self.phone(leg);
                assert!(leg.is_arrived() && !phone.answered && !phone.over);
                (phone.over, phone.let_go) = (true, true);
            }
            Output::Play { leg, sound } => {
                self.phone(leg).plays += 1;
                let plays = self.phone(leg).plays;
                assert!(!self.phone(leg).over, "{leg} hears something after its end");
                if matches!(sound, Sound::Prompt { .. } | Sound::Tone { length: Some(_), .. }) {
                    let length = self.within(5_000);
                    self.schedule(length, Act::Ends(leg, plays));
                }
            }
            Output::Stop { leg } => self.phone(leg).plays += 1,
            Output::Bridge { a, b } => self.bridged(a, b),
            Output::Finished(record) => {
                assert!(self.finished.insert(record.call), "a second row of one call");
                for leg in &record.legs {
                    let phone = self.phone(leg.leg);
                    assert!(phone.over || phone.mute || leg.moved, "{} of a finished call lives", leg.leg);
                }
            }
            Output::Tell { call, what: Told::Connected { seat, .. } } => {
                assert!(self.connected.insert(call), "a second winner");
                let other = self.talking.insert(seat.clone(), call).filter(|&other| other != call);
                assert!(other.is_none(), "{seat} has two callers");
            }
            Output::Tell { call, what: Told::Left { seat } } => {
                self.connected.remove(&call);
                self.talking.remove(&seat);
            }
            Output::Tell { call, what: Told::Ended { .. } } => self.talking.retain(|_, with| *with != call),
            Output::AcceptRefer { leg } => {
                self.seen.accepted += 1;
                assert!(self.phone(leg).answered && !self.phone(leg).over);
                assert!(self.referring.insert(leg), "{leg} is referred twice");
                self.referred.insert(leg);
            }
            Output::ReferProgress { leg, status } => {
                self.seen.transferred += u32::from(status == 200);
                assert!(self.referring.remove(&leg), "{leg} is told without a REFER");
            }
            Output::Identify { leg, .. } => assert!(!self.phone(leg).over, "{leg} is told after its end"),
            Output::Retap { caller_leg, seat_leg, .. } => {
                self.seen.retaps += 1;
                assert!(!self.phone(caller_leg).over && !self.phone(seat_leg).over, "the dead are recorded");
            }
            Output::Record(_)
            | Output::Segment { .. }
            | Output::RefuseRefer { .. }
            | Output::EndRecording { .. }
            | Output::Unbridge { .. }
            | Output::Progress { .. }
            | Output::Standing(_)
            | Output::Tell { .. } => {}
        }
    }

    fn phone(&mut self, leg: LegId) -> &mut Phone {
        self.phones.get_mut(&leg).unwrap()
    }

    fn placed(&mut self, leg: LegId, caller: LegId, target: &Target) {
        let seat: Name = match target {
            Target::Contact { ext, .. } => ext.clone(),
            Target::Outside { number, .. } => number.as_str().into(),
        };
        self.has_no_second_call(&seat, caller);
        assert!(!self.phone(caller).over, "a leg is placed for nobody");
        let mut phone = Phone::new(Some(seat.clone()), caller);
        phone.ext = matches!(target, Target::Contact { .. }).then_some(seat);
        phone.answers_late = self.chance(15);
        phone.mute = self.chance(4);
        self.phones.insert(leg, phone);
        let ring = self.within(400);
        self.says(ring, Input::Progressed { leg, status: 180, media: false });
        let later = self.within(18_000);
        match self.dice.below(10) {
            0 | 1 => self.says(ring, Input::Ended { leg, cause: Cause::Busy }),
            2 => self.says(later, Input::Ended { leg, cause: Cause::Declined }),
            3 | 4 => {}
            5 => self.says(ring, Input::Ended { leg, cause: Cause::NoResponse }),
            _ => {
                self.says(later, Input::Answered { leg });
                self.talks(later, leg);
            }
        }
    }

    fn talks(&mut self, from: Duration, leg: LegId) {
        let key = Digit::from_char(char::from(b"1125"[self.dice.below(4) as usize])).unwrap();
        let at = from + self.within(8_000);
        self.says(at, Input::Digit { leg, digit: key });
        if self.chance(20) {
            self.says(at, Input::Held { leg, held: true });
            let back = at + self.within(9_000);
            self.says(back, Input::Held { leg, held: false });
        }
        let refers = from + self.within(12_000);
        match self.dice.below(3) {
            0 => self.schedule(refers, Act::Refers(leg)),
            1 => self.schedule(refers, Act::Consults(leg)),
            _ => {}
        }
        let talk = from + self.within(60_000);
        self.says(talk, Input::Ended { leg, cause: Cause::SeatHungUp });
    }

    /// (iii) A seat is never offered two calls.
    fn has_no_second_call(&self, seat: &Name, caller: LegId) {
        let rings = |phone: &Phone| phone.seat.as_ref() == Some(seat) && !phone.let_go;
        let other = self.phones.iter().find(|(_, phone)| rings(phone) && phone.caller != caller);
        assert!(other.is_none(), "{seat} is offered a second call beside {other:?}");
    }

    /// (ii) It lives until it tells: mostly 487, sometimes the answer that crossed.
    fn given_up(&mut self, leg: LegId) {
        let phone = self.phone(leg);
        assert!(!phone.answered && !phone.over && !phone.let_go, "{leg} is given up in vain");
        phone.let_go = true;
        let late = phone.answers_late;
        let after = self.within(300);
        if late {
            self.says(after, Input::Answered { leg });
            self.talks(after, leg);
        } else {
            self.says(after, Input::Ended { leg, cause: Cause::CallerGaveUp });
        }
    }

    /// (i), (v) Who is bridged has answered, with the key where one is asked for.
    fn bridged(&mut self, caller: LegId, leg: LegId) {
        assert!(self.phone(caller).answered && !self.phone(caller).over);
        let phone = self.phone(leg);
        assert!(phone.answered && !phone.over, "{leg} has not answered");
        assert!(phone.seat.as_deref() != Some(MOBILE) || phone.keyed, "a voicemail is bridged");
        let late = std::mem::take(&mut phone.let_go);
        phone.caller = caller;
        let seat = phone.seat.clone();
        self.phone(caller).caller = caller;
        self.seen.conversations += 1;
        self.seen.late_answers_taken += u32::from(late);
        self.seen.mobiles += u32::from(seat.as_deref() == Some(MOBILE));
        if let Some(seat) = seat {
            self.has_no_second_call(&seat, caller);
        }
    }

    /// When all is still: every call has its row, and everything is given back.
    fn judge(&self) {
        assert_eq!(self.finished.len() as u64, self.arrived, "each call has one row");
        assert!(self.board.is_idle(), "something is held for nobody");
        assert_eq!(self.board.deadline(), None);
        let lost = self.phones.iter().find(|(_, phone)| !phone.over && !phone.mute);
        assert!(lost.is_none(), "a leg was forgotten: {lost:?}");
        assert_eq!(self.referring, BTreeSet::new(), "a phone never heard what came of its REFER");
    }
}

impl Phone {
    fn new(seat: Option<Name>, caller: LegId) -> Self {
        Self {
            seat,
            ext: None,
            caller,
            answered: false,
            let_go: false,
            over: false,
            mute: false,
            answers_late: false,
            keyed: false,
            plays: 0,
        }
    }
}

const EXTENSIONS: [&str; 4] = ["8001", "8002", "8003", "8004"];
const MOBILE: &str = "+8613800138001";
