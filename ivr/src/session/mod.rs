//! The interpreter of a line: what a caller hears and where the keys lead. A machine without time of
//! its own, without SIP, media or seats: `pbx` carries out what it asks for.
//!
//! The seam (`Input`, `Output`, `Start`, `Left`) is fixed here; `pbx` codes against it.

mod interpreter;
mod predicate;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base::{Digit, Name, PhoneNumber, Tone};

pub use interpreter::{MOST_STEPS, Session};

use crate::line::{Line, Ring};

/// What the interpreter knows about the visit when it begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The plan that the call keeps to its end.
    pub line: Arc<Line>,
    /// `None` when withheld.
    pub caller: Option<PhoneNumber>,
    /// The number of the line that was dialled.
    pub called: PhoneNumber,
    /// True for the caller over the line's cap: runs `when_full` instead of `start`.
    pub full: bool,
}

/// What can happen to a visit.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Begin; the first input.
    Begin,
    /// What `Output::Play` or `Output::Tone` asked for was heard to its end.
    Played,
    /// A key.
    Digit(Digit),
    /// The queue was left without a conversation.
    LeftQueue(Left),
    /// The `ring` step ended without an answer.
    NobodyAnswered,
}

/// Why a queue was left without a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// No seat is registered or diallable.
    NoSeats,
    /// Too many wait already.
    Full,
    /// `max_wait` is over.
    TimedOut,
}

/// What the interpreter wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Refuse the INVITE; the visit is over. Only ever the first output.
    Refuse {
        /// The SIP status.
        code: u16,
    },
    /// Play a prompt to its end; answer with `Input::Played`. Replaces whatever plays.
    Play {
        /// Its name.
        prompt: Name,
        /// The recording notice: consent counts from its first sample.
        notice: bool,
    },
    /// Sound a tone for so long; answer with `Input::Played`. Replaces whatever plays.
    Tone {
        /// Which, in the line's country.
        tone: Tone,
        /// How long.
        length: Duration,
    },
    /// Stop what plays; a key interrupted it.
    Stop,
    /// The caller pressed the refuse key at or after the notice.
    Refused,
    /// A menu was entered (for the key path).
    Menu(Name),
    /// A key was taken by a menu (for the key path).
    Key(Digit),
    /// Wait in this queue; answer with `Input::LeftQueue`, or never when a seat answers.
    Queue(Name),
    /// Ring these seats; answer with `Input::NobodyAnswered`, or never.
    Ring(Ring),
    /// End the call; the visit is over.
    HangUp {
        /// True when the step limit ended it.
        too_many_steps: bool,
    },
}
