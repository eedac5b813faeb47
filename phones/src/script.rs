//! A small language for stories: what a phone does, one thing after the other, upon which cue.

use std::time::Duration;

use crate::call::CallNo;
use crate::events::{Action, Event};

/// A story: each step waits for its cue, then for its time, then acts.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
}

/// One step of a story.
#[derive(Clone, Debug)]
pub struct Step {
    /// Wait for this first; `None`: only for the step before.
    pub on: Option<Cue>,
    /// Then for so long.
    pub after: Duration,
    /// Then do this.
    pub action: Action,
}

/// What a step can wait for. What lasts (registered, rings, answered, sound began, gone) counts even when it
/// came before its step's turn; a key, a hold and what follows it must come in the step's turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cue {
    /// The registrar accepted.
    Registered,
    /// A call came in.
    Incoming,
    /// The peer rings.
    Ringing,
    /// The peer sends early media.
    Early,
    /// The call is up.
    Answered,
    /// The first sound arrived.
    AudioBegan,
    /// This key arrived.
    Digit(char),
    /// The peer held.
    Held,
    /// The peer took us back.
    Resumed,
    /// Our hold or resume was accepted.
    Reagreed,
    /// The peer was put through as we asked (NOTIFY with 200).
    Transferred,
    /// The call is over.
    Gone,
}

impl Script {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// After the step before: wait `after`, then `action`.
    #[must_use]
    pub fn then(self, after: Duration, action: Action) -> Self {
        self.step(Step { on: None, after, action })
    }

    /// Upon `cue`: `action` at once.
    #[must_use]
    pub fn on(self, cue: Cue, action: Action) -> Self {
        self.on_after(cue, Duration::ZERO, action)
    }

    /// Upon `cue`: wait `after`, then `action`.
    #[must_use]
    pub fn on_after(self, cue: Cue, after: Duration, action: Action) -> Self {
        self.step(Step { on: Some(cue), after, action })
    }

    /// Whether nothing happens in it.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Cue {
    fn lasts(self) -> bool {
        !matches!(self, Self::Digit(_) | Self::Held | Self::Resumed | Self::Reagreed)
    }

    fn is(self, event: &Event) -> bool {
        match self {
            Self::Registered => matches!(event, Event::Registered { .. }),
            Self::Incoming => matches!(event, Event::Incoming { .. }),
            Self::Ringing => matches!(event, Event::Ringing(_)),
            Self::Early => *event == Event::Early,
            Self::Answered => *event == Event::Answered,
            Self::AudioBegan => *event == Event::AudioBegan,
            Self::Digit(key) => *event == Event::Digit(key),
            Self::Held => *event == Event::HeldByPeer,
            Self::Resumed => *event == Event::ResumedByPeer,
            Self::Reagreed => *event == Event::Reagreed,
            Self::Transferred => matches!(event, Event::Notified { status: 200..300, .. }),
            Self::Gone => *event == Event::Gone,
        }
    }
}

/// A story being told.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    script: Script,
    at: usize,
    /// The call it belongs to, once it has one.
    pub(crate) call: Option<CallNo>,
    /// The current step's cue has come; its time is running.
    cued: bool,
    /// The lasting cues that have come.
    lasting: Vec<Cue>,
}

impl Telling {
    pub(crate) fn new(script: Script, call: Option<CallNo>) -> Self {
        Self { script, at: 0, call, cued: false, lasting: Vec::new() }
    }

    /// How long to wait when the current step needs no cue (any more); `None`: it waits or the story is over.
    pub(crate) fn ready(&mut self) -> Option<Duration> {
        let step = self.script.steps.get(self.at)?;
        if self.cued || step.on.is_some_and(|cue| !self.lasting.contains(&cue)) {
            return None;
        }
        self.cued = true;
        Some(step.after)
    }

    /// How long to wait when `event` is the current step's cue.
    pub(crate) fn hears(&mut self, call: Option<CallNo>, event: &Event) -> Option<Duration> {
        if call.is_some() && self.call.is_some() && call != self.call {
            return None;
        }
        for cue in self.script.steps.iter().filter_map(|step| step.on) {
            if cue.lasts() && cue.is(event) && !self.lasting.contains(&cue) {
                self.lasting.push(cue);
            }
        }
        let step = self.script.steps.get(self.at)?;
        if self.cued || !step.on.is_some_and(|cue| cue.is(event)) {
            return None;
        }
        self.cued = true;
        self.call = self.call.or(call);
        Some(step.after)
    }

    /// The current step's action; the next step becomes current.
    pub(crate) fn act(&mut self) -> Option<Action> {
        let action = self.script.steps.get(self.at)?.action.clone();
        self.at += 1;
        self.cued = false;
        Some(action)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.script.steps.len()
    }
}
