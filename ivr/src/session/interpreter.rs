//! The machine that walks a line for one caller.
//!
//! Keys, as a caller expects them:
//! - In a menu a key acts at once and interrupts what plays.
//! - During a `play` or a `tone` after which a menu may come, a key skips the rest and is kept for that
//!   menu: who knows the menu need not wait for it. Where no menu can come (the last words before a
//!   hang-up), it is heard to its end and the key is dropped.
//! - During `recording_notice` keys are kept for the next menu and only the refuse key interrupts.
//! - Kept keys do not pass from one menu into the next unless that has `type_ahead`; a wrong one drops
//!   the rest.
//! - In queues and while seats ring, only the refuse key means anything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::{Digit, Machine, Mono, Name, Now, Tone};

use super::{Input, Left, Output, Start};
use crate::line::{KeyAction, Line, Menu, Step, Verb};

/// One caller's walk through a line.
#[derive(Clone, Debug)]
pub struct Session {
    visit: Start,
    /// What is to be done next, the nearest last.
    agenda: Vec<Task>,
    doing: Doing,
    /// The menu that the caller is in, and how often he failed in it.
    menu: Option<(Name, u32)>,
    /// The menus before it, for `back` and `top`.
    trail: Vec<Name>,
    /// Keys pressed where no menu could take them yet.
    kept: VecDeque<Digit>,
    /// Steps and menu prompts so far.
    steps: u32,
    /// Something was asked for that answers the call.
    touched: bool,
    /// The recording notice began.
    noticed: bool,
    /// The caller refused to be recorded.
    refused: bool,
    outputs: VecDeque<Output>,
}

/// A thing on the agenda.
#[derive(Clone, Debug)]
enum Task {
    Do(Step),
    /// Ask the current menu's question (again).
    Ask,
}

/// What the visit waits for.
#[derive(Clone, Debug, PartialEq)]
enum Doing {
    Nothing,
    Playing(Heard),
    /// A key, until then.
    AwaitingKey(Mono),
    Queued(Name),
    Ringing,
    Over,
}

/// What is being played.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    Plain,
    Notice,
    Menu,
}

impl Session {
    /// A visit that waits for `Input::Begin`.
    pub fn new(start: Start) -> Self {
        Self {
            visit: start,
            agenda: Vec::new(),
            doing: Doing::Nothing,
            menu: None,
            trail: Vec::new(),
            kept: VecDeque::new(),
            steps: 0,
            touched: false,
            noticed: false,
            refused: false,
            outputs: VecDeque::new(),
        }
    }

    /// What the visit began with.
    pub fn start(&self) -> &Start {
        &self.visit
    }

    /// Whether the visit has ended (`Refuse` or `HangUp` was put out).
    pub fn is_over(&self) -> bool {
        self.doing == Doing::Over
    }

    /// Whether the recording notice has begun; nothing may be recorded before.
    pub fn is_noticed(&self) -> bool {
        self.noticed
    }

    fn begin(&mut self, now: Now) {
        if self.steps > 0 || self.doing != Doing::Nothing {
            return;
        }
        let line = Arc::clone(&self.visit.line);
        match (self.visit.full, line.flows.get(&line.start)) {
            (true, _) => self.plan(&line.when_full),
            (false, Some(flow)) => self.plan(flow),
            (false, None) => {}
        }
        self.go_on(now);
    }

    fn played(&mut self, now: Now) {
        match (&self.doing, self.current_menu()) {
            (Doing::Playing(Heard::Menu), Some(menu)) => {
                self.doing = Doing::AwaitingKey(now.mono + menu.timeout);
            }
            (Doing::Playing(_), _) => self.go_on(now),
            _ => {}
        }
    }

