//! The demo's call: who does what when, and the lines that show it.

use std::io::Cursor;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base::{CallId, Cause};
use pbx::seam::Told;
use phones::{Action, Audio, Dial, Event};

use super::{ANSWERS, Cast};
use crate::drive::control::News;
use crate::node::Finished;
use crate::process::Process;

/// What the call left behind.
pub(super) struct Done {
    /// The record, as the brain told it.
    pub finished: Box<Finished>,
    /// What the caller said.
    pub caller_said: Audio,
    /// What the seat said.
    pub seat_said: Audio,
    /// The Reason that the other seat was given with its CANCEL.
    pub elsewhere: Option<String>,
}

/// Plays it.
pub(super) fn tell(process: &mut Process, mut cast: Cast) -> anyhow::Result<(Done, Cast)> {
    let news = process.news().context("the demo listens twice")?;
    let mut stage = Stage::new(&mut cast)?;
    stage.register()?;
    stage.invite();
    let end = Instant::now() + LONGEST;
    loop {
        if Instant::now() > end {
            bail!("the call did not come to its end within {} s", LONGEST.as_secs());
        }
        stage.act();
        match news.recv_timeout(PACE) {
            Ok(News::Told { call, what }) => stage.told(call, &what),
            Ok(News::Finished(finished)) => {
                stage.watch_phones();
                let done = stage.finish(finished);
                return Ok((done, cast));
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("Sibai stopped in the middle of the call"),
        }
        stage.watch_phones();
    }
}

struct Stage<'a> {
    cast: &'a mut Cast,
    began: Instant,
    /// What the caller or a seat does next, and when.
    next: Vec<(Instant, Deed)>,
    caller_says: Audio,
    seat_says: Audio,
    elsewhere: Option<String>,
}

#[derive(Clone, Copy)]
enum Deed {
    Press(char),
    Answer,
    Speak,
    HangUp,
}

impl<'a> Stage<'a> {
    fn new(cast: &'a mut Cast) -> anyhow::Result<Self> {
        Ok(Self {
            cast,
            began: Instant::now(),
            next: Vec::new(),
            caller_says: voice(include_bytes!("../../voices/caller.wav"))?,
            seat_says: voice(include_bytes!("../../voices/seat.wav"))?,
            elsewhere: None,
        })
    }

    fn register(&mut self) -> anyhow::Result<()> {
        for (name, phone) in &mut self.cast.seats {
            phone.order(Action::Register);
            let registered = phone.wait_for(REGISTER_WITHIN, |event| {
                matches!(event, Event::Registered { .. } | Event::RegisterFailed(_))
            });
            match registered.map(|sighting| sighting.event) {
                Some(Event::Registered { expires }) => {
                    say(self.began, name, &format!("REGISTER with digest, 200 OK for {expires} s"));
                }
                other => bail!("the seat {name} could not register: {other:?}"),
            }
        }
        Ok(())
    }

