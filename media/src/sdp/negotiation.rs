//! One leg's offer/answer state: writes our descriptions, reads theirs, remembers what was agreed.

use std::net::IpAddr;

use codecs::Coding;
use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use super::reading::{self, Audio, LONGEST_PTIME, Shape};
use super::terms::SUITES;
use super::web::{self, Ours, Setup};
use super::{Crypto, CryptoFault, Profile, Protection, SdpFault, Terms, WebFault};
use crate::dtls::{Dtls, Ice};
use crate::seam::{Direction, Events, Keys, Security, Stream};

/// One leg's offer/answer state (RFC 3264). Offers and answers may follow each other in any order:
/// the first exchange, re-INVITEs of either side, an offer in a 200 whose answer comes in the ACK.
#[derive(Clone, Debug)]
pub struct Negotiation {
    local: IpAddr,
    /// Of RTP.
    port: u16,
    /// Of RTCP.
    control_port: u16,
    session_id: u64,
    version: u64,
    terms: Terms,
    /// Every `m=` line so far; a later description has to have them all (RFC 3264 §8).
    shapes: Vec<Shape>,
    /// Which of `shapes` is our audio.
    chosen: usize,
    agreed: Option<Agreed>,
    offered: bool,
    /// SRTP that we would rather have is offered alone: the peer refuses it beside plain RTP.
    alone: bool,
    /// What the one whom the leg talks with speaks: taken before all where it is offered.
    wanted: Option<Coding>,
    /// Our last offer had RTP and RTCP on one port.
    muxed: bool,
    /// The codecs in our last offer with their payload types.
    codecs: Vec<(Coding, u8)>,
    /// The keys in our last offer.
    keys: Vec<Crypto>,
    /// What our last description says of DTLS.
    web: Option<Ours>,
    /// The last description of ours without its origin, to see whether the next one differs.
    said: Option<Session>,
}

/// What the payload types were bound to; they must not change meaning (RFC 3264 §8.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Agreed {
    coding: Coding,
    payload_type: u8,
    events: Option<Events>,
    mux: bool,
    /// The keys, and the tag under which they were agreed on.
    sealed: Option<(u32, Keys)>,
    /// Where they come from, when not from the descriptions.
    dtls: Option<Dtls>,
}

impl Negotiation {
    /// For a leg whose sockets are bound to `port` (RTP) and `control_port` (RTCP). `local` is the
    /// address to write.
    pub fn new(local: IpAddr, port: u16, control_port: u16, session_id: u64, mut terms: Terms) -> Self {
        if terms.order.is_empty() {
            terms.order = vec![Coding::Pcma, Coding::Pcmu];
        }
        let alone = terms.insists && terms.protection == Protection::Prefer && terms.confidential;
        Self {
            local,
            port,
            control_port,
            // RFC 8866 §5.2: numeric; some peers read it as a signed 64-bit number.
            session_id: session_id & (u64::MAX >> 1),
            version: 1,
            terms,
            shapes: Vec::new(),
            chosen: 0,
            agreed: None,
            offered: false,
            alone,
            wanted: None,
            muxed: false,
            codecs: Vec::new(),
            keys: Vec::new(),
            web: None,
            said: None,
        }
    }

