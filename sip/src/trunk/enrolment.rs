//! Our registrations with trunks (RFC 3261 section 10.2): one for each trunk that wants one, kept until we leave.
//!
//! ```text
//!  due ──REGISTER──▶ asked ──200──▶ stands ──refresh due──▶ asked …
//!                      ├─ 401, 407: again with the password; 423: again for longer
//!                      └─ refused, silent: the next target; after the last, due again after a pause that doubles
//! ```
//!
//! One process owns a trunk's registration: `check` refuses two trunks with one address of record, and the
//! Call-ID stays as long as the process does.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Mono, Name};

use crate::dialog::leg::Party;
use crate::endpoint::login::{self, transport_param};
use crate::endpoint::wire::{Lone, Owner, Wire};
use crate::header::address::{Address, Contacts};
use crate::header::uri::Uri;
use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::{Event, Flow, Registration, Trunk};
use crate::transaction::Key;

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Enrolments {
    trunks: BTreeMap<Name, Enrolment>,
    is_leaving: bool,
}

/// One trunk's.
#[derive(Clone, Debug)]
struct Enrolment {
    wanted: Registration,
    targets: Vec<Flow>,
    /// Which of the targets is asked.
    target: usize,
    call_id: String,
    number: u32,
    /// What is asked for: a registrar may want more (423).
    expires: Duration,
    asked: Option<Asked>,
    /// When to ask next.
    due: Option<Mono>,
    stands: Option<Standing>,
    failures: u32,
    told: Option<bool>,
}

/// A REGISTER that is out.
#[derive(Clone, Debug)]
struct Asked {
    key: Key,
    tries: u8,
    until: Mono,
    leaves: bool,
}

/// What the registrar granted.
#[derive(Clone, Copy, Debug)]
struct Standing {
    until: Mono,
    connection: Option<u64>,
}

/// A response and what it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) key: &'a Key,
    pub(crate) flow: Flow,
    pub(crate) request: &'a Message,
    pub(crate) response: &'a Message,
}

impl Enrolments {
    /// Takes the trunks of the directory; one whose registration stayed goes on.
    pub(crate) fn follow(&mut self, wire: &mut Wire) {
        let mut before = std::mem::take(&mut self.trunks);
        for trunk in wire.directory.trunks.clone() {
            let Some(wanted) = trunk.registration else { continue };
            let kept = before.remove(&trunk.name).filter(|kept| kept.wanted == wanted);
            let mut enrolment = kept.unwrap_or_else(|| Enrolment::new(wanted, wire));
            if enrolment.targets != trunk.targets {
                enrolment.targets = trunk.targets;
                enrolment.target = 0;
                // Without any there was nobody to ask.
                if enrolment.stands.is_none() && enrolment.asked.is_none() {
                    enrolment.due = Some(Mono::ZERO);
                }
            }
            self.trunks.insert(trunk.name, enrolment);
        }
    }

    /// How many stand.
    pub(crate) fn standing(&self) -> usize {
        self.trunks.values().filter(|enrolment| enrolment.stands.is_some()).count()
    }

    /// A final response came.
    pub(crate) fn answered(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, exchange: &Exchange<'_>) {
        let Some(enrolment) = self.trunks.get_mut(trunk) else { return };
        let Some(asked) = enrolment.asked.take_if(|asked| asked.key == *exchange.key) else { return };
        let status = exchange.response.status().unwrap_or(500);
        wire.hear(trunk, way(exchange.flow), true);
        match status {
            _ if asked.leaves && !matches!(status, 401 | 407) => enrolment.left(wire, trunk),
            200..300 => enrolment.granted(now, wire, trunk, exchange),
            401 | 407 => enrolment.challenged(now, wire, trunk, &asked, exchange),
            423 if asked.tries < login::MAX_TRIES => {
                let least = exchange.response.number(Header::MinExpires).map_or(0, u64::from);
                // One that names nothing longer is asked for twice as long.
                let longer = Duration::from_secs(least).max(enrolment.expires + enrolment.expires / 2);
                enrolment.expires = longer.min(LONGEST);
                enrolment.ask(now, wire, trunk, asked.tries + 1, false);
            }
            _ => {
                let pause = exchange.response.number(Header::RetryAfter).ok();
                enrolment.failed(now, wire, trunk, "refused", pause);
            }
        }
    }

    /// No answer came, or the way is broken.
    pub(crate) fn silent(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, key: &Key) {
        let Some(enrolment) = self.trunks.get_mut(trunk) else { return };
        let Some(asked) = enrolment.asked.take_if(|asked| asked.key == *key) else { return };
        enrolment.unheard(now, wire, trunk, &asked);
    }

