//! What finds a transaction: a mark of what the RFC compares, 16 bytes in place of the texts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::header::via::MAGIC_COOKIE;
use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;

/// 128 bits of SipHash under a secret: nobody who does not know the secret can make two requests meet, and by
/// chance they never do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(u64, u64);

/// A map by key.
pub(crate) type ByKey<T> = HashMap<Key, T, BuildHasherDefault<Ready>>;

/// Makes the keys of one endpoint. Plain data: a clone makes the same.
#[derive(Clone)]
pub struct Keyring(SipHasher24);

impl Keyring {
    /// Under this secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let half =
            |at: usize| secret.iter().skip(at).take(8).fold(0, |half, byte| half << 8 | u64::from(*byte));
        Self(SipHasher24::new_with_keys(half(0), half(8)))
    }

    /// The key under which a request finds its server transaction (RFC 3261 section 17.2.3): branch, sent-by,
    /// and the method, where an ACK is its INVITE's. A branch without the magic cookie names nothing, so the
    /// parts that RFC 2543 compared stand in for it.
    pub fn server(&self, request: &Message, method: &Method) -> Option<Key> {
        let method = if *method == Method::Ack { &Method::Invite } else { method };
        let read = request.read_via(|via| {
            let branch = via.branch().filter(|branch| branch.starts_with(MAGIC_COOKIE));
            let host = lower(via.host);
            let port = via.sent_port().to_be_bytes();
            match branch {
                Some(branch) => {
                    self.key(&[b"server", branch.as_bytes(), host.as_bytes(), &port, name(method)])
                }
                None => self.old_server(request, &[host.as_bytes(), &port, name(method)]),
            }
        });
        read.ok()
    }

    fn old_server(&self, request: &Message, rest: &[&[u8]]) -> Key {
        let number = request.cseq().number.to_be_bytes();
        let (call_id, tag) = (request.call_id(), request.from_tag().unwrap_or_default());
        let mut parts: Vec<&[u8]> = vec![b"old server", call_id.as_bytes(), tag.as_bytes(), &number];
        parts.extend(rest);
        self.key(&parts)
    }

    /// The key under which a response finds its client transaction (RFC 3261 section 17.1.3): branch and
    /// method.
    pub fn client(&self, message: &Message) -> Option<Key> {
        let read = message
            .read_via(|via| Some(self.key(&[b"client", via.branch()?.as_bytes(), name(message.method())])));
        read.ok().flatten()
    }

    /// What two copies of one request have in common when they came by different ways (RFC 3261 section
    /// 8.2.2.2).
    pub fn merge(&self, request: &Message) -> Option<Key> {
        let number = request.cseq().number.to_be_bytes();
        let method = name(request.method());
        let call_id = request.call_id();
        let read = request.read_address(Header::From, |from| {
            Some(self.key(&[b"merge", call_id.as_bytes(), from.tag()?.as_bytes(), &number, method]))
        });
        read.ok().flatten()
    }

    /// The mark of these parts, each under its length so that none runs into the next.
    fn key(&self, parts: &[&[u8]]) -> Key {
        let mut hasher = self.0;
        for part in parts {
            hasher.write(&(part.len() as u32).to_le_bytes());
            hasher.write(part);
        }
        let mark = hasher.finish128();
        Key(mark.h1, mark.h2)
    }
}

/// Without the secret.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// A key is a hash already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never asked for by a key; sound for whatever else.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

fn name(method: &Method) -> &[u8] {
    method.as_str().as_bytes()
}

/// Hosts are compared without case.
fn lower(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(host.to_ascii_lowercase());
    }
    Cow::Borrowed(host)
}