    /// Our offer: for an INVITE of ours, for the 200 to an offerless INVITE, for a re-INVITE of ours.
    pub fn offer(&mut self) -> String {
        let mut codecs = Vec::new();
        let mut events = Vec::new();
        if let Some(agreed) = &self.agreed {
            codecs.push((agreed.coding, agreed.payload_type));
            events.extend(agreed.events);
        }
        let mut taken: Vec<u8> =
            codecs.iter().map(|&(_, pt)| pt).chain(events.iter().map(|events| events.payload_type)).collect();
        for &coding in &self.terms.order {
            if !codecs.iter().any(|&(known, _)| known == coding) {
                codecs.push((coding, free_type(coding.payload_type().unwrap_or(OPUS_TYPE), &mut taken)));
            }
        }
        // A peer that takes no keys is not asked again.
        if self.agreed.as_ref().is_none_or(|agreed| agreed.events.is_some()) {
            for (clock, usual) in EVENT_TYPES {
                let is_told = events.iter().any(|events| events.clock == clock);
                if !is_told && codecs.iter().any(|(coding, _)| coding.clock() == clock) {
                    events.push(Events { payload_type: free_type(usual, &mut taken), clock });
                }
            }
        }
        if self.shapes.is_empty() {
            let to_browser = self.terms.takes_dtls() && self.terms.web.is_some_and(|web| web.offered);
            let profile = match self.terms.protection {
                _ if to_browser => Profile::TlsSavpf,
                Protection::Prefer if self.alone => Profile::Savp,
                Protection::Require => Profile::Savp,
                Protection::Prefer | Protection::Off => Profile::Avp,
            };
            let mid = to_browser.then(|| "0".to_owned());
            let (media, proto, format) = ("audio".into(), profile.name().into(), "8".into());
            self.shapes.push(Shape { media, proto, format, mid });
            self.chosen = 0;
        }
        self.offered = true;
        self.web = self.web_to_offer();
        self.keys = if self.web.is_some() { Vec::new() } else { self.keys_to_offer() };
        self.muxed = self.web.is_some() || self.agreed.as_ref().is_some_and(|agreed| agreed.mux);
        self.codecs.clone_from(&codecs);
        self.write(&codecs, &events, DEFAULT_PTIME, Direction::Both, self.muxed)
    }

    /// Our offer once more for a peer that has refused it, the other way round: SRTP alone where it was offered beside
    /// plain RTP, and beside it where it was offered alone. `None` where there is but one way: keys are not offered, or
    /// nothing else may be, or something was agreed on already.
    pub fn offer_otherwise(&mut self) -> Option<String> {
        let has_two_ways = self.terms.protection == Protection::Prefer && !self.keys.is_empty();
        if !has_two_ways || !self.offered || self.agreed.is_some() {
            return None;
        }
        self.alone = !self.alone;
        self.shapes.clear();
        Some(self.offer())
    }

    /// The one whom the leg talks with speaks this.
    pub const fn prefer(&mut self, coding: Option<Coding>) {
        self.wanted = coding;
    }

    /// Whether SRTP is offered alone although we would take plain RTP: the peer wants it so.
    pub const fn insists(&self) -> bool {
        self.alone
    }

    /// Answers an offer, a first or a later one. `signalling` is the address it came from.
    pub fn answer(&mut self, offer: &str, signalling: IpAddr) -> Result<(String, Stream), SdpFault> {
        let described = reading::read(offer, self.local, &self.terms)?;
        let (coding, payload_type, events) = self.choose(&described.audio)?;
        let audio = described.audio;
        let dtls = self.take_offered_handshake(&audio)?;
        let sealed = if dtls.is_some() { None } else { self.take_offered_key(&audio)? };
        self.shapes = described.shapes;
        self.chosen = described.chosen;
        self.offered = false;
        self.keys =
            sealed.iter().map(|(tag, keys)| Crypto { tag: *tag, keying: keys.ours.clone() }).collect();
        self.web = self.web_to_answer(dtls.as_ref(), &audio);
        let security = security(sealed.as_ref(), dtls.as_ref());
        self.agreed = Some(Agreed { coding, payload_type, events, mux: audio.mux, sealed, dtls });
        let told = events.as_slice();
        let text = self.write(&[(coding, payload_type)], told, audio.ptime, audio.direction, audio.mux);
        Ok((text, Stream { security, ..stream(&audio, coding, payload_type, events, signalling) }))
    }

