//! One leg's offer/answer state: writes our descriptions, reads theirs, remembers what was agreed.

use std::net::IpAddr;

use base::g711::Law;
use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use super::SdpFault;
use super::reading::{self, Audio, LONGEST_PTIME, Shape};
use crate::seam::{Direction, Stream};

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
    order: Vec<Law>,
    /// Every `m=` line so far; a later description has to have them all (RFC 3264 §8).
    shapes: Vec<Shape>,
    /// Which of `shapes` is our audio.
    chosen: usize,
    agreed: Option<Agreed>,
    offered: bool,
    /// The last description of ours without its origin, to see whether the next one differs.
    said: Option<Session>,
}

/// What the payload types were bound to; they must not change meaning (RFC 3264 §8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Agreed {
    law: Law,
    payload_type: u8,
    event_type: Option<u8>,
    mux: bool,
}

impl Negotiation {
    /// For a leg whose sockets are bound to `port` (RTP) and `control_port` (RTCP). `local` is the
    /// address to write; `order` the laws that we speak, the best first (none: A-law, then µ-law).
    pub fn new(local: IpAddr, port: u16, control_port: u16, session_id: u64, order: Vec<Law>) -> Self {
        let order = if order.is_empty() { vec![Law::A, Law::Mu] } else { order };
        Self {
            local,
            port,
            control_port,
            // RFC 8866 §5.2: numeric; some peers read it as a signed 64-bit number.
            session_id: session_id & (u64::MAX >> 1),
            version: 1,
            order,
            shapes: Vec::new(),
            chosen: 0,
            agreed: None,
            offered: false,
            said: None,
        }
    }

    /// Our offer: for an INVITE of ours, for the 200 to an offerless INVITE, for a re-INVITE of ours.
    pub fn offer(&mut self) -> String {
        let mut codecs = Vec::new();
        if let Some(agreed) = self.agreed {
            codecs.push((agreed.law, agreed.payload_type));
        }
        for &law in &self.order {
            if !codecs.iter().any(|&(known, _)| known == law) {
                codecs.push((law, static_type(law)));
            }
        }
        let event_type = match self.agreed {
            Some(agreed) => agreed.event_type,
            None => Some(EVENT_TYPE),
        };
        if self.shapes.is_empty() {
            let shape = Shape { media: "audio".into(), proto: "RTP/AVP".into(), format: "8".into() };
            self.shapes.push(shape);
            self.chosen = 0;
        }
        self.offered = true;
        let mux = self.agreed.is_some_and(|agreed| agreed.mux);
        self.write(&codecs, event_type, DEFAULT_PTIME, Direction::Both, mux)
    }

    /// Answers an offer, a first or a later one. `signalling` is the address it came from.
    pub fn answer(&mut self, offer: &str, signalling: IpAddr) -> Result<(String, Stream), SdpFault> {
        let described = reading::read(offer, self.local)?;
        let (law, payload_type) = self.choose(&described.audio)?;
        let audio = described.audio;
        self.shapes = described.shapes;
        self.chosen = described.chosen;
        self.offered = false;
        self.agreed = Some(Agreed { law, payload_type, event_type: audio.event_type, mux: audio.mux });
        let text =
            self.write(&[(law, payload_type)], audio.event_type, audio.ptime, audio.direction, audio.mux);
        Ok((text, stream(&audio, law, payload_type, signalling)))
    }

    /// Takes the answer to our last offer. A repeated answer (in a 183 and again in the 200) may be
    /// taken again.
    pub fn take_answer(&mut self, answer: &str, signalling: IpAddr) -> Result<Stream, SdpFault> {
        if !self.offered {
            return Err(SdpFault::NotOffered);
        }
        let mut audio = reading::read(answer, self.local)?.audio;
        let (law, payload_type) = self.choose(&audio)?;
        // What we did not offer cannot be answered; rtcp-mux is never of our making (RFC 5761 §5.1.1).
        let mux_offered = self.agreed.is_some_and(|agreed| agreed.mux);
        audio.mux &= mux_offered;
        if self.agreed.is_some_and(|agreed| agreed.event_type.is_none()) {
            audio.event_type = None;
        }
        self.agreed = Some(Agreed { law, payload_type, event_type: audio.event_type, mux: audio.mux });
        Ok(stream(&audio, law, payload_type, signalling))
    }

    /// The first codec of theirs that we speak: the offerer's wish leads.
    fn choose(&self, audio: &Audio) -> Result<(Law, u8), SdpFault> {
        let ours = |&&(law, _): &&(Law, u8)| self.order.contains(&law);
        audio.codecs.iter().find(ours).copied().ok_or(SdpFault::NoCommonCodec)
    }

    fn write(
        &mut self,
        codecs: &[(Law, u8)],
        event_type: Option<u8>,
        ptime: u32,
        direction: Direction,
        mux: bool,
    ) -> String {
        let mut session = Session::new(Origin::with_ip_addr(self.session_id, 0, self.local), "-");
        session.connection = Some(Connection::from_ip_addr(self.local));
        session.times.push(Time::new(0, 0));
        for (at, shape) in self.shapes.iter().enumerate() {
            let mut media = refused(shape);
            if at == self.chosen {
                media.port = self.port;
                self.describe(&mut media, codecs, event_type, ptime, direction, mux);
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
        codecs: &[(Law, u8)],
        event_type: Option<u8>,
        ptime: u32,
        direction: Direction,
        mux: bool,
    ) {
        let mut formats: Vec<String> = codecs.iter().map(|(_, pt)| pt.to_string()).collect();
        formats.extend(event_type.map(|pt| pt.to_string()));
        media.fmt = formats.join(" ");
        let mut say = |name: &str, value: String| media.attributes.push(Attribute::with_value(name, value));
        for (law, payload_type) in codecs {
            say("rtpmap", format!("{payload_type} {}/8000", encoding(*law)));
        }
        if let Some(payload_type) = event_type {
            say("rtpmap", format!("{payload_type} telephone-event/8000"));
            say("fmtp", format!("{payload_type} 0-15"));
        }
        say("ptime", ptime.to_string());
        say("maxptime", LONGEST_PTIME.to_string());
        if !mux && Some(self.control_port) != self.port.checked_add(1) {
            say("rtcp", self.control_port.to_string());
        }
        if mux {
            media.add_attribute_from_str("rtcp-mux");
        }
        media.add_attribute_from_str(match direction {
            Direction::Both => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::ReceiveOnly => "recvonly",
            Direction::Inactive => "inactive",
        });
    }
}

fn stream(audio: &Audio, law: Law, payload_type: u8, signalling: IpAddr) -> Stream {
    Stream {
        law,
        payload_type,
        event_type: audio.event_type,
        ptime: audio.ptime,
        remote_rtp: audio.rtp,
        remote_rtcp: if audio.mux { audio.rtp } else { audio.rtcp },
        rtcp_mux: audio.mux,
        direction: audio.direction,
        signalling: signalling.to_canonical(),
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

const fn static_type(law: Law) -> u8 {
    match law {
        Law::A => 8,
        Law::Mu => 0,
    }
}

const fn encoding(law: Law) -> &'static str {
    match law {
        Law::A => "PCMA",
        Law::Mu => "PCMU",
    }
}

/// The dynamic type that nearly every phone uses for telephone-event.
const EVENT_TYPE: u8 = 101;

/// What we ask for in our own offers.
const DEFAULT_PTIME: u32 = 20;
