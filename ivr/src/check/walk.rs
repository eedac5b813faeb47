//! Walks every way that a call can take: is it told before it is recorded, is it refused in time, does it
//! ever wait, is there a flow that no call reaches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Digit, Name};

use super::draft::Draft;
use crate::fault::Faults;
use crate::line::{KeyAction, Line, Place, Predicate, Step, Verb};
use crate::yaml::{Node, Spot};

pub(super) fn check(root: &Node, draft: &mut Draft, faults: &mut Faults<'_>) {
    let whole = draft.broken.is_empty();
    let line = &draft.line;
    let mut walk = Walk {
        line,
        root,
        whole,
        faults,
        seen: BTreeSet::new(),
        ahead: VecDeque::new(),
        reached: BTreeSet::new(),
    };
    walk.every_way();
    let reached = walk.reached;
    when_full(line, faults);
    // A misspelled name leaves its target unreached: that is one fault, not two.
    if whole && !faults.has("E110") {
        unreachable(root, &reached, faults);
        unasked_hours(root, line, faults);
    }
    for (name, steps) in &line.flows {
        if !draft.broken.contains(&format!("flows/{name}")) {
            flow_end(root, name, steps, faults);
        }
    }
    loops(line, faults);
    dialled(line, faults);
}

/// Calls a function with every step of the line, nested ones too.
pub(super) fn every_step<'l>(line: &'l Line, look: &mut impl FnMut(&'l Step)) {
    each(&line.when_full, look);
    line.flows.values().for_each(|steps| each(steps, look));
    for queue in line.queues.values() {
        for steps in [&queue.when_no_seats, &queue.when_full, &queue.when_timed_out] {
            each(steps, look);
        }
    }
    for menu in line.menus.values() {
        for steps in [&menu.no_input, &menu.wrong_key, &menu.when_exhausted] {
            each(steps, look);
        }
        for action in menu.keys.values() {
            if let KeyAction::Steps(steps) = action {
                each(steps, look);
            }
        }
    }
}

fn each<'l>(steps: &'l [Step], look: &mut impl FnMut(&'l Step)) {
    for step in steps {
        look(step);
        if let Verb::If { then, otherwise, .. } = &step.verb {
            each(then, look);
            each(otherwise, look);
        }
    }
}

/// What has happened to a call when it comes to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
struct State {
    /// The recording notice was played.
    noticed: bool,
    /// Something was played or rung: the call is answered.
    answered: bool,
}

/// A place that a call goes to and does not come back from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Flow(Name),
    Menu(Name),
}

struct Walk<'w, 'f> {
    line: &'w Line,
    root: &'w Node,
    /// Every step could be read: conclusions from what is absent are safe.
    whole: bool,
    faults: &'w mut Faults<'f>,
    seen: BTreeSet<(Stop, State)>,
    /// Breadth first, so that a menu is met at its least depth.
    ahead: VecDeque<(Stop, State, u32)>,
    /// `flows/x`, `menus/x`, `queues/x` that some call reaches.
    reached: BTreeSet<String>,
}

impl Walk<'_, '_> {
    fn every_way(&mut self) {
        let line = self.line;
        self.go(Stop::Flow(line.start.clone()), State::default(), 0);
        // What may not stand here at all (E145) is not asked for a notice as well.
        self.steps(&line.when_full, BTreeSet::from([State { noticed: true, answered: false }]), 0);
        while let Some((stop, state, depth)) = self.ahead.pop_front() {
            match stop {
                Stop::Flow(name) => {
                    let steps = line.flows.get(&name).map_or(&[][..], Vec::as_slice);
                    self.reached.insert(format!("flows/{name}"));
                    self.steps(steps, BTreeSet::from([state]), depth);
                }
                Stop::Menu(name) => self.menu(&name, State { answered: true, ..state }, depth + 1),
            }
        }
    }

    fn go(&mut self, stop: Stop, state: State, depth: u32) {
        if self.seen.insert((stop.clone(), state)) {
            self.ahead.push_back((stop, state, depth));
        }
    }

