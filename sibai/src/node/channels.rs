//! The media of one leg, as the control sees it: which worker, which ports, what was agreed.

use base::{Cause, LegId, Now};
use codecs::Coding;
use media::dtmf::Keys;
use media::sdp::{Negotiation, Protection, Terms, offered_codecs};
use media::{Direction, Stream};
use pbx::seam::{Presentation, Target};
use sip::seam::{Command, Destination, Diverting, DivertingForm, Outgoing, Route};

use super::{Node, Output};

/// One leg's channel.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    /// Which worker owns it; both legs of a call share one.
    pub worker: usize,
    /// Our address toward the peer, what SDP says of it, and where its signalling comes from.
    pub route: Route,
    /// How far its ports are.
    pub ports: Ports,
    /// Whose leg it is.
    pub role: Role,
    /// The leg it is bridged with.
    pub bridged: Option<LegId>,
    /// Whether its media is SRTP.
    pub protection: Protection,
    /// The codec in use.
    pub coding: Option<Coding>,
    /// What the leg speaks that was placed for this one, which has not been answered yet.
    pub wanted: Option<Coding>,
    /// How far a leg on its behalf may still go (Max-Forwards).
    pub hops: u32,
    /// The peer holds us.
    pub held: bool,
    /// Its keys, so that one that is told in two ways is pressed once.
    pub keys: Keys,
    /// Number of the newest `Play`: an older one's end is not told.
    pub play: u64,
}

/// How far a channel's ports are.
#[derive(Clone, Debug)]
pub(super) enum Ports {
    /// Nobody needs them yet.
    None,
    /// Asked for; then do these.
    Opening(Vec<Then>),
    /// Bound.
    Open(Box<Negotiation>),
}

/// What waits for the ports of an arrived leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// A 18x with SDP.
    Progress(u16),
    /// The 200.
    Answer,
}

/// Whose leg it is.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// The other side called; its offer, and our answer once we made it.
    Arrived {
        /// `None` for an offerless INVITE.
        offer: Option<String>,
        /// Our SDP.
        ours: Option<String>,
    },
    /// We call.
    Placed {
        /// Whom.
        target: Target,
        /// As whom.
        shows: Presentation,
        /// The INVITE is out.
        sent: bool,
        /// It is the second: the first was refused for how it offered SRTP.
        again: bool,
    },
}

impl Node {
    /// The worker of a call, from the leg that arrived.
    pub(super) fn worker_of(&self, caller: LegId) -> usize {
        (caller.as_u64() / 2) as usize % self.workers
    }

    /// Sees to it that an arrived leg has ports, then does `then`.
    pub(super) fn when_open(&mut self, now: Now, leg: LegId, then: Then) {
        let ssrc = self.entropy.next_u64() as u32;
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        match &mut channel.ports {
            Ports::None => {
                channel.ports = Ports::Opening(vec![then]);
                let (worker, address) = (channel.worker, channel.route.local);
                self.out.push_back(Output::Open { worker, leg, address, ssrc });
            }
            Ports::Opening(waiting) => waiting.push(then),
            Ports::Open(_) => self.go_on(now, leg, then),
        }
    }

    /// The driver bound the ports.
    pub(super) fn bound(&mut self, now: Now, leg: LegId, rtp: u16, rtcp: u16) {
        // Session ids stay below 2^62: some peers read them as signed 64-bit numbers (RFC 4566 §5.2).
        let session = self.entropy.next_u64() >> 2;
        let Some(channel) = self.channels.get(&leg) else { return };
        let Ports::Opening(_) = &channel.ports else { return };
        let (advertised, protection) = (channel.route.advertised, channel.protection);
        let (order, confidential) = (self.codec_order(channel), channel.route.confidential);
        let web = self.terms.web(protection, channel.route.web);
        let insists = match &channel.role {
            Role::Placed { target, .. } => self.insistent.holds(target),
            Role::Arrived { .. } => false,
        };
        let entropy = self.entropy.fork();
        let terms = Terms { order, protection, confidential, insists, web, entropy };
        let negotiation = Negotiation::new(advertised, rtp, rtcp, session, terms);
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        let before = std::mem::replace(&mut channel.ports, Ports::Open(Box::new(negotiation)));
        if let Ports::Opening(waiting) = before {
            for then in waiting {
                self.go_on(now, leg, then);
            }
        }
        self.send_invite(now, leg);
    }

