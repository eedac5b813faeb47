//! What must hold of any input: the bodies of fuzz targets (fuzz/), and of the test that reads their corpus.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base::{LegId, Mono, Now, Timestamp};

use crate::dtls::Fingerprint;
use crate::engine::Engine;
use crate::prompts::Prompts;
use crate::rtcp::{self, Compound};
use crate::rtp::{self, HEADER, Header};
use crate::sdp::{Negotiation, Protection, Terms, Web};
use crate::seam::{Command, Direction, Event, Port, Security, Sink, Stream, Tapped};
use crate::srtp::{Keying, Opener, Sealer, Suite};

/// As an offer and as an answer: no panic, and what we answer is a description that is read and written the same.
pub fn description(text: &str) -> Result<(), String> {
    negotiated(text, Terms { protection: Protection::Prefer, ..Terms::plain(codecs::Coding::ALL.to_vec()) })
}

/// The same where DTLS and ICE are allowed: to a leg that may be a browser's, and to one that is.
pub fn web_description(text: &str) -> Result<(), String> {
    let fingerprint = Fingerprint::of(b"a certificate");
    for (offered, protection) in [(false, Protection::Prefer), (true, Protection::Require)] {
        let web = Some(Web { fingerprint, offered });
        negotiated(text, Terms { protection, web, ..Terms::plain(codecs::Coding::ALL.to_vec()) })?;
    }
    Ok(())
}

/// As an answer before anything was agreed on, as an offer, and as an answer to what we offer then.
fn negotiated(text: &str, terms: Terms) -> Result<(), String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut first = Negotiation::new(local, 20_000, 20_001, 1, terms);
    let mut negotiation = first.clone();
    is_fixed(&first.offer())?;
    if first.take_answer(text, local).is_ok() {
        is_fixed(&first.offer())?;
    }
    if let Ok((answer, _)) = negotiation.answer(text, local) {
        is_fixed(&answer)?;
    }
    is_fixed(&negotiation.offer())?;
    let _ = negotiation.take_answer(text, local);
    Ok(())
}

fn is_fixed(text: &str) -> Result<(), String> {
    let session = sdp_types::Session::parse(text.as_bytes()).map_err(|error| format!("{text:?}: {error}"))?;
    let mut written = Vec::new();
    session.write(&mut written).map_err(|error| format!("{text:?}: {error}"))?;
    if written == text.as_bytes() {
        return Ok(());
    }
    Err(format!("{text:?} is written again as {:?}", String::from_utf8_lossy(&written)))
}

/// As a packet of a peer: refused whatever the suite, and nothing has changed by it. As one of ours: what is
/// sealed is opened to the same, once.
pub fn srtp(bytes: &[u8]) -> Result<(), String> {
    for suite in Suite::ALL {
        let of_suite = |what: &str| format!("{}: {what}", suite.name());
        let keying = Keying::new(suite, &[0x5a; Keying::LONGEST][..suite.key_len() + suite.salt_len()]);
        let keying = keying.ok_or_else(|| of_suite("no keying"))?;
        let both = Sealer::new(keying.clone()).and_then(|sealer| Ok((sealer, Opener::new(keying)?)));
        let (mut sealer, mut opener) = both.map_err(|fault| of_suite(&fault.to_string()))?;
        let (mut media, mut control) = (bytes.to_vec(), bytes.to_vec());
        if opener.unprotect(&mut media).is_ok() || opener.unprotect_rtcp(&mut control).is_ok() {
            return Err(of_suite("forged"));
        }
        let mut room = bytes.to_vec();
        room.resize(bytes.len() + Suite::MOST_OVERHEAD, 0);
        let mut room_too = room.clone();
        if let Ok(len) = sealer.protect(&mut room, bytes.len()) {
            let again = room.get(..len).unwrap_or_default().to_vec();
            let opened = opener.unprotect(room.get_mut(..len).unwrap_or_default());
            if opened != Ok(bytes.len()) || !room.starts_with(bytes) {
                return Err(of_suite("sealed and not opened to the same"));
            }
            if opener.unprotect(&mut again.clone()).is_ok() {
                return Err(of_suite("opened twice"));
            }
        }
        if let Ok(len) = sealer.protect_rtcp(&mut room_too, bytes.len()) {
            let opened = opener.unprotect_rtcp(room_too.get_mut(..len).unwrap_or_default());
            if opened != Ok(bytes.len()) || !room_too.starts_with(bytes) {
                return Err(of_suite("control: sealed and not opened to the same"));
            }
        }
    }
    Ok(())
}

