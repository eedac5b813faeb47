//! The engine's two sides. One engine per worker thread; it owns its legs' channels, sees every packet
//! and never blocks, allocates or reads a clock per packet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::{Country, Digit, LegId, Mono, Name, RecordingId, Tone};

use codecs::Coding;

use crate::dtls::Dtls;
use crate::dtmf::Way;
use crate::prompts::Prompts;
use crate::srtp::Keying;

/// What offer and answer agreed on for one leg (RFC 3264).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The audio codec that we send and expect.
    pub coding: Coding,
    /// Its payload type: what we send and what we expect.
    pub payload_type: u8,
    /// Other codecs that we offered, with their payload types: the peer may send any that it answered at any moment
    /// (RFC 3264 §7), and some send what was offered first whatever they answered.
    pub also: Vec<(u8, Coding)>,
    /// How keys are told, when telephone-event was negotiated (RFC 4733).
    pub events: Option<Events>,
    /// Packet time we send, in milliseconds (10-60, default 20).
    pub ptime: u32,
    /// Where the peer says it receives RTP. Port 0 or address 0.0.0.0: it does not.
    pub remote_rtp: SocketAddr,
    /// Where the peer receives RTCP.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// Which way audio flows, seen from us.
    pub direction: Direction,
    /// Whether packets are SRTP, and under which keys.
    pub security: Security,
    /// The address its signalling comes from; latching trusts it like the SDP's (reliability.md 5, rule 16).
    pub signalling: IpAddr,
}

/// Whether a leg's packets are SRTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// They are plain.
    #[default]
    Plain,
    /// They are.
    Srtp(Box<Keys>),
    /// They are, once a handshake has made the keys; nothing passes before.
    Dtls(Box<Dtls>),
}

/// Both directions' keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Under which we send.
    pub ours: Keying,
    /// Under which the peer sends.
    pub theirs: Keying,
}

/// How keys are told in RTP (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// The payload type of telephone-event.
    pub payload_type: u8,
    /// Ticks a second in which durations are told: the audio's clock where the peer offers that one.
    pub clock: u32,
}

/// Which way audio flows, seen from us (RFC 3264 §8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    Both,
    /// We send, the peer does not: we are on hold for it (its `recvonly`).
    SendOnly,
    /// The peer sends and does not listen (its `sendonly`).
    ReceiveOnly,
    /// Neither.
    Inactive,
}

/// What the control wants of an engine.
#[derive(Clone, Debug)]
pub enum Command {
    /// A channel for this leg. Sockets were bound by the driver already.
    Open {
        /// The leg.
        leg: LegId,
        /// CNAME and SSRC seed.
        ssrc: u32,
    },
    /// Offer and answer agreed, or agreed anew.
    Agree {
        /// The leg.
        leg: LegId,
        /// On what.
        stream: Stream,
    },
    /// The handshake of a leg came to these keys; they are nothing to a leg whose agreement wants none.
    Keys {
        /// The leg.
        leg: LegId,
        /// Both directions'.
        keys: Box<Keys>,
    },
    /// Ends the channel: `Event::Closed` follows with its quality.
    Close {
        /// The leg.
        leg: LegId,
    },
    /// Plays a prompt once; `Event::Played` follows unless replaced or stopped before its end.
    Play {
        /// The leg.
        leg: LegId,
        /// The line whose prompt it is.
        line: Name,
        /// Its name.
        prompt: Name,
        /// Comes back in `Event::Played`, so that a late one can be told from the current.
        token: u64,
    },
    /// Plays a prompt over and over, from its beginning, until stopped or replaced; no event follows. One that is not
    /// loaded is silence, and counted.
    Music {
        /// The leg.
        leg: LegId,
        /// The line whose prompt it is.
        line: Name,
        /// Its name.
        prompt: Name,
    },
    /// Sounds a tone, or silence; for so long, then `Event::Played` follows unless it was replaced or stopped; without a
    /// length until stopped or replaced.
    Tone {
        /// The leg.
        leg: LegId,
        /// Whose tones.
        country: Country,
        /// Which.
        tone: Tone,
        /// In whole milliseconds.
        length: Option<Duration>,
        /// Comes back in `Event::Played`.
        token: u64,
    },
    /// Plays nothing: comfort silence keeps flowing so that there is never dead air for NATs and timers.
    Stop {
        /// The leg.
        leg: LegId,
    },
    /// Lets two channels of this engine hear each other.
    Bridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Parts them.
    Unbridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// A leg hears these from now on, mixed, and nobody else; none: silence. Whether they hear it is told by orders of
    /// their own: in a conference of three everybody hears the two others, a supervisor who listens is heard by nobody,
    /// one who whispers by the seat alone.
    Hear {
        /// Who hears.
        leg: LegId,
        /// Whom: at most eight.
        of: Vec<LegId>,
    },
    /// Copies what both legs receive to the recorder.
    Tap {
        /// The recording.
        recording: RecordingId,
        /// Left.
        caller: LegId,
        /// Right.
        seat: LegId,
    },
    /// Ends the copying.
    Untap {
        /// The recording.
        recording: RecordingId,
    },
    /// Sends a digit (RFC 4733) to the leg's peer.
    Press {
        /// The leg.
        leg: LegId,
        /// The key.
        digit: Digit,
    },
    /// A new set of prompts; what plays already plays on.
    Prompts(Arc<Prompts>),
}

