//! The handshakes of a worker's legs (DTLS-SRTP, RFC 5764): records in, records out, keys for the engine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use base::time::soonest;
use base::{LegId, Mono};
use dimpl::{Config, DtlsCertificate, Output, SrtpProfile};
use media::dtls::{Dtls, Fingerprint, Role};
use media::seam::{Keys, Security};
use media::srtp::Suite;

use super::clock::Clock;

/// Who we are in handshakes: one certificate for the life of the process, vouched for by our descriptions.
pub struct Identity {
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    /// For who proved by ICE where it is, and for who did not: that one has to show it by a cookie.
    proved: Arc<Config>,
    unproved: Arc<Config>,
}

/// The handshakes of one worker's legs.
pub struct Handshakes {
    identity: Arc<Identity>,
    clock: Clock,
    legs: HashMap<LegId, Handshake>,
    buffer: Vec<u8>,
}

/// What a handshake comes to.
pub enum Act {
    /// Send a record.
    Send {
        /// From this leg's port.
        leg: LegId,
        /// To here.
        to: SocketAddr,
        /// Its bytes.
        record: Vec<u8>,
    },
    /// The peer is who it said to be, and these are the keys.
    Keys {
        /// Whose.
        leg: LegId,
        /// Both directions'.
        keys: Box<Keys>,
    },
    /// It failed; one word why.
    Fail {
        /// Whose.
        leg: LegId,
        /// The word.
        why: &'static str,
    },
}

struct Handshake {
    agreed: Dtls,
    /// `None` once it failed.
    machine: Option<dimpl::Dtls>,
    /// Where the last record came from.
    peer: Option<SocketAddr>,
    /// The peer showed the certificate that its description vouches for.
    proved: bool,
    done: bool,
    /// When the machine goes on by itself.
    due: Mono,
    /// By when it must be done.
    end: Mono,
}

impl Identity {
    /// A new one: ECDSA on P-256, which every browser takes and signs fastest.
    pub fn generate() -> anyhow::Result<Self> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).context("a key")?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // Nobody looks at the name; an empty one is refused by some.
        params.distinguished_name.push(rcgen::DnType::CommonName, "media");
        let certificate = params.self_signed(&key).context("a certificate")?;
        let certificate = certificate.der().to_vec();
        let fingerprint = Fingerprint::of(&certificate);
        let certificate = DtlsCertificate { certificate, private_key: key.serialize_der() };
        let config = |cookie| {
            let config = Config::builder().use_server_cookie(cookie).flight_start_rto(FIRST_RETRY);
            config
                .handshake_timeout(LONGEST)
                .build()
                .map(Arc::new)
                .map_err(|error| anyhow!("DTLS: {error:?}"))
        };
        Ok(Self { certificate, fingerprint, proved: config(false)?, unproved: config(true)? })
    }

    /// What our descriptions say of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl Handshakes {
    /// None yet.
    pub fn new(identity: Arc<Identity>, clock: Clock) -> Self {
        Self { identity, clock, legs: HashMap::new(), buffer: vec![0; LONGEST_RECORD] }
    }

    /// What was agreed on for a leg: a new handshake, the same one, or none.
    pub fn agree(&mut self, now: Mono, leg: LegId, security: &Security) {
        let Security::Dtls(agreed) = security else { return self.forget(leg) };
        if let Some(handshake) = self.legs.get_mut(&leg).filter(|known| agreed.continues(&known.agreed)) {
            handshake.agreed.clone_from(agreed);
            return;
        }
        let config = if agreed.ice.is_some() { &self.identity.proved } else { &self.identity.unproved };
        let (certificate, at) = (self.identity.certificate.clone(), self.clock.instant(now));
        let machine = match agreed.role {
            Role::Passive => dimpl::Dtls::new_auto(Arc::clone(config), certificate, at),
            Role::Active => {
                let mut machine = dimpl::Dtls::new_12(Arc::clone(config), certificate, at);
                machine.set_active(true);
                machine
            }
        };
        let handshake = Handshake {
            agreed: (**agreed).clone(),
            machine: Some(machine),
            peer: None,
            proved: false,
            done: false,
            due: now,
            end: now + LONGEST,
        };
        self.legs.insert(leg, handshake);
    }

    /// The leg is gone.
    pub fn forget(&mut self, leg: LegId) {
        self.legs.remove(&leg);
    }

    /// A record from a source that the engine let through.
    pub fn receive(&mut self, now: Mono, leg: LegId, source: SocketAddr, record: &[u8]) {
        let Some(handshake) = self.legs.get_mut(&leg) else { return };
        let Some(machine) = &mut handshake.machine else { return };
        handshake.peer = Some(source);
        handshake.due = now;
        let at = self.clock.instant(now);
        if let Err(error) = machine.handle_timeout(at).and_then(|()| machine.handle_packet(record)) {
            tracing::debug!(%leg, ?error, "a record");
            handshake.machine = None;
        }
    }

    /// What is to be done now. `whereabouts`: where a peer is that has not said anything yet.
    pub fn go_on(&mut self, now: Mono, whereabouts: impl Fn(LegId) -> Option<SocketAddr>) -> Vec<Act> {
        let mut acts = Vec::new();
        let at = self.clock.instant(now);
        for (&leg, handshake) in &mut self.legs {
            if handshake.due > now && (handshake.done || handshake.end > now) {
                continue;
            }
            let to = handshake.peer.or_else(|| whereabouts(leg));
            if to.is_none() && handshake.end > now {
                // Nobody to speak to yet.
                handshake.due = if handshake.agreed.role == Role::Active { now + POLL } else { NEVER };
                continue;
            }
            let failed = match handshake.machine.as_mut().map(|machine| machine.handle_timeout(at)) {
                None | Some(Err(_)) => Some("refused"),
                Some(Ok(())) => handshake.drain(leg, to, &self.clock, &mut self.buffer, &mut acts).err(),
            };
            let late = !handshake.done && handshake.end <= now;
            if let Some(why) = failed.or(late.then_some("late")) {
                handshake.machine = None;
                handshake.due = NEVER;
                if !handshake.done {
                    acts.push(Act::Fail { leg, why });
                }
                handshake.done = true;
            }
        }
        acts
    }

    /// When to go on at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        let of = |handshake: &Handshake| {
            let end = if handshake.done { NEVER } else { handshake.end };
            Some(handshake.due.min(end)).filter(|at| *at < NEVER)
        };
        self.legs.values().map(of).fold(None, soonest)
    }
}

