//! Who may: digest proofs judged without telling known users from unknown ones, and sources that fail too often.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use base::{Mono, Name, Now};

use crate::digest::nonce::{Mint, Worth};
use crate::digest::window::{Count, Replays};
use crate::digest::{self, Algorithm};
use crate::endpoint::wire::Wire;
use crate::header::auth::{Challenge, Credentials};
use crate::header::uri::Uri;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;
use crate::seam::Flow;

/// Judges proofs.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    mint: Mint,
    replays: Replays,
    failures: Failures,
}

/// What a request's Authorization is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The password of this user was proved.
    Proved(Name),
    /// Ask for a proof; `stale` when the password was right but the nonce or its count is used up.
    Challenge {
        /// For the challenge.
        stale: bool,
    },
    /// The proof was wrong; ask again, in the same words as for no proof at all.
    Wrong,
    /// Too many wrong proofs from this source: silence, which neither amplifies nor tells.
    Throttled,
}

impl Guard {
    pub(crate) fn new(wire: &mut Wire) -> Self {
        let mut secret = [0; 32];
        wire.entropy.fill(&mut secret);
        Self {
            mint: Mint::new(secret, NONCE_LIFE),
            replays: Replays::new(MAX_NONCES),
            failures: Failures::default(),
        }
    }

    /// What the Authorization of `request` is worth. A source that `holds` a live registration is never
    /// throttled: a neighbour's guesses must not lock it out.
    pub(crate) fn judge(
        &mut self,
        now: Now,
        wire: &Wire,
        request: &Message,
        flow: &Flow,
        holds: bool,
    ) -> Verdict {
        if !holds && self.failures.is_throttled(now.mono, flow.remote.ip(), wire.limits.failures_per_source) {
            return Verdict::Throttled;
        }
        let Some((credentials, algorithm)) = find_credentials(wire, request, flow) else {
            return Verdict::Challenge { stale: false };
        };
        let user = wire.directory.users.get_key_value(credentials.user.as_str());
        let kept = user.and_then(|(_, user)| user.ha1.iter().find(|(of, _)| *of == algorithm));
        // An unknown user costs the same hashes as a known one and can never be proved.
        let stand_in = hex::encode(wire.seal(&[b"ha1", credentials.user.as_bytes()]));
        let ha1 = kept.map_or(stand_in.as_str(), |(_, ha1)| ha1.as_str());
        let proved = digest::verify(&credentials, algorithm, ha1, request.method().as_str());
        let is_right = proved && kept.is_some() && is_about(&credentials, request);
        match user {
            Some((name, _)) if is_right => self.judge_nonce(now, wire, &credentials, name),
            _ => {
                self.failures.count(now.mono, flow.remote.ip());
                Verdict::Wrong
            }
        }
    }

    /// The password was right; only now may the nonce cost memory.
    fn judge_nonce(&mut self, now: Now, wire: &Wire, credentials: &Credentials, name: &Name) -> Verdict {
        if self.mint.judge(now, &wire.directory.realm, &credentials.nonce) != Worth::Fresh {
            return Verdict::Challenge { stale: true };
        }
        let realm = &wire.directory.realm;
        self.replays.forget_while(|nonce| self.mint.judge(now, realm, nonce) != Worth::Fresh);
        // In the form without qop there is no count: the nonce is good once.
        let count = if credentials.qop.is_some() { credentials.nc().unwrap_or(0) } else { 1 };
        match self.replays.take(&credentials.nonce, count) {
            Count::New => Verdict::Proved(name.clone()),
            Count::Replayed => Verdict::Challenge { stale: true },
        }
    }

    /// A 401 with one challenge for each algorithm of the listener, strongest first (RFC 8760 section 2.4).
    pub(crate) fn challenge(
        &self,
        now: Now,
        wire: &mut Wire,
        request: &Message,
        flow: &Flow,
        stale: bool,
    ) -> Draft {
        let salt = wire.entropy.next_u64() as u32;
        let nonce = self.mint.nonce(now, &wire.directory.realm, salt);
        // No Server header: what is sent to strangers stays short (amplification).
        let mut draft = request.reply(401, flow.remote, Some(&wire.stateless_tag(request)));
        for algorithm in algorithms(wire, flow) {
            let challenge = Challenge::new(&wire.directory.realm, &nonce, *algorithm, stale);
            draft = draft.header(Header::WwwAuthenticate, challenge);
        }
        draft
    }
}

/// The algorithms of a listener; an absent one means MD5, which every phone knows.
fn algorithms<'a>(wire: &'a Wire, flow: &Flow) -> &'a [Algorithm] {
    let listed = wire.directory.algorithms.get(usize::from(flow.listener));
    listed.filter(|list| !list.is_empty()).map_or(&[Algorithm::Md5], Vec::as_slice)
}

/// The credentials for our realm with an algorithm that this listener offers: no downgrade.
fn find_credentials(wire: &Wire, request: &Message, flow: &Flow) -> Option<(Credentials, Algorithm)> {
    let offered = algorithms(wire, flow);
    request.headers(Header::Authorization).find_map(|value| {
        let credentials = Credentials::parse(&value.text()).ok()?;
        let algorithm = credentials.algorithm().filter(|algorithm| offered.contains(algorithm))?;
        (credentials.realm == wire.directory.realm).then_some((credentials, algorithm))
    })
}

/// Whether the proof was made for this Request-URI.
fn is_about(credentials: &Credentials, request: &Message) -> bool {
    credentials.uri == request.uri_text()
        || matches!(
            (Uri::parse(&credentials.uri), request.uri()),
            (Ok(proved), Ok(asked)) if proved.is_equivalent(&asked)
        )
}

/// Wrong proofs by source, in a bounded table; the source that was quiet longest is forgotten first.
#[derive(Clone, Debug, Default)]
struct Failures {
    sources: HashMap<IpAddr, (u32, Mono)>,
    order: BTreeSet<(Mono, IpAddr)>,
}

impl Failures {
    fn is_throttled(&mut self, now: Mono, source: IpAddr, most: u32) -> bool {
        let source = network(source);
        match self.sources.get(&source) {
            Some(&(_, last)) if now.since(last) >= WINDOW => {
                self.forget(source);
                false
            }
            Some(&(count, _)) => count >= most,
            None => false,
        }
    }

    fn count(&mut self, now: Mono, source: IpAddr) {
        let source = network(source);
        let count = self.forget(source).unwrap_or(0);
        if self.sources.len() >= MAX_SOURCES
            && let Some(&(_, oldest)) = self.order.first()
        {
            self.forget(oldest);
        }
        self.sources.insert(source, (count.saturating_add(1), now));
        self.order.insert((now, source));
    }

    fn forget(&mut self, source: IpAddr) -> Option<u32> {
        let (count, last) = self.sources.remove(&source)?;
        self.order.remove(&(last, source));
        Some(count)
    }
}

/// An IPv6 host owns its whole /64, so it counts as one source.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A nonce holds five minutes: a phone that registers each minute is challenged once in five.
const NONCE_LIFE: Duration = Duration::from_mins(5);
/// Nonces whose counts are remembered: one for each of 20,000 phones, and room for their renewals.
const MAX_NONCES: usize = 65_536;
/// Sources remembered for throttling (reliability A3).
const MAX_SOURCES: usize = 65_536;
/// A source is let in again this long after its last wrong proof.
const WINDOW: Duration = Duration::from_mins(10);
