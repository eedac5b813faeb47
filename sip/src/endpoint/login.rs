//! Answers to the challenges of trunks (RFC 3261 section 22, RFC 8760 section 2.3).

use super::wire::Wire;
use crate::dialog::leg::Party;
use crate::digest::{self, Login};
use crate::header::auth::{Challenge, Credentials};
use crate::header::cseq::CSeq;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;
use crate::seam::{Flow, Transport};

/// The request again, with the password that `response` asks for; `None` when there is none, or when the one
/// that was given is wrong.
pub(crate) fn answer(
    wire: &mut Wire,
    party: &Party,
    request: &Message,
    response: &Message,
) -> Option<Message> {
    let (user, password) = wire.trunk(party.trunk()?)?.credentials.clone()?;
    let (asks, answers) = match response.status()? {
        401 => (Header::WwwAuthenticate, Header::Authorization),
        _ => (Header::ProxyAuthenticate, Header::ProxyAuthorization),
    };
    // The topmost that we can answer is the strongest that the server wants (RFC 8760 section 2.3).
    let challenge = response
        .headers(asks)
        .filter_map(|value| Challenge::parse(&value.text()).ok())
        .find(|challenge| challenge.algorithm().is_some())?;
    let tried = request.header(answers).and_then(|value| Credentials::parse(&value.text()).ok());
    // Once for each nonce, and a second time only if the server says that no more than the nonce was wrong.
    if tried.is_some_and(|tried| !challenge.stale || tried.nonce == challenge.nonce) {
        return None;
    }
    let cnonce = wire.entropy.token(8);
    let login = Login { user: &user, password: &password };
    let proof = digest::answer(&challenge, login, request.method().as_str(), request.uri_text(), &cnonce, 1)?;
    let draft = again(wire, request)?.replace(answers, proof);
    Some(draft.finish())
}

/// A request once more as a new one: the next number, a branch of its own (RFC 3261 section 8.1.3.5).
pub(crate) fn again(wire: &mut Wire, request: &Message) -> Option<Draft> {
    let mut via = request.via().ok()?;
    via.params.set("branch", &wire.branch());
    let method = request.method().clone();
    let number = request.cseq().number.checked_add(1).filter(|&number| number < MAX_CSEQ)?;
    let draft = Draft::of(request)
        .without(Header::Via)
        .header_first(Header::Via, via)
        .replace(Header::CSeq, CSeq { number, method });
    Some(draft)
}

/// The transport of a way, as a URI parameter says it; empty for the default.
pub(crate) fn transport_param(flow: &Flow) -> &'static str {
    match flow.transport {
        Transport::Udp => "",
        // RFC 7118 section 5.2.1: `ws` names both; whether TLS is under it the flow knows.
        Transport::Ws | Transport::Wss => "ws",
        other => other.as_str(),
    }
}

/// CSeq numbers stay below 2³¹ (RFC 3261 section 8.1.1.5).
const MAX_CSEQ: u32 = 1 << 31;
/// How often one request is tried again with a password: a server that says `stale=true` for ever stops here.
pub(crate) const MAX_TRIES: u8 = 3;
