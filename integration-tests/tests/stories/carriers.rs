//! Two carriers for one line: one dies, calls go over the other, and it is used again once it is well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Mono, Name};
use integration_tests::world::example::shipped;
use integration_tests::world::{Example, SIBAI, World};
use pbx::TrunkPlan;
use phones::{Action, Behaviour, Carrier, CarrierSetup};

use crate::words::*;

/// The first carrier of the shipped configuration, and a second one that is used when the first is not.
const FIRST: &str = "local";
const SECOND_ONE: &str = "other";

/// Callers come over the second carrier; the mobile is reached over both, and rings for as long as it is let.
fn two_carriers() -> Example {
    let mobile = || vec![("13800138001".to_owned(), Behaviour::waits())];
    let mut setting = shipped(OPEN);
    let plan = Arc::make_mut(&mut setting.plan);
    let first = plan.trunks[&Name::from(FIRST)].clone();
    plan.trunks.insert(Name::from(SECOND_ONE), TrunkPlan { order: first.order + 1, ..first });
    let mut example = Example::of(&setting, |carrier| carrier.plan = mobile());
    let sibai = SIBAI.parse().unwrap_or_else(|error| panic!("{SIBAI}: {error}"));
    let rtp = SocketAddr::from(([127, 0, 0, 1], 31_000));
    let mut second = CarrierSetup::new(sibai, World::carrier_at(1), rtp);
    second.rtp_ports = 64;
    second.seed = 77;
    second.plan = mobile();
    example.carrier = example.world.add(Carrier::new(second).into_line());
    // Both have answered a probe.
    example.run(4 * SECOND);
    example
}

/// Somebody asks for the mobile and hangs up when it had time to ring: the carriers over which it was tried, when
/// each INVITE went out, and when the mobile rang.
fn tried(example: &mut Example) -> (Vec<(String, Mono)>, Mono) {
    let began = example.world.now().mono;
    let seen = example.world.seen().len();
    let call = example.call(CALLER, presses("3"));
    example.run(8 * SECOND);
    let rang = example.world.seen()[seen..].iter().find(|seen| rings(&seen.event));
    let rang = rang.map_or_else(|| panic!("the mobile did not ring"), |seen| seen.at);
    example.caller(call, Action::HangUp);
    example.run(SECOND);
    let legs = example.record(call).legs[1..].iter();
    let name = |leg: &pbx::LegRecord| leg.trunk.as_ref().map(ToString::to_string).unwrap_or_default();
    (legs.map(|leg| (name(leg), began + leg.began)).collect(), rang)
}

fn names(tried: &[(String, Mono)]) -> Vec<&str> {
    tried.iter().map(|(name, _)| name.as_str()).collect()
}

fn within(begin: Mono, end: Mono, most: Duration) {
    let took = end.since(begin);
    assert!(took <= most, "{took:?}");
}

#[test]
fn a_call_to_a_carrier_that_has_just_died_goes_over_the_other_within_four_seconds() {
    let mut example = two_carriers();
    assert_eq!(names(&tried(&mut example).0), [FIRST]);
    example.world.cut(World::carrier_at(0));
    let (legs, rang) = tried(&mut example);
    assert_eq!(names(&legs), [FIRST, SECOND_ONE]);
    within(legs[0].1, rang, 4 * SECOND);
    example.world.mend(World::carrier_at(0));
    example.rest();
}

#[test]
fn six_seconds_after_its_death_nobody_waits_for_a_carrier_any_more() {
    // Whenever it dies between two probes.
    for phase in 0..7 {
        let mut example = two_carriers();
        example.run(millis(500) * phase);
        example.world.cut(World::carrier_at(0));
        // The mobile is called three quarters of a second after the caller came.
        example.run(millis(5_250));
        let (legs, rang) = tried(&mut example);
        assert_eq!(names(&legs), [SECOND_ONE], "phase {phase}");
        within(legs[0].1, rang, millis(200));
        example.world.mend(World::carrier_at(0));
        example.rest();
    }
}

#[test]
fn a_carrier_is_used_again_after_its_third_answer_in_a_row() {
    let mut example = two_carriers();
    example.world.cut(World::carrier_at(0));
    example.run(30 * SECOND);
    example.world.mend(World::carrier_at(0));
    // Asked every three seconds: in five it cannot have answered three times, in nine it has.
    example.run(4 * SECOND);
    assert_eq!(names(&tried(&mut example).0), [SECOND_ONE]);
    assert_eq!(names(&tried(&mut example).0), [FIRST]);
    example.rest();
}
