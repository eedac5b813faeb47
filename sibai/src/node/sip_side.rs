//! From SIP to the brain.

use base::{Cause, LegId, Now};
use media::sdp::Negotiation;
use pbx::seam::{Arrival, Origin};
use sip::seam::{Command, Event, Incoming, Input, Output as SipOutput, Peer, Route};

use super::channels::{Channel, Ports, Role};
use super::{Node, Output};

impl Node {
    /// Hands a command to the endpoint.
    pub(super) fn command(&mut self, now: Now, command: Command) {
        use base::Machine;
        self.sip.handle(now, Input::Command(command));
    }

    pub(super) fn sip_told(&mut self, now: Now, output: SipOutput) {
        match output {
            SipOutput::Send { flow, bytes } => self.out.push_back(Output::Send { flow, bytes }),
            SipOutput::Event(event) => self.sip_event(now, event),
        }
    }

    fn sip_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Arrived(incoming) => self.arrived(now, *incoming),
            Event::Progressed { leg, status, sdp } => self.progressed(now, leg, status, sdp.as_deref()),
            Event::Answered { leg, sdp, .. } => self.answered(now, leg, sdp.as_deref()),
            Event::Agreed { leg, sdp } => self.agreed_early(now, leg, &sdp),
            Event::Confirmed { leg, sdp } => self.confirmed(now, leg, sdp.as_deref()),
            Event::Ended { leg, cause, .. } => {
                self.close(leg);
                self.think(now, Some(leg), pbx::Input::Ended { leg, cause });
            }
            Event::Offer { leg, sdp } => self.offered(now, leg, sdp.as_deref()),
            Event::Digit { leg, digit } => self.digit(now, leg, digit, true),
            // The brain knows no transfer yet: it is declined, and the conversation goes on.
            Event::Referred { leg, .. } => self.command(now, Command::RefuseRefer { leg, status: 603 }),
            Event::Contacts { user, contacts } => {
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
        if let Some(offer) = &incoming.sdp {
            let probe =
                Negotiation::new(incoming.media_address, PROBE_PORT, PROBE_PORT, 0, self.codecs.clone())
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
        let worker = self.worker_of(leg);
        let route = Route {
            local: incoming.flow.local.ip(),
            advertised: incoming.media_address,
            peer: incoming.flow.remote.ip(),
        };
        let (arrival, offer) = arrival(incoming);
        let role = Role::Arrived { offer, ours: None };
        let channel = Channel {
            worker,
            route,
            ports: Ports::None,
            role,
            bridged: None,
            law: None,
            held: false,
            play: 0,
        };
        self.channels.insert(leg, channel);
        self.think(now, Some(leg), pbx::Input::Arrived { leg, arrival: Box::new(arrival) });
    }

    fn progressed(&mut self, now: Now, leg: LegId, status: u16, sdp: Option<&str>) {
        // An answer we cannot read in an unreliable 18x is not yet an error: the 200 decides.
        let media = sdp.is_some_and(|sdp| self.take_answer(now, leg, sdp).is_ok());
        self.think(now, Some(leg), pbx::Input::Progressed { leg, status, media });
    }

    fn answered(&mut self, now: Now, leg: LegId, sdp: Option<&str>) {
        let taken = sdp.is_some_and(|sdp| self.take_answer(now, leg, sdp).is_ok());
        let agreed_early = self.channels.get(&leg).is_some_and(|channel| channel.law.is_some());
        if taken || (sdp.is_none() && agreed_early) {
            self.think(now, Some(leg), pbx::Input::Answered { leg });
        } else {
            self.drop_leg(now, leg, Cause::NoCommonCodec);
        }
    }

    /// The ACK; it carries the answer when our 200 carried the offer.
    fn confirmed(&mut self, now: Now, leg: LegId, sdp: Option<&str>) {
        let Some(channel) = self.channels.get(&leg) else { return };
        let waits = channel.law.is_none();
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
        call_id: incoming.call_id,
    };
    (arrival, incoming.sdp)
}

/// Any port but 0 will do for trying an offer; no socket is behind it.
const PROBE_PORT: u16 = 9;
