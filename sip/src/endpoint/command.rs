//! What the control wants of the legs.

use base::{Cause, LegId, Now};

use super::Endpoint;
use super::step::Step;
use crate::dialog::Dialog;
use crate::dialog::leg::{self, Leg, Party, Stage};
use crate::dialog::placing::{Placing, Target, write_invite};
use crate::dialog::refer::Referral;
use crate::header::uri::Uri;
use crate::seam::{Command, Destination, Event, Outgoing};
use crate::trunk::address;

impl Endpoint {
    pub(super) fn command(&mut self, now: Now, command: Command) {
        match command {
            Command::Directory(directory) => {
                self.wire.directory = *directory;
                self.registrar.follow(&mut self.wire);
                self.subscriptions.follow(now.mono, &mut self.wire);
                self.probes.follow(&self.wire.directory);
                self.enrolments.follow(&mut self.wire);
            }
            Command::Place { leg, invite } => self.place(now, leg, &invite),
            Command::Lamp { user, mut state } => {
                for call in &mut state.calls {
                    call.dialog = self.legs.leg(call.leg).and_then(Leg::shown);
                }
                self.subscriptions.light(now.mono, &user, state);
            }
            Command::Drain => {
                self.is_draining = true;
                self.enrolments.leave(now.mono, &mut self.wire);
            }
            Command::Ban(bans) => self.guard.restore(now, &mut self.wire, &bans),
            Command::Lift(source) => self.guard.lift(&mut self.wire, source),
            Command::Progress { leg, status, sdp } => {
                self.step_leg(now, leg, None, |step, stage| match stage {
                    Stage::Arriving(arriving) => Some(arriving.progress(step, status, sdp)),
                    // The caller answered or left meanwhile: nothing to show it.
                    other => Some(other),
                });
            }
            Command::Accept { leg, sdp } => self.step_leg(now, leg, None, |step, stage| match stage {
                Stage::Arriving(arriving) => Some(arriving.accept(step, sdp)),
                other => Some(other),
            }),
            Command::Refuse { leg, status, retry_after, cause } => {
                self.end(now, leg, cause, Some((status, retry_after)));
            }
            // Its 200 has crossed: `Answered` was told, and the control decides on that.
            Command::GiveUp { leg, .. } if self.is_answered(leg) => {}
            Command::GiveUp { leg, cause } | Command::HangUp { leg, cause } => {
                self.end(now, leg, cause, None);
            }
            Command::AcceptRefer { leg } => self.step_referral(now, leg, Referral::accept),
            Command::RefuseRefer { leg, status } => {
                self.step_referral(now, leg, |referral, step, dialog| referral.refuse(step, dialog, status));
            }
            Command::ReferProgress { leg, status } => {
                self.step_referral(now, leg, |referral, step, dialog| {
                    referral.progress(step, dialog, status);
                });
            }
            // Before the answer the INVITE or its 18x said who it is; after the end nobody listens.
            Command::Identify { leg, identity } => self.step_leg(now, leg, None, |step, stage| match stage {
                Stage::Up(up) => up.identify(step, *identity),
                other => Some(other),
            }),
            Command::AcceptOffer { leg, sdp } => {
                self.step_leg(now, leg, None, |step, stage| Some(stage.accept_offer(step, sdp)));
            }
            Command::RefuseOffer { leg, status } => {
                self.step_leg(now, leg, None, |step, stage| Some(stage.refuse_offer(step, status)));
            }
        }
    }

    /// Moves the referral of a leg, wherever the call itself stands by now.
    fn step_referral(
        &mut self,
        now: Now,
        leg: LegId,
        move_on: impl FnOnce(&mut Referral, &mut Step, &mut Dialog),
    ) {
        self.step_leg(now, leg, None, |step, mut stage| {
            if let Some((dialog, referral)) = stage.referral() {
                move_on(referral, step, dialog);
            }
            stage.settle(step)
        });
    }

    fn is_answered(&self, leg: LegId) -> bool {
        self.legs.leg(leg).is_some_and(|leg| matches!(leg.stage, Stage::Up(_)))
    }

    /// Refuse, GiveUp and HangUp are one wish, which each stage grants in its own way: commands cross events,
    /// and a leg that the control wants to end must end wherever it stands.
    fn end(&mut self, now: Now, leg: LegId, cause: Cause, refusal: Option<(u16, Option<u32>)>) {
        self.step_leg(now, leg, None, |step, stage| match stage {
            Stage::Arriving(arriving) => {
                let (status, retry_after) = refusal.unwrap_or((cause.sip_status(), None));
                arriving.refuse(step, status, retry_after, cause);
                None
            }
            Stage::Placing(placing) => Some(placing.give_up(step, cause)),
            Stage::Up(up) => up.hang_up(step, cause),
            over @ (Stage::Leaving(_) | Stage::Lingering(_)) => Some(over),
        });
    }

    fn place(&mut self, now: Now, id: LegId, outgoing: &Outgoing) {
        if self.legs.leg(id).is_some() {
            // An id twice is a fault of ours; the leg that has it must not hear of it.
            return self.refused(super::NOWHERE.remote, "INVITE", 0, "leg id twice");
        }
        let failure = match self.target(&outgoing.to) {
            _ if self.legs.len() >= self.wire.limits.legs => Cause::EngineFull,
            Some(target) => match self.begin(now, id, &target, outgoing) {
                Some(()) => return,
                None => Cause::Internal,
            },
            None => match outgoing.to {
                Destination::Contact { .. } => Cause::Unreachable,
                Destination::Trunk { .. } => Cause::TrunkFailed,
            },
        };
        self.wire.tell(Event::Ended { leg: id, cause: failure, status: None, q850: None });
    }

    fn begin(&mut self, now: Now, id: LegId, target: &Target, outgoing: &Outgoing) -> Option<()> {
        let tag = self.wire.fresh_tag();
        let request = write_invite(&mut self.wire, target, outgoing, &tag).ok()?;
        let index = leg::index(&request.call_id(), &tag);
        let party = target.party.clone();
        let mut step = Step { wire: &mut self.wire, now: now.mono, id, party: &party, flow: target.flow };
        let stage = Placing::begin(&mut step, request, outgoing.sdp.clone(), target.others.clone())?;
        self.legs.put(Leg { id, party, index, invite: None, stage });
        Some(())
    }

    /// Where a destination is.
    pub(super) fn target(&self, to: &Destination) -> Option<Target> {
        let realm = &self.wire.directory.realm;
        match to {
            Destination::Contact { user, contact } => {
                let binding = self.registrar.binding(user, *contact)?;
                Some(Target {
                    flow: binding.flow,
                    others: Vec::new(),
                    uri: binding.contact.clone(),
                    to: Uri::sip(Some(user), realm, None).ok()?,
                    from_host: realm.clone(),
                    party: Party::User(user.clone()),
                    routes: binding.path.clone(),
                })
            }
            Destination::Trunk { trunk, number } => {
                let known = self.wire.trunk(trunk)?;
                let mut ways = self.probes.alive(trunk, &known.targets).into_iter();
                let flow = ways.next()?;
                let (uri, to) = address::of_number(known, number, &flow)?;
                Some(Target {
                    flow,
                    // What was offered names the address of the first way: only those from there can follow.
                    others: ways.filter(|way| way.local.ip() == flow.local.ip()).collect(),
                    uri,
                    to,
                    from_host: known.host.clone(),
                    party: Party::Trunk(trunk.clone()),
                    routes: Vec::new(),
                })
            }
        }
    }
}