    /// No port is free: the leg cannot be.
    pub(super) fn unbound(&mut self, now: Now, leg: LegId) {
        let Some(channel) = self.forget(leg) else { return };
        if let Role::Arrived { .. } = channel.role {
            let refuse = Command::Refuse { leg, status: 503, retry_after: Some(5), cause: Cause::EngineFull };
            self.command(now, refuse);
        }
        self.think(now, Some(leg), pbx::Input::Ended { leg, cause: Cause::EngineFull });
    }

    /// What waited for the ports of an arrived leg.
    fn go_on(&mut self, now: Now, leg: LegId, then: Then) {
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        let Ports::Open(negotiation) = &mut channel.ports else { return };
        let Role::Arrived { offer, ours } = &mut channel.role else { return };
        let mut agreed = None;
        if ours.is_none() {
            match offer {
                Some(offer) => {
                    negotiation.prefer(channel.wanted);
                    let Ok((answer, stream)) = negotiation.answer(offer, channel.route.peer) else {
                        // It was acceptable when it arrived; only a change of codecs leads here.
                        self.drop_leg(now, leg, Cause::NoCommonCodec);
                        return;
                    };
                    *ours = Some(answer);
                    agreed = Some(stream);
                }
                None => *ours = Some(negotiation.offer()),
            }
        }
        let sdp = ours.clone().unwrap_or_default();
        if let Some(stream) = agreed {
            self.agree(leg, stream);
        }
        let command = match then {
            Then::Progress(status) => Command::Progress { leg, status, sdp: Some(sdp) },
            Then::Answer => Command::Accept { leg, sdp },
        };
        self.command(now, command);
    }

    /// The INVITE of a placed leg goes out once its ports are bound.
    fn send_invite(&mut self, now: Now, leg: LegId) {
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        if let (Ports::Open(negotiation), Role::Placed { .. }) = (&mut channel.ports, &channel.role) {
            let sdp = negotiation.offer();
            self.invite(now, leg, sdp);
        }
    }

    /// A placed leg was refused for its offer: it is made once more the other way, where there is one. For the brain the
    /// same attempt goes on, its clocks too; whoever gave it up meanwhile is told of its end and not asked again.
    pub(super) fn offer_otherwise(
        &mut self,
        now: Now,
        leg: LegId,
        cause: Cause,
        status: Option<u16>,
    ) -> bool {
        if cause != Cause::NoCommonCodec || !status.is_some_and(|status| OFFER_REFUSED.contains(&status)) {
            return false;
        }
        let Some(channel) = self.channels.get_mut(&leg) else { return false };
        let Ports::Open(negotiation) = &mut channel.ports else { return false };
        let Role::Placed { again, .. } = &mut channel.role else { return false };
        if std::mem::replace(again, true) {
            return false;
        }
        let Some(sdp) = negotiation.offer_otherwise() else { return false };
        self.invite(now, leg, sdp);
        true
    }

    fn invite(&mut self, now: Now, leg: LegId, sdp: String) {
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        let Role::Placed { target, shows, sent, .. } = &mut channel.role else { return };
        *sent = true;
        let to = destination(target);
        let invite = Outgoing {
            withheld: shows.user == ANONYMOUS,
            from_user: shows.user.clone(),
            display: shows.display.clone(),
            asserted: shows.asserted.as_ref().map(|number| number.as_str().to_owned()),
            // What was called is the seat's to know; a carrier is told by Diversion or History-Info, if at all.
            called: matches!(to, Destination::Contact { .. }).then(|| shows.called.as_str().to_owned()),
            referred_by: shows.referred_by.clone(),
            diverting: shows.diverting.as_ref().map(|diverting| Diverting {
                number: diverting.number.clone(),
                form: if diverting.as_history {
                    DivertingForm::HistoryInfo
                } else {
                    DivertingForm::Diversion
                },
            }),
            to,
            hops: Some(channel.hops),
            sdp,
        };
        self.command(now, Command::Place { leg, invite: Box::new(invite) });
    }