/// What an engine tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A prompt was played to its end, or a tone for its length.
    Played {
        /// The leg.
        leg: LegId,
        /// Of the `Play` or the `Tone`.
        token: u64,
    },
    /// A key was pressed: the first packet of an RFC 4733 event, or tones where no events were agreed on.
    Digit {
        /// The leg.
        leg: LegId,
        /// The key.
        digit: Digit,
        /// How it was told.
        way: Way,
    },
    /// No RTP came for `SILENCE` although the peer should send; told once per silence.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// The channel is gone.
    Closed {
        /// The leg.
        leg: LegId,
        /// How it was.
        quality: Quality,
    },
    /// The leg latched on to a source, or moved to another (for the log).
    Latched {
        /// The leg.
        leg: LegId,
        /// The source.
        source: SocketAddr,
    },
    /// A `Play` named a prompt that is not loaded: a fault of ours; counts as played.
    PromptMissing {
        /// The leg.
        leg: LegId,
        /// Of the `Play`.
        token: u64,
    },
}

/// How a channel was, for the CDR.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Quality {
    /// RTP packets received (accepted ones).
    pub received: u64,
    /// Packets the extended sequence numbers say were lost on the way to us (RFC 3550 §A.3).
    pub lost: u64,
    /// Interarrival jitter, milliseconds (RFC 3550 §A.8).
    pub jitter_ms: f32,
    /// RTP packets sent.
    pub sent: u64,
    /// Loss that the peer reports of ours, 0.0-1.0, from its last RTCP report.
    pub peer_loss: Option<f32>,
    /// Jitter that the peer reports, milliseconds.
    pub peer_jitter_ms: Option<f32>,
    /// Round trip, milliseconds (RFC 3550 §6.4.1).
    pub round_trip_ms: Option<f32>,
    /// How what came sounded, 1.0-4.5 (E-model, ITU-T G.107): loss with its bursts, codec, delay. `None`: nothing came.
    pub mos: Option<f32>,
    /// How what we sent sounded to the peer, from its reports alone.
    pub peer_mos: Option<f32>,
    /// Packets dropped because their source, payload type or form was wrong.
    pub dropped: u64,
}

/// Which of a leg's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// The even one.
    Rtp,
    /// The odd one.
    Rtcp,
}

/// Which party a tapped packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Left.
    Caller,
    /// Right.
    Seat,
}

/// One packet as it reached our port, on its way to the recorder. Fixed size: copying allocates nothing.
#[derive(Clone, Copy)]
pub struct Tapped {
    /// The recording.
    pub recording: RecordingId,
    /// Whose it is.
    pub side: Side,
    /// When it reached us.
    pub arrived: Mono,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP SSRC.
    pub ssrc: u32,
    /// Its codec.
    pub coding: Coding,
    /// Bytes of `payload` in use.
    pub len: u16,
    /// The payload as received.
    pub payload: [u8; Tapped::LONGEST],
}

impl Tapped {
    /// 60 ms of G.711 or G.722, and ten times what Opus needs of a voice; longer payloads are counted, and cut or left out.
    pub const LONGEST: usize = 480;

    /// The bytes in use.
    pub fn bytes(&self) -> &[u8] {
        &self.payload[..usize::from(self.len).min(Self::LONGEST)]
    }
}

/// The static payload type of comfort noise (RFC 3389 §4): taken whether it was negotiated or not.
pub const COMFORT: u8 = 13;

/// Where an engine puts what it wants to leave it; the driver's side of the wall.
pub trait Sink {
    /// Send these bytes from a leg's port.
    fn send(&mut self, leg: LegId, port: Port, to: SocketAddr, bytes: &[u8]);
    /// Tell the control.
    fn tell(&mut self, event: Event);
    /// A record of the handshake that a leg's agreement wants, from a source that may send one. Whoever leads the
    /// handshake answers to that source.
    fn handshake(&mut self, leg: LegId, source: SocketAddr, record: &[u8]);
    /// Give a packet to the recorder; must not block.
    fn tap(&mut self, packet: &Tapped);
}

/// No RTP for this long on a leg that should send is told as `Event::Silent` (reliability.md 5, row 5).
pub const SILENCE: Duration = Duration::from_mins(1);