    fn invite(&mut self) {
        say(self.began, "caller", "INVITE 0571-55550100 over the trunk, from 139****5678");
        let dial = Dial {
            from: Some(CALLER.to_owned()),
            asserted: Some(format!("<sip:{CALLER}@{}>", self.cast.caller.local_sip())),
            ..Dial::to(CALLED)
        };
        self.cast.caller.order(Action::Call(dial));
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.next).into_iter().partition(|(at, _)| *at <= now);
        self.next = later;
        for (_, deed) in due {
            self.perform(deed);
        }
    }

    fn perform(&mut self, deed: Deed) {
        match deed {
            Deed::Press(key) => {
                say(self.began, "caller", &format!("presses {key} (RFC 4733)"));
                self.cast.caller.order(Action::Press(key));
            }
            Deed::Answer => {
                if let Some((_, phone)) = self.cast.seats.iter().find(|(name, _)| name == ANSWERS) {
                    phone.order(Action::Answer);
                }
            }
            Deed::Speak => {
                say(self.began, "both", "talk");
                self.cast.caller.order(Action::Say(self.caller_says.clone()));
                if let Some((_, phone)) = self.cast.seats.iter().find(|(name, _)| name == ANSWERS) {
                    phone.order(Action::Say(self.seat_says.clone()));
                }
            }
            Deed::HangUp => {
                say(self.began, "caller", "hangs up: BYE");
                self.cast.caller.order(Action::HangUp);
            }
        }
    }

    fn later(&mut self, after: Duration, deed: Deed) {
        self.next.push((Instant::now() + after, deed));
    }

    /// What Sibai tells, shown and acted upon.
    fn told(&mut self, call: CallId, what: &Told) {
        let line = match what {
            Told::Arrived { line } => format!("a call for the line {line}: {call}"),
            Told::Playing { prompt } => {
                match prompt.as_str() {
                    "main_menu" => self.later(READS_MENU, Deed::Press('2')),
                    "after_sales_menu" => self.later(READS_MENU, Deed::Press('1')),
                    _ => {}
                }
                format!("plays {prompt}")
            }
            Told::Sounding { tone } => format!("the tone {}", tone.as_str()),
            Told::Key { digit } => format!("heard key {digit}"),
            Told::Menu { menu } => format!("menu {menu}"),
            Told::Queued { queue } => format!("queue {queue}; the caller waits"),
            Told::Rings { seat } => {
                if *seat == ANSWERS {
                    self.later(PICKS_UP, Deed::Answer);
                }
                format!("rings {seat}")
            }
            Told::StopsRinging { seat, cause } => format!("stops ringing {seat}: {cause}"),
            Told::Connected { seat, recording } => {
                self.later(BREATH, Deed::Speak);
                let length = self.caller_says.length().max(self.seat_says.length());
                self.later(BREATH + length + BREATH, Deed::HangUp);
                match recording {
                    Some(id) => format!("{seat} and the caller are connected; recording {id}"),
                    None => format!("{seat} and the caller are connected; not recorded"),
                }
            }
            Told::Transfers { by, to } => format!("{by} puts the caller through to {to}"),
            Told::Left { seat } => format!("{seat} has left the call"),
            Told::Ended { cause } => format!("the call is over: {cause}"),
        };
        say(self.began, "sibai", &line);
    }

    /// What the phones see, shown.
    fn watch_phones(&mut self) {
        while let Some(sighting) = self.cast.caller.next(Duration::ZERO) {
            if let Some(line) = seen(&sighting.event) {
                say(self.began, "caller", &line);
            }
        }
        let mut elsewhere = None;
        for (name, phone) in &mut self.cast.seats {
            while let Some(sighting) = phone.next(Duration::ZERO) {
                if let Event::CancelledByPeer { reason } = &sighting.event {
                    elsewhere.clone_from(reason);
                }
                if let Some(line) = seen(&sighting.event) {
                    say(self.began, name, &line);
                }
            }
        }
        self.elsewhere = self.elsewhere.take().or(elsewhere);
    }

    fn finish(self, finished: Box<Finished>) -> Done {
        say(self.began, "sibai", &format!("record of the call: {}", Cause::as_str(finished.record.cause)));
        Done { finished, caller_said: self.caller_says, seat_said: self.seat_says, elsewhere: self.elsewhere }
    }
}

/// What a phone saw, if a reader wants to know.
fn seen(event: &Event) -> Option<String> {
    Some(match event {
        Event::Answered => "200 OK, ACK: the call is up".to_owned(),
        Event::AudioBegan => "hears".to_owned(),
        Event::Incoming { asserted, .. } => {
            let caller = asserted.as_deref().map(masked).unwrap_or_default();
            format!("INVITE{caller}, 180 Ringing")
        }
        Event::CancelledByPeer { reason } => {
            format!("CANCEL, Reason: {}", reason.as_deref().unwrap_or("none"))
        }
        Event::HungUpByPeer { .. } => "BYE from Sibai, 200 OK".to_owned(),
        Event::Fault(text) => format!("FAULT: {text}"),
        _ => return None,
    })
}

fn masked(asserted: &str) -> String {
    let user = asserted.trim_start_matches('<').trim_start_matches("sip:");
    let user = user.split('@').next().unwrap_or_default();
    format!(" from {}", base::pii::masked(user))
}

fn say(began: Instant, who: &str, what: &str) {
    println!("{:6.2} s  {who:<9} {what}", began.elapsed().as_secs_f64());
}

/// A voice that is part of the program.
fn voice(bytes: &[u8]) -> anyhow::Result<Audio> {
    let samples: Result<Vec<i16>, _> = hound::WavReader::new(Cursor::new(bytes))?.samples().collect();
    Ok(Audio::from_samples(samples?))
}

/// Who calls: a mobile.
const CALLER: &str = "13912345678";

/// What the trunk delivers for 400-555-0100.
const CALLED: &str = "057155550100";

const REGISTER_WITHIN: Duration = Duration::from_secs(5);

/// The whole story, with room for a slow machine.
const LONGEST: Duration = Duration::from_secs(60);

/// How often phones and clock are looked at.
const PACE: Duration = Duration::from_millis(10);

/// How long the caller listens to a menu before pressing.
const READS_MENU: Duration = Duration::from_millis(1_200);

/// How long the seat lets it ring.
const PICKS_UP: Duration = Duration::from_millis(2_000);

/// Before anybody speaks, and before hanging up.
const BREATH: Duration = Duration::from_millis(400);