    /// Takes the answer to our last offer. A repeated answer (in a 183 and again in the 200) may be
    /// taken again.
    pub fn take_answer(&mut self, answer: &str, signalling: IpAddr) -> Result<Stream, SdpFault> {
        if !self.offered {
            return Err(SdpFault::NotOffered);
        }
        let mut audio = reading::read(answer, self.local, &self.terms)?.audio;
        let (coding, payload_type, mut events) = self.choose(&audio)?;
        // What we did not offer cannot be answered (RFC 5761 §5.1.1).
        audio.mux &= self.muxed;
        if self.agreed.as_ref().is_some_and(|agreed| agreed.events.is_none()) {
            events = None;
        }
        let dtls = self.take_answered_handshake(&audio)?;
        let sealed = if dtls.is_some() { None } else { self.take_answered_key(&audio)? };
        let security = security(sealed.as_ref(), dtls.as_ref());
        self.agreed = Some(Agreed { coding, payload_type, events, mux: audio.mux, sealed, dtls });
        let is_free =
            |pt: u8| pt != payload_type && events.is_none_or(|events: Events| events.payload_type != pt);
        let others = self.codecs.iter().filter(|&&(other, pt)| other != coding && is_free(pt));
        let also = others.map(|&(other, pt)| (pt, other)).collect();
        Ok(Stream { also, security, ..stream(&audio, coding, payload_type, events, signalling) })
    }

    /// The keys of our next offer: those that are in use, else one for each suite. The peer may take any of them.
    fn keys_to_offer(&mut self) -> Vec<Crypto> {
        match &self.agreed {
            Some(Agreed { sealed: Some((tag, keys)), .. }) => {
                vec![Crypto { tag: *tag, keying: keys.ours.clone() }]
            }
            // What began plain stays so: a phone that took no key has none.
            Some(_) => Vec::new(),
            None if self.terms.protection == Protection::Off => Vec::new(),
            None if self.terms.protection == Protection::Prefer && !self.terms.confidential => Vec::new(),
            None => (1..)
                .zip(SUITES)
                .filter_map(|(tag, suite)| Some(Crypto { tag, keying: self.terms.keying(suite)? }))
                .collect(),
        }
    }

    /// The key of an offer that we take, and ours for the answer: the one in use, while its suite stays.
    fn take_offered_key(&mut self, audio: &Audio) -> Result<Option<(u32, Keys)>, SdpFault> {
        if self.terms.protection == Protection::Off {
            return Ok(None);
        }
        let needed = audio.profile.is_secure() || self.terms.protection == Protection::Require;
        let theirs = match Crypto::choose(audio.crypto.iter().map(String::as_str), &SUITES) {
            Ok(theirs) => theirs,
            Err(fault) if needed => return Err(fault.into()),
            Err(_) => return Ok(None),
        };
        let suite = theirs.keying.suite();
        let used = self.agreed.as_ref().and_then(|agreed| agreed.sealed.as_ref());
        let ours = match used.filter(|(_, keys)| keys.ours.suite() == suite) {
            Some((_, keys)) => Some(keys.ours.clone()),
            None => self.terms.keying(suite),
        };
        let ours = ours.ok_or(CryptoFault::Suite)?;
        Ok(Some((theirs.tag, Keys { ours, theirs: theirs.keying })))
    }

    /// The key of the answer to our offer, and which of ours it took.
    fn take_answered_key(&self, audio: &Audio) -> Result<Option<(u32, Keys)>, SdpFault> {
        // An answer has the profile of its offer (RFC 3264 §6): plain RTP was not offered to who insists on SRTP.
        let may_be_plain = self.terms.protection != Protection::Require && !self.alone;
        if may_be_plain && audio.crypto.is_empty() && !audio.profile.is_secure() {
            return Ok(None);
        }
        let (ours, theirs) = Crypto::take_answer(&self.keys, audio.crypto.iter().map(String::as_str))?;
        Ok(Some((ours.tag, Keys { ours: ours.keying.clone(), theirs: theirs.keying })))
    }

    /// What our next offer says of DTLS: what is in use, or to a browser that we may.
    fn web_to_offer(&mut self) -> Option<Ours> {
        let web = self.terms.web.filter(|_| self.terms.takes_dtls())?;
        let (ice, grouped) = match &self.agreed {
            Some(agreed) => {
                let dtls = agreed.dtls.as_ref()?;
                (
                    dtls.ice.as_ref().map(|ice| ice.ours.clone()),
                    self.web.as_ref().is_some_and(|web| web.grouped),
                )
            }
            None if web.offered => (Some(web::invent(&mut self.terms.entropy)), true),
            None => return None,
        };
        Some(Ours { fingerprint: web.fingerprint, setup: Setup::Either, ice, grouped })
    }