    /// A stream is gone; what was registered over it is registered anew.
    pub(crate) fn closed(&mut self, now: Mono, wire: &mut Wire, connection: u64) {
        for (trunk, enrolment) in &mut self.trunks {
            let over_it = enrolment.stands.is_some_and(|stands| stands.connection == Some(connection));
            if over_it && !self.is_leaving {
                enrolment.stands = None;
                enrolment.tell(wire, trunk, false, "closed");
                let pause = wire.entropy.below(AFTER_LOSS.as_millis() as u64);
                enrolment.due.get_or_insert(now + AFTER_LOSS + Duration::from_millis(pause));
                enrolment.due = enrolment.due.map(|due| due.min(now + AFTER_LOSS * 2));
            }
        }
    }

    /// The trunk was silent and answers again: it may have forgotten us.
    pub(crate) fn again(&mut self, now: Mono, wire: &mut Wire, trunk: &Name) {
        if self.is_leaving {
            return;
        }
        let Some(enrolment) = self.trunks.get_mut(trunk) else { return };
        if enrolment.asked.is_none() {
            enrolment.target = 0;
            enrolment.ask(now, wire, trunk, 0, false);
        }
    }

    /// The process stops: calls are not to come here any more.
    pub(crate) fn leave(&mut self, now: Mono, wire: &mut Wire) {
        if std::mem::replace(&mut self.is_leaving, true) {
            return;
        }
        for (trunk, enrolment) in &mut self.trunks {
            if let Some(asked) = enrolment.asked.take() {
                wire.abandon(&asked.key);
            }
            enrolment.due = None;
            if enrolment.stands.is_some() {
                enrolment.ask(now, wire, trunk, 0, true);
            }
        }
    }