/// As a compound of a peer: what is read of it is written and read the same.
pub fn rtcp(bytes: &[u8]) -> Result<(), String> {
    let Ok(about_nobody) = rtcp::read(bytes, 0) else { return Ok(()) };
    // Whoever the first block is about is us.
    let ours = bytes.get(if about_nobody.sent.is_some() { 28..32 } else { 8..12 });
    let ours = ours.and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let told = rtcp::read(bytes, ours).map_err(|fault| format!("read once and not again: {fault}"))?;
    let mut written = Compound::report(told.ssrc, "fuzz", told.sent, told.block);
    if let Some(voip) = &told.voip {
        written = written.measured(told.ssrc, voip);
    }
    if told.bye {
        written = written.leaving(told.ssrc);
    }
    match rtcp::read(written.as_bytes(), ours) {
        Ok(again) if again == told => Ok(()),
        again => Err(format!("{told:?} is written as {again:?}")),
    }
}

/// As datagrams of a peer, each behind a byte that says how long it is and one that says where it goes: the engine stands,
/// and what the peer says then reaches who hears it.
pub fn packets(bytes: &[u8]) -> Result<(), String> {
    let mut now = Now { mono: Mono::ZERO, wall: Timestamp::UNIX_EPOCH };
    let (mut engine, mut heard) = (Engine::new(Arc::new(Prompts::default())), Relayed(0));
    let (leg, other) = (LegId::arrived(1), LegId::placed(1));
    let peer = SocketAddr::from(([198, 51, 100, 1], 4000));
    for (leg, xr) in [(leg, true), (other, false)] {
        engine.command(now, Command::Open { leg, ssrc: 7 }, &mut heard);
        engine.command(now, Command::Agree { leg, stream: plain(peer, xr) }, &mut heard);
    }
    engine.command(now, Command::Bridge { a: leg, b: other }, &mut heard);
    let mut rest = bytes;
    while let Some((&[len, place], behind)) = rest.split_first_chunk::<2>() {
        let (datagram, behind) = behind.split_at(behind.len().min(len.into()));
        let port = if place & 1 == 0 { Port::Rtp } else { Port::Rtcp };
        let source = SocketAddr::new(peer.ip(), peer.port() + u16::from(place >> 1 & 3));
        engine.receive(now, leg, port, source, &mut datagram.to_vec(), &mut heard);
        now = now.later(std::time::Duration::from_millis(u64::from(place >> 3)));
        engine.tick(now, &mut heard);
        rest = behind;
    }
    // Longer than any stream is waited for; then one that a phone begins anew.
    now = now.later(std::time::Duration::from_secs(4));
    engine.command(
        now,
        Command::Agree { leg, stream: plain(SocketAddr::new(peer.ip(), 5000), true) },
        &mut heard,
    );
    let before = heard.0;
    for n in 0..4u16 {
        let mut packet = [0xd5; HEADER + 160];
        let header = Header {
            marker: false,
            payload_type: 8,
            sequence: 900 + n,
            timestamp: u32::from(n) * 160,
            ssrc: 0xabcd,
        };
        rtp::write(header, packet.first_chunk_mut().ok_or("a header")?);
        engine.receive(now, leg, Port::Rtp, SocketAddr::new(peer.ip(), 5000), &mut packet, &mut heard);
        now = now.later(std::time::Duration::from_millis(20));
        engine.tick(now, &mut heard);
    }
    // The first may be taken for a stray of the stream before.
    if heard.0 >= before + 3 { Ok(()) } else { Err(format!("{} of 4 packets are heard", heard.0 - before)) }
}

fn plain(peer: SocketAddr, xr: bool) -> Stream {
    Stream {
        coding: codecs::Coding::Pcma,
        payload_type: 8,
        also: Vec::new(),
        events: None,
        ptime: 20,
        remote_rtp: peer,
        remote_rtcp: SocketAddr::new(peer.ip(), peer.port() + 1),
        rtcp_mux: !xr,
        xr,
        direction: Direction::Both,
        security: Security::Plain,
        signalling: peer.ip(),
    }
}

/// Counts the audio that leaves on the leg of whoever listens.
struct Relayed(usize);

impl Sink for Relayed {
    fn send(&mut self, leg: LegId, _: Port, _: SocketAddr, bytes: &[u8]) {
        self.0 += usize::from(!leg.is_arrived() && !rtp::is_rtcp(bytes));
    }

    fn tell(&mut self, _: Event) {}

    fn handshake(&mut self, _: LegId, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, _: &Tapped) {}
}
