//! The registrar as phones use it.

use super::*;

fn contacts(lab: &mut Lab) -> Vec<Vec<u64>> {
    let told = lab.told();
    told.into_iter()
        .filter_map(|event| match event {
            Event::Contacts { contacts, .. } => Some(contacts),
            _ => None,
        })
        .collect()
}

fn listed(response: &Message) -> Vec<(String, u32)> {
    let list = response.addresses(Header::Contact).unwrap();
    list.iter().map(|contact| (contact.uri.to_string(), contact.expires().unwrap())).collect()
}

#[test]
fn two_phones_of_one_user_keep_their_keys_while_they_refresh() {
    let mut lab = Lab::new();
    let first = lab.register("801", "a", 1, "Contact: <sip:801@10.0.0.7>;expires=300;q=0.5");
    let ok = lab.prove(udp(PHONE), first);
    assert_eq!(listed(&ok), [("sip:801@10.0.0.7".to_owned(), 300)]);
    assert_eq!(ok.contact().unwrap().preference(), 500, "q is told back");
    let second = lab.register("801", "b", 1, "Contact: <sip:801@10.0.0.8>").with("Expires: 120");
    let ok = lab.prove(udp("198.51.100.8:5060"), second);
    assert_eq!(listed(&ok).len(), 2);
    lab.wait(Duration::from_secs(100));
    let again = lab.register("801", "a", 3, "Contact: <sip:801@10.0.0.7>;expires=300");
    let ok = lab.prove(udp(PHONE), again);
    assert_eq!(listed(&ok), [("sip:801@10.0.0.8".to_owned(), 20), ("sip:801@10.0.0.7".to_owned(), 300)]);
    lab.wait(Duration::from_secs(30));
    assert_eq!(contacts(&mut lab), [vec![1], vec![1, 2], vec![1]], "added, added, refreshed, expired");
    let query = lab.register("801", "q", 1, "");
    assert_eq!(listed(&lab.prove(udp(PHONE), query)).len(), 1);
    lab.wait(Duration::from_secs(400));
    assert_eq!(contacts(&mut lab), [Vec::<u64>::new()]);
    assert_eq!(lab.endpoint.registrar.held(), 0);
}

#[test]
fn a_star_removes_all_and_nothing_else_beside_it() {
    let mut lab = Lab::new();
    lab.register_phone();
    let wrong = lab.register("801", "reg-1", 10, "Contact: *");
    assert_eq!(lab.prove(udp(PHONE), wrong).status(), Some(400), "without Expires: 0");
    let wrong = lab.register("801", "reg-1", 12, "Contact: *, <sip:801@10.0.0.7>").with("Expires: 0");
    assert_eq!(lab.prove(udp(PHONE), wrong).status(), Some(400));
    let old = lab.register("801", "reg-1", 0, "Contact: *").with("Expires: 0");
    assert_eq!(lab.prove(udp(PHONE), old).status(), Some(500), "older than what it would remove");
    let all = lab.register("801", "reg-1", 14, "Contact: *").with("Expires: 0");
    let ok = lab.prove(udp(PHONE), all);
    assert_eq!((ok.status(), listed(&ok).len()), (Some(200), 0));
    assert_eq!(contacts(&mut lab), [Vec::<u64>::new()]);
    assert_eq!(lab.endpoint.registrar.held(), 0);
}

#[test]
fn an_old_call_id_and_cseq_changes_nothing() {
    let mut lab = Lab::new();
    lab.register_phone();
    let old = lab.register("801", "reg-1", 0, "Contact: <sip:801@10.0.0.7:5060>;expires=0");
    assert_eq!(lab.prove(udp(PHONE), old).status(), Some(500));
    assert_eq!(lab.endpoint.registrar.bindings("801").len(), 1);
    let restarted = lab.register("801", "reg-2", 0, "Contact: <sip:801@10.0.0.7:5060>;expires=0");
    assert_eq!(lab.prove(udp(PHONE), restarted).status(), Some(200), "a new Call-ID starts anew");
    assert_eq!(lab.endpoint.registrar.held(), 0);
}

#[test]
fn too_brief_is_423_too_long_is_cut_and_long_ones_are_scattered() {
    let mut lab = Lab::new();
    let brief = lab.register("801", "a", 1, "Contact: <sip:801@10.0.0.7>;expires=59");
    let refused = lab.prove(udp(PHONE), brief);
    assert_eq!((refused.status(), refused.number(Header::MinExpires)), (Some(423), Ok(60)));
    let exact = lab.register("801", "a", 3, "Contact: <sip:801@10.0.0.7>;expires=60");
    assert_eq!(listed(&lab.prove(udp(PHONE), exact))[0].1, 60);
    let long = lab.register("801", "a", 5, "Contact: <sip:801@10.0.0.7>;expires=86400");
    let granted = listed(&lab.prove(udp(PHONE), long))[0].1;
    assert!((2880..=3600).contains(&granted), "{granted}");
}

