//! Hosts looked up in tables.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;

use super::*;

/// What a test's DNS knows.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    own: BTreeMap<&'static str, Vec<IpAddr>>,
    naptr: BTreeMap<&'static str, Vec<Naptr>>,
    srv: BTreeMap<&'static str, Vec<Srv>>,
    /// Addresses by name.
    pub(crate) addresses: BTreeMap<&'static str, Vec<IpAddr>>,
    /// Names that are met with silence, whatever is asked.
    pub(crate) silent: BTreeSet<&'static str>,
    silent_naptr: bool,
}

impl Tables {
    fn answer<T: Clone>(
        &self,
        table: &BTreeMap<&'static str, Vec<T>>,
        name: &str,
        ttl: u64,
    ) -> Option<Answer<T>> {
        let records = table.get(name).cloned().unwrap_or_default();
        let ttl = Duration::from_secs(if records.is_empty() { 0 } else { ttl });
        (!self.silent.contains(name)).then_some(Answer { records, ttl })
    }
}

impl Lookup for Tables {
    fn own(&self, name: &str) -> Vec<IpAddr> {
        self.own.get(name).cloned().unwrap_or_default()
    }
    async fn naptr(&self, name: &str) -> Option<Answer<Naptr>> {
        (!self.silent_naptr).then_some(())?;
        self.answer(&self.naptr, name, 600)
    }
    async fn srv(&self, name: &str) -> Option<Answer<Srv>> {
        self.answer(&self.srv, name, 300)
    }
    async fn addresses(&self, name: &str) -> Option<Answer<IpAddr>> {
        self.answer(&self.addresses, name, 60)
    }
}

fn naptr(order: u16, service: &str, replacement: &str) -> Naptr {
    Naptr { order, preference: 0, service: service.into(), replacement: replacement.into() }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight, port, target: target.into() }
}

pub(crate) fn tables() -> Tables {
    let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
    Tables {
        own: [("own.test", vec![ip(6)])].into(),
        naptr: [
            (
                "c.test",
                vec![
                    naptr(20, "SIP+D2U", "_sip._udp.c.test"),
                    naptr(10, "SIP+D2T", "_sip._tcp.c.test"),
                    naptr(1, "E2U+sip", "nothing.test"),
                ],
            ),
            ("n.test", vec![naptr(1, "SIP+D2T", "_sip._tcp.c.test")]),
        ]
        .into(),
        srv: [
            ("_sip._tcp.c.test", vec![srv(1, 0, 5070, "a.c.test")]),
            ("_sip._udp.c.test", vec![srv(2, 0, 5080, "b.c.test"), srv(1, 0, 5060, "a.c.test")]),
            ("_sip._udp.none.test", vec![srv(0, 0, 0, ".")]),
        ]
        .into(),
        addresses: [
            ("a.c.test", vec![ip(1)]),
            ("many.test", vec!["2001:db8::1".parse().unwrap(), ip(13), ip(11), ip(12)]),
            ("own.test", vec![ip(5)]),
            ("b.c.test", vec![ip(3)]),
            ("n.test", vec![ip(2)]),
            ("c.test", vec![ip(9)]),
            ("plain.test", vec![ip(8)]),
            ("none.test", vec![ip(7)]),
        ]
        .into(),
        silent: BTreeSet::new(),
        silent_naptr: false,
    }
}

fn at(host: &str, port: Option<u16>, transport: Transport, is_written: bool) -> Option<Located> {
    located(&tables(), &wanted(host, port, transport, is_written), 3)
}

fn wanted(host: &str, port: Option<u16>, transport: Transport, is_written: bool) -> Wanted {
    let spoken = vec![Transport::Udp, Transport::Tcp];
    Wanted { host: host.to_owned(), port, transport, is_written, spoken, was_chosen: false }
}

fn located(tables: &Tables, wanted: &Wanted, seed: u64) -> Option<Located> {
    // Tables answer at once.
    locate(tables, wanted, &mut Entropy::from_number(seed)).now_or_never().unwrap()
}

fn places(located: Option<Located>) -> Vec<String> {
    let places = located.map(|located| located.places).unwrap_or_default();
    places.into_iter().map(|(transport, place)| format!("{}:{place}", transport.as_str())).collect()
}