    fn web_to_answer(&self, dtls: Option<&Dtls>, audio: &Audio) -> Option<Ours> {
        let (dtls, web) = (dtls?, self.terms.web?);
        let ice = dtls.ice.as_ref().map(|ice| ice.ours.clone());
        let grouped = audio.web.as_ref().is_some_and(|said| said.grouped);
        Some(Ours { fingerprint: web.fingerprint, setup: dtls.role.into(), ice, grouped })
    }

    /// The handshake that an offer wants.
    fn take_offered_handshake(&mut self, audio: &Audio) -> Result<Option<Dtls>, SdpFault> {
        let Some(said) = audio.web.clone() else { return Ok(None) };
        let before = self.agreed.as_ref().and_then(|agreed| agreed.dtls.as_ref());
        let role = said.role_of_offer(before.map(|dtls| dtls.role))?;
        Ok(Some(said.agree(role, before, &mut self.terms.entropy)))
    }

    /// The handshake that the answer to our offer takes.
    fn take_answered_handshake(&self, audio: &Audio) -> Result<Option<Dtls>, SdpFault> {
        let (ours, said) = match (&self.web, &audio.web) {
            (None, None) => return Ok(None),
            (Some(ours), Some(said)) => (ours, said),
            (Some(_), None) => return Err(WebFault::Missing.into()),
            (None, Some(_)) => return Err(CryptoFault::NotOffered.into()),
        };
        let role = said.role_of_answer()?;
        let ice = ours.ice.clone().zip(said.ice.clone()).map(|(ours, theirs)| Ice { ours, theirs });
        Ok(Some(Dtls { theirs: said.fingerprint, role, ice }))
    }

    /// The codec, and the telephone-event that goes with it: of its clock, else any. The offerer's wish leads, but
    /// not into transcoding: where we put G.711 first (the carrier speaks it), theirs comes before Opus.
    fn choose(&self, audio: &Audio) -> Result<(Coding, u8, Option<Events>), SdpFault> {
        let ours = |&&(coding, _): &&(Coding, u8)| self.terms.order.contains(&coding);
        let alike = |&&(coding, _): &&(Coding, u8)| {
            self.terms.order.first().is_some_and(|first| first.law().is_some() == coding.law().is_some())
        };
        let mut spoken = audio.codecs.iter().filter(ours);
        let wanted = spoken.clone().find(|(coding, _)| self.wanted == Some(*coding));
        let best = wanted.or_else(|| spoken.clone().find(alike)).or_else(|| spoken.next());
        let &(coding, payload_type) = best.ok_or(SdpFault::NoCommonCodec)?;
        let fitting = audio.events.iter().find(|events| events.clock == coding.clock());
        Ok((coding, payload_type, fitting.or(audio.events.first()).copied()))
    }

