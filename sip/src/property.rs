//! What must hold of any bytes at all: the bodies of the fuzz targets (fuzz/), and of the tests that read their
//! corpus again. Each says what does not hold; nothing here may panic.

use base::Mono;
use bytes::Bytes;

use crate::framer::Framer;
use crate::header::address::Address;
use crate::header::auth::{Challenge, Credentials, Qop};
use crate::header::uri::Uri;
use crate::header::via::Via;
use crate::message::draft::Draft;
use crate::message::name::Header;
use crate::message::{Carriage, MAX_MESSAGE, Message};
use crate::websocket::{self, Origins, Told, WebSocket};

/// What was found.
pub type Verdict = Result<(), String>;

/// A datagram: what is read is the same when it is read again, and when it is written line by line first; an
/// answer to it can be read.
pub fn message(bytes: &[u8]) -> Verdict {
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
    let message = match Message::parse(Bytes::copy_from_slice(bytes), Carriage::Datagram) {
        Ok(message) => message,
        Err(bad) => {
            let _ = bad.reply(source, "tag");
            return Ok(());
        }
    };
    let again = reread(&message, Carriage::Datagram)?;
    same("read twice", &again.as_bytes(), &message.as_bytes())?;
    let written = Draft::of(&message).finish();
    let read = reread(&written, Carriage::Stream)?;
    same("body", &read.body(), &message.body())?;
    // A reason phrase is written with spaces in place of control characters.
    same("status", &read.status(), &message.status())?;
    same("Request-URI", read.uri_text(), message.uri_text())?;
    same("CSeq", read.cseq(), message.cseq())?;
    same("Call-ID", &read.call_id(), &message.call_id())?;
    same("From", &read.from(), &message.from())?;
    same("To", &read.to(), &message.to())?;
    same("Via", &read.vias(), &message.vias())?;
    same("Contact", &read.contacts(), &message.contacts())?;
    same("Route", &read.addresses(Header::Route), &message.addresses(Header::Route))?;
    same("Require", &read.tokens(Header::Require), &message.tokens(Header::Require))?;
    same("written twice", &Draft::of(&read).finish().as_bytes(), &read.as_bytes())?;
    if message.is_request() {
        let answer = message.reply(200, source, Some("tag")).finish();
        let answer = reread(&answer, Carriage::Stream)?;
        same("Call-ID of the answer", &answer.call_id(), &message.call_id())?;
    }
    Ok(())
}

/// A stream: where it is cut does not matter. The first byte says where.
pub fn stream(bytes: &[u8]) -> Verdict {
    let Some((&cut, bytes)) = bytes.split_first() else { return Ok(()) };
    let mut framer = Framer::new();
    framer.push(bytes);
    let whole = frames(&mut framer);
    let mut framer = Framer::new();
    let mut cut_up = Vec::new();
    for piece in bytes.chunks(usize::from(cut) + 1) {
        framer.push(piece);
        cut_up.extend(frames(&mut framer));
    }
    // Whether an empty line at the end of what has come is a pong depends on what comes after it.
    same("frames", &cut_up, &whole)
}