impl Handshake {
    /// Takes out all that the machine has to say.
    fn drain(
        &mut self,
        leg: LegId,
        to: Option<SocketAddr>,
        clock: &Clock,
        buffer: &mut Vec<u8>,
        acts: &mut Vec<Act>,
    ) -> Result<(), &'static str> {
        let Some(machine) = &mut self.machine else { return Ok(()) };
        loop {
            match machine.poll_output(buffer) {
                Output::Packet(record) => {
                    acts.extend(to.map(|to| Act::Send { leg, to, record: record.to_vec() }));
                }
                Output::BufferTooSmall { needed } if needed <= MOST_BUFFER => buffer.resize(needed, 0),
                Output::BufferTooSmall { .. } => return Err("too long"),
                Output::Timeout(at) => {
                    self.due = clock.moment(at);
                    return Ok(());
                }
                Output::PeerCert(certificate) => {
                    self.proved = Fingerprint::of(certificate) == self.agreed.theirs;
                    if !self.proved {
                        return Err("another certificate");
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    let keys =
                        suite(profile).and_then(|suite| Keys::exported(suite, self.agreed.role, &material));
                    let keys = keys.filter(|_| self.proved).ok_or("no keys")?;
                    acts.push(Act::Keys { leg, keys: Box::new(keys) });
                    self.done = true;
                }
                // Connected alone is worth nothing: without a profile in common there are no keys. There is nothing to
                // say beside the media, and who closes has hung up.
                _ => {}
            }
        }
    }
}

fn suite(profile: SrtpProfile) -> Option<Suite> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Suite::AesCm128HmacSha1Tag80),
        SrtpProfile::AEAD_AES_128_GCM => Some(Suite::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Suite::AeadAes256Gcm),
        _ => None,
    }
}

/// From the agreement to the keys: a browser needs some hundred milliseconds, a lossy way some seconds.
const LONGEST: Duration = Duration::from_secs(10);

/// A flight that got no answer goes out again after this, then after twice that, four times in all.
const FIRST_RETRY: Duration = Duration::from_millis(300);

/// While ICE has not said where to begin.
const POLL: Duration = Duration::from_millis(50);

/// A datagram on any way.
const LONGEST_RECORD: usize = 2_048;

/// The most that a machine may want to say at once.
const MOST_BUFFER: usize = 65_536;