    fn menu(&mut self, name: &Name, state: State, depth: u32) {
        let line = self.line;
        let Some(menu) = line.menus.get(name) else { return };
        if self.reached.insert(format!("menus/{name}")) && depth > DEEP_MENUS {
            let at = self.entry("menus", name);
            self.faults.add(
                at,
                "W135",
                format!("{name} is menu number {depth} below each other"),
                "callers get lost",
            );
        }
        let refuse_key = line.recording.as_ref().and_then(|recording| recording.refuse_key);
        if let Some(digit) = refuse_key.filter(|digit| state.noticed && menu.keys.contains_key(digit)) {
            self.refuse_key_taken(name, digit);
        }
        for action in menu.keys.values() {
            if let KeyAction::Steps(steps) = action {
                self.steps(steps, BTreeSet::from([state]), depth);
            }
        }
        for steps in [&menu.no_input, &menu.wrong_key, &menu.when_exhausted] {
            let after = self.steps(steps, BTreeSet::from([state]), depth);
            // The question is asked again, perhaps after a notice.
            for state in after {
                self.go(Stop::Menu(name.clone()), state, depth - 1);
            }
        }
    }

    fn refuse_key_taken(&mut self, menu: &Name, digit: Digit) {
        let key = digit.to_string();
        let entry = self.root.child("menus").and_then(|menus| menus.child(menu)?.child("keys")?.entry(&key));
        let at = entry.map_or(Spot::default(), |entry| entry.at);
        let message = format!("{key} refuses recording from the notice on, so the menu would never get it");
        self.faults.add(at, "E121", message, "give the menu another key");
    }

    /// The states in which calls come out at the end of the steps.
    fn steps(&mut self, steps: &[Step], mut states: BTreeSet<State>, depth: u32) -> BTreeSet<State> {
        for step in steps {
            states = states.into_iter().flat_map(|state| self.step(step, state, depth)).collect();
        }
        states
    }

    fn step(&mut self, step: &Step, state: State, depth: u32) -> BTreeSet<State> {
        let line = self.line;
        let answered = State { answered: true, ..state };
        match &step.verb {
            Verb::Play(_) | Verb::Tone { .. } => BTreeSet::from([answered]),
            Verb::RecordingNotice => {
                if line.recording.is_none() && self.whole && self.root.child("recording").is_none() {
                    let message = "recording_notice without a section `recording`";
                    self.fault(&step.place, "E110", message, "write recording: { record: …, notice: … }");
                }
                BTreeSet::from([State { noticed: true, answered: true }])
            }
            Verb::Menu(name) => {
                self.go(Stop::Menu(name.clone()), state, depth);
                BTreeSet::new()
            }
            Verb::Goto(name) => {
                self.go(Stop::Flow(name.clone()), state, depth);
                BTreeSet::new()
            }
            Verb::Queue(name) => self.queue(name, step, answered, depth),
            Verb::Ring(_) => {
                let recorded = line.recording.as_ref().is_some_and(|recording| recording.rings);
                self.told(recorded, state, &step.place, "ring");
                BTreeSet::from([answered])
            }
            Verb::If { then, otherwise, .. } => {
                let mut after = self.steps(then, BTreeSet::from([state]), depth);
                after.extend(self.steps(otherwise, BTreeSet::from([state]), depth));
                after
            }
            Verb::RefuseIf { .. } => {
                if state.answered {
                    let message = "a call comes here after something was played";
                    self.fault(&step.place, "E140", message, "put it first in the flow that answers");
                }
                BTreeSet::from([state])
            }
            Verb::HangUp => BTreeSet::new(),
        }
    }