    fn digit(&mut self, now: Now, digit: Digit) {
        if self.doing == Doing::Over {
            return;
        }
        if self.noticed && self.refuse_key() == Some(digit) {
            return self.refuse_recording(now);
        }
        match self.doing {
            Doing::Playing(Heard::Menu) => {
                self.outputs.push_back(Output::Stop);
                self.take(digit);
                self.go_on(now);
            }
            Doing::AwaitingKey(_) => {
                self.take(digit);
                self.go_on(now);
            }
            Doing::Playing(Heard::Plain) if self.menu_may_follow() => {
                self.keep(digit);
                self.outputs.push_back(Output::Stop);
                self.go_on(now);
            }
            Doing::Playing(Heard::Notice) => self.keep(digit),
            Doing::Playing(Heard::Plain)
            | Doing::Nothing
            | Doing::Queued(_)
            | Doing::Ringing
            | Doing::Over => {}
        }
    }

    /// Counts once; the key has no other meaning from the notice on (5.8, rule 1).
    fn refuse_recording(&mut self, now: Now) {
        if !self.refused {
            self.refused = true;
            self.outputs.push_back(Output::Refused);
        }
        if self.doing == Doing::Playing(Heard::Notice) {
            self.outputs.push_back(Output::Stop);
            self.go_on(now);
        }
    }

    fn left_queue(&mut self, now: Now, left: Left) {
        let Doing::Queued(name) = &self.doing else { return };
        let line = Arc::clone(&self.visit.line);
        if let Some(queue) = line.queues.get(name) {
            let steps = match left {
                Left::NoSeats => &queue.when_no_seats,
                Left::Full => &queue.when_full,
                Left::TimedOut => &queue.when_timed_out,
            };
            self.first(steps);
        }
        self.go_on(now);
    }

    fn nobody_answered(&mut self, now: Now) {
        if self.doing == Doing::Ringing {
            self.go_on(now);
        }
    }