#[test]
fn nobody_registers_for_another() {
    let mut lab = Lab::new();
    let mut ask = lab.register("801", "a", 1, "Contact: <sip:x@10.0.0.7>");
    ask.to = "<sip:802@sibai.test>".to_owned();
    assert_eq!(lab.prove(udp(PHONE), ask).status(), Some(403));
    assert_eq!(lab.endpoint.registrar.held(), 0);
}

#[test]
fn an_instance_replaces_its_own_binding_under_a_new_address() {
    let mut lab = Lab::new();
    let instance = "reg-id=1;+sip.instance=\"<urn:uuid:0001>\"";
    let first = lab.register("801", "a", 1, &format!("Contact: <sip:801@10.0.0.7>;{instance}"));
    lab.prove(udp(PHONE), first);
    let moved = lab.register("801", "b", 1, &format!("Contact: <sip:801@10.9.9.9>;{instance}"));
    let ok = lab.prove(udp("198.51.100.9:7777"), moved);
    assert_eq!(listed(&ok).len(), 1);
    assert!(ok.contact().unwrap().instance().is_some());
    assert_eq!(contacts(&mut lab), [vec![1]], "the same phone: the same key, told once");
    let to = Destination::Contact { user: "801".into(), contact: 1 };
    assert_eq!(lab.endpoint.route(&to).unwrap().peer.to_string(), "198.51.100.9");
}

#[test]
fn over_the_limit_the_binding_refreshed_longest_ago_goes() {
    let mut lab = Lab::new();
    for n in 1..=4 {
        let ask = lab.register("801", &format!("c{n}"), 1, &format!("Contact: <sip:801@10.0.0.{n}>"));
        assert_eq!(lab.prove(udp(PHONE), ask).status(), Some(200));
        lab.wait(Duration::from_secs(1));
    }
    assert_eq!(contacts(&mut lab).pop().unwrap(), [2, 3, 4]);
    lab.endpoint.wire.limits.bindings = 3;
    let ask = lab.register("802", "d", 1, "Contact: <sip:802@10.0.0.9>");
    assert_eq!(lab.prove(udp(PHONE), ask).status(), Some(503));
}

#[test]
fn bindings_die_with_their_connection_and_calls_go_over_it() {
    let mut lab = Lab::new();
    let ask = lab.register("801", "a", 1, "Contact: <sip:801@10.0.0.7;transport=tcp>");
    let flow = tcp(PHONE, 42);
    assert_eq!(lab.prove(flow, ask).status(), Some(200));
    lab.told();
    let to = Destination::Contact { user: "801".into(), contact: 1 };
    lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(outgoing(to)) });
    let (way, invite) = lab.sent.pop().unwrap();
    assert_eq!(way, flow, "the connection over which it registered (RFC 5626)");
    assert_eq!(invite.uri_text(), "sip:801@10.0.0.7;transport=tcp");
    assert!(invite.header(Header::Contact).unwrap().text().contains("transport=tcp"));
    lab.input(Input::Closed { connection: 42 });
    assert_eq!(contacts(&mut lab), [Vec::<u64>::new()]);
    lab.input(Input::Unreachable { flow });
    assert_eq!(lab.told(), [ended(LegId::placed(1), Cause::NoResponse, None)]);
    lab.assert_no_leak();
    lab.wait(Duration::from_hours(1));
    assert_eq!(lab.endpoint.registrar.held(), 0);
}

#[test]
fn a_udp_phone_behind_nat_is_kept_awake_and_called_where_it_was_seen() {
    let mut lab = Lab::new();
    let ask = lab.register("801", "a", 1, "Contact: <sip:801@10.0.0.7:5060>;expires=120");
    let ok = lab.prove(udp(PHONE), ask);
    let via = ok.via().unwrap();
    assert_eq!((via.received().unwrap().to_string(), via.rport()), ("198.51.100.7".to_owned(), Some(40000)));
    lab.wait(Duration::from_secs(80));
    let awake = std::mem::take(&mut lab.sent);
    assert_eq!(awake.len(), 3, "each 25 s");
    assert!(awake.iter().all(|(flow, m)| brief(m) == "OPTIONS" && *flow == udp(PHONE)));
    let plain = lab.register("802", "b", 1, "Contact: <sip:802@198.51.100.9:5060>;expires=120");
    lab.prove(udp("198.51.100.9:5060"), plain);
    lab.wait(Duration::from_secs(30));
    assert!(lab.sent.iter().all(|(flow, _)| *flow == udp(PHONE)), "without NAT no OPTIONS");
}

#[test]
fn users_that_are_gone_lose_their_bindings() {
    let mut lab = Lab::new();
    lab.register_phone();
    let directory = Directory { users: Arc::default(), ..directory() };
    lab.command(Command::Directory(Box::new(directory)));
    assert_eq!(contacts(&mut lab), [Vec::<u64>::new()]);
    assert_eq!(lab.endpoint.registrar.held(), 0);
}
