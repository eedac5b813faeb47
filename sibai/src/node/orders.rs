//! What the brain orders, carried out on SIP and media.

use base::{Cause, Digit, LegId, Now, RecordingId};
use codecs::Coding;
use media::Command as MediaCommand;
use media::dtmf::{Keys, Way};
use pbx::seam::{Output as Order, Presentation, Record, Sound, Target};
use sip::message::reply::MAX_FORWARDS;
use sip::seam::{Command, Identity};

use super::channels::{ANONYMOUS, Channel, Ports, Role, Then, destination};
use super::{Node, Output};

impl Node {
    pub(super) fn carry_out(&mut self, now: Now, order: Order) {
        match order {
            Order::Progress { leg, status, media: true } => self.when_open(now, leg, Then::Progress(status)),
            Order::Progress { leg, status, media: false } => {
                self.command(now, Command::Progress { leg, status, sdp: None });
            }
            Order::Answer { leg } => self.when_open(now, leg, Then::Answer),
            Order::Refuse { leg, status, cause } => {
                let retry_after = (status == 503).then(|| 5 + self.entropy.below(26) as u32);
                self.command(now, Command::Refuse { leg, status, retry_after, cause });
                self.close(leg);
            }
            Order::Place { leg, caller, target, shows } => self.place(now, leg, caller, target, shows),
            Order::GiveUp { leg, cause } => self.give_up(now, leg, cause),
            Order::HangUp { leg, cause } => {
                self.command(now, Command::HangUp { leg, cause });
                self.close(leg);
            }
            Order::Play { leg, sound } => self.play(leg, sound),
            Order::Stop { leg } => self.media(leg, MediaCommand::Stop { leg }),
            Order::Bridge { a, b } => {
                self.join(a, b);
                self.media(a, MediaCommand::Bridge { a, b });
            }
            Order::Unbridge { a, b } => self.media(a, MediaCommand::Unbridge { a, b }),
            Order::Record(record) => self.record(record),
            Order::Retap { recording, caller_leg, seat_leg } => self.retap(recording, caller_leg, seat_leg),
            Order::Segment { recording, seat } => self.out.push_back(Output::Segment { recording, seat }),
            Order::EndRecording { recording, consent } => {
                if let Some(worker) = self.recordings.remove(&recording) {
                    let command = MediaCommand::Untap { recording };
                    self.out.push_back(Output::Media { worker, command });
                }
                self.out.push_back(Output::EndRecording { recording, consent });
            }
            Order::AcceptRefer { leg } => self.command(now, Command::AcceptRefer { leg }),
            Order::RefuseRefer { leg, status } => self.command(now, Command::RefuseRefer { leg, status }),
            Order::ReferProgress { leg, status } => self.command(now, Command::ReferProgress { leg, status }),
            Order::Identify { leg, shows } => {
                let identity = Box::new(identity(*shows));
                self.command(now, Command::Identify { leg, identity });
            }
            Order::Finished(record) => self.finishing.finish(now, record, &mut self.out),
            Order::Standing(record) => self.out.push_back(Output::Standing(record)),
            Order::Tell { call, what } => self.out.push_back(Output::Tell { call, what }),
        }
    }

    /// A placed leg needs a way and ports before its INVITE can go out.
    fn place(&mut self, now: Now, leg: LegId, caller: LegId, target: Target, shows: Presentation) {
        let Some(route) = self.sip.route(&destination(&target)) else {
            // A trunk all of whose addresses are silent fails at once: another may be tried.
            let cause = match target {
                Target::Outside { .. } => Cause::TrunkFailed,
                Target::Contact { .. } => Cause::Unreachable,
            };
            self.think(now, Some(leg), pbx::Input::Ended { leg, cause });
            return;
        };
        let worker = self.channels.get(&caller).map_or_else(|| self.worker_of(caller), |c| c.worker);
        let hops = self.channels.get(&caller).map_or(MAX_FORWARDS, |c| c.hops.saturating_sub(1));
        let ssrc = self.entropy.next_u64() as u32;
        let user = match &target {
            Target::Contact { ext, .. } => Some(ext.clone()),
            Target::Outside { .. } => None,
        };
        let channel = Channel {
            worker,
            route,
            protection: self.terms.with_target(&target),
            ports: Ports::Opening(Vec::new()),
            role: Role::Placed { target, shows, sent: false, again: false },
            bridged: Some(caller),
            coding: None,
            wanted: None,
            hops,
            held: false,
            play: 0,
            keys: Keys::default(),
        };
        self.channels.insert(leg, channel);
        if let Some(user) = user {
            self.homes.add(user, leg, worker);
        }
        self.out.push_back(Output::Open { worker, leg, address: route.local, ssrc });
    }