    /// Works off the agenda up to the next wait. An empty agenda ends the call.
    fn go_on(&mut self, now: Now) {
        if self.doing == Doing::Over {
            return;
        }
        self.doing = Doing::Nothing;
        while self.doing == Doing::Nothing {
            let Some(task) = self.agenda.pop() else {
                return self.end(Output::HangUp { too_many_steps: false });
            };
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return self.end(Output::HangUp { too_many_steps: true });
            }
            match task {
                Task::Ask => self.ask(),
                Task::Do(step) => self.step(now, step.verb),
            }
        }
    }

    fn step(&mut self, now: Now, verb: Verb) {
        match verb {
            Verb::Play(prompt) => self.play(prompt, Heard::Plain),
            Verb::Tone { tone, length } => self.tone(tone, length),
            Verb::RecordingNotice => self.notice(),
            Verb::Menu(name) => self.enter(name),
            Verb::Queue(name) => self.hand_over(Doing::Queued(name.clone()), Output::Queue(name)),
            Verb::Ring(ring) => self.hand_over(Doing::Ringing, Output::Ring(ring)),
            Verb::If { predicate, then, otherwise } => {
                let branch = if predicate.holds(&self.visit, now.wall) { then } else { otherwise };
                self.first(&branch);
            }
            Verb::Goto(flow) => {
                let line = Arc::clone(&self.visit.line);
                self.plan(line.flows.get(&flow).map_or(&[], Vec::as_slice));
            }
            Verb::RefuseIf { predicate, code } => {
                if predicate.holds(&self.visit, now.wall) {
                    self.refuse(code);
                }
            }
            Verb::HangUp => self.end(Output::HangUp { too_many_steps: false }),
        }
    }

    /// `check` lets `refuse_if` stand before the first media only; once something was put out the call
    /// may be answered, and all that is left is to hang up.
    fn refuse(&mut self, code: u16) {
        let last =
            if self.touched { Output::HangUp { too_many_steps: false } } else { Output::Refuse { code } };
        self.end(last);
    }

    /// The call leaves the interpreter's hands until it hears that nobody took it.
    fn hand_over(&mut self, doing: Doing, output: Output) {
        self.touched = true;
        self.kept.clear();
        self.doing = doing;
        self.outputs.push_back(output);
    }

    fn notice(&mut self) {
        let line = Arc::clone(&self.visit.line);
        if let (false, Some(recording)) = (self.noticed, &line.recording) {
            self.noticed = true;
            self.play(recording.notice.clone(), Heard::Notice);
        }
    }

    fn play(&mut self, prompt: Name, heard: Heard) {
        self.touched = true;
        self.doing = Doing::Playing(heard);
        self.outputs.push_back(Output::Play { prompt, notice: heard == Heard::Notice });
    }

    fn tone(&mut self, tone: Tone, length: Duration) {
        self.touched = true;
        self.doing = Doing::Playing(Heard::Plain);
        self.outputs.push_back(Output::Tone { tone, length });
    }

    /// Enters a menu from a step: the one before it stays on the trail.
    fn enter(&mut self, name: Name) {
        if let Some((before, _)) = self.menu.take()
            && before != name
        {
            self.trail.push(before);
            self.drop_keys_before(&name);
        }
        self.arrive(name);
    }

    fn arrive(&mut self, name: Name) {
        self.touched = true;
        self.outputs.push_back(Output::Menu(name.clone()));
        self.menu = Some((name, 0));
        self.agenda.clear();
        self.agenda.push(Task::Ask);
    }

    /// 5.7, rule 3: keys do not pass from one menu into the next unless that one wants them.
    fn drop_keys_before(&mut self, next: &Name) {
        if !self.visit.line.menus.get(next).is_some_and(|menu| menu.type_ahead) {
            self.kept.clear();
        }
    }

    fn ask(&mut self) {
        let Some(menu) = self.current_menu() else { return };
        if self.failures() >= menu.tries {
            let steps = menu.when_exhausted.clone();
            return self.plan(&steps);
        }
        let prompt = menu.prompt.clone();
        match self.kept.pop_front() {
            Some(digit) => self.take(digit),
            None => self.play(prompt, Heard::Menu),
        }
    }

    /// A key for the current menu: puts on the agenda what it does.
    fn take(&mut self, digit: Digit) {
        let Some(menu) = self.current_menu() else { return };
        let Some(action) = menu.keys.get(&digit).cloned() else {
            let steps = menu.wrong_key.clone();
            self.kept.clear();
            return self.failed(&steps);
        };
        self.outputs.push_back(Output::Key(digit));
        match action {
            KeyAction::Steps(steps) => self.plan(&steps),
            KeyAction::Repeat => {
                self.agenda.clear();
                self.agenda.push(Task::Ask);
            }
            KeyAction::Back => self.back(),
            KeyAction::Top => {
                self.trail.truncate(1);
                self.back();
            }
            KeyAction::HangUp => self.end(Output::HangUp { too_many_steps: false }),
        }
    }

    /// To the menu before this one; in the first menu there is none, so its prompt repeats.
    fn back(&mut self) {
        let Some(name) = self.trail.pop().or_else(|| self.menu.as_ref().map(|(name, _)| name.clone())) else {
            return;
        };
        self.drop_keys_before(&name);
        self.arrive(name);
    }

    /// A wrong or a silent attempt: its steps run, then the prompt repeats (or the tries are over).
    fn failed(&mut self, steps: &[Step]) {
        if let Some((_, failures)) = &mut self.menu {
            *failures += 1;
        }
        self.plan(steps);
        self.agenda.insert(0, Task::Ask);
    }

    /// Replaces the agenda: what stood on it is not come back to.
    fn plan(&mut self, steps: &[Step]) {
        self.agenda.clear();
        self.first(steps);
    }

    /// Puts steps before the rest of the agenda.
    fn first(&mut self, steps: &[Step]) {
        self.agenda.extend(steps.iter().rev().cloned().map(Task::Do));
    }

    fn end(&mut self, last: Output) {
        self.doing = Doing::Over;
        self.agenda.clear();
        self.kept.clear();
        self.outputs.push_back(last);
    }

    fn keep(&mut self, digit: Digit) {
        if self.kept.len() < MOST_KEPT_KEYS {
            self.kept.push_back(digit);
        }
    }

    fn menu_may_follow(&self) -> bool {
        let mut flows = Vec::new();
        for task in self.agenda.iter().rev() {
            match task {
                Task::Ask => return self.current_menu().is_some_and(|menu| self.failures() < menu.tries),
                Task::Do(step) => match follows(&self.visit.line, step, &mut flows) {
                    Ahead::Menu => return true,
                    Ahead::NoMenu => return false,
                    Ahead::Further => {}
                },
            }
        }
        false
    }

    fn current_menu(&self) -> Option<&Menu> {
        let (name, _) = self.menu.as_ref()?;
        self.visit.line.menus.get(name)
    }

    fn failures(&self) -> u32 {
        self.menu.as_ref().map_or(0, |(_, failures)| *failures)
    }

    fn refuse_key(&self) -> Option<Digit> {
        self.visit.line.recording.as_ref()?.refuse_key
    }
}

