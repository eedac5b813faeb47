//! Stories of trunks in engine.yaml: what each key means, and what is wrong with it.

use base::NumberFormat;
use pbx::{OriginalCaller, TrunkPlan};
use sip::seam::NumberUri;

use super::*;

/// Loads an engine.yaml with these trunks; `A_USER` and `A_WORD` are set.
fn with(trunks: &[&str], line: &str) -> Loaded {
    let list = trunks.iter().fold(String::new(), |list, trunk| list + "  - { " + trunk + " }\n");
    let folder = folder(&format!("{ENGINE}trunks:\n{list}"), &[("one", line)]);
    let variable = |name: &str| ["A_USER", "A_WORD"].contains(&name).then(|| format!("value of {name}"));
    load_from(Folder::Disk(folder.path().to_owned()), today(), &variable)
}

const ACCOUNT: &str = "user: env:A_USER, password: env:A_WORD";

#[test]
fn a_trunk_has_its_defaults() {
    let loaded = with(&["name: a, host: 127.0.0.1"], LINE);
    assert_eq!(codes(&loaded), []);
    let engine = loaded.engine.unwrap();
    let trunk = &engine.trunks[0];
    assert_eq!((trunk.probe, trunk.uri, trunk.registration.as_ref()), (true, NumberUri::Sip, None));
    assert_eq!(trunk.outgoing, TrunkPlan::default());
    let plan = &loaded.plan.unwrap().trunks[&Name::from("a")];
    assert_eq!(*plan, TrunkPlan { dials_out: true, ..TrunkPlan::default() });
}

#[test]
fn a_transport_that_is_written_is_known_from_the_usual_one() {
    let loaded = with(&["name: a, host: 127.0.0.1", "name: b, host: 127.0.0.2, transport: udp"], LINE);
    let trunks = loaded.engine.unwrap().trunks;
    assert_eq!(trunks.iter().map(|trunk| trunk.transport_is_written).collect::<Vec<_>>(), [false, true]);
    assert!(trunks.iter().all(|trunk| trunk.transport == sip::seam::Transport::Udp));
}

#[test]
fn what_an_operator_may_write_about_a_trunk_is_understood() {
    let first = format!(
        "name: a, host: sip.carrier.example, {ACCOUNT}, register: true, register_as: \"0571\", expires: 10min, \
         probe: false, caller_id: \"0571-55550100\", max_calls: 7, calls_per_second: 3, order: 2, weight: 5, \
         number_format: e164_plus, dial_prefix: \"9\", uri: tel, international: true, original_caller: diversion"
    );
    let second = "name: b, host: 127.0.0.1, number_format: e164, uri: phone, original_caller: history_info";
    let third = "name: c, host: 127.0.0.2, original_caller: asserted";
    let loaded = with(&[&first, second, third], LINE);
    assert_eq!(codes(&loaded), [], "its addresses come with the registration");
    let engine = loaded.engine.unwrap();
    let trunk = &engine.trunks[0];
    let registration = trunk.registration.as_ref().unwrap();
    assert_eq!((registration.user.as_str(), registration.expires.as_secs()), ("0571", 600));
    assert_eq!((trunk.probe, trunk.uri), (false, NumberUri::Tel));
    let plan = loaded.plan.unwrap();
    assert_eq!(
        plan.trunks[&Name::from("a")],
        TrunkPlan {
            caller_id: base::PhoneNumber::normalise("0571-55550100"),
            max_calls: 7,
            dials_out: true,
            order: 2,
            weight: 5,
            calls_per_second: Some(3),
            international: true,
            format: NumberFormat::E164Plus,
            dial_prefix: "9".to_owned(),
            original_caller: OriginalCaller::Diversion,
        }
    );
    let told = |name: &str| plan.trunks[&Name::from(name)].original_caller;
    assert_eq!((told("b"), told("c")), (OriginalCaller::HistoryInfo, OriginalCaller::Asserted));
    assert_eq!(
        (engine.trunks[1].uri, plan.trunks[&Name::from("b")].format),
        (NumberUri::Phone, NumberFormat::E164)
    );
}

#[test]
fn the_account_registers_under_its_own_name_unless_another_is_written() {
    let loaded = with(&[&format!("name: a, host: 127.0.0.1, {ACCOUNT}, register: true")], LINE);
    let registration = loaded.engine.unwrap().trunks[0].registration.clone().unwrap();
    assert_eq!((registration.user.as_str(), registration.expires.as_secs()), ("value of A_USER", 3600));
}

#[test]
fn what_is_wrong_with_a_trunk_is_told_with_its_place_and_a_proposal() {
    for (trunks, expected) in [
        (vec!["name: a, host: 127.0.0.1, register: true"], vec!["3:E013", "3:E013"]),
        (
            vec!["name: a, allow_from: [127.0.0.1], user: env:A_USER, password: env:A_WORD, register: true"],
            vec!["3:E013"],
        ),
        (vec!["name: a, host: 127.0.0.1, register_as: x"], vec!["3:E180"]),
        (vec!["name: a, host: 127.0.0.1, expires: 10min"], vec!["3:E180"]),
        (vec!["name: a, host: 127.0.0.1, dial_prefix: \"12x\""], vec!["3:E182"]),
        (vec!["name: a, host: 127.0.0.1, dial_prefix: \"123456789\""], vec!["3:E182"]),
        (vec!["name: a, host: 127.0.0.1, order: 0"], vec!["3:E015"]),
        (vec!["name: a, host: 127.0.0.1, calls_per_second: 0"], vec!["3:E015"]),
        (vec!["name: a, host: 127.0.0.1, number_format: local"], vec!["3:E015"]),
        (vec!["name: a, host: 127.0.0.1, uri: sips"], vec!["3:E015"]),
        (vec!["name: a, host: 127.0.0.1, original_caller: all"], vec!["3:E015"]),
        (
            vec![
                "name: a, host: 127.0.0.1, user: env:A_USER, password: env:A_WORD, register: true",
                "name: b, host: 127.0.0.1, user: env:A_USER, password: env:A_WORD, register: true",
            ],
            vec!["4:E181"],
        ),
    ] {
        let loaded = with(&trunks, LINE);
        let found: Vec<String> =
            codes(&loaded).into_iter().map(|(_, line, code)| format!("{line}:{code}")).collect();
        assert_eq!(found, expected, "{trunks:?}\n{}", report(&loaded));
        assert!(loaded.faults.iter().all(|fault| fault.place.column > 1), "{trunks:?}");
    }
}

#[test]
fn an_outside_seat_abroad_needs_a_trunk_that_may_dial_there() {
    let line = LINE.replace("ext: \"8001\"", "phone: \"+12125550100\", confirm: \"1\"");
    let trunk = "name: a, host: 127.0.0.1, caller_id: \"0571-55550100\"";
    assert_eq!(codes(&with(&[trunk], &line)), [("lines/one/line.yaml".to_owned(), 9, "E180")]);
    assert_eq!(codes(&with(&[&format!("{trunk}, international: true")], &line)), []);
}
