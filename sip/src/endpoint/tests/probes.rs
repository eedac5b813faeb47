//! Probes: when a trunk is out, when it is back, and how often that is told.

use super::*;

const OTHER: &str = "192.0.2.3:5060";

fn directory_to(targets: &[Flow], probe: bool) -> Directory {
    let mut directory = directory();
    directory.trunks[0].targets = targets.to_vec();
    directory.trunks[0].probe = probe;
    directory
}

fn up(up: bool) -> Event {
    Event::TrunkUp { trunk: "carrier".into(), up }
}

/// A carrier behind the lab: answers OPTIONS of those targets that are alive, at once.
struct Street {
    lab: Lab,
    alive: Vec<Flow>,
    status: u16,
    /// When each event was told.
    told: Vec<(Duration, Event)>,
}

impl Street {
    fn new(targets: &[Flow]) -> Self {
        let lab = Lab::with(directory_to(targets, true));
        Self { lab, alive: targets.to_vec(), status: 200, told: Vec::new() }
    }

    /// Lets time pass in steps of a tenth of a second.
    fn pass(&mut self, span: Duration) {
        let end = self.lab.now.later(span);
        while self.lab.now.mono < end.mono {
            self.lab.wait(Duration::from_millis(100));
            self.answer();
        }
    }

    fn answer(&mut self) {
        for (flow, message) in std::mem::take(&mut self.lab.sent) {
            if brief(&message) == "OPTIONS" && self.alive.contains(&flow) {
                self.lab.receive(flow, &answer(&message, self.status, "t", ""));
            }
        }
        let at = self.lab.now.mono.since(start().mono);
        self.told.extend(self.lab.told().into_iter().map(|event| (at, event)));
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told).into_iter().map(|(_, event)| event).collect()
    }

    fn can_be_dialled(&self) -> bool {
        let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
        self.lab.endpoint.route(&to).is_some()
    }
}

#[test]
fn a_trunk_is_up_after_one_answer_whatever_it_says() {
    for status in [200, 404, 405, 501] {
        let mut street = Street::new(&[udp(CARRIER)]);
        street.status = status;
        street.pass(Duration::from_secs(1));
        assert_eq!(street.events(), [up(true)], "{status}");
    }
}

#[test]
fn a_trunk_is_out_within_six_seconds_of_its_death_whenever_it_dies() {
    for tenths in 0..60 {
        let mut street = Street::new(&[udp(CARRIER)]);
        street.pass(Duration::from_secs(20) + Duration::from_millis(100 * tenths));
        assert_eq!(street.events(), [up(true)]);
        street.alive.clear();
        street.pass(Duration::from_secs(6));
        assert_eq!(street.events(), [up(false)], "it died {tenths} tenths after 20 s");
        assert!(!street.can_be_dialled());
    }
}

#[test]
fn a_trunk_whose_connections_are_refused_is_out_within_six_seconds() {
    let way = flow(Transport::Tcp, CARRIER, None);
    let mut lab = Lab::with(directory_to(&[way], true));
    lab.wait(Duration::from_millis(100));
    let probe = lab.sent().pop().unwrap();
    lab.receive(way, &answer(&probe, 200, "t", ""));
    assert_eq!(lab.told(), [up(true)]);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    let died = lab.now;
    let mut out = None;
    while out.is_none() && lab.now.mono.since(died.mono) < Duration::from_secs(20) {
        lab.wait(Duration::from_millis(100));
        if !lab.sent().is_empty() {
            lab.input(Input::Unreachable { flow: way });
        }
        out = lab.endpoint.route(&to).is_none().then(|| lab.now.mono.since(died.mono));
    }
    assert!(out.is_some_and(|out| out <= Duration::from_secs(6)), "{out:?}");
}

#[test]
fn one_lost_answer_is_no_outage() {
    let mut street = Street::new(&[udp(CARRIER)]);
    street.pass(Duration::from_secs(10));
    street.alive.clear();
    street.pass(Duration::from_millis(3_000));
    street.alive.push(udp(CARRIER));
    street.pass(Duration::from_secs(20));
    assert_eq!(street.events(), [up(true)]);
}