    fn write(
        &mut self,
        codecs: &[(Coding, u8)],
        events: &[Events],
        ptime: u32,
        direction: Direction,
        mux: bool,
    ) -> String {
        let mut session = Session::new(Origin::with_ip_addr(self.session_id, 0, self.local), "-");
        session.connection = Some(Connection::from_ip_addr(self.local));
        session.times.push(Time::new(0, 0));
        if let Some(web) = &self.web {
            let mid = self.shapes.get(self.chosen).and_then(|shape| shape.mid.as_deref());
            web.describe_session(mid, &mut session);
        }
        for (at, shape) in self.shapes.iter().enumerate() {
            let mut media = refused(shape);
            // Names are of use where streams could be grouped, and nobody but browsers does that.
            let mid = shape.mid.as_ref().filter(|_| self.web.is_some());
            media.attributes.extend(mid.map(|mid| Attribute::with_value("mid", mid)));
            if at == self.chosen {
                media.port = self.port;
                self.describe(&mut media, codecs, events, ptime, direction, mux);
            }
            session.medias.push(media);
        }
        // The version rises when, and only when, the description differs (RFC 3264 §8).
        if self.said.as_ref().is_some_and(|said| *said != session) {
            self.version += 1;
        }
        self.said = Some(session.clone());
        session.origin.sess_version = self.version;
        let mut bytes = Vec::with_capacity(512);
        // Writing into memory cannot fail; a failure would show as an empty description.
        let _ = session.write(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    fn describe(
        &self,
        media: &mut Media,
        codecs: &[(Coding, u8)],
        events: &[Events],
        ptime: u32,
        direction: Direction,
        mux: bool,
    ) {
        let mut formats: Vec<String> = codecs.iter().map(|(_, pt)| pt.to_string()).collect();
        formats.extend(events.iter().map(|events| events.payload_type.to_string()));
        media.fmt = formats.join(" ");
        let mut say = |name: &str, value: String| media.attributes.push(Attribute::with_value(name, value));
        for (coding, payload_type) in codecs {
            say("rtpmap", format!("{payload_type} {}", coding.rtpmap()));
            if let Some(parameters) = coding.fmtp() {
                say("fmtp", format!("{payload_type} {parameters}"));
            }
        }
        for Events { payload_type, clock } in events {
            say("rtpmap", format!("{payload_type} telephone-event/{clock}"));
            say("fmtp", format!("{payload_type} 0-15"));
        }
        for key in &self.keys {
            say("crypto", key.write());
        }
        say("ptime", ptime.to_string());
        say("maxptime", LONGEST_PTIME.to_string());
        if !mux && Some(self.control_port) != self.port.checked_add(1) {
            say("rtcp", self.control_port.to_string());
        }
        if mux {
            media.add_attribute_from_str("rtcp-mux");
        }
        if let Some(web) = &self.web {
            web.describe(self.local, self.port, media);
        }
        media.add_attribute_from_str(match direction {
            Direction::Both => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::ReceiveOnly => "recvonly",
            Direction::Inactive => "inactive",
        });
    }
}

fn stream(
    audio: &Audio,
    coding: Coding,
    payload_type: u8,
    events: Option<Events>,
    signalling: IpAddr,
) -> Stream {
    Stream {
        coding,
        payload_type,
        also: Vec::new(),
        events,
        ptime: audio.ptime,
        remote_rtp: audio.rtp,
        remote_rtcp: if audio.mux { audio.rtp } else { audio.rtcp },
        rtcp_mux: audio.mux,
        direction: audio.direction,
        security: Security::Plain,
        signalling: signalling.to_canonical(),
    }
}

fn security(sealed: Option<&(u32, Keys)>, dtls: Option<&Dtls>) -> Security {
    match (dtls, sealed) {
        (Some(dtls), _) => Security::Dtls(Box::new(dtls.clone())),
        (None, Some((_, keys))) => Security::Srtp(Box::new(keys.clone())),
        (None, None) => Security::Plain,
    }
}

/// The same `m=` line at port 0: refused (RFC 3264 §6).
fn refused(shape: &Shape) -> Media {
    Media {
        media: shape.media.clone(),
        port: 0,
        num_ports: None,
        proto: shape.proto.clone(),
        fmt: shape.format.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

/// The usual payload type, or the next dynamic one that nothing else has: a type must not change its meaning while
/// the session lasts (RFC 3264 §8.3.2).
fn free_type(usual: u8, taken: &mut Vec<u8>) -> u8 {
    let free = std::iter::once(usual).chain(DYNAMIC).find(|pt| !taken.contains(pt)).unwrap_or(usual);
    taken.push(free);
    free
}

/// What browsers use for Opus.
const OPUS_TYPE: u8 = 111;

/// The clocks of telephone-event, with the types that nearly every phone and browser uses.
const EVENT_TYPES: [(u32, u8); 2] = [(8000, 101), (48_000, 110)];

/// RFC 3551 section 3.
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// What we ask for in our own offers.
const DEFAULT_PTIME: u32 = 20;
