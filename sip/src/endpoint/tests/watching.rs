//! Subscriptions in stories: who may watch whom, what is told when, and what ends them.

use super::*;
use crate::header::subscription_state::{Ending, SubscriptionState};
use crate::seam::{Lamp, LampCall};

const WATCHER: &str = "198.51.100.9:40000";

fn lamp(calls: &[(u64, bool)]) -> Command {
    let call = |&(leg, is_confirmed): &(u64, bool)| LampCall {
        leg: LegId::placed(leg),
        is_caller: false,
        is_confirmed,
        remote: Some("138****8000".to_owned()),
        dialog: None,
    };
    Command::Lamp { user: "801".into(), state: Lamp { calls: calls.iter().map(call).collect() } }
}

/// The states of the dialogs that a NOTIFY shows, and its version.
fn shown(notify: &Message) -> (u32, Vec<String>) {
    assert!(is_method(notify, &Method::Notify), "{notify:?}");
    assert_eq!(notify.content_type().as_deref(), Some("application/dialog-info+xml"));
    let xml = String::from_utf8(notify.body().to_vec()).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("entity"), Some("sip:801@sibai.test"));
    let states = root.descendants().filter(|node| node.tag_name().name() == "state");
    let states = states.map(|node| node.text().unwrap().to_owned()).collect();
    (root.attribute("version").unwrap().parse().unwrap(), states)
}

fn state(notify: &Message) -> SubscriptionState {
    SubscriptionState::parse(&notify.header(Header::SubscriptionState).unwrap().text()).unwrap()
}

fn over(reason: Ending) -> SubscriptionState {
    SubscriptionState::Terminated { reason }
}

impl Lab {
    /// A SUBSCRIBE of user 802 for 801's lamp.
    fn subscription(&mut self, call_id: &str) -> Ask {
        let mut ask = self.ask("SUBSCRIBE").without_contact();
        ask.uri = "sip:801@sibai.test".to_owned();
        ask.from = "<sip:802@sibai.test>;tag=w".to_owned();
        ask.to = "<sip:801@sibai.test>".to_owned();
        ask.call_id = call_id.to_owned();
        ask.with("Contact: <sip:802@10.0.0.9:5060>").with("Event: dialog")
    }

    /// Sends it with its password; everything that is sent after the challenge.
    fn proves(&mut self, flow: Flow, ask: Ask) -> Vec<Message> {
        self.sent.clear();
        self.receive(flow, &ask.text());
        let challenged = self.sent().pop().expect("a response");
        assert_eq!(challenged.status(), Some(401));
        let again = self.authorized(ask, &challenged, "secret", 1);
        self.receive(flow, &again.text());
        self.sent()
    }

    /// Watches 801 by a dialog of this Call-ID; our 200 and the first NOTIFY, answered.
    fn watches(&mut self, flow: Flow, call_id: &str) -> (Message, Message) {
        let ask = self.subscription(call_id);
        let mut sent = self.proves(flow, ask);
        assert_eq!((sent.len(), sent[0].status()), (2, Some(200)), "{sent:?}");
        let notify = sent.remove(1);
        self.receive(flow, &answer(&notify, 200, "", ""));
        (sent.remove(0), notify)
    }

    /// A SUBSCRIBE inside the dialog that `granted` made.
    fn renewal(&mut self, granted: &Message, cseq: u32, expires: u32) -> Ask {
        let mut ask = self.subscription(&granted.call_id()).cseq(cseq);
        ask.to = granted.header(Header::To).unwrap().text().into_owned();
        ask.with(&format!("Expires: {expires}"))
    }

    fn only(&mut self) -> Message {
        let mut sent = self.sent();
        sent.retain(|message| !is_method(message, &Method::Options));
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }
}