impl Machine for Session {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Begin => self.begin(now),
            Input::Played => self.played(now),
            Input::Digit(digit) => self.digit(now, digit),
            Input::LeftQueue(left) => self.left_queue(now, left),
            Input::NobodyAnswered => self.nobody_answered(now),
        }
    }

    fn expire(&mut self, now: Now) {
        let Doing::AwaitingKey(until) = self.doing else { return };
        if now.mono < until {
            return;
        }
        let steps = self.current_menu().map(|menu| menu.no_input.clone()).unwrap_or_default();
        self.failed(&steps);
        self.go_on(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Mono> {
        match self.doing {
            Doing::AwaitingKey(until) => Some(until),
            _ => None,
        }
    }
}

/// What a step leads to, for the question whether a key may skip a prompt.
enum Ahead {
    /// On some way, a menu.
    Menu,
    /// No menu: it ends the call or hands it over.
    NoMenu,
    /// The step after it.
    Further,
}

fn follows(line: &Line, step: &Step, flows: &mut Vec<Name>) -> Ahead {
    match &step.verb {
        Verb::Play(_) | Verb::Tone { .. } | Verb::RecordingNotice | Verb::RefuseIf { .. } => Ahead::Further,
        Verb::Menu(_) => Ahead::Menu,
        Verb::Queue(_) | Verb::Ring(_) | Verb::HangUp => Ahead::NoMenu,
        Verb::If { then, otherwise, .. } => {
            match (follow_all(line, then, flows), follow_all(line, otherwise, flows)) {
                (Ahead::Menu, _) | (_, Ahead::Menu) => Ahead::Menu,
                (Ahead::NoMenu, Ahead::NoMenu) => Ahead::NoMenu,
                _ => Ahead::Further,
            }
        }
        Verb::Goto(flow) if flows.contains(flow) || flows.len() >= MOST_FLOWS_AHEAD => Ahead::NoMenu,
        Verb::Goto(flow) => {
            flows.push(flow.clone());
            match line.flows.get(flow).map(|steps| follow_all(line, steps, flows)) {
                Some(Ahead::Menu) => Ahead::Menu,
                _ => Ahead::NoMenu,
            }
        }
    }
}

fn follow_all(line: &Line, steps: &[Step], flows: &mut Vec<Name>) -> Ahead {
    for step in steps {
        match follows(line, step, flows) {
            Ahead::Further => {}
            ahead => return ahead,
        }
    }
    Ahead::Further
}

/// Steps and menu prompts of one visit: more is an endless menu, which would hold a line for ever.
pub const MOST_STEPS: u32 = 200;

/// How many flows the question "may a menu follow?" looks into; it is asked at every key.
const MOST_FLOWS_AHEAD: usize = 32;

/// Keys kept for the next menu: no menu tree is deeper, and a caller cannot make us hoard.
const MOST_KEPT_KEYS: usize = 16;