    fn queue(&mut self, name: &Name, step: &Step, state: State, depth: u32) -> BTreeSet<State> {
        let line = self.line;
        let recorded = line.recording.as_ref().is_some_and(|recording| recording.queues);
        self.told(recorded, state, &step.place, name);
        let Some(queue) = line.queues.get(name) else { return BTreeSet::from([state]) };
        // Queues that lead to each other: each is walked once for each state.
        let key = format!("queues/{name}");
        let again = !self.reached.insert(key.clone()) && !self.reached.insert(format!("{key}?{state:?}"));
        self.reached.insert(format!("{key}?{state:?}"));
        if again {
            return BTreeSet::from([state]);
        }
        [&queue.when_no_seats, &queue.when_full, &queue.when_timed_out]
            .into_iter()
            .flat_map(|steps| self.steps(steps, BTreeSet::from([state]), depth))
            .collect()
    }

    fn told(&mut self, recorded: bool, state: State, place: &Place, what: &str) {
        if recorded && !state.noticed && self.whole {
            let message =
                format!("a call can reach {what}, which is recorded, without having heard the notice");
            self.fault(place, "E122", message, "put recording_notice before it");
        }
    }

    fn fault(&mut self, place: &Place, code: &'static str, message: impl Into<String>, proposal: &str) {
        let at = self.faults.spot(place);
        self.faults.add(at, code, message, proposal);
    }

    fn entry(&self, section: &str, name: &str) -> Spot {
        self.root
            .child(section)
            .and_then(|section| section.entry(name))
            .map_or(Spot::default(), |entry| entry.at)
    }
}

/// 5.7, rule 7: early media that ends with 486; nothing that needs an answered call.
fn when_full(line: &Line, faults: &mut Faults<'_>) {
    let mut flows: BTreeSet<&Name> = BTreeSet::new();
    let mut ahead: Vec<&[Step]> = vec![&line.when_full];
    while let Some(steps) = ahead.pop() {
        each(steps, &mut |step| {
            let what = match &step.verb {
                Verb::Queue(_) => "queue",
                Verb::Ring(_) => "ring",
                Verb::Menu(_) => "menu",
                Verb::RecordingNotice => "recording_notice",
                Verb::Goto(flow) => {
                    if flows.insert(flow) {
                        ahead.extend(line.flows.get(flow).map(Vec::as_slice));
                    }
                    return;
                }
                Verb::Play(_)
                | Verb::Tone { .. }
                | Verb::If { .. }
                | Verb::RefuseIf { .. }
                | Verb::HangUp => return,
            };
            let at = faults.spot(&step.place);
            faults.add(
                at,
                "E145",
                format!("`{what}` in line.when_full"),
                "play a prompt or a tone, and hang up",
            );
        });
    }
}

fn unreachable(root: &Node, reached: &BTreeSet<String>, faults: &mut Faults<'_>) {
    for section in ["flows", "menus", "queues"] {
        for entry in root.entries_of(section) {
            if !reached.contains(&format!("{section}/{}", entry.key)) {
                let message = format!("no call reaches {} of {section}", entry.key);
                faults.add(entry.at, "W132", message, "lead to it, or remove it");
            }
        }
    }
}

fn unasked_hours(root: &Node, line: &Line, faults: &mut Faults<'_>) {
    let mut asked = BTreeSet::new();
    every_question(line, &mut |question, _| {
        if let Predicate::Open(hours) | Predicate::Closed(hours) | Predicate::Holiday(hours) = question {
            asked.insert(hours.as_str());
        }
    });
    for entry in root.entries_of("hours") {
        if !asked.contains(entry.key.as_str()) {
            let message = format!("no step asks about {}", entry.key);
            faults.add(entry.at, "W136", message, format!("write if: {{ closed: {} }}", entry.key));
        }
    }
}

fn dialled(line: &Line, faults: &mut Faults<'_>) {
    every_question(line, &mut |question, step| {
        if let Predicate::Dialled(number) = question
            && !line.numbers.iter().any(|own| own.number == *number)
        {
            let at = faults.spot(&step.place);
            faults.add(
                at,
                "E110",
                "`dialled` asks about a number that is not the line's",
                "one of section numbers",
            );
        }
    });
}

