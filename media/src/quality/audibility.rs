//! Whether the two parties of a bridge hear each other: one-way audio and dead air, found from what comes in.

use std::collections::VecDeque;
use std::time::Duration;

use base::machine::Machine;
use base::{Mono, Now};

use crate::seam::Side;

/// Watches one bridge from the moment that both are on it. While it is held nobody should watch.
#[derive(Clone, Debug)]
pub struct Audibility {
    caller: Party,
    seat: Party,
    /// Nobody spoke for `DEAD_AIR`, and that was told.
    dead: bool,
    findings: VecDeque<Finding>,
}

/// A packet of one party came, or a stretch of audio without one was filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Whose.
    pub side: Side,
    /// What is in it.
    pub sign: Sign,
    /// The audio's length.
    pub span: Duration,
}

/// What a packet says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// There is a voice in it ([`Meter`](super::Meter) says so).
    Voice,
    /// There is none.
    Quiet,
    /// Comfort noise: the sender says that nothing follows for a while (RFC 3389).
    Pause,
    /// Nobody decodes it: there may be a voice or none.
    Untold,
}

/// What is wrong, or right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing comes from this side while the other sends: its packets go astray.
    Missing(Side),
    /// Packets come from this side, without a voice in them while the other speaks to it: its microphone is
    /// dead, or it does not hear.
    Mute(Side),
    /// This side is heard again.
    Mended(Side),
    /// Neither speaks.
    DeadAir,
    /// Somebody speaks again.
    Spoken,
}

#[derive(Clone, Debug)]
struct Party {
    side: Side,
    /// Its last packet.
    packet: Mono,
    /// The first of those that came without a pause.
    steady: Mono,
    /// Its last packet with a voice.
    voice: Mono,
    /// How long it spoke since the other one last did.
    spoken: Duration,
    /// It said that it would send nothing.
    pauses: bool,
    missing: bool,
    mute: bool,
}

impl Audibility {
    /// From now on.
    pub fn new(now: Now) -> Self {
        let party = |side| Party {
            side,
            packet: now.mono,
            steady: now.mono,
            voice: now.mono,
            spoken: Duration::ZERO,
            pauses: false,
            missing: false,
            mute: false,
        };
        Self { caller: party(Side::Caller), seat: party(Side::Seat), dead: false, findings: VecDeque::new() }
    }

    /// Forgets what was: what was wrong is so no more, as far as anybody knows.
    pub fn restart(&mut self, now: Now) {
        for party in [&self.caller, &self.seat] {
            if party.missing || party.mute {
                self.findings.push_back(Finding::Mended(party.side));
            }
        }
        if self.dead {
            self.findings.push_back(Finding::Spoken);
        }
        *self = Self { findings: std::mem::take(&mut self.findings), ..Self::new(now) };
    }

    fn tell(&mut self, finding: Finding) {
        // One side's news cannot pile up unless nobody drains: then the oldest are stale.
        if self.findings.len() == MOST_FINDINGS {
            self.findings.pop_front();
        }
        self.findings.push_back(finding);
    }

    fn last_voice(&self) -> Mono {
        self.caller.voice.max(self.seat.voice)
    }
}

impl Machine for Audibility {
    type Input = Heard;
    type Output = Finding;

