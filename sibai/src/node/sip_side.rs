//! From SIP to the brain.

use base::{Cause, LegId, Machine, Name, Now};
use media::dtmf::{Keys, Way};
use media::sdp::{Negotiation, Terms};
use pbx::seam::{Arrival, Origin};
use sip::seam::{Command, Event, Incoming, Input, Output as SipOutput, Peer, Route};

use super::channels::{Channel, Ports, Role};
use super::{Node, Output};

impl Node {
    /// Hands a command to the endpoint.
    pub(super) fn command(&mut self, now: Now, command: Command) {
        let lit = self.lamps.ordered(&command, |user| self.sip.knows(user));
        self.sip.handle(now, Input::Command(command));
        self.light(now, lit);
    }

    /// Shows the lamp of a user to those who watch it.
    fn light(&mut self, now: Now, user: Option<Name>) {
        let Some(user) = user else { return };
        let state = self.lamps.of(&user);
        self.sip.handle(now, Input::Command(Command::Lamp { user, state }));
    }

    pub(super) fn sip_told(&mut self, now: Now, output: SipOutput) {
        match output {
            SipOutput::Send { flow, bytes } => self.out.push_back(Output::Send { flow, bytes }),
            SipOutput::Event(event) => self.sip_event(now, event),
        }
    }

    fn sip_event(&mut self, now: Now, event: Event) {
        let lit = self.lamps.told(&event, |user| self.sip.knows(user));
        self.light(now, lit);
        match event {
            Event::Arrived(incoming) => self.arrived(now, *incoming),
            Event::Progressed { leg, status, sdp } => self.progressed(now, leg, status, sdp.as_deref()),
            Event::Answered { leg, sdp, .. } => self.answered(now, leg, sdp.as_deref()),
            Event::Agreed { leg, sdp } => self.agreed_early(now, leg, &sdp),
            Event::Confirmed { leg, sdp } => self.confirmed(now, leg, sdp.as_deref()),
            Event::Ended { leg, cause, status, .. } if self.offer_otherwise(now, leg, cause, status) => {}
            Event::Ended { leg, cause, q850, .. } => {
                if let Some(q850) = q850 {
                    self.finishing.said(leg, q850);
                }
                self.close(leg);
                self.think(now, Some(leg), pbx::Input::Ended { leg, cause });
            }
            Event::Offer { leg, sdp } => self.offered(now, leg, sdp.as_deref()),
            Event::Digit { leg, digit } => self.digit(now, leg, digit, Way::Info),
            Event::Referred { leg, refer } => self.referred(now, leg, *refer),
            Event::Contacts { user, contacts } => {
                self.insistent.keep(&user, &contacts);
                self.out.push_back(Output::Registered { user: user.clone(), contacts: contacts.len() });
                self.think(now, None, pbx::Input::Contacts { ext: user, contacts });
            }
            Event::TrunkUp { trunk, up } => {
                self.out.push_back(Output::TrunkUp { trunk: trunk.clone(), up });
                self.think(now, None, pbx::Input::TrunkUp { trunk, up });
            }
            Event::Banned(ban) => self.out.push_back(Output::Banned(ban)),
            Event::Unbanned { source } => self.out.push_back(Output::Unbanned { source }),
            Event::Guessed { user, failures } => self.out.push_back(Output::Guessed { user, failures }),
            Event::Known { transport, source, known } => {
                self.out.push_back(Output::Known { transport, source, known });
            }
            Event::TrunkRegistered { trunk, up, why } => {
                self.out.push_back(Output::TrunkRegistered { trunk, up, why });
            }
            Event::Refused { source, method, status, why } => {
                self.out.push_back(Output::Refused { source, method, status, why });
            }
        }
    }