/// A WebSocket. The first byte says where it is cut, and by its highest bit whether the upgrade is part of what is
/// read: frames mean the same however they are cut, and no message is longer than one may be.
pub fn websocket(bytes: &[u8]) -> Verdict {
    let Some((&cut, bytes)) = bytes.split_first() else { return Ok(()) };
    if cut & 0x80 != 0 {
        let _ = websocket::read(bytes, Origins::SameHost);
        return Ok(());
    }
    let whole = websocket::read(&[UPGRADE, bytes].concat(), Origins::Any);
    if !matches!(whole.first(), Some(Told::Opened(_))) {
        return Err(format!("not opened: {whole:?}"));
    }
    let mut socket = WebSocket::new(Origins::Any);
    let mut cut_up = Vec::new();
    for piece in std::iter::once(UPGRADE).chain(bytes.chunks(usize::from(cut) + 1)) {
        socket.push(piece);
        cut_up.extend(std::iter::from_fn(|| socket.next_told(Mono::ZERO)));
    }
    same("what the frames mean", &cut_up, &whole)?;
    match whole.iter().find(|told| matches!(told, Told::Message(message) if message.len() > MAX_MESSAGE)) {
        Some(told) => Err(format!("too long: {told:?}")),
        None => Ok(()),
    }
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: pbx.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";

fn frames(framer: &mut Framer) -> Vec<crate::framer::Frame> {
    let mut frames = Vec::new();
    while let Some(Ok(frame)) = framer.next_frame() {
        frames.push(frame);
    }
    frames
}

/// A URI: kept as it is written, equal to itself, and still a URI after each change.
pub fn uri(text: &str) -> Verdict {
    let Ok(uri) = Uri::parse(text) else { return Ok(()) };
    same("text", &uri.as_str(), &text)?;
    same("read twice", &Uri::parse(uri.as_str()), &Ok(uri.clone()))?;
    if !uri.is_equivalent(&uri) {
        return Err(format!("{uri} is not itself"));
    }
    let bare = uri.without_headers();
    let changed =
        bare.and_then(|bare| bare.without_param("lr")).and_then(|bare| bare.with_param("transport", "tcp"));
    let is_sip = matches!(uri.scheme(), crate::Scheme::Sip | crate::Scheme::Sips);
    match changed {
        Ok(changed) if is_sip => {
            same("transport", &changed.param("transport"), &Some("tcp"))?;
            same("user", &changed.user_text(), &uri.user_text())?;
            same("host", &changed.host_text(), &uri.host_text())?;
            same("headers", &changed.headers_text(), &None)?;
        }
        Err(fault) if is_sip => return Err(format!("{uri} cannot be changed: {fault}")),
        _ => {}
    }
    if let (true, Some(user)) = (is_sip, uri.user()) {
        let made =
            Uri::sip(Some(&user), "example.com", None).map_err(|fault| format!("{user:?}: {fault}"))?;
        same("user made anew", &made.user(), &Some(user))?;
    }
    Ok(())
}

/// One hop of Via.
pub fn via(text: &str) -> Verdict {
    let Ok(via) = Via::parse(text) else { return Ok(()) };
    same("Via", &Via::parse(&via.to_string()), &Ok(via.clone()))?;
    let _ = (via.received(), via.sent_host(), via.return_address(), via.branch(), via.sent_port());
    let source = std::net::SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 6000));
    let seen = via.seen_from(source);
    same("Via as seen", &Via::parse(&seen.to_string()).map(|via| via.return_address()), &Ok(Some(source)))
}

/// One address of Contact, From, To, Route …
pub fn address(text: &str) -> Verdict {
    let Ok(address) = Address::parse(text) else { return Ok(()) };
    let _ = (address.tag(), address.expires(), address.preference(), address.instance(), address.reg_id());
    // A name is written with spaces in place of control characters.
    let is_plain = address.display.as_ref().is_none_or(|name| !name.contains(|c: char| c.is_ascii_control()));
    if is_plain {
        same("address", &Address::parse(&address.to_string()), &Ok(address.clone()))?;
    }
    let tagged = Address::parse(&address.tagged("a1").to_string());
    same("tag", &tagged.map(|address| address.tag().map(str::to_owned)), &Ok(Some("a1".to_owned())))
}

/// A challenge, or a proof.
pub fn digest(text: &str) -> Verdict {
    // Folds are spaces by then, and what we write has no control characters.
    let text = text.replace(|c: char| c.is_ascii_control(), " ");
    if let Ok(challenge) = Challenge::parse(&text) {
        let _ = challenge.algorithm();
        let whole = challenge.qops.iter().all(|qop| !qop.contains(['"', '\\']));
        if whole {
            same("challenge", &Challenge::parse(&challenge.to_string()), &Ok(challenge))?;
        }
    }
    if let Ok(proof) = Credentials::parse(&text) {
        let _ = (proof.algorithm(), proof.nc());
        let read = Credentials::parse(&proof.to_string());
        // What we do not know of qop we never write.
        if proof.qop != Some(Qop::Unsupported) && read.as_ref() != Ok(&proof) {
            return Err(format!("{proof} is read again as {read:?}"));
        }
    }
    Ok(())
}

fn reread(message: &Message, carriage: Carriage) -> Result<Message, String> {
    let bytes = message.as_bytes().clone();
    Message::parse(bytes, carriage).map_err(|bad| format!("cannot be read again: {bad}\n{message:?}"))
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, now: &T, before: &T) -> Verdict {
    if now == before { Ok(()) } else { Err(format!("{what}: {before:?} became {now:?}")) }
}