    fn handle(&mut self, now: Now, heard: Heard) {
        let now = now.mono;
        let (party, other) = match heard.side {
            Side::Caller => (&mut self.caller, &mut self.seat),
            Side::Seat => (&mut self.seat, &mut self.caller),
        };
        if now.since(party.packet) > PAUSE {
            party.steady = now;
        }
        party.packet = now;
        party.pauses = heard.sign == Sign::Pause;
        // What is not decoded may be a voice, so it is not missed; whether it was spoken to nobody knows.
        let voice = matches!(heard.sign, Sign::Voice | Sign::Untold);
        if voice {
            party.voice = now;
        }
        if heard.sign == Sign::Voice {
            party.spoken += heard.span;
            other.spoken = Duration::ZERO;
        }
        let mended = std::mem::take(&mut party.missing) | (voice && std::mem::take(&mut party.mute));
        let side = party.side;
        let astray = now.since(other.packet.max(party.steady)) >= ASTRAY;
        let missing = astray && !other.missing && !other.pauses;
        let unheard = now.since(other.voice) >= UNHEARD && party.spoken >= SPOKEN_TO;
        let mute = unheard && !missing && !other.missing && !other.mute;
        other.missing |= missing;
        other.mute |= mute;
        let absent = other.side;
        if mended {
            self.tell(Finding::Mended(side));
        }
        if missing {
            self.tell(Finding::Missing(absent));
        }
        if mute {
            self.tell(Finding::Mute(absent));
        }
        if voice && std::mem::take(&mut self.dead) {
            self.tell(Finding::Spoken);
        }
    }

    fn expire(&mut self, now: Now) {
        if !self.dead && now.mono.since(self.last_voice()) >= DEAD_AIR {
            self.dead = true;
            self.tell(Finding::DeadAir);
        }
    }

    fn poll(&mut self) -> Option<Finding> {
        self.findings.pop_front()
    }

    fn deadline(&self) -> Option<Mono> {
        (!self.dead).then(|| self.last_voice() + DEAD_AIR)
    }
}

/// A silence suppressor's packets come at least this often; what is longer is an interruption.
const PAUSE: Duration = Duration::from_secs(1);

/// Nothing for this long, while the other sends, is a fault and no hiccup of a network.
pub const ASTRAY: Duration = Duration::from_secs(5);

/// Not a sound for this long ...
const UNHEARD: Duration = Duration::from_secs(30);

/// ... although the other spoke this much: a listener says "hm" more often.
const SPOKEN_TO: Duration = Duration::from_secs(10);

/// Nobody speaks for this long: both look at something, or the call was forgotten.
const DEAD_AIR: Duration = Duration::from_secs(45);