#[test]
fn each_way_of_writing_a_host_is_looked_up_as_the_rfc_says() {
    let udp = Transport::Udp;
    let cases = [
        (at("192.0.2.5", None, udp, false), vec!["udp:192.0.2.5:5060"]),
        (at("192.0.2.5", None, Transport::Tls, true), vec!["tls:192.0.2.5:5061"]),
        (at("own.test", None, Transport::Tcp, true), vec!["tcp:192.0.2.6:5060"]),
        (at("own.test", Some(5071), udp, false), vec!["udp:192.0.2.6:5071"]),
        (at("2001:db8::1", Some(5070), udp, false), vec!["udp:[2001:db8::1]:5070"]),
        (at("c.test", Some(5090), udp, false), vec!["udp:192.0.2.9:5090"]),
        (at("c.test", None, udp, true), vec!["udp:192.0.2.1:5060", "udp:192.0.2.3:5080"]),
        (at("c.test", None, Transport::Tcp, true), vec!["tcp:192.0.2.1:5070"]),
        (
            at("c.test", None, udp, false),
            vec!["tcp:192.0.2.1:5070", "udp:192.0.2.1:5060", "udp:192.0.2.3:5080"],
        ),
        (at("plain.test", None, udp, false), vec!["udp:192.0.2.8:5060"]),
        (at("none.test", None, udp, false), vec!["udp:192.0.2.7:5060"]),
        (at("gone.test", None, udp, false), vec![]),
    ];
    for (found, expected) in cases {
        assert_eq!(places(found), expected);
    }
}

#[test]
fn it_holds_as_long_as_the_shortest_of_its_answers() {
    assert_eq!(at("c.test", None, Transport::Udp, true).unwrap().ttl, Some(Duration::from_secs(60)));
    assert_eq!(at("192.0.2.5", None, Transport::Udp, true).unwrap().ttl, None);
}

#[test]
fn equals_are_drawn_by_their_weights_and_priorities_stay_in_order() {
    let records =
        vec![srv(1, 90, 1, "often"), srv(1, 10, 1, "rarely"), srv(0, 1, 1, "first"), srv(2, 1, 1, "last")];
    let mut entropy = Entropy::from_number(5);
    let mut often = 0;
    for _ in 0..1_000 {
        let drawn = by_weight(records.clone(), &mut entropy);
        assert_eq!((drawn[0].target.as_str(), drawn[3].target.as_str()), ("first", "last"));
        often += u32::from(drawn[1].target == "often");
    }
    assert!((850..950).contains(&often), "{often}");
}

#[test]
fn addresses_of_one_name_keep_their_order_and_other_machines_have_another() {
    let wanted = wanted("many.test", None, Transport::Udp, true);
    let mut turned = tables();
    turned.addresses.get_mut("many.test").unwrap().reverse();
    let mut firsts = BTreeSet::new();
    for seed in 0..32 {
        let found = places(located(&tables(), &wanted, seed));
        assert_eq!(found, places(located(&turned, &wanted, seed)));
        assert_eq!(found[3], "udp:[2001:db8::1]:5060", "IPv4 first");
        firsts.insert(found[0].clone());
    }
    assert_eq!(firsts.len(), 3, "{firsts:?}");
}

#[test]
fn silence_about_srv_or_addresses_makes_the_answer_a_part() {
    let wanted = wanted("c.test", None, Transport::Udp, true);
    assert!(located(&tables(), &wanted, 1).unwrap().is_whole);
    for (silent, found) in
        [("_sip._udp.c.test", vec!["udp:192.0.2.9:5060"]), ("b.c.test", vec!["udp:192.0.2.1:5060"])]
    {
        let mut tables = tables();
        tables.silent.insert(silent);
        let part = located(&tables, &wanted, 1);
        assert!(!part.as_ref().unwrap().is_whole);
        assert_eq!(places(part), found);
    }
}

#[test]
fn naptr_chooses_only_what_we_speak_and_srv_decides_where_it_offers_nothing_of_it() {
    let mut wanted = wanted("c.test", None, Transport::Udp, false);
    let udp = ["udp:192.0.2.1:5060", "udp:192.0.2.3:5080"];
    wanted.spoken = vec![Transport::Udp];
    assert_eq!(places(located(&tables(), &wanted, 1)), udp);
    wanted.spoken = vec![Transport::Tls];
    assert_eq!(places(located(&tables(), &wanted, 1)), udp);
}

#[test]
fn silence_about_naptr_counts_as_none_unless_it_chose_before() {
    let mut tables = tables();
    let mut wanted = wanted("n.test", None, Transport::Udp, false);
    let found = located(&tables, &wanted, 1).unwrap();
    assert!(found.is_whole && found.is_chosen);
    assert_eq!(places(Some(found)), ["tcp:192.0.2.1:5070"]);
    tables.naptr.clear();
    tables.silent_naptr = true;
    for (was_chosen, is_whole) in [(false, true), (true, false)] {
        wanted.was_chosen = was_chosen;
        let found = located(&tables, &wanted, 1).unwrap();
        assert_eq!((found.is_whole, found.is_chosen), (is_whole, false));
        assert_eq!(places(Some(found)), ["udp:192.0.2.2:5060"]);
    }
}

#[test]
fn of_many_records_some_are_taken() {
    let mut tables = tables();
    let ips = (0..200).map(|n| IpAddr::from([198, 51, 100, n])).collect();
    tables.addresses.insert("plain.test", ips);
    let wanted = wanted("plain.test", Some(5060), Transport::Udp, true);
    assert_eq!(located(&tables, &wanted, 1).unwrap().places.len(), MOST_PLACES);
}