fn every_question<'l>(line: &'l Line, look: &mut impl FnMut(&'l Predicate, &'l Step)) {
    every_step(line, &mut |step| {
        if let Verb::If { predicate, .. } | Verb::RefuseIf { predicate, .. } = &step.verb {
            question(predicate, step, look);
        }
    });
}

fn question<'l>(asked: &'l Predicate, step: &'l Step, look: &mut impl FnMut(&'l Predicate, &'l Step)) {
    look(asked, step);
    match asked {
        Predicate::All(parts) | Predicate::Any(parts) => {
            for part in parts {
                question(part, step, look);
            }
        }
        Predicate::Not(part) => question(part, step, look),
        _ => {}
    }
}

fn flow_end(root: &Node, name: &Name, steps: &[Step], faults: &mut Faults<'_>) {
    if steps.last().is_some_and(is_terminal) {
        return;
    }
    let at = match steps.last() {
        Some(step) => faults.spot(&step.place),
        None => {
            root.child("flows").and_then(|flows| flows.entry(name)).map_or(Spot::default(), |entry| entry.at)
        }
    };
    faults.add(
        at,
        "W110",
        format!("flow {name} runs off its end"),
        "end it with hangup, menu, queue or goto",
    );
}

fn is_terminal(step: &Step) -> bool {
    match &step.verb {
        Verb::Menu(_) | Verb::Queue(_) | Verb::Goto(_) | Verb::HangUp => true,
        Verb::If { then, otherwise, .. } => {
            then.last().is_some_and(is_terminal) && otherwise.last().is_some_and(is_terminal)
        }
        Verb::Play(_) | Verb::Tone { .. } | Verb::RecordingNotice | Verb::Ring(_) | Verb::RefuseIf { .. } => {
            false
        }
    }
}

/// E130: flows that go to each other without ever waiting for anything.
fn loops(line: &Line, faults: &mut Faults<'_>) {
    let mut at_once: BTreeMap<&Name, Vec<(&Name, &Place)>> = BTreeMap::new();
    for (name, steps) in &line.flows {
        let gotos = at_once.entry(name).or_default();
        without_wait(steps, gotos);
    }
    let mut done: BTreeSet<&Name> = BTreeSet::new();
    for start in line.flows.keys() {
        // Depth first with a path of its own: files may chain more flows than a stack bears.
        let mut path: Vec<(&Name, usize)> = vec![(start, 0)];
        while let Some((flow, next)) = path.pop() {
            let gotos = at_once.get(flow).map_or(&[][..], Vec::as_slice);
            let Some((target, place)) = gotos.get(next) else {
                done.insert(flow);
                continue;
            };
            path.push((flow, next + 1));
            if path.iter().any(|(on_path, _)| on_path == target) {
                let at = faults.spot(place);
                let message =
                    format!("from {target} back to {target} and nothing is played or asked between");
                faults.add(at, "E130", message, "lead out of the circle, or play something");
            } else if !done.contains(target) {
                path.push((target, 0));
            }
        }
    }
}

/// Collects the gotos that are reached before anything waits; true when the end can be, too.
fn without_wait<'l>(steps: &'l [Step], gotos: &mut Vec<(&'l Name, &'l Place)>) -> bool {
    for step in steps {
        match &step.verb {
            Verb::Play(_)
            | Verb::Tone { .. }
            | Verb::Menu(_)
            | Verb::Queue(_)
            | Verb::Ring(_)
            | Verb::HangUp => return false,
            Verb::Goto(flow) => {
                gotos.push((flow, &step.place));
                return false;
            }
            Verb::If { then, otherwise, .. } => {
                let through_then = without_wait(then, gotos);
                let through_else = without_wait(otherwise, gotos);
                if !through_then && !through_else {
                    return false;
                }
            }
            Verb::RecordingNotice | Verb::RefuseIf { .. } => {}
        }
    }
    true
}

/// Product rule A4: deeper menus are allowed and a warning says what callers think of them.
const DEEP_MENUS: u32 = 3;
