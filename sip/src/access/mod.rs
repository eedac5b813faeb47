//! Who may: digest proofs judged without telling known users from unknown ones, and those who fail too often.

mod accounts;
mod bans;

use std::net::IpAddr;
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
use crate::registrar::Registrar;
use crate::seam::{Ban, Event, Flow};
use accounts::Accounts;
use bans::{Bans, Change};

/// Judges proofs.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    mint: Mint,
    replays: Replays,
    bans: Bans,
    accounts: Accounts,
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
    Banned,
}

impl Guard {
    pub(crate) fn new(wire: &mut Wire) -> Self {
        let mut secret = [0; 32];
        wire.entropy.fill(&mut secret);
        Self {
            mint: Mint::new(secret, NONCE_LIFE),
            replays: Replays::new(MAX_NONCES),
            bans: Bans::new(),
            accounts: Accounts::new(),
        }
    }

    /// What the Authorization of `request` is worth.
    ///
    /// Two rules let the real user in while others guess: the address and port that hold a registration are
    /// never banned for that user, as a neighbour's guesses must not lock them out; and an account that is
    /// guessed from everywhere is closed only to where it is not registered.
    pub(crate) fn judge(
        &mut self,
        now: Now,
        wire: &mut Wire,
        registrar: &Registrar,
        request: &Message,
        flow: &Flow,
    ) -> Verdict {
        let banned = self.bans.holds(now.mono, flow.remote.ip());
        let Some((credentials, algorithm)) = find_credentials(wire, request, flow) else {
            return if banned && !registrar.holds(flow) {
                Verdict::Banned
            } else {
                Verdict::Challenge { stale: false }
            };
        };
        if banned && !registrar.is_phone_of(flow, &credentials.user) {
            return Verdict::Banned;
        }
        let user = wire.directory.users.get_key_value(credentials.user.as_str());
        let kept = user.and_then(|(_, user)| user.ha1.iter().find(|(of, _)| *of == algorithm));
        // An unknown user costs the same hashes as a known one and can never be proved.
        let stand_in = hex::encode(wire.seal(&[b"ha1", credentials.user.as_bytes()]));
        let ha1 = kept.map_or(stand_in.as_str(), |(_, ha1)| ha1.as_str());
        let proved = digest::verify(&credentials, algorithm, ha1, request.method().as_str());
        let worth = self.mint.judge(now, &realm_at(wire, flow), &credentials.nonce);
        let account = account(wire, &credentials.user);
        let is_right = proved && kept.is_some() && is_about(&credentials, request);
        match user.map(|(name, _)| name.clone()) {
            Some(name) if is_right && self.is_open(now, registrar, &name, account, flow) => {
                self.judge_nonce(now, worth, &credentials, &name)
            }
            name => {
                // A guess needs a nonce that we gave to its source: without one nothing was risked, and under a
                // forged address nobody else can be made to look guilty.
                if !is_right && worth != Worth::Forged {
                    self.count(now, wire, name, account, flow);
                }
                Verdict::Wrong
            }
        }
    }

    /// Whether this source is met with silence.
    pub(crate) fn is_banned(&self, now: Now, source: IpAddr) -> bool {
        self.bans.holds(now.mono, source)
    }

    /// Takes over the bans of an earlier run.
    pub(crate) fn restore(&mut self, now: Now, wire: &mut Wire, bans: &[Ban]) {
        for ban in bans {
            let mut ban = ban.clone();
            ban.source = Ban::network(ban.source);
            for change in self.bans.restore(now, &ban) {
                tell(wire, change);
            }
            wire.tell(Event::Banned(ban));
        }
    }

    /// Lifts a ban.
    pub(crate) fn lift(&mut self, wire: &mut Wire, source: IpAddr) {
        if let Some(change) = self.bans.lift(source) {
            tell(wire, change);
        }
    }

