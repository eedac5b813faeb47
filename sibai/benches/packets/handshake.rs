//! What the handshake of one browser's leg costs: from the agreement to the keys, records in and out, no sockets.
#![allow(clippy::expect_used, reason = "a bench: a panic is its failure")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cpu::{self, micros, row};
use base::{LegId, Mono};
use media::dtls::{Dtls, Role};
use media::seam::Security;
use sibai::drive::clock::Clock;
use sibai::drive::dtls::{Act, Handshakes, Identity};

/// CPU of both sides.
pub(crate) fn cost() {
    let clock = Clock::system();
    let identities = [(); 2].map(|()| Arc::new(Identity::generate().expect("an identity")));
    let mut least = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (least, spent) in least.iter_mut().zip(handshake(clock, &identities)) {
            *least = (*least).min(spent);
        }
    }
    row("", "CPU time", "goal");
    row("a handshake, where the browser begins it", &micros(least[0]), "-");
    row("the other side of it", &micros(least[1]), "-");
}

/// What each side spent: the one that waits first.
fn handshake(clock: Clock, identities: &[Arc<Identity>; 2]) -> [Duration; 2] {
    let mut sides = identities.clone().map(|identity| Handshakes::new(identity, clock));
    let (mut now, mut spent, mut keys) = (clock.mono(), [Duration::ZERO; 2], 0);
    for (at, role) in [(0, Role::Passive), (1, Role::Active)] {
        let agreed = Dtls { theirs: identities[1 - at].fingerprint(), role, ice: None };
        let (cost, ()) = cpu::of(|| sides[at].agree(now, LEG, &Security::Dtls(Box::new(agreed))));
        spent[at] += cost;
    }
    while keys < 2 {
        let mut records = Vec::new();
        for at in 0..2 {
            let (cost, acts) = cpu::of(|| sides[at].go_on(now, |_| Some(address(1 - at))));
            spent[at] += cost;
            for act in acts {
                match act {
                    Act::Send { record, .. } => records.push((1 - at, record)),
                    Act::Keys { .. } => keys += 1,
                    Act::Fail { why, .. } => panic!("{why}"),
                }
            }
        }
        if records.is_empty() {
            now = sides.iter().filter_map(Handshakes::deadline).min().unwrap_or(Mono::ZERO).max(now);
        }
        for (at, record) in records {
            let (cost, ()) = cpu::of(|| sides[at].receive(now, LEG, address(1 - at), &record));
            spent[at] += cost;
        }
    }
    spent
}

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000 + side as u16))
}

const LEG: LegId = LegId::placed(1);
const ROUNDS: usize = 50;