/// More than the machine can find between two drains.
const MOST_FINDINGS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// What each side does in a second: `s` speaks, `.` is quiet, `?` is not decoded, ` ` sends nothing; `c` says that it
    /// will and then sends nothing.
    fn story(caller: &str, seat: &str) -> Vec<(u64, Finding)> {
        let mut now = Now { mono: Mono::ZERO, wall: base::Timestamp::UNIX_EPOCH };
        let mut watch = Audibility::new(now);
        let mut found = Vec::new();
        for (second, (caller, seat)) in (0..).zip(caller.bytes().zip(seat.bytes())) {
            for packet in 0..50 {
                now = now.later(PACKET);
                if watch.deadline().is_some_and(|due| due <= now.mono) {
                    watch.expire(now);
                    assert!(watch.deadline().is_none_or(|due| due > now.mono));
                }
                for (side, does) in [(Side::Caller, caller), (Side::Seat, seat)] {
                    let sign = match does {
                        b's' => Sign::Voice,
                        b'.' => Sign::Quiet,
                        b'?' => Sign::Untold,
                        b'c' if packet == 0 => Sign::Pause,
                        _ => continue,
                    };
                    watch.handle(now, Heard { side, sign, span: PACKET });
                }
                found.extend(std::iter::from_fn(|| watch.poll()).map(|finding| (second, finding)));
            }
        }
        found
    }

    const PACKET: Duration = Duration::from_millis(20);

    fn long(what: &str, seconds: usize) -> String {
        what.repeat(seconds)
    }

    #[test]
    fn a_conversation_is_nothing_to_tell() {
        assert_eq!(story(&long("ss...", 60), &long("...s.", 60)), []);
        // A long story told to somebody who says "hm" now and then.
        assert_eq!(story(&long("s", 100), &long(".........................s", 4)[..100]), []);
    }

    #[test]
    fn a_side_of_which_nothing_comes_is_missing_until_it_comes() {
        let seat = long("s", 10) + &long(" ", 10) + &long("s", 10);
        let found = story(&long("s", 30), &seat);
        assert_eq!(found, [(14, Finding::Missing(Side::Seat)), (20, Finding::Mended(Side::Seat))]);
        // From the start.
        assert_eq!(story(&long(" ", 8), &long("s", 8)), [(4, Finding::Missing(Side::Caller))]);
    }

    #[test]
    fn an_interruption_of_both_is_no_fault_of_the_one_that_comes_back_last() {
        let caller = long("s", 10) + &long(" ", 10) + &long("s", 10);
        let seat = long("s", 10) + &long(" ", 12) + &long("s", 8);
        assert_eq!(story(&caller, &seat), []);
    }

    #[test]
    fn who_says_that_it_pauses_is_not_missed_but_its_voice_is() {
        let seat = long("s", 10) + "c" + &long(" ", 14) + &long("s", 5);
        assert_eq!(story(&long("s", 30), &seat), []);
        let seat = "sc".to_owned() + &long(" ", 38);
        assert_eq!(story(&long("s", 40), &seat), [(30, Finding::Mute(Side::Seat))]);
    }

    #[test]
    fn what_nobody_decodes_is_neither_missed_nor_dead() {
        assert_eq!(story(&long("?", 100), &long("?", 100)), []);
        assert_eq!(story(&long("?", 100), &long(".", 100)), []);
        let missing = (4, Finding::Missing(Side::Seat));
        assert_eq!(story(&long("?", 10), &long(" ", 10)), [missing]);
    }

    #[test]
    fn a_side_that_sends_silence_while_it_is_spoken_to_is_mute() {
        let seat = long(".", 40) + &long("s", 5);
        let found = story(&long("s.", 30)[..45], &seat);
        assert_eq!(found, [(29, Finding::Mute(Side::Seat)), (40, Finding::Mended(Side::Seat))]);
        // Nobody speaks to it.
        assert_eq!(story(&long(".", 40), &long(".", 40)), []);
    }

    #[test]
    fn dead_air_is_told_once_and_so_is_its_end() {
        let caller = long(".", 100) + "ss";
        let found = story(&caller, &long(".", 102));
        assert_eq!(found, [(44, Finding::DeadAir), (100, Finding::Spoken)]);
    }

    #[test]
    fn what_was_wrong_before_a_hold_is_over_with_it() {
        let mut now = Now { mono: Mono::ZERO, wall: base::Timestamp::UNIX_EPOCH };
        let mut watch = Audibility::new(now);
        let mut found = Vec::new();
        for _ in 0..300 {
            now = now.later(PACKET);
            watch.handle(now, Heard { side: Side::Caller, sign: Sign::Quiet, span: PACKET });
            found.extend(std::iter::from_fn(|| watch.poll()));
        }
        watch.restart(now);
        watch.restart(now.later(PACKET));
        found.extend(std::iter::from_fn(|| watch.poll()));
        assert_eq!(found, [Finding::Missing(Side::Seat), Finding::Mended(Side::Seat)]);
    }

    #[test]
    fn a_clone_finds_the_same() {
        let mut now = Now { mono: Mono::ZERO, wall: base::Timestamp::UNIX_EPOCH };
        let mut watch = Audibility::new(now);
        let mut twin = watch.clone();
        for n in 0..4000 {
            now = now.later(PACKET);
            let side = if n % 3 == 0 { Side::Caller } else { Side::Seat };
            let sign = if n % 7 == 0 && side == Side::Seat { Sign::Voice } else { Sign::Quiet };
            let heard = Heard { side, sign, span: PACKET };
            if n == 1500 {
                twin = watch.clone();
            }
            watch.handle(now, heard);
            watch.expire(now);
            let found = watch.poll();
            if n >= 1500 {
                twin.handle(now, heard);
                twin.expire(now);
                assert_eq!(twin.poll(), found);
            }
        }
    }
}
