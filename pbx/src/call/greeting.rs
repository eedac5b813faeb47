//! Greeting: the line itself talks with the caller; the interpreter says what.

use std::sync::Arc;
use std::time::Duration;

use base::time::soonest;
use base::{Cause, LegId, Machine, Mono, Name};
use ivr::line::Ring;
use ivr::session::{Input, Output, Session, Start};

use crate::call::Event;
use crate::call::visit::{Notice, Scene};
use crate::cdr::Consent;
use crate::seam::{self, Told};

/// The caller hears prompts and presses keys.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    session: Session,
    /// The caller is one too many: hears `when_full` as early media and is refused.
    full: bool,
    /// A prompt or a tone plays, and ends by then even if nobody tells.
    playing: Option<Mono>,
    early_media: bool,
}

/// What comes after a step of it.
#[derive(Debug)]
pub(crate) enum Next {
    Stays(Greeting),
    /// Wait in a queue or for a ringing seat; the greeting waits too.
    Waits(Greeting, Wish),
    /// The caller was refused, or is to be hung up.
    Over(Cause),
    /// The line refuses the caller with this status.
    Refuses(u16),
}

/// Where the line sends the caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    Queue(Name),
    Ring(Ring),
}

impl Greeting {
    /// The line answers.
    pub(crate) fn begin(full: bool, scene: &mut Scene<'_>) -> Next {
        let start = Start {
            line: Arc::clone(&scene.visit.line),
            caller: scene.visit.shown.caller.clone(),
            called: scene.visit.number.clone(),
            full,
        };
        let greeting = Self { session: Session::new(start), full, playing: None, early_media: false };
        greeting.resume(Input::Begin, scene)
    }

    /// The interpreter hears something and says what to do.
    pub(crate) fn resume(mut self, input: Input, scene: &mut Scene<'_>) -> Next {
        self.session.handle(scene.now, input);
        self.carry_out(scene)
    }

    pub(crate) fn step(mut self, event: &Event, scene: &mut Scene<'_>) -> Next {
        match *event {
            Event::Digit { leg, digit } if leg == scene.visit.caller => {
                self.resume(Input::Digit(digit), scene)
            }
            Event::Played { leg } if leg == scene.visit.caller => self.played(leg, scene),
            Event::Alarm => self.expire(scene),
            // The rest is about seats, and none is rung now.
            _ => {
                self.playing = self.playing.filter(|&until| until > scene.now.mono);
                Next::Stays(self)
            }
        }
    }

    fn played(mut self, _leg: LegId, scene: &mut Scene<'_>) -> Next {
        if self.playing.take().is_none() {
            return Next::Stays(self);
        }
        if scene.visit.notice == Notice::Playing {
            scene.visit.notice = Notice::Heard;
            scene.visit.consents(Consent::NoticeGiven);
        }
        self.resume(Input::Played, scene)
    }

    fn expire(mut self, scene: &mut Scene<'_>) -> Next {
        if self.playing.is_some_and(|until| until <= scene.now.mono) {
            // The end of the prompt was never told: the media is lost, and so is the call.
            return Next::Over(Cause::Internal);
        }
        self.session.expire(scene.now);
        self.carry_out(scene)
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        soonest(self.playing, self.session.deadline())
    }

    fn carry_out(mut self, scene: &mut Scene<'_>) -> Next {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Refuse { code } => return Next::Refuses(code),
                Output::Play { prompt, notice } => self.play(prompt, notice, scene),
                Output::Tone { tone, length } => {
                    let leg = self.speak(scene);
                    scene.sound(leg, tone, Some(length));
                    scene.tell(Told::Sounding { tone });
                }
                Output::Stop => {
                    self.playing = None;
                    let leg = scene.visit.caller;
                    scene.floor.push(seam::Output::Stop { leg });
                }
                Output::Refused => {
                    scene.visit.notice = Notice::Heard;
                    scene.refused();
                }
                Output::Menu(menu) => {
                    push_bounded(&mut scene.visit.menus, menu.clone());
                    scene.tell(Told::Menu { menu });
                }
                Output::Key(digit) => {
                    push_bounded(&mut scene.visit.keys, digit);
                    scene.tell(Told::Key { digit });
                }
                // `check` refuses a `when_full` that queues or rings (E145); it ends here all the same.
                Output::Queue(_) | Output::Ring(_) | Output::HangUp { .. } if self.full => {
                    return Next::Over(Cause::LineFull);
                }
                Output::Queue(queue) => return self.wait(Wish::Queue(queue)),
                Output::Ring(ring) => return self.wait(Wish::Ring(ring)),
                Output::HangUp { too_many_steps: true } => return Next::Over(Cause::TooManySteps),
                Output::HangUp { too_many_steps: false } => return Next::Over(Cause::FlowEnded),
            }
        }
        Next::Stays(self)
    }

    fn wait(mut self, wish: Wish) -> Next {
        self.playing = None;
        Next::Waits(self, wish)
    }

    fn play(&mut self, prompt: Name, notice: bool, scene: &mut Scene<'_>) {
        let leg = self.speak(scene);
        if notice {
            scene.visit.notice = Notice::Playing;
        }
        scene.play_prompt(leg, prompt.clone());
        scene.tell(Told::Playing { prompt });
    }

    /// The line is about to be heard: the caller is answered, or hears it early.
    fn speak(&mut self, scene: &mut Scene<'_>) -> LegId {
        let leg = scene.visit.caller;
        if !self.full {
            scene.answer();
        } else if !self.early_media {
            self.early_media = true;
            scene.floor.push(seam::Output::Progress { leg, status: EARLY_MEDIA, media: true });
        }
        self.playing = Some(scene.now.mono + LONGEST_PROMPT);
        leg
    }
}

fn push_bounded<T>(path: &mut Vec<T>, entry: T) {
    if path.len() < LONGEST_PATH {
        path.push(entry);
    }
}

/// Session Progress (RFC 3261 §21.1.5): what is heard before an answer is not billed.
const EARLY_MEDIA: u16 = 183;
/// A prompt longer than this is none; its end was lost.
const LONGEST_PROMPT: Duration = Duration::from_mins(10);
/// Keys and menus kept for the CDR: the interpreter takes 200 steps at most.
const LONGEST_PATH: usize = 200;