#[test]
fn a_trunk_is_back_after_three_answers_in_a_row() {
    let mut street = Street::new(&[udp(CARRIER)]);
    street.pass(Duration::from_secs(10));
    street.alive.clear();
    street.pass(Duration::from_secs(20));
    assert_eq!(street.events(), [up(true), up(false)]);
    for answers in [1, 2, 3] {
        street.alive.push(udp(CARRIER));
        let before = street.lab.now;
        street.lab.sent.clear();
        while street.lab.sent.is_empty() {
            street.lab.wait(Duration::from_millis(100));
        }
        street.answer();
        street.alive.clear();
        assert!(street.lab.now.mono.since(before.mono) <= Duration::from_secs(3));
        assert_eq!(street.can_be_dialled(), answers == 3, "after {answers} answers");
    }
    assert_eq!(street.events(), [up(true)]);
}

#[test]
fn what_stands_behind_a_proxy_and_is_not_there_is_out_too() {
    let mut street = Street::new(&[udp(CARRIER)]);
    street.pass(Duration::from_secs(20));
    street.status = 503;
    street.pass(Duration::from_secs(6));
    assert_eq!(street.events(), [up(true), up(false)]);
}

#[test]
fn a_trunk_that_flaps_is_told_once_in_ten_seconds_and_never_used_while_it_is_silent() {
    let mut street = Street::new(&[udp(CARRIER)]);
    street.pass(Duration::from_secs(5));
    for period in [5, 8, 13] {
        for _ in 0..12 {
            street.alive.clear();
            street.pass(Duration::from_secs(period));
            assert!(period < 6 || !street.can_be_dialled(), "{period} s of silence, and still used");
            street.alive.push(udp(CARRIER));
            street.pass(Duration::from_secs(period));
        }
    }
    for pair in street.told.windows(2) {
        assert!(pair[1].0 >= pair[0].0 + Duration::from_secs(10), "{pair:?}");
        assert_ne!(pair[0].1, pair[1].1, "told twice");
    }
    assert!(street.told.len() > 4, "{:?}", street.told);
}

#[test]
fn a_trunk_of_two_addresses_is_up_while_one_of_them_is() {
    let mut street = Street::new(&[udp(CARRIER), udp(OTHER)]);
    street.pass(Duration::from_secs(10));
    street.alive.remove(0);
    street.pass(Duration::from_secs(15));
    assert_eq!(street.events(), [up(true)]);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    assert_eq!(street.lab.endpoint.route(&to).unwrap().peer.to_string(), "192.0.2.3");
    street.alive.clear();
    street.pass(Duration::from_secs(6));
    assert_eq!(street.events(), [up(false)]);
}

#[test]
fn a_carrier_that_is_not_asked_is_judged_by_its_calls() {
    let mut lab = Lab::with(directory_to(&[udp(CARRIER)], false));
    lab.wait(Duration::from_secs(60));
    assert_eq!(lab.wrote(), [""; 0], "no OPTIONS");
    for number in 1..=2 {
        let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
        lab.command(Command::Place { leg: LegId::placed(number), invite: Box::new(outgoing(to)) });
        lab.wait(Duration::from_secs(4));
    }
    let told = lab.told();
    assert_eq!(told.iter().filter(|event| **event == up(false)).count(), 1, "{told:?}");
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    assert!(lab.endpoint.route(&to).is_none());
    lab.wait(Duration::from_secs(30));
    assert!(lab.endpoint.route(&to).is_some(), "on trial");
    lab.sent.clear();
    lab.command(Command::Place { leg: LegId::placed(3), invite: Box::new(outgoing(to)) });
    let invite = lab.sent().pop().unwrap();
    lab.receive(udp(CARRIER), &answer(&invite, 100, "", ""));
    lab.wait(Duration::from_secs(1));
    assert_eq!(lab.told(), [up(true)], "one answer is enough");
}

#[test]
fn a_silent_call_counts_as_a_miss() {
    let mut street = Street::new(&[udp(CARRIER)]);
    street.pass(Duration::from_secs(12));
    street.events();
    street.alive.clear();
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    street.lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(outgoing(to)) });
    street.pass(Duration::from_secs(6));
    assert!(street.events().contains(&up(false)));
}
