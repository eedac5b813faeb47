//! Retention: which rule keeps a recording, for how long, and the moment at which it is due.

use base::{Name, Period, Timestamp};
use serde::{Deserialize, Serialize};

use crate::facts::{Consent, Facts, Kind};
use crate::segment::Segment;

#[cfg(test)]
mod tests;

/// What a line's configuration says about keeping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For what no rule matches.
    pub keep: Period,
    /// Longer than this only with explicit consent.
    pub longest_without_consent: Period,
    /// The first one that matches decides.
    pub rules: Vec<Rule>,
    /// The line's time zone (IANA), in which months are counted.
    pub zone: String,
}

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Stored with every recording that it decides.
    pub name: Name,
    /// What it applies to.
    pub when: When,
    /// For how long from the end of the call.
    pub keep: Period,
}

/// The conditions of a rule; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// The queue that the call came through.
    pub queue: Option<Name>,
    /// Exactly this consent.
    pub consent: Option<Consent>,
    /// What was recorded.
    pub kind: Option<Kind>,
    /// The number that was called.
    pub number: Option<base::PhoneNumber>,
    /// The seat that answered.
    pub seat: Option<Name>,
}

/// What a policy looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The number that was called.
    pub number: base::PhoneNumber,
    /// The queue, if any.
    pub queue: Option<Name>,
    /// The seats that talked, in any order: a transfer makes several.
    pub seats: Vec<Name>,
    /// What was recorded.
    pub kind: Kind,
    /// The strongest answer of the caller.
    pub consent: Consent,
    /// The end of the call: the clock starts here.
    pub ended: Timestamp,
}

impl Subject {
    /// From the facts at the beginning and what the end brought.
    pub fn of(facts: &Facts, consent: Consent, ended: Timestamp) -> Self {
        Self {
            number: facts.number.clone(),
            queue: facts.queue.clone(),
            seats: facts.seat.iter().cloned().collect(),
            kind: facts.kind,
            consent: facts.consent.stronger(consent),
            ended,
        }
    }

    /// The same with everybody who is heard in it.
    #[must_use]
    pub fn with_segments(mut self, segments: &[Segment]) -> Self {
        for segment in segments {
            if !self.seats.contains(&segment.seat) {
                self.seats.push(segment.seat.clone());
            }
        }
        self
    }
}

/// What the policy says about one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule that decided; [`DEFAULT_RULE`], [`WITHDRAWN_RULE`] and [`REFUSED_RULE`] are built in.
    pub rule: Name,
    /// How long it is kept.
    pub keep: Period,
    /// The moment from which on it is deleted.
    pub delete_after: Timestamp,
}

impl Policy {
    /// The verdict on one recording. The first matching rule wins; of several seats that talked each is asked
    /// for, and the longest answer counts, because half a conversation proves nothing; nothing keeps what the
    /// caller took back or refused; without explicit consent nothing is kept for longer than the policy's limit.
    pub fn verdict(&self, subject: &Subject) -> Verdict {
        let (rule, keep) = match built_in(subject.consent) {
            Some(rule) => (rule.into(), Period::Days(0)),
            None => self.longest_match(subject),
        };
        let wanted = keep.after(subject.ended, &self.zone);
        let limit = self.longest_without_consent.after(subject.ended, &self.zone);
        if subject.consent != Consent::Explicit && wanted > limit {
            return Verdict { rule, keep: self.longest_without_consent, delete_after: limit };
        }
        Verdict { rule, keep, delete_after: wanted }
    }

    fn longest_match(&self, subject: &Subject) -> (Name, Period) {
        let mut longest = self.first_match(subject, subject.seats.first());
        for seat in subject.seats.iter().skip(1) {
            let other = self.first_match(subject, Some(seat));
            if other.1.after(subject.ended, &self.zone) > longest.1.after(subject.ended, &self.zone) {
                longest = other;
            }
        }
        longest
    }

    fn first_match(&self, subject: &Subject, seat: Option<&Name>) -> (Name, Period) {
        self.rules
            .iter()
            .find(|rule| rule.when.holds(subject, seat))
            .map_or_else(|| (DEFAULT_RULE.into(), self.keep), |rule| (rule.name.clone(), rule.keep))
    }
}

impl When {
    /// Whether every condition that is given holds; of the seats that talked this one is asked about.
    pub fn holds(&self, subject: &Subject, talked: Option<&Name>) -> bool {
        let Self { queue, consent, kind, number, seat } = self;
        queue.as_ref().is_none_or(|queue| subject.queue.as_ref() == Some(queue))
            && consent.is_none_or(|consent| subject.consent == consent)
            && kind.is_none_or(|kind| subject.kind == kind)
            && number.as_ref().is_none_or(|number| subject.number == *number)
            && seat.as_ref().is_none_or(|seat| talked == Some(seat))
    }
}

/// The rule that stands above every policy: nothing is kept against the caller's word.
pub(crate) const fn built_in(consent: Consent) -> Option<&'static str> {
    match consent {
        Consent::Withdrawn => Some(WITHDRAWN_RULE),
        Consent::Refused => Some(REFUSED_RULE),
        Consent::None | Consent::NoticeGiven | Consent::Explicit => None,
    }
}

/// Decides where no rule of the policy matches.
pub const DEFAULT_RULE: &str = "default";
/// Decides when the caller took consent back: zero days, whatever the rules say.
pub const WITHDRAWN_RULE: &str = "withdrawn";
/// Decides when the caller refused: zero days, whatever the rules say.
pub const REFUSED_RULE: &str = "refused";