    /// Our codecs, the one that the other leg of the call speaks first: no transcoding where none is needed. A caller who
    /// has not been answered yet may speak all that it offered, and is answered with what this leg takes of it.
    fn codec_order(&self, channel: &Channel) -> Vec<Coding> {
        let caller = channel.bridged.and_then(|caller| self.channels.get(&caller));
        let spoken = match caller {
            Some(Channel { coding: Some(coding), .. }) => vec![*coding],
            Some(Channel { role: Role::Arrived { offer: Some(offer), .. }, .. }) => offered_codecs(offer),
            _ => Vec::new(),
        };
        let mut order = self.terms.codecs.clone();
        order.sort_by_key(|coding| spoken.iter().position(|other| other == coding).unwrap_or(spoken.len()));
        order
    }

    /// Tells the worker what was agreed, and the brain whether that is a hold.
    pub(super) fn agree(&mut self, leg: LegId, stream: Stream) -> Option<bool> {
        let channel = self.channels.get_mut(&leg)?;
        channel.coding = Some(stream.coding);
        let caller = channel.bridged.filter(|_| matches!(channel.role, Role::Placed { .. }));
        let held = matches!(stream.direction, Direction::ReceiveOnly | Direction::Inactive);
        let changed = (held != channel.held).then_some(held);
        channel.held = held;
        let worker = channel.worker;
        if let Some(caller) = caller.and_then(|caller| self.channels.get_mut(&caller)) {
            caller.wanted = Some(stream.coding);
        }
        self.out.push_back(Output::Media { worker, command: media::Command::Agree { leg, stream } });
        changed
    }

    fn forget(&mut self, leg: LegId) -> Option<Channel> {
        self.homes.remove(leg);
        self.channels.remove(&leg)
    }

    /// Gives the ports of a leg back; its quality follows.
    pub(super) fn close(&mut self, leg: LegId) {
        let Some(channel) = self.forget(leg) else { return };
        if matches!(channel.ports, Ports::None) {
            return;
        }
        self.finishing.wait_for(leg);
        let command = media::Command::Close { leg };
        self.out.push_back(Output::Media { worker: channel.worker, command });
    }

    /// Ends a leg on our own account and tells the brain.
    pub(super) fn drop_leg(&mut self, now: Now, leg: LegId, cause: Cause) {
        let Some(channel) = self.channels.get(&leg) else { return };
        let command = match channel.role {
            Role::Arrived { ours: None, .. } => {
                Command::Refuse { leg, status: cause.sip_status(), retry_after: None, cause }
            }
            _ => Command::HangUp { leg, cause },
        };
        self.command(now, command);
        self.close(leg);
        self.think(now, Some(leg), pbx::Input::Ended { leg, cause });
    }
}

/// The brain's target in the endpoint's words.
pub(super) fn destination(target: &Target) -> Destination {
    match target {
        Target::Contact { ext, contact } => Destination::Contact { user: ext.clone(), contact: *contact },
        Target::Outside { trunk, dialled, .. } => {
            Destination::Trunk { trunk: trunk.clone(), number: dialled.clone() }
        }
    }
}

/// How an offer as such is refused (RFC 3261 §21.4.13, §21.4.26, §21.6.4).
const OFFER_REFUSED: [u16; 3] = [415, 488, 606];

/// From user of a caller who withholds the number (RFC 3323 §4.1).
pub(super) const ANONYMOUS: &str = "anonymous";