/// Nothing is due.
const NEVER: Mono = Mono::from_nanos(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: LegId = LegId::placed(1);

    /// Two sides that speak over a wire of their own.
    struct Pair {
        sides: [Handshakes; 2],
        now: Mono,
        keys: [Option<Box<Keys>>; 2],
        failed: [Option<&'static str>; 2],
    }

    impl Pair {
        /// The first one begins; `vouched` is what the second's certificate is said to be.
        fn new(vouched: impl Fn(Fingerprint) -> Fingerprint) -> Self {
            let clock = Clock::system();
            let identities = [(); 2].map(|()| Arc::new(Identity::generate().unwrap()));
            let theirs = [vouched(identities[1].fingerprint()), identities[0].fingerprint()];
            let mut sides = identities.map(|identity| Handshakes::new(identity, clock));
            let now = clock.mono();
            for ((side, theirs), role) in sides.iter_mut().zip(theirs).zip([Role::Active, Role::Passive]) {
                let agreed = Dtls { theirs, role, ice: None };
                side.agree(now, LEG, &Security::Dtls(Box::new(agreed)));
            }
            Self { sides, now, keys: [None, None], failed: [None, None] }
        }

        /// Lets time pass until `end`; a record whose number is in `lost` does not arrive.
        fn pass(&mut self, end: Mono, lost: &[usize]) {
            let mut records = 0;
            loop {
                let mut sent = Vec::new();
                for (at, side) in self.sides.iter_mut().enumerate() {
                    for act in side.go_on(self.now, |_| Some(address(1 - at))) {
                        match act {
                            Act::Send { to, record, .. } => {
                                assert_eq!(to, address(1 - at));
                                records += 1;
                                if !lost.contains(&records) {
                                    sent.push((1 - at, record));
                                }
                            }
                            Act::Keys { keys, .. } => self.keys[at] = Some(keys),
                            Act::Fail { why, .. } => self.failed[at] = Some(why),
                        }
                    }
                }
                if sent.is_empty() {
                    let due = self.sides.iter().filter_map(Handshakes::deadline).min();
                    let Some(due) = due.filter(|due| *due < end) else { return };
                    self.now = self.now.max(due);
                }
                for (to, record) in sent {
                    self.sides[to].receive(self.now, LEG, address(1 - to), &record);
                }
            }
        }
    }

    fn address(side: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 4000 + side as u16))
    }

    #[test]
    fn two_sides_come_to_the_same_keys_also_when_records_are_lost() {
        for lost in [&[][..], &[1], &[2, 5], &[3, 4], &[6, 8, 9]] {
            let mut pair = Pair::new(|fingerprint| fingerprint);
            let end = pair.now + LONGEST;
            pair.pass(end, lost);
            let [Some(one), Some(other)] = &pair.keys else { panic!("{lost:?}: {:?}", pair.failed) };
            assert_eq!((&one.ours, &one.theirs), (&other.theirs, &other.ours));
            assert_eq!(pair.failed, [None, None], "{lost:?}");
            // The same agreement again begins nothing.
            let again = pair.sides[0].legs[&LEG].agreed.clone();
            pair.sides[0].agree(pair.now, LEG, &Security::Dtls(Box::new(again)));
            pair.keys = [None, None];
            pair.pass(pair.now + LONGEST * 3, &[]);
            assert!(pair.keys[0].is_none() && pair.failed == [None, None]);
        }
    }

    #[test]
    fn a_certificate_that_nobody_vouched_for_ends_the_handshake() {
        let mut pair = Pair::new(|_| Fingerprint::of(b"somebody else"));
        pair.pass(pair.now + LONGEST * 2, &[]);
        assert_eq!((pair.failed[0], pair.keys[0].is_none()), (Some("another certificate"), true));
    }

    #[test]
    fn who_says_nothing_is_waited_for_ten_seconds() {
        let mut pair = Pair::new(|fingerprint| fingerprint);
        let start = pair.now;
        pair.pass(start + Duration::from_millis(9_999), &(1..100).collect::<Vec<_>>());
        assert_eq!(pair.failed[1], None);
        pair.pass(start + LONGEST * 2, &(1..100).collect::<Vec<_>>());
        assert!(pair.failed.iter().all(Option::is_some), "{:?}", pair.failed);
        assert_eq!(pair.now, start + LONGEST);
        assert!(pair.sides.iter().all(|side| side.deadline().is_none()));
    }
}