#[test]
fn a_call_that_rings_is_shown_by_the_name_under_which_it_can_be_picked_up() {
    let mut lab = Lab::new();
    let (_, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    let flow = udp(WATCHER);
    lab.watches(flow, "w-1");
    lab.command(lamp(&[(1, false)]));
    lab.wait(Duration::from_millis(100));
    let notify = lab.only();
    let xml = String::from_utf8(notify.body().to_vec()).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let dialog = document.descendants().find(|node| node.tag_name().name() == "dialog").unwrap();
    let (call_id, ours) = (invite.call_id(), invite.from_tag());
    assert_eq!(dialog.attribute("call-id"), Some(call_id.as_ref()));
    assert_eq!(
        (dialog.attribute("local-tag"), dialog.attribute("remote-tag")),
        (Some("phone"), ours.as_deref())
    );
}

#[test]
fn a_lamp_is_shown_at_once_and_goes_early_confirmed_and_out() {
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    let (granted, first) = lab.watches(flow, "w-1");
    assert_eq!(granted.number(Header::Expires), Ok(3600));
    assert!(granted.contact().is_ok());
    assert_eq!(shown(&first), (0, vec![]));
    assert_eq!(state(&first), SubscriptionState::Active { expires: 3600 });
    assert_eq!(first.header(Header::Event).unwrap().text(), "dialog");
    assert_eq!(first.uri_text(), "sip:802@10.0.0.9:5060");
    for (version, calls, states) in
        [(1, &[(1, false)][..], &["early"][..]), (2, &[(1, true)], &["confirmed"]), (3, &[], &["terminated"])]
    {
        lab.command(lamp(calls));
        assert!(lab.sent().is_empty(), "changes are gathered for a tenth of a second");
        lab.wait(Duration::from_millis(100));
        let (way, notify) = lab.sent.remove(0);
        assert_eq!(way, flow);
        assert_eq!(shown(&notify), (version, states.iter().map(ToString::to_string).collect()));
        lab.receive(flow, &answer(&notify, 200, "", ""));
    }
    lab.command(lamp(&[]));
    lab.wait(Duration::from_secs(1));
    assert!(lab.sent().is_empty(), "nothing changed");
}

#[test]
fn changes_are_gathered_and_one_notify_is_out_at_a_time() {
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    lab.watches(flow, "w-1");
    lab.command(lamp(&[(1, false)]));
    lab.wait(Duration::from_millis(50));
    lab.command(lamp(&[(1, false), (2, false)]));
    lab.wait(Duration::from_millis(60));
    let both = lab.only();
    assert_eq!(shown(&both).1, ["early", "early"]);
    lab.command(lamp(&[(2, true)]));
    lab.wait(Duration::from_millis(300));
    assert!(lab.sent().is_empty(), "the one before has no answer yet");
    lab.receive(flow, &answer(&both, 200, "", ""));
    assert_eq!(shown(&lab.only()), (2, vec!["confirmed".to_owned(), "terminated".to_owned()]));
}

#[test]
fn who_may_not_watch_whom_hears_no_more_than_that() {
    let mut lab = Lab::new();
    let mut strangers = directory();
    Arc::make_mut(&mut strangers.users).insert("901".into(), User { ha1: vec![], line: Some("b".into()) });
    lab.command(Command::Directory(Box::new(strangers)));
    let table: [(&str, &[&str], u16); 9] = [
        ("sip:901@sibai.test", &["Event: dialog"], 404),
        ("sip:999@sibai.test", &["Event: dialog"], 404),
        ("sip:801@sibai.test", &["Event: message-summary"], 404),
        ("sip:801@sibai.test", &["Event: presence"], 489),
        ("sip:801@sibai.test", &[], 489),
        ("sip:801@sibai.test", &["Event: a b"], 400),
        ("sip:801@sibai.test", &["Event: dialog", "Expires: 59"], 423),
        ("sip:801@sibai.test", &["Event: dialog", "Expires: x"], 400),
        ("sip:801@sibai.test", &["Event: dialog", "Accept: application/pidf+xml, text/*"], 406),
    ];
    for (number, (uri, lines, status)) in table.into_iter().enumerate() {
        let mut ask = lab.subscription(&format!("no-{number}"));
        ask.extra.retain(|line| !line.starts_with("Event"));
        ask.extra.extend(lines.iter().map(ToString::to_string));
        ask.uri = uri.to_owned();
        let sent = lab.proves(udp(WATCHER), ask);
        assert_eq!(sent.iter().filter_map(Message::status).collect::<Vec<_>>(), [status], "{uri} {lines:?}");
        assert_eq!(sent[0].header(Header::AllowEvents).is_some(), status == 489);
        assert_eq!(sent[0].header(Header::MinExpires).is_some(), status == 423);
    }
    let from_carrier = lab.subscription("carrier");
    lab.receive(udp(CARRIER), &from_carrier.text());
    assert_eq!(lab.wrote(), ["403"]);
    assert_eq!(lab.endpoint.subscriptions(), 0);
    assert_eq!(lab.endpoint.wire.held(), 0, "refusals cost no memory");
}

#[test]
fn messages_do_not_wait_for_an_account_without_a_mailbox() {
    let mut lab = Lab::new();
    let mut ask = lab.subscription("mwi");
    ask.uri = "sip:802@sibai.test".to_owned();
    ask.extra.retain(|line| !line.starts_with("Event"));
    let ask = ask.with("Event: message-summary").with("Accept: application/simple-message-summary");
    let sent = lab.proves(udp(WATCHER), ask);
    assert_eq!(sent[1].content_type().as_deref(), Some("application/simple-message-summary"));
    let body = "Messages-Waiting: no\r\nMessage-Account: sip:802@sibai.test\r\n";
    assert_eq!(sent[1].body(), body.as_bytes());
    lab.receive(udp(WATCHER), &answer(&sent[1], 200, "", ""));
    lab.command(lamp(&[(1, true)]));
    lab.wait(Duration::from_secs(1));
    assert!(lab.sent().is_empty(), "lamps are none of its business");
}

#[test]
fn a_subscription_is_refreshed_ended_and_looked_at_once() {
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    let (granted, _) = lab.watches(flow, "w-1");
    lab.wait(Duration::from_secs(3000));
    lab.sent.clear();
    let again = lab.renewal(&granted, 5, 600);
    lab.receive(flow, &again.text());
    let sent = lab.sent();
    assert_eq!((sent[0].status(), sent[0].number(Header::Expires)), (Some(200), Ok(600)));
    assert_eq!(state(&sent[1]), SubscriptionState::Active { expires: 600 });
    lab.receive(flow, &answer(&sent[1], 200, "", ""));
    let late = lab.renewal(&granted, 4, 600);
    lab.receive(flow, &late.text());
    let other = lab.renewal(&granted, 6, 600).with("X: y").branch("other");
    lab.receive(flow, &other.text().replace("Event: dialog", "Event: dialog;id=7"));
    let bye = lab.renewal(&granted, 7, 0);
    lab.receive(flow, &bye.text().replace("SUBSCRIBE", "BYE"));
    assert_eq!(lab.wrote(), ["500", "481", "481"]);
    let end = lab.renewal(&granted, 8, 0);
    lab.receive(flow, &end.text());
    let sent = lab.sent();
    assert_eq!(sent[0].number(Header::Expires), Ok(0));
    assert_eq!(state(&sent[1]), over(Ending::Timeout));
    let after = lab.renewal(&granted, 9, 600);
    lab.receive(flow, &after.text());
    assert_eq!(lab.wrote(), ["481"]);
    let look = lab.subscription("look").with("Expires: 0");
    let sent = lab.proves(flow, look);
    assert_eq!((sent[0].number(Header::Expires), state(&sent[1])), (Ok(0), over(Ending::Timeout)));
    assert_eq!(lab.endpoint.subscriptions.held(), 0);
}

#[test]
fn one_that_nobody_refreshes_ends_in_time() {
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    lab.watches(flow, "w-1");
    lab.wait(Duration::from_secs(3599));
    assert!(lab.sent().is_empty());
    lab.wait(Duration::from_secs(1));
    assert_eq!(state(&lab.only()), over(Ending::Timeout));
    assert_eq!(lab.endpoint.subscriptions.held(), 0);
}

#[test]
fn a_refused_or_unheard_notify_ends_it_and_one_to_come_again_does_not() {
    for status in [481, 404, 489, 500] {
        let mut lab = Lab::new();
        let flow = udp(WATCHER);
        lab.watches(flow, "w-1");
        lab.command(lamp(&[(1, true)]));
        lab.wait(Duration::from_millis(100));
        let notify = lab.only();
        lab.receive(flow, &answer(&notify, status, "", ""));
        assert_eq!(lab.endpoint.subscriptions.held(), 0, "{status}");
    }
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    lab.watches(flow, "w-1");
    lab.command(lamp(&[(1, true)]));
    lab.wait(Duration::from_millis(100));
    let notify = lab.only();
    let busy = answer(&notify, 500, "", "").replace("Content-Length", "Retry-After: 5\r\nContent-Length");
    lab.receive(flow, &busy);
    lab.wait(Duration::from_millis(4900));
    assert!(lab.sent().is_empty());
    lab.wait(Duration::from_millis(200));
    assert_eq!(shown(&lab.only()), (2, vec!["confirmed".to_owned()]));
    lab.wait(Duration::from_secs(33));
    assert_eq!(lab.endpoint.subscriptions.held(), 0, "timer F");
}

#[test]
fn a_refresh_that_crosses_the_time_out_of_a_notify_finds_nothing() {
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    let (granted, _) = lab.watches(flow, "w-1");
    lab.command(lamp(&[(1, true)]));
    lab.wait(Duration::from_secs(31));
    lab.sent.clear();
    let in_time = lab.renewal(&granted, 5, 600);
    lab.receive(flow, &in_time.text());
    assert_eq!(lab.wrote(), ["200"], "the NOTIFY that is out is the one that tells");
    lab.wait(Duration::from_secs(2));
    lab.sent.clear();
    let late = lab.renewal(&granted, 6, 600);
    lab.receive(flow, &late.text());
    assert_eq!(lab.wrote(), ["481"]);
    assert_eq!(lab.endpoint.subscriptions.held(), 0);
}

#[test]
fn a_refresh_from_a_new_address_proves_the_password_and_news_follow_it() {
    let mut lab = Lab::new();
    let (granted, _) = lab.watches(udp(WATCHER), "w-1");
    let moved = udp("203.0.113.50:6000");
    let again = lab.renewal(&granted, 5, 600);
    let sent = lab.proves(moved, again);
    assert_eq!(sent[0].status(), Some(200));
    lab.receive(moved, &answer(&sent[1], 200, "", ""));
    lab.command(lamp(&[(1, true)]));
    lab.wait(Duration::from_millis(100));
    assert_eq!(lab.sent.remove(0).0, moved);
}

#[test]
fn a_closed_connection_a_user_that_is_gone_and_another_line_end_it() {
    let mut lab = Lab::new();
    lab.watches(tcp(WATCHER, 7), "w-1");
    lab.input(Input::Closed { connection: 6 });
    assert_eq!(lab.endpoint.subscriptions(), 1);
    lab.input(Input::Closed { connection: 7 });
    assert_eq!(lab.endpoint.subscriptions.held(), 0);
    let without = |name: &str| {
        let mut users = directory();
        Arc::make_mut(&mut users.users).remove(name);
        Command::Directory(Box::new(users))
    };
    for (name, ending) in [("801", Ending::NoResource), ("802", Ending::Other("rejected".to_owned()))] {
        lab.command(Command::Directory(Box::new(directory())));
        lab.watches(udp(WATCHER), &format!("w-{name}"));
        lab.command(without(name));
        assert_eq!(state(&lab.only()), over(ending));
        assert_eq!(lab.endpoint.subscriptions.held(), 0);
    }
}

#[test]
fn two_watchers_see_the_same_lamp_each_in_its_own_count() {
    let mut lab = Lab::new();
    let (one, two) = (udp(WATCHER), tcp("198.51.100.10:5000", 3));
    lab.watches(one, "w-1");
    lab.command(lamp(&[(1, false)]));
    lab.wait(Duration::from_millis(100));
    let first = lab.only();
    lab.receive(one, &answer(&first, 200, "", ""));
    let ask = lab.subscription("w-2");
    let sent = lab.proves(two, ask);
    assert_eq!(shown(&sent[1]), (0, vec!["early".to_owned()]), "what burns already is shown at once");
    lab.receive(two, &answer(&sent[1], 200, "", ""));
    lab.command(lamp(&[(1, true)]));
    lab.wait(Duration::from_millis(100));
    let sent = std::mem::take(&mut lab.sent);
    let versions: Vec<(Flow, u32)> = sent.iter().map(|(flow, notify)| (*flow, shown(notify).0)).collect();
    assert_eq!(versions, [(one, 2), (two, 1)]);
}

#[test]
fn ten_thousand_subscribes_of_one_phone_hold_no_more_than_its_share() {
    let mut lab = Lab::new();
    let flow = udp(WATCHER);
    let ask = lab.subscription("flood");
    lab.receive(flow, &ask.text());
    let challenged = lab.sent().pop().unwrap();
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for count in 1..=10_000 {
        let mut ask = lab.subscription(&format!("flood-{count}"));
        ask = lab.authorized(ask, &challenged, "secret", count);
        lab.receive(flow, &ask.text());
        for message in lab.sent() {
            if let Some(status) = message.status() {
                *statuses.entry(status).or_default() += 1;
            }
        }
    }
    assert!(lab.endpoint.subscriptions() <= 128);
    assert!(lab.endpoint.transactions() <= lab.endpoint.wire.limits.transactions + 1);
    assert!(statuses[&200] >= 128 && statuses[&503] > 0, "{statuses:?}");
    lab.wait(Duration::from_secs(70));
    assert_eq!(lab.endpoint.subscriptions.held(), 0, "none of its NOTIFYs was answered");
    assert_eq!(lab.endpoint.wire.held(), 0);
}