    fn give_up(&mut self, now: Now, leg: LegId, cause: Cause) {
        let unsent = self
            .channels
            .get(&leg)
            .is_some_and(|channel| matches!(channel.role, Role::Placed { sent: false, .. }));
        if unsent {
            self.close(leg);
            self.think(now, Some(leg), pbx::Input::Ended { leg, cause });
        } else {
            self.command(now, Command::GiveUp { leg, cause });
        }
    }

    fn play(&mut self, leg: LegId, sound: Sound) {
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        channel.play += 1;
        let token = channel.play;
        let command = match sound {
            Sound::Prompt { line, prompt } => MediaCommand::Play { leg, line, prompt, token },
            Sound::Music { line, prompt } => MediaCommand::Music { leg, line, prompt },
            Sound::Tone { country, tone, length } => MediaCommand::Tone { leg, country, tone, length, token },
        };
        self.media(leg, command);
    }

    fn join(&mut self, a: LegId, b: LegId) {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(channel) = self.channels.get_mut(&one) {
                channel.bridged = Some(other);
                // Whatever was playing is over; its end is nobody's business any more.
                channel.play += 1;
            }
        }
    }

    fn record(&mut self, record: Box<Record>) {
        let Some(channel) = self.channels.get(&record.caller_leg) else { return };
        let worker = channel.worker;
        let codec =
            |leg: LegId| self.channels.get(&leg).and_then(|channel| channel.coding).unwrap_or(Coding::Pcma);
        let (caller_codec, seat_codec) = (codec(record.caller_leg), codec(record.seat_leg));
        let command = MediaCommand::Tap {
            recording: record.recording,
            caller: record.caller_leg,
            seat: record.seat_leg,
        };
        self.recordings.insert(record.recording, worker);
        // The row and the spool come first: nothing is heard before somebody answers for it.
        self.out.push_back(Output::Record { record, caller_codec, seat_codec });
        self.out.push_back(Output::Media { worker, command });
    }

    /// The tap of a recording moves to another leg; the spool goes on.
    fn retap(&mut self, recording: RecordingId, caller: LegId, seat: LegId) {
        let Some(&worker) = self.recordings.get(&recording) else { return };
        let command = MediaCommand::Tap { recording, caller, seat };
        self.out.push_back(Output::Media { worker, command });
    }

    /// Tells the worker of a leg.
    pub(super) fn media(&mut self, leg: LegId, command: MediaCommand) {
        let Some(channel) = self.channels.get(&leg) else { return };
        self.out.push_back(Output::Media { worker: channel.worker, command });
    }

    /// A key of either kind. One by INFO never crossed the bridge, so it is played to the other side.
    pub(super) fn digit(&mut self, now: Now, leg: LegId, digit: Digit, way: Way) {
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        let other = channel.bridged;
        let Some(digit) = channel.keys.tell(now.mono, way, digit) else { return };
        if let Some(other) = other.filter(|_| way == Way::Info) {
            self.media(other, MediaCommand::Press { leg: other, digit });
        }
        self.think(now, Some(leg), pbx::Input::Digit { leg, digit });
    }
}

/// Who somebody is, in the endpoint's words.
fn identity(shows: Presentation) -> Identity {
    Identity {
        withheld: shows.user == ANONYMOUS,
        user: shows.user,
        display: shows.display,
        asserted: shows.asserted.map(|number| number.as_str().to_owned()),
    }
}
