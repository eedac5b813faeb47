//! What happens in one seeded world: who calls whom, when, and what everybody does.

use std::sync::Arc;
use std::time::Duration;

use base::{Cause, Entropy, Mono};
use integration_tests::world::example::{EXTENSIONS, NUMBER, carried, shipped};
use integration_tests::world::{Example, Link, Setting};
use pbx::Plan;
use phones::{Action, Audio, Behaviour, CallNo, Cue, Dial, Hold, Input, Phone, Reply, Script, Stage};
use sibai::node;

/// A world with everything that will happen in it.
pub(crate) struct Life {
    pub(crate) example: Example,
    /// What happens from outside, and when.
    deeds: Vec<(Mono, Deed)>,
    /// Seats whose phones also call somebody.
    pub(crate) callers: Vec<usize>,
    pub(crate) link: Link,
    /// A worker panics: what it carried ends by a fault of ours, without its figures.
    pub(crate) loses_worker: bool,
    plan: Arc<Plan>,
}

/// Something that happens from outside.
enum Deed {
    /// A phone is told something.
    Phone(usize, Input),
    /// The operator does something.
    Operate(node::Input),
    /// The first media worker panics.
    LoseWorker,
}

impl Life {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance(Entropy::from_number(seed ^ 0x5eed_0000));
        let link = chance.link();
        let mut setting = shipped(chance.moment());
        hurry(&mut setting);
        setting.seed = seed;
        setting.workers = 1 + chance.below(2) as usize;
        setting.hop = Duration::from_micros(chance.below(2_000));
        setting.portless = if chance.one_in(10) { 6 } else { 0 };
        let outside = chance.mobile();
        let plan = Arc::clone(&setting.plan);
        let mut example = Example::of(&setting, |carrier| {
            carrier.plan = vec![(DUTY_MOBILE.to_owned(), outside)];
            carrier.keeps = Duration::ZERO;
        });
        example.world.set_link(link);
        example.world.pbx_mut().clone_now_and_then(CLONE_EVERY);
        let mut life =
            Self { example, deeds: Vec::new(), callers: Vec::new(), link, loses_worker: false, plan };
        life.people(&mut chance);
        if link.lost == 0 && chance.one_in(2) {
            life.speak_tls();
        }
        life.operator(&mut chance);
        life.deeds.sort_by_key(|(at, _)| *at);
        life
    }

    fn people(&mut self, chance: &mut Chance) {
        let start = self.example.world.now().mono;
        let begins = start + 3 * SECOND;
        // At times nobody is there but the duty mobile.
        let absent = if chance.one_in(5) { 1 } else { 5 };
        for (n, (seat, _)) in EXTENSIONS.into_iter().enumerate() {
            // Whom it asks comes after it in the list: two who asked each other at each call would never end.
            let colleagues = &EXTENSIONS[n + 1..];
            if chance.one_in(absent) {
                continue;
            }
            for _ in 0..=u64::from(chance.one_in(6)) {
                let (behaviour, consults) = chance.seat(colleagues);
                let lines = 1 + usize::from(chance.one_in(2));
                let phone = self.example.phone(seat, |setup| {
                    setup.behaviour = behaviour;
                    (setup.fills_silence, setup.keeps) = (false, Duration::ZERO);
                    setup.calls_at_once = lines;
                });
                self.deeds.push((start, Deed::Phone(phone, Input::Do(Action::Register))));
                if consults {
                    self.callers.push(phone);
                }
                if chance.one_in(10) {
                    let at = begins + chance.span(0, 20_000);
                    self.deeds.push((at, Deed::Phone(phone, Input::Do(Action::Unregister))));
                }
                if chance.one_in(5) {
                    self.callers.push(phone);
                    let to =
                        chance.of(&["8001", "8002", "8003", "8004", NUMBER, "4005550100", "13912345678"]);
                    let dial = Dial { script: chance.caller(), ..Dial::to(to) };
                    let at = begins + chance.span(0, 15_000);
                    self.deeds.push((at, Deed::Phone(phone, Input::Do(Action::Call(dial)))));
                }
            }
        }
        for _ in 0..=chance.below(4) {
            let from = chance.of(&["13912345678", "13800138009", "057188888888", "13800000000", "anonymous"]);
            let to =
                chance.of(&[NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, "4005550100", "02155551234"]);
            let script = chance.caller();
            let dial = Dial { script, offerless: chance.one_in(12), ..carried(from, to) };
            let at = begins + chance.span(0, 8_000);
            self.deeds.push((at, Deed::Phone(self.example.carrier, Input::Do(Action::Call(dial)))));
        }
    }

    /// All phones speak TLS: keys are offered to them, and to who refuses them so, alone. A connection loses nothing.
    fn speak_tls(&mut self) {
        let world = &mut self.example.world;
        let carrier = self.example.carrier;
        let seats = (0..world.phones().len()).filter(|phone| *phone != carrier);
        let addresses: Vec<_> = seats.map(|phone| world.phone(phone).setup().local_sip).collect();
        for at in addresses {
            world.pbx_mut().speaks_tls(at);
        }
    }

    /// A reload in the midst of calls; a stop.
    fn operator(&mut self, chance: &mut Chance) {
        let begins = self.example.world.now().mono + 3 * SECOND;
        if chance.one_in(6) {
            let plan = Arc::clone(&self.plan);
            self.deeds.push((begins + chance.span(0, 20_000), Deed::Operate(node::Input::Plan(plan))));
        }
        if chance.one_in(12) {
            self.loses_worker = true;
            self.deeds.push((begins + chance.span(1_000, 20_000), Deed::LoseWorker));
        }
        if chance.one_in(12) {
            let at = begins + chance.span(2_000, 20_000);
            self.deeds.push((at, Deed::Operate(node::Input::Drain)));
            let end = node::Input::EndAll(Cause::EngineStopped);
            self.deeds.push((at + chance.span(0, 5_000), Deed::Operate(end)));
        }
    }

    /// Everything happens; then it is quiet until nothing is left.
    pub(crate) fn live(&mut self) {
        for (at, deed) in std::mem::take(&mut self.deeds) {
            let now = self.example.world.now().mono;
            self.example.run(at.since(now));
            match deed {
                Deed::Phone(phone, input) => self.example.world.tell(phone, input),
                Deed::Operate(input) => self.example.world.operate(input),
                Deed::LoseWorker => self.example.world.lose_worker(0),
            }
        }
        self.example.run(LONGEST_LIFE);
        self.example.run(QUIET);
        self.part();
        self.example.world.run_until(QUIET, |world| {
            let node = world.pbx().node();
            node.sip().transactions() == 0 && node.sip().legs() == 0
        });
    }

    /// Two whom somebody put through to each other and left talk on: both were called, and who is called need not
    /// hang up. Where the brain knows of no call nobody is helped: what a phone still has then is a fault.
    fn part(&mut self) {
        if self.example.world.pbx().node().brain().live_calls() == 0 {
            return;
        }
        let talks = |phone: &Phone| {
            phone.calls().filter(|(_, call)| call.stage() == Stage::Up).map(|(no, _)| no).collect()
        };
        let talking: Vec<Vec<CallNo>> = self.example.world.phones().iter().map(talks).collect();
        for (phone, calls) in talking.into_iter().enumerate() {
            for no in calls {
                self.example.world.tell(phone, Input::DoOn(no, Action::HangUp));
            }
        }
        self.example.run(QUIET);
    }
}

