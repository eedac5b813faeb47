//! What must hold of any description: the body of a fuzz target (fuzz/), and of the test that reads its corpus.

use std::net::{IpAddr, Ipv4Addr};

use crate::sdp::Negotiation;

/// As an offer and as an answer: no panic, and what we answer is a description that is read and written the same.
pub fn description(text: &str) -> Result<(), String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut negotiation = Negotiation::new(local, 20_000, 20_001, 1, Vec::new());
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
