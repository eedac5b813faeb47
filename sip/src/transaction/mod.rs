//! Transactions: a request and its responses, made reliable (RFC 3261 section 17, RFC 6026, RFC 4320).
//!
//! Four machines, each a state, the bytes it may have to repeat, and at most two deadlines: when to repeat
//! (`again`) and when to end (`ends`).
//!
//! | machine | states | repeats | ends |
//! |---|---|---|---|
//! | INVITE server | Proceeding, Completed, Confirmed, Accepted | G | H, I, L |
//! | other server | Proceeding, Completed | | J |
//! | INVITE client | Calling, Proceeding, Completed, Accepted | A | B, D, M |
//! | other client | Calling, Proceeding, Completed | E | F, K |
//!
//! D, I, J and K are zero on a stream: the transaction ends at once. L and M are 64·T1 everywhere, because a
//! 2xx is repeated end to end. A server's Proceeding and an INVITE client's Proceeding have no timer in the
//! RFC; whoever opened the transaction bounds them (the leg's own deadline).

pub mod client;
#[cfg(test)]
mod conformance;
pub mod server;
pub mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::message::Message;
use crate::message::method::Method;

/// What finds a transaction. Shared between the table and its alarms.
pub type Key = Arc<str>;

/// The key under which a request finds its server transaction (RFC 3261 section 17.2.3): branch, sent-by,
/// and the method, where an ACK is its INVITE's. A branch without the magic cookie names nothing, so the
/// parts that RFC 2543 compared stand in for it.
pub fn server_key(request: &Message, method: &Method) -> Option<Key> {
    let via = request.via().ok()?;
    let method = if *method == Method::Ack { Method::Invite } else { method.clone() };
    let sent_by = (via.host.to_ascii_lowercase(), via.sent_port());
    match via.branch().filter(|branch| branch.starts_with(crate::header::via::MAGIC_COOKIE)) {
        Some(branch) => Some(format!("{branch}|{}:{}|{method}", sent_by.0, sent_by.1).into()),
        None => Some(
            format!(
                "{}|{}|{}|{}:{}|{method}",
                request.call_id(),
                request.from_tag().unwrap_or_default(),
                request.cseq().number,
                sent_by.0,
                sent_by.1
            )
            .into(),
        ),
    }
}

/// The key under which a response finds its client transaction (RFC 3261 section 17.1.3): branch and method.
pub fn client_key(message: &Message) -> Option<Key> {
    let via = message.via().ok()?;
    let branch = via.branch()?;
    Some(format!("{branch}|{}", message.method()).into())
}

/// What two copies of one request have in common when they came by different ways (RFC 3261 section 8.2.2.2).
pub fn merge_key(request: &Message) -> Option<Key> {
    let tag = request.from_tag()?;
    Some(format!("{}|{tag}|{}", request.call_id(), request.cseq()).into())
}

/// The estimate of a round trip (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest pause between repetitions (RFC 3261 section 17.1.2.1).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message can stay in the network (RFC 3261 section 17.1.2.1).
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L, M, and the wait for an ACK.
pub const PATIENCE: Duration = Duration::from_secs(32);
/// Timer D over datagrams: at least 32 s (RFC 3261 section 17.1.1.2).
pub const TIMER_D: Duration = Duration::from_secs(32);
