//! What must hold of any input: the bodies of fuzz targets (fuzz/), and of the test that reads their corpus.

use std::net::{IpAddr, Ipv4Addr};

use crate::sdp::{Negotiation, Protection, Terms};
use crate::srtp::{Keying, Opener, Sealer, Suite};

/// As an offer and as an answer: no panic, and what we answer is a description that is read and written the same.
pub fn description(text: &str) -> Result<(), String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let terms = Terms { protection: Protection::Prefer, ..Terms::plain(codecs::Coding::ALL.to_vec()) };
    let mut negotiation = Negotiation::new(local, 20_000, 20_001, 1, terms);
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