    /// Ends the bans that are over.
    pub(crate) fn expire(&mut self, now: Mono, wire: &mut Wire) {
        for change in self.bans.expire(now) {
            tell(wire, change);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.bans.deadline()
    }

    /// How many sources are banned.
    pub(crate) fn banned(&self) -> usize {
        self.bans.len()
    }

    /// An account under attack takes proofs only from where it is registered, and now and then another.
    fn is_open(&self, now: Now, registrar: &Registrar, name: &Name, account: u64, flow: &Flow) -> bool {
        !self.accounts.is_closed(now.mono, account) || registrar.is_near(name, flow.remote.ip())
    }

    fn count(&mut self, now: Now, wire: &mut Wire, name: Option<Name>, account: u64, flow: &Flow) {
        for change in self.bans.count(now, flow.remote.ip(), wire.limits.failures_per_source) {
            tell(wire, change);
        }
        // While it is closed nothing was really tried, so that nothing is added to the wait.
        if self.accounts.is_closed(now.mono, account) {
            return;
        }
        if let (Some(failures), Some(user)) = (self.accounts.count(now.mono, account), name) {
            wire.tell(Event::Guessed { user, failures });
        }
    }

    /// The password was right; only now may the nonce cost memory.
    fn judge_nonce(&mut self, now: Now, worth: Worth, credentials: &Credentials, name: &Name) -> Verdict {
        if worth != Worth::Fresh {
            return Verdict::Challenge { stale: true };
        }
        self.replays.forget_while(|nonce| !self.mint.is_young(now, nonce));
        // In the form without qop there is no count: the nonce is good once.
        let count = if credentials.qop.is_some() { credentials.nc().unwrap_or(0) } else { 1 };
        match self.replays.take(&credentials.nonce, count) {
            Count::New => Verdict::Proved(name.clone()),
            Count::Replayed => Verdict::Challenge { stale: true },
        }
    }

    /// How many algorithms a listener offers.
    pub(crate) fn offered(wire: &Wire, flow: &Flow) -> usize {
        algorithms(wire, flow).len()
    }

    /// A 401 with one challenge for each algorithm of the listener, strongest first (RFC 8760 section 2.4), at
    /// most so many.
    pub(crate) fn challenge(
        &self,
        now: Now,
        wire: &mut Wire,
        request: &Message,
        flow: &Flow,
        stale: bool,
        most: usize,
    ) -> Draft {
        let salt = wire.entropy.next_u64() as u32;
        let nonce = self.mint.nonce(now, &realm_at(wire, flow), salt);
        // No Server header: what is sent to strangers stays short (amplification).
        let mut draft = request.reply(401, flow.remote, Some(&wire.stateless_tag(request)));
        for algorithm in algorithms(wire, flow).iter().take(most) {
            let challenge = Challenge::new(&wire.directory.realm, &nonce, *algorithm, stale);
            draft = draft.header(Header::WwwAuthenticate, challenge);
        }
        draft
    }
}

fn tell(wire: &mut Wire, change: Change) {
    wire.tell(match change {
        Change::Banned(ban) => Event::Banned(ban),
        Change::Over(source) => Event::Unbanned { source },
    });
}

/// A nonce is good for the realm and for the network of the source that it was given to.
fn realm_at(wire: &Wire, flow: &Flow) -> String {
    format!("{}|{}", wire.directory.realm, Ban::network(flow.remote.ip()))
}

/// What stands for an account in a table of fixed size, however long a name the guesser makes up.
fn account(wire: &Wire, user: &str) -> u64 {
    let sealed = wire.seal(&[b"account", user.as_bytes()]);
    sealed.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
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

/// A nonce holds five minutes: a phone that registers each minute is challenged once in five.
const NONCE_LIFE: Duration = Duration::from_mins(5);
/// Nonces whose counts are remembered: one for each of 20,000 phones, and room for their renewals.
const MAX_NONCES: usize = 65_536;
