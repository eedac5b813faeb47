//! Inputs that no phone would send, in any order: nothing panics, and the machine's law holds.

use std::sync::Arc;
use std::time::Duration;

use base::{Cause, Digit, LegId, Machine};
use proptest::collection::vec;
use proptest::prelude::*;

use super::bench::{Bench, arrival, plan};
use crate::seam::{Arrival, Input, Origin, Refer};

#[derive(Clone, Debug)]
enum Operation {
    Input(Input),
    Wait(Duration),
}

fn leg() -> impl Strategy<Value = LegId> {
    (any::<bool>(), 0..10_u64)
        .prop_map(|(arrived, n)| if arrived { LegId::arrived(n) } else { LegId::placed(n) })
}

fn arrived() -> impl Strategy<Value = Input> {
    let called = prop::sample::select(vec!["4005550100", "057155550100", "8003", "8001", "nonsense", ""]);
    let origin = prop::sample::select(vec![
        Origin::Trunk("carrier".into()),
        Origin::Trunk("gone".into()),
        Origin::Extension("8001".into()),
        Origin::Extension("8009".into()),
    ]);
    (leg(), origin, called, proptest::option::weighted(0.2, leg())).prop_map(
        |(leg, origin, called, replaces)| {
            let arrival = Arrival { replaces, ..arrival(origin, &[called], "1") };
            Input::Arrived { leg, arrival: Box::new(arrival) }
        },
    )
}

fn input() -> impl Strategy<Value = Input> {
    let cause = prop::sample::select(Cause::ALL.to_vec());
    let digit = prop::sample::select(vec!['1', '2', '3', '4', '#', '9']);
    let ext = prop::sample::select(vec!["8001", "8002", "8003", "8004", "8009"]);
    prop_oneof![
        4 => arrived(),
        6 => leg().prop_map(|leg| Input::Played { leg }),
        6 => (leg(), digit)
            .prop_map(|(leg, digit)| Input::Digit { leg, digit: Digit::from_char(digit).unwrap() }),
        4 => leg().prop_map(|leg| Input::Answered { leg }),
        3 => (leg(), cause.clone()).prop_map(|(leg, cause)| Input::Ended { leg, cause }),
        1 => (leg(), 100..700_u16, any::<bool>())
            .prop_map(|(leg, status, media)| Input::Progressed { leg, status, media }),
        2 => (leg(), any::<bool>()).prop_map(|(leg, held)| Input::Held { leg, held }),
        3 => (leg(), prop::sample::select(vec!["8001", "8002", "8003", "0016001", ""]), proptest::option::of(leg()))
            .prop_map(|(leg, to, replaces)| Input::Referred {
                leg,
                refer: Box::new(Refer { to: to.to_owned(), replaces }),
            }),
        1 => leg().prop_map(|leg| Input::Silent { leg }),
        1 => leg().prop_map(|leg| Input::Fault { leg }),
        4 => (ext, vec(0..4_u64, 0..4))
            .prop_map(|(ext, contacts)| Input::Contacts { ext: ext.into(), contacts }),
        1 => any::<bool>().prop_map(|up| Input::TrunkUp { trunk: "carrier".into(), up }),
        1 => any::<bool>().prop_map(|empty| Input::Plan(Arc::new(if empty { without_lines() } else { plan() }))),
        1 => cause.prop_map(Input::EndAll),
    ]
}

fn without_lines() -> crate::plan::Plan {
    let mut plan = plan();
    plan.lines.clear();
    plan.trunks.clear();
    plan
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        5 => input().prop_map(Operation::Input),
        1 => (0..90_000_u64).prop_map(|millis| Operation::Wait(Duration::from_millis(millis))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_panics_and_everything_comes_to_rest(operations in vec(operation(), 1..120)) {
        let mut bench = Bench::with(plan(), &["8001", "8002", "8003"]);
        for operation in operations {
            match operation {
                Operation::Input(input) => bench.input(input),
                Operation::Wait(span) => bench.after(span),
            }
        }
        bench.input(Input::Drain);
        bench.input(Input::EndAll(Cause::EngineStopped));
        prop_assert_eq!(bench.board.live_calls(), 0);
        bench.after(Duration::from_mins(1));
        prop_assert!(bench.board.is_idle());
        bench.after(Duration::from_mins(1));
        prop_assert_eq!(bench.board.deadline(), None);
    }
}
