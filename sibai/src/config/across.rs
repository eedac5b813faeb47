//! Rules between lines, and between lines and trunks; then the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Name, PhoneNumber};
use ivr::line::{Line, Reach};
use ivr::shape::phone;
use ivr::yaml::Node;
use ivr::{Fault, Faults};
use pbx::Plan;
use pbx::plan::TrunkPlan;

use super::ReadLine;
use super::engine::{Engine, Trunk};

/// Checks what no single file can know. The plan is whole only if there was no fault anywhere.
pub(super) fn check(
    engine: Option<&(Engine, Node)>,
    lines: &[ReadLine],
    engine_faults: &mut Faults<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Plan> {
    owned_twice(lines, faults);
    let (engine, tree) = engine?;
    outside_seats(engine, lines, faults);
    caller_ids(tree, lines, engine_faults);
    Some(plan(engine, lines))
}

/// Numbers and extensions that two lines have; within one line `ivr` has looked.
fn owned_twice(lines: &[ReadLine], faults: &mut Vec<Fault>) {
    let mut numbers: BTreeMap<PhoneNumber, &Name> = BTreeMap::new();
    let mut extensions: BTreeMap<String, &Name> = BTreeMap::new();
    for line in lines {
        let mut noted = Faults::new(&line.files);
        for item in line.checked.tree.items_of("numbers") {
            let own = item.child("number").into_iter();
            for node in own.chain(item.items_of("arrives_as")) {
                let Some(number) = node.text().and_then(phone) else { continue };
                let owner = *numbers.entry(number).or_insert(&line.id);
                if *owner != line.id {
                    let text = node.text().unwrap_or_default();
                    let message = format!("{text} belongs to line {owner} already");
                    noted.add(node.at, "E156", message, "one number leads to one line");
                }
            }
        }
        for seat in line.checked.tree.entries_of("seats") {
            let Some(node) = seat.value.child("ext") else { continue };
            let Some(ext) = node.text() else { continue };
            let owner = *extensions.entry(ext.to_owned()).or_insert(&line.id);
            if *owner != line.id {
                let message = format!("{ext} is an extension of line {owner} already");
                noted.add(node.at, "E154", message, "extensions are unique in the engine");
            }
        }
        faults.extend(noted.finish());
    }
}

/// 5.8, rule 6: an outside seat is rung over a trunk, under a number that is verified there.
fn outside_seats(engine: &Engine, lines: &[ReadLine], faults: &mut Vec<Fault>) {
    let reaches = |trunk: &&Trunk| trunk.host.is_some() && trunk.caller_id.is_some();
    let trunks: Vec<&Trunk> = engine.trunks.iter().filter(reaches).collect();
    for line in lines {
        let mut noted = Faults::new(&line.files);
        for seat in line.checked.tree.entries_of("seats") {
            let Some(node) = seat.value.child("phone") else { continue };
            let is_abroad = node.text().and_then(phone).is_some_and(|number| number.is_abroad());
            if is_abroad && !trunks.is_empty() && !trunks.iter().any(|trunk| trunk.outgoing.international) {
                let message = format!("{} is a number abroad, and no trunk may dial abroad", seat.key);
                noted.add(node.at, "E180", message, "write international: true at a trunk that may");
            }
            if trunks.is_empty() {
                let message =
                    format!("{} is an outside phone, and no trunk has a host and a caller_id", seat.key);
                noted.add(node.at, "E180", message, "give a trunk in engine.yaml a host and a caller_id");
            }
        }
        faults.extend(noted.finish());
    }
}

/// A 400 number is shown to outside phones only where its line says that it may be.
fn caller_ids(tree: &Node, lines: &[ReadLine], faults: &mut Faults<'_>) {
    if lines.iter().any(|line| line.checked.line.is_none()) {
        return;
    }
    let owned = || lines.iter().filter_map(|line| line.checked.line.as_ref()).flat_map(|line| &line.numbers);
    for node in tree.items_of("trunks").iter().filter_map(|item| item.child("caller_id")) {
        let Some(number) = node.text().and_then(phone) else { continue };
        let may_call_out = owned().any(|own| own.number == number && own.may_call_out);
        if number.is_access_number() && !may_call_out {
            let message = "a 400 number is no caller_id: it takes calls only";
            faults.add(
                node.at,
                "E180",
                message,
                "write the landing number, or may_call_out: true at the number",
            );
        }
    }
}

fn plan(engine: &Engine, lines: &[ReadLine]) -> Plan {
    let lines: BTreeMap<Name, Arc<Line>> = lines
        .iter()
        .filter_map(|line| Some((line.id.clone(), Arc::new(line.checked.line.clone()?))))
        .collect();
    let numbers = lines.values().flat_map(|line| {
        line.numbers.iter().flat_map(move |own| {
            let spellings = [&own.number].into_iter().chain(&own.arrives_as);
            spellings.map(move |number| (number.clone(), (line.id.clone(), own.number.clone())))
        })
    });
    let extensions = lines.values().flat_map(|line| {
        line.seats.iter().filter_map(move |(seat, entry)| match &entry.reach {
            Reach::Ext(ext) => Some((ext.clone(), (line.id.clone(), seat.clone()))),
            Reach::Phone { .. } => None,
        })
    });
    let trunks = engine.trunks.iter().map(|trunk| {
        let plan = TrunkPlan {
            caller_id: trunk.caller_id.clone(),
            max_calls: trunk.max_calls,
            dials_out: trunk.host.is_some(),
            ..trunk.outgoing.clone()
        };
        (trunk.name.clone(), plan)
    });
    Plan {
        numbers: numbers.collect(),
        extensions: extensions.collect(),
        trunks: trunks.collect(),
        limits: engine.limits,
        lines,
    }
}