    pub(crate) fn expire(&mut self, now: Mono, wire: &mut Wire) {
        for (trunk, enrolment) in &mut self.trunks {
            if enrolment.stands.is_some_and(|stands| stands.until <= now) {
                enrolment.stands = None;
                enrolment.tell(wire, trunk, false, "expired");
            }
            if let Some(asked) = enrolment.asked.take_if(|asked| asked.until <= now) {
                wire.abandon(&asked.key);
                enrolment.unheard(now, wire, trunk, &asked);
            }
            if enrolment.due.is_some_and(|due| due <= now) {
                enrolment.due = None;
                if enrolment.asked.is_none() {
                    enrolment.ask(now, wire, trunk, 0, false);
                }
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.trunks.values().filter_map(Enrolment::deadline).min()
    }
}

impl Enrolment {
    fn new(wanted: Registration, wire: &mut Wire) -> Self {
        Self {
            expires: wanted.expires,
            wanted,
            targets: Vec::new(),
            target: 0,
            call_id: wire.entropy.token(12),
            number: 0,
            asked: None,
            due: Some(Mono::ZERO),
            stands: None,
            failures: 0,
            told: None,
        }
    }

    fn deadline(&self) -> Option<Mono> {
        let asked = self.asked.as_ref().map(|asked| asked.until);
        let stands = self.stands.map(|stands| stands.until);
        base::time::soonest(base::time::soonest(asked, stands), self.due)
    }

    /// Sends a REGISTER; where there is no target, the directory will bring one.
    fn ask(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, tries: u8, leaves: bool) {
        let Some(&flow) = self.targets.get(self.target).or(self.targets.first()) else { return };
        let Some(known) = wire.trunk(trunk).cloned() else { return };
        self.number += 1;
        let expires = if leaves { Duration::ZERO } else { self.expires };
        let request = write(wire, &known, &self.wanted.user, &flow, (&self.call_id, self.number), expires);
        let key =
            request.and_then(|request| wire.request(now, flow, request, Owner::Registration(trunk.clone())));
        self.due = None;
        match key {
            Some(key) => self.asked = Some(Asked { key, tries, until: now + ANSWER_WITHIN, leaves }),
            None => self.due = Some(now + LONGEST_PAUSE),
        }
    }

    fn granted(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, exchange: &Exchange<'_>) {
        let span = granted(exchange).min(LONGEST);
        if span < SHORTEST {
            return self.failed(now, wire, trunk, "refused", None);
        }
        self.failures = 0;
        self.stands = Some(Standing { until: now + span, connection: exchange.flow.connection });
        // Between 80 and 90 %: time for a second try, and not all trunks in the same moment.
        let share = 800 + wire.entropy.below(100) as u32;
        self.due = Some(now + span * share / 1000);
        self.tell(wire, trunk, true, "registered");
    }

    fn challenged(
        &mut self,
        now: Mono,
        wire: &mut Wire,
        trunk: &Name,
        asked: &Asked,
        exchange: &Exchange<'_>,
    ) {
        let party = Party::Trunk(trunk.clone());
        let again = (asked.tries < login::MAX_TRIES)
            .then(|| login::answer(wire, &party, exchange.request, exchange.response))
            .flatten();
        let Some(again) = again else {
            if asked.leaves {
                return self.left(wire, trunk);
            }
            // Every target would say the same, and a server that counts wrong passwords must not be hurried.
            self.target = self.targets.len();
            return self.failed(now, wire, trunk, "password", None);
        };
        self.number = again.cseq().number;
        let key = wire.request(now, exchange.flow, again, Owner::Registration(trunk.clone()));
        let (tries, until) = (asked.tries + 1, now + ANSWER_WITHIN);
        self.asked = key.map(|key| Asked { key, tries, until, leaves: asked.leaves });
    }

    fn unheard(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, asked: &Asked) {
        if let Some(flow) = self.targets.get(self.target) {
            wire.hear(trunk, *flow, false);
        }
        if asked.leaves { self.left(wire, trunk) } else { self.failed(now, wire, trunk, "silent", None) }
    }

    /// The next target at once; after the last one all of them again, later and later (RFC 5626 section 4.5).
    fn failed(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, why: &'static str, pause: Option<u32>) {
        self.target += 1;
        if self.target < self.targets.len() {
            return self.ask(now, wire, trunk, 0, false);
        }
        self.target = 0;
        let doubled = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let most = doubled.min(LONGEST_PAUSE).as_millis() as u64;
        let jittered = Duration::from_millis(most / 2 + wire.entropy.below(most / 2 + 1));
        let wished = Duration::from_secs(pause.unwrap_or(0).into()).min(LONGEST_PAUSE);
        self.due = Some(now + jittered.max(wished));
        if self.stands.is_none() {
            self.tell(wire, trunk, false, why);
        }
    }

    fn left(&mut self, wire: &mut Wire, trunk: &Name) {
        self.stands = None;
        self.tell(wire, trunk, false, "left");
    }

    fn tell(&mut self, wire: &mut Wire, trunk: &Name, up: bool, why: &'static str) {
        if self.told.replace(up) != Some(up) {
            wire.tell(Event::TrunkRegistered { trunk: trunk.clone(), up, why });
        }
    }
}

/// How long the registrar keeps us: what it says beside our contact, else for all, else what we asked for.
fn granted(exchange: &Exchange<'_>) -> Duration {
    let (request, response) = (exchange.request, exchange.response);
    let ours = request.contact().map(|contact| contact.uri);
    let listed = match response.contacts() {
        Ok(Contacts::List(list)) => list,
        _ => Vec::new(),
    };
    let mine = listed.iter().find(|contact| ours.as_ref().is_ok_and(|ours| ours.is_equivalent(&contact.uri)));
    let beside = mine.or_else(|| listed.first().filter(|_| listed.len() == 1)).and_then(Address::expires);
    let header = |message: &Message| message.number(Header::Expires).ok();
    let seconds = beside.or_else(|| header(response)).or_else(|| header(request)).unwrap_or(0);
    Duration::from_secs(seconds.into())
}

fn write(
    wire: &mut Wire,
    trunk: &Trunk,
    user: &str,
    flow: &Flow,
    (call_id, number): (&str, u32),
    expires: Duration,
) -> Option<Message> {
    let registrar = Uri::sip(None, &trunk.host, trunk.port).ok()?;
    let record = Uri::sip(Some(user), &trunk.host, trunk.port).ok()?;
    let at = wire.advertised(flow);
    let mut contact = Uri::sip(Some(user), &at.ip().to_string(), Some(at.port())).ok()?;
    if !transport_param(flow).is_empty() {
        contact = contact.with_param("transport", transport_param(flow)).ok()?;
    }
    let contact = Address::new(contact).to_string();
    let lone = Lone { uri: &registrar, from: record.clone(), to: record, call_id, number, contact };
    let draft = wire.lone(flow, Method::Register, lone).header(Header::Expires, expires.as_secs());
    Some(draft.finish())
}

/// A way as the directory knows it: without the connection.
pub(crate) fn way(flow: Flow) -> Flow {
    Flow { connection: None, ..flow }
}

/// A registrar that takes longer is as good as none: the next target is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// After a first failure; twice as long after each further one (RFC 5626 section 4.5, base time).
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause (RFC 5626 section 4.5, max time).
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// A connection that broke is opened anew after this, and up to as much again: its other end restarts.
const AFTER_LOSS: Duration = Duration::from_secs(1);
/// A registrar that grants less would be asked without end.
const SHORTEST: Duration = Duration::from_secs(10);
/// What a registrar can make us ask for at most, and what we believe of a grant.
const LONGEST: Duration = Duration::from_hours(24);