/// Everything random about people.
struct Chance(Entropy);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Milliseconds between two bounds.
    fn span(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }

    fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len() as u64) as usize]
    }

    fn link(&mut self) -> Link {
        let lossless = self.one_in(4);
        Link {
            lost: if lossless { 0 } else { self.below(1_001) },
            doubled: if lossless { 0 } else { self.below(301) },
            delay: self.span(0, 20),
            jitter: self.span(0, 20),
        }
    }

    fn moment(&mut self) -> &'static str {
        let open = ["2026-10-12T10:00", "2026-10-13T14:00", "2026-10-10T09:30"];
        let shut = ["2026-10-12T12:30", "2026-10-02T10:00", "2026-10-12T11:59:55"];
        if self.one_in(6) { self.of(&shut) } else { self.of(&open) }
    }

    /// Somebody who calls: keys at any moment, and an end.
    fn caller(&mut self) -> Script {
        let mut script = Script::new();
        if self.one_in(6) {
            // Gives up at any moment, before an answer or after it.
            return script.then(self.span(0, 2_500), Action::HangUp);
        }
        script = script.on(Cue::Answered, Action::Say(Audio::tone(700.0, Duration::from_millis(400))));
        if self.one_in(4) {
            script = script.then(self.span(0, 900), Action::Press('#'));
        } else {
            script =
                script.then(self.span(500, 900), Action::Press(self.of(&['1', '2', '2', '3', '3', '0'])));
            script = script.then(self.span(300, 900), Action::Press(self.of(&['1', '1', '2', '*', '9'])));
        }
        for _ in 0..self.below(3) {
            let wait = self.span(100, 5_000);
            script = script.then(wait, self.deed());
        }
        script.then(self.span(0, 15_000), Action::HangUp)
    }

    /// Something that a party of a call does in the midst of it.
    fn deed(&mut self) -> Action {
        match self.below(9) {
            0 | 1 => Action::Press(self.of(&['1', '2', '3', '0', '#', '*', '7'])),
            2 => Action::PressInfo(self.of(&['1', '2', '#'])),
            3 | 4 => Action::Say(Audio::tone(600.0, Duration::from_millis(300))),
            8 => self.transfer(),
            5 => Action::Hold(self.of(&[Hold::SendOnly, Hold::Inactive, Hold::Zero, Hold::Update])),
            _ => Action::Resume,
        }
    }

    /// Puts the peer through to a colleague, to oneself, or to whom nobody may be put through.
    fn transfer(&mut self) -> Action {
        if self.one_in(3) {
            return Action::Join;
        }
        Action::Transfer(
            self.of(&["8001", "8002", "8003", "8004", "8003", "8004", "0016001234567"]).to_owned(),
        )
    }

    /// A seat that asks a colleague in the midst of a call, and joins or does not.
    fn consultation(&mut self, to: &str) -> Dial {
        let script = self.caller();
        let joins = Script::new().on_after(Cue::Answered, self.span(0, 2_000), Action::Join);
        Dial {
            script: if self.one_in(3) { script } else { joins.then(self.span(0, 9_000), Action::HangUp) },
            ..Dial::to(to)
        }
    }

    /// What a seat does with a call, and whether it calls others itself.
    fn seat(&mut self, colleagues: &[(&str, &str)]) -> (Behaviour, bool) {
        let mut behaviour = self.behaviour();
        let consults = !colleagues.is_empty() && self.one_in(2);
        if consults {
            let (_, to) = self.of(colleagues);
            let script = std::mem::take(&mut behaviour.script);
            let script = script.then(self.span(0, 2_000), Action::Hold(Hold::SendOnly));
            behaviour.script = script.then(self.span(0, 2_000), Action::Call(self.consultation(to)));
        }
        (behaviour, consults)
    }

    /// What a party does with a call.
    fn behaviour(&mut self) -> Behaviour {
        let ring_after = (!self.one_in(6)).then(|| self.span(0, 200));
        let reply = match self.below(8) {
            0 => Reply::Refuse(self.span(0, 1_500), self.of(&[486, 603, 480, 404, 488])),
            1 => Reply::Wait,
            // All at once: their answers cross each other and the cancels.
            2 => Reply::Answer(Duration::from_secs(1)),
            _ => Reply::Answer(self.span(0, 4_500)),
        };
        let mut script =
            Script::new().on(Cue::Answered, Action::Say(Audio::tone(900.0, Duration::from_millis(300))));
        for _ in 0..self.below(3) {
            let wait = self.span(100, 4_000);
            script = script.then(wait, self.deed());
        }
        match self.below(9) {
            0..3 => script = script.then(self.span(0, 8_000), Action::HangUp),
            // Many phones hang up as soon as they have asked.
            3 => {
                script = script.then(self.span(0, 3_000), self.transfer());
                script = script.then(self.span(0, 500), Action::HangUp);
            }
            4 => script = script.then(self.span(0, 3_000), self.transfer()),
            _ => {}
        }
        Behaviour { ring_after, early_media: self.one_in(6), reply, script }
    }

    /// What the duty mobile does, or its voicemail.
    fn mobile(&mut self) -> Behaviour {
        let behaviour = self.behaviour();
        let script = match self.below(4) {
            0 => Script::new().on(Cue::Answered, Action::Say(Audio::tone(400.0, SECOND))),
            1 => Script::new().on_after(Cue::Answered, self.span(0, 900), Action::Press('2')),
            _ => Script::new()
                .on_after(Cue::Answered, self.span(200, 1_500), Action::Press('1'))
                .then(self.span(1_000, 6_000), Action::HangUp),
        };
        behaviour.with(script)
    }
}

/// The same line with little patience, so that little virtual time holds many events.
fn hurry(setting: &mut Setting) {
    let plan = Arc::make_mut(&mut setting.plan);
    plan.limits.confirm_within = 3 * SECOND;
    for line in plan.lines.values_mut().map(Arc::make_mut) {
        for queue in line.queues.values_mut() {
            queue.ring.timeout = 3 * SECOND;
            queue.max_wait = 9 * SECOND;
            queue.wrap_up = SECOND;
        }
        for menu in line.menus.values_mut() {
            menu.timeout = SECOND;
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// As it is dialled over the trunk.
pub(crate) const DUTY_MOBILE: &str = "13800138001";

/// After this everybody who called has hung up.
const LONGEST_LIFE: Duration = Duration::from_secs(32);

/// 64 times T1 and some.
const QUIET: Duration = Duration::from_secs(45);

/// One in so many inputs of the node a clone is followed for a while.
const CLONE_EVERY: u64 = 40;