    /// An INVITE: its offer must be one that we can answer before the brain hears of it.
    fn arrived(&mut self, now: Now, incoming: Incoming) {
        let leg = incoming.leg;
        let protection = self.terms.with_peer(&incoming.peer);
        if let Some(offer) = &incoming.sdp {
            let web = self.terms.web(protection, incoming.flow.transport.is_web());
            let terms = Terms { protection, web, ..Terms::plain(self.terms.codecs.clone()) };
            let probe = Negotiation::new(incoming.media_address, PROBE_PORT, PROBE_PORT, 0, terms)
                .answer(offer, incoming.flow.remote.ip());
            if let Err(fault) = probe {
                let (source, status) = (incoming.flow.remote, fault.status());
                let cause = Cause::NoCommonCodec;
                self.command(now, Command::Refuse { leg, status, retry_after: None, cause });
                let method = "INVITE".to_owned();
                self.out.push_back(Output::Refused { source, method, status, why: "sdp" });
                return;
            }
        }
        let user = match &incoming.peer {
            Peer::User(user) => Some(user.clone()),
            Peer::Trunk(_) => None,
        };
        let worker = self.worker_for(&incoming, user.as_ref());
        let route = Route {
            local: incoming.flow.local.ip(),
            advertised: incoming.media_address,
            peer: incoming.flow.remote.ip(),
            confidential: incoming.flow.transport.is_secure(),
            web: incoming.flow.transport.is_web(),
        };
        let hops = incoming.hops;
        let (arrival, offer) = arrival(incoming);
        let role = Role::Arrived { offer, ours: None };
        let channel = Channel {
            worker,
            route,
            protection,
            ports: Ports::None,
            role,
            bridged: None,
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
        self.think(now, Some(leg), pbx::Input::Arrived { leg, arrival: Box::new(arrival) });
    }

    /// Beside the leg that it replaces, or beside the other legs of its user: what one worker has can be
    /// bridged.
    fn worker_for(&self, incoming: &Incoming, user: Option<&Name>) -> usize {
        let replaced =
            incoming.replaces.and_then(|leg| self.channels.get(&leg)).map(|channel| channel.worker);
        replaced
            .or_else(|| user.and_then(|user| self.homes.of(user)))
            .unwrap_or_else(|| self.worker_of(incoming.leg))
    }

    /// A phone asks for a transfer.
    fn referred(&mut self, now: Now, leg: LegId, refer: sip::seam::Refer) {
        let worker = |leg: LegId| self.channels.get(&leg).map(|channel| channel.worker);
        let apart = refer.replaces.is_some_and(|other| worker(other) != worker(leg));
        if apart {
            // Never while users have homes; two workers cannot be bridged, and a refusal loses nothing.
            self.command(now, Command::RefuseRefer { leg, status: NOT_HERE });
            return;
        }
        let refer = pbx::seam::Refer { to: refer.to, replaces: refer.replaces };
        self.think(now, Some(leg), pbx::Input::Referred { leg, refer: Box::new(refer) });
    }

    fn progressed(&mut self, now: Now, leg: LegId, status: u16, sdp: Option<&str>) {
        // An answer we cannot read in an unreliable 18x is not yet an error: the 200 decides.
        let media = sdp.is_some_and(|sdp| self.take_answer(now, leg, sdp).is_ok());
        self.think(now, Some(leg), pbx::Input::Progressed { leg, status, media });
    }

    fn answered(&mut self, now: Now, leg: LegId, sdp: Option<&str>) {
        if !self.channels.contains_key(&leg) {
            // Its 200 crossed our CANCEL after its worker was lost: for the brain the leg has ended.
            return self.command(now, Command::HangUp { leg, cause: Cause::Internal });
        }
        let taken = sdp.is_some_and(|sdp| self.take_answer(now, leg, sdp).is_ok());
        let agreed_early = self.channels.get(&leg).is_some_and(|channel| channel.coding.is_some());
        if taken || (sdp.is_none() && agreed_early) {
            self.think(now, Some(leg), pbx::Input::Answered { leg });
        } else {
            self.drop_leg(now, leg, Cause::NoCommonCodec);
        }
    }

    /// The ACK; it carries the answer when our 200 carried the offer.
    fn confirmed(&mut self, now: Now, leg: LegId, sdp: Option<&str>) {
        let Some(channel) = self.channels.get(&leg) else { return };
        let waits = channel.coding.is_none();
        let taken = sdp.is_some_and(|sdp| self.take_answer(now, leg, sdp).is_ok());
        if waits && !taken {
            self.drop_leg(now, leg, Cause::NoCommonCodec);
        }
    }

    /// The answer to our offer came before our 200: the caller hears us from now on.
    fn agreed_early(&mut self, now: Now, leg: LegId, sdp: &str) {
        if self.channels.contains_key(&leg) && self.take_answer(now, leg, sdp).is_err() {
            self.drop_leg(now, leg, Cause::NoCommonCodec);
        }
    }

    fn take_answer(&mut self, now: Now, leg: LegId, sdp: &str) -> Result<(), ()> {
        let channel = self.channels.get_mut(&leg).ok_or(())?;
        let Ports::Open(negotiation) = &mut channel.ports else { return Err(()) };
        let stream = negotiation.take_answer(sdp, channel.route.peer).map_err(|_| ())?;
        if let Role::Placed { target, .. } = &channel.role {
            self.insistent.note(target, negotiation.insists());
        }
        self.agreed(now, leg, stream);
        Ok(())
    }

    /// A new offer inside the dialog: hold, resume, a moved address.
    fn offered(&mut self, now: Now, leg: LegId, sdp: Option<&str>) {
        let Some(channel) = self.channels.get_mut(&leg) else {
            self.command(now, Command::RefuseOffer { leg, status: 488 });
            return;
        };
        let Ports::Open(negotiation) = &mut channel.ports else {
            self.command(now, Command::RefuseOffer { leg, status: 491 });
            return;
        };
        let Some(offer) = sdp else {
            let sdp = negotiation.offer();
            self.command(now, Command::AcceptOffer { leg, sdp });
            return;
        };
        match negotiation.answer(offer, channel.route.peer) {
            Ok((sdp, stream)) => {
                self.command(now, Command::AcceptOffer { leg, sdp });
                self.agreed(now, leg, stream);
            }
            Err(fault) => self.command(now, Command::RefuseOffer { leg, status: fault.status() }),
        }
    }

    fn agreed(&mut self, now: Now, leg: LegId, stream: media::Stream) {
        if let Some(held) = self.agree(leg, stream) {
            self.think(now, Some(leg), pbx::Input::Held { leg, held });
        }
    }
}

/// An INVITE in call-control words, and its offer.
fn arrival(incoming: Incoming) -> (Arrival, Option<String>) {
    let origin = match incoming.peer {
        Peer::Trunk(name) => Origin::Trunk(name),
        Peer::User(name) => Origin::Extension(name),
    };
    let caller = if incoming.withheld {
        String::new()
    } else {
        incoming.asserted.filter(|user| !user.is_empty()).unwrap_or(incoming.from_user)
    };
    let arrival = Arrival {
        origin,
        // Who was called before stands last: only where neither Request-URI nor To is ours does it count
        // (line-language.md 5.8, 5).
        called: [incoming.request_user, incoming.to_user]
            .into_iter()
            .chain(incoming.diverted.iter().cloned())
            .collect(),
        diverted: incoming.diverted,
        caller,
        display: incoming.display,
        withheld: incoming.withheld,
        replaces: incoming.replaces,
        call_id: incoming.call_id,
    };
    (arrival, incoming.sdp)
}

/// Not Acceptable Here (RFC 3261 §21.4.26).
const NOT_HERE: u16 = 488;

/// Any port but 0 will do for trying an offer; no socket is behind it.
const PROBE_PORT: u16 = 9;
