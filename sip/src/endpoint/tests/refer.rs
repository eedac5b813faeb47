//! REFER in stories: what is told, what the phone hears of it, and what outlives the call.

use super::*;
use crate::header::subscription_state::{Ending, SubscriptionState};
use crate::seam::Refer;

const PHONE_2: &str = "198.51.100.8:40000";

/// A REFER of the phone in the call that we placed to it.
fn refer(invite: &Message, cseq: u32, to: &str) -> Ask {
    within(invite, "REFER", "phone", cseq).with(&format!("Refer-To: {to}"))
}

fn referred(leg: LegId, to: &str) -> Event {
    let refer = Refer { to: to.to_owned(), replaces: None, referred_by: None };
    Event::Referred { leg, refer: Box::new(refer) }
}

/// What a NOTIFY says: the state, and the status that it tells.
fn notice(message: &Message) -> (SubscriptionState, u16) {
    assert!(is_method(message, &Method::Notify), "{message:?}");
    assert_eq!(message.header(Header::ContentType).unwrap().text(), "message/sipfrag;version=2.0");
    let state = SubscriptionState::parse(&message.header(Header::SubscriptionState).unwrap().text()).unwrap();
    let body = String::from_utf8(message.body().to_vec()).unwrap();
    let fragment = format!(
        "{body}Via: SIP/2.0/UDP a;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"
    );
    let fragment = Message::parse(fragment.into(), Carriage::Datagram).expect("a status line");
    (state, fragment.status().unwrap())
}

fn over(reason: Ending) -> SubscriptionState {
    SubscriptionState::Terminated { reason }
}

impl Lab {
    /// The one NOTIFY that was sent since the last look, not answered yet.
    fn notify(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn answer_notify(&mut self, notify: &Message, status: u16) {
        self.receive(udp(PHONE), &answer(notify, status, "", ""));
    }

    /// A REFER that was accepted; its 202 and first NOTIFY.
    fn refer_accepted(&mut self, leg: LegId, ask: &Ask) -> (Message, Message) {
        self.receive(udp(PHONE), &ask.text());
        assert!(matches!(self.told()[..], [Event::Referred { .. }]));
        self.command(Command::AcceptRefer { leg });
        let mut sent = self.sent();
        assert_eq!(sent.len(), 2, "{sent:?}");
        let notify = sent.remove(1);
        (sent.remove(0), notify)
    }
}

#[test]
fn a_blind_transfer_is_told_accepted_and_reported_to_its_end() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    lab.receive(udp(PHONE), &refer(&invite, 1, "<sip:802@sibai.test?Subject=x>").text());
    assert_eq!(lab.told(), [referred(leg, "802")]);
    assert!(lab.sent().is_empty(), "the control has not answered yet");
    lab.command(Command::AcceptRefer { leg });
    let sent = lab.sent();
    assert_eq!(sent[0].status(), Some(202));
    assert!(sent[0].contact().is_ok() && sent[0].header(Header::ReferSub).is_none());
    assert_eq!(notice(&sent[1]), (SubscriptionState::Active { expires: 240 }, 100));
    assert_eq!(sent[1].header(Header::Event).unwrap().text(), "refer", "the first has no id");
    assert_eq!(sent[1].to_tag().as_deref(), Some("phone"));
    lab.answer_notify(&sent[1], 200);
    lab.command(Command::ReferProgress { leg, status: 180 });
    let ringing = lab.notify();
    assert_eq!(notice(&ringing).1, 180);
    assert_eq!(ringing.cseq().number, sent[1].cseq().number + 1);
    // What comes while a NOTIFY is out waits for its answer, and only the last of it is told.
    lab.command(Command::ReferProgress { leg, status: 183 });
    lab.command(Command::ReferProgress { leg, status: 200 });
    lab.command(Command::ReferProgress { leg, status: 180 });
    assert!(lab.sent().is_empty());
    lab.answer_notify(&ringing, 200);
    let last = lab.notify();
    assert_eq!(notice(&last), (over(Ending::NoResource), 200));
    lab.answer_notify(&last, 200);
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.notify();
    lab.answer_notify(&bye, 200);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn who_is_rung_for_a_transfer_hears_by_whom() {
    let mut lab = Lab::new();
    lab.register_phone();
    let to = Destination::Contact { user: "801".into(), contact: 1 };
    let invite = Outgoing { referred_by: Some("802".into()), ..outgoing(to) };
    lab.sent.clear();
    lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(invite) });
    let invite = lab.sent().pop().unwrap();
    assert_eq!(invite.header(Header::ReferredBy).unwrap().text(), "<sip:802@sibai.test>");
}

#[test]
fn a_phone_that_hangs_up_after_the_202_is_told_the_outcome_all_the_same() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 2).text());
    assert_eq!(lab.wrote(), ["200"]);
    assert_eq!(lab.told(), [ended(leg, Cause::SeatHungUp, None)]);
    lab.answer_notify(&first, 200);
    lab.command(Command::ReferProgress { leg, status: 180 });
    let ringing = lab.notify();
    lab.answer_notify(&ringing, 200);
    // A REFER or a re-INVITE after the BYE finds no call.
    lab.receive(udp(PHONE), &refer(&invite, 3, "<sip:803@sibai.test>").text());
    lab.receive(udp(PHONE), &within(&invite, "INVITE", "phone", 4).sdp().text());
    assert_eq!(lab.wrote(), ["481", "481"]);
    lab.command(Command::ReferProgress { leg, status: 486 });
    let last = lab.notify();
    assert_eq!(notice(&last), (over(Ending::NoResource), 486));
    lab.answer_notify(&last, 200);
    assert!(lab.told().is_empty(), "the control heard of the end once");
    assert_eq!(lab.endpoint.legs(), 0);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn our_bye_waits_until_the_outcome_was_heard() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.command(Command::ReferProgress { leg, status: 200 });
    lab.command(Command::HangUp { leg, cause: Cause::Transferred });
    assert!(lab.sent().is_empty(), "the first NOTIFY is still out");
    lab.answer_notify(&first, 200);
    let last = lab.notify();
    assert_eq!(notice(&last), (over(Ending::NoResource), 200));
    lab.answer_notify(&last, 200);
    let bye = lab.notify();
    assert!(is_method(&bye, &Method::Bye) && bye.cseq().number > last.cseq().number);
    lab.answer_notify(&bye, 200);
    assert!(lab.told().is_empty(), "the control hung up: nothing is news");
    assert_eq!(lab.endpoint.legs(), 0);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_phone_that_refuses_the_notify_or_never_answers_it_is_hung_up_on_all_the_same() {
    for status in [Some(481), None] {
        let mut lab = Lab::new();
        let (leg, invite) = lab.placed_up();
        let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
        lab.command(Command::HangUp { leg, cause: Cause::Transferred });
        match status {
            Some(status) => lab.answer_notify(&first, status),
            None => lab.wait(Duration::from_millis(2_000)),
        }
        let sent = lab.sent();
        let bye = sent.last().unwrap();
        assert!(is_method(bye, &Method::Bye), "{status:?}: {sent:?}");
        lab.answer_notify(bye, 200);
        lab.wait(Duration::from_secs(33));
        assert_eq!(lab.endpoint.legs(), 0, "{status:?}");
    }
}

#[test]
fn nothing_is_told_between_our_bye_and_its_answer() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.answer_notify(&first, 200);
    lab.command(Command::HangUp { leg, cause: Cause::RtpSilence });
    let bye = lab.notify();
    assert!(is_method(&bye, &Method::Bye), "there is nothing to wait for");
    // A NOTIFY would overtake it, and the phone would refuse the BYE for its number.
    lab.command(Command::ReferProgress { leg, status: 200 });
    assert!(lab.sent().is_empty());
    lab.answer_notify(&bye, 200);
    let last = lab.notify();
    assert_eq!(notice(&last), (over(Ending::NoResource), 200));
    assert!(last.cseq().number > bye.cseq().number);
    assert_eq!(lab.endpoint.legs(), 1, "the dialog lives until the last NOTIFY is answered");
    lab.answer_notify(&last, 200);
    assert_eq!(lab.endpoint.legs(), 0);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_phone_that_hangs_up_while_our_bye_waits_is_told_the_rest_and_we_send_no_bye() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.command(Command::ReferProgress { leg, status: 200 });
    lab.command(Command::HangUp { leg, cause: Cause::Transferred });
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 2).text());
    assert_eq!(lab.wrote(), ["200"]);
    lab.answer_notify(&first, 200);
    let last = lab.notify();
    assert_eq!(notice(&last), (over(Ending::NoResource), 200));
    lab.answer_notify(&last, 200);
    lab.wait(Duration::from_secs(3));
    assert!(lab.sent().is_empty() && lab.told().is_empty());
    assert_eq!(lab.endpoint.legs(), 0);
}

#[test]
fn a_lost_notify_is_repeated_and_a_dead_phone_ends_the_subscription_silently() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.wait(Duration::from_secs(5));
    assert!(lab.wrote().iter().all(|brief| brief == "NOTIFY"), "timer E");
    lab.wait(Duration::from_secs(30));
    lab.sent.clear();
    lab.command(Command::ReferProgress { leg, status: 200 });
    assert!(lab.sent().is_empty() && lab.told().is_empty(), "the call goes on");
    // A REFER may come again now.
    lab.receive(udp(PHONE), &refer(&invite, 2, "<sip:803@sibai.test>").text());
    assert_eq!(lab.told(), [referred(leg, "803")]);
}

#[test]
fn a_phone_that_knows_no_subscription_is_told_nothing_more() {
    for status in [481, 408, 405, 500] {
        let mut lab = Lab::new();
        let (leg, invite) = lab.placed_up();
        let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
        lab.answer_notify(&first, status);
        lab.command(Command::ReferProgress { leg, status: 200 });
        lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 2).text());
        assert_eq!(lab.wrote(), ["200"], "after {status}");
        assert_eq!(lab.endpoint.legs(), 0);
        lab.assert_no_leak_but_registrations();
    }
}

#[test]
fn who_declines_the_subscription_gets_none() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let ask = refer(&invite, 1, "<tel:+8613800138000>").with("Refer-Sub: false").with("Require: norefersub");
    lab.receive(udp(PHONE), &ask.text());
    assert_eq!(lab.told(), [referred(leg, "+8613800138000")]);
    lab.command(Command::AcceptRefer { leg });
    let accepted = lab.notify();
    assert_eq!(accepted.status(), Some(202));
    assert_eq!(accepted.header(Header::ReferSub).unwrap().text(), "false");
    lab.command(Command::ReferProgress { leg, status: 180 });
    lab.receive(udp(PHONE), &refer(&invite, 2, "<sip:803@sibai.test>").text());
    assert_eq!(lab.wrote(), ["491"], "it is still being worked on");
    lab.command(Command::ReferProgress { leg, status: 404 });
    assert!(lab.sent().is_empty());
    lab.receive(udp(PHONE), &refer(&invite, 3, "<sip:803@sibai.test>").text());
    assert_eq!(lab.told(), [referred(leg, "803")]);
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 4).text());
    assert_eq!(lab.wrote(), ["200", "487"], "what was pending is answered (RFC 3261 section 15.1.2)");
    lab.assert_no_leak_but_registrations();
}

#[test]
fn the_second_refer_of_a_dialog_has_its_cseq_as_id() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 7, "<sip:802@sibai.test>"));
    lab.command(Command::ReferProgress { leg, status: 486 });
    lab.answer_notify(&first, 200);
    let last = lab.notify();
    lab.answer_notify(&last, 200);
    let (_, second) = lab.refer_accepted(leg, &refer(&invite, 9, "<sip:803@sibai.test>"));
    assert_eq!(second.header(Header::Event).unwrap().text(), "refer;id=9");
}

#[test]
fn what_a_refer_may_not_ask_is_refused_by_its_own_status() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let one = "<sip:802@sibai.test>";
    let table = [
        (within(&invite, "REFER", "phone", 1), "400"),
        (refer(&invite, 2, one).with(&format!("Refer-To: {one}")), "400"),
        (refer(&invite, 3, &format!("{one}, {one}")), "400"),
        (refer(&invite, 4, "nobody"), "400"),
        (refer(&invite, 5, "<http://sibai.test/>"), "416"),
        (refer(&invite, 6, "<sip:802@sibai.test;method=BYE>"), "501"),
        (refer(&invite, 7, "<sip:sibai.test>"), "484"),
        (refer(&invite, 8, "<sip:802@sibai.test?Replaces=x>"), "400"),
        (refer(&invite, 9, "<sip:802@sibai.test?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>"), "481"),
        (refer(&invite, 10, one).with("Referred-By: <sip:a@b>").with("Referred-By: <sip:c@d>"), "400"),
        (refer(&invite, 10, one).with("Require: explicitsub").branch("ext"), "420"),
    ];
    for (ask, status) in table {
        lab.receive(udp(PHONE), &ask.text());
        assert_eq!(lab.wrote(), [status], "{}", ask.text());
    }
    assert!(lab.told().iter().all(|event| matches!(event, Event::Refused { .. })));
    lab.receive(udp(PHONE), &refer(&invite, 11, one).text());
    assert_eq!(lab.told(), [referred(leg, "802")], "none of them stands in the way of a good one");
    lab.command(Command::RefuseRefer { leg, status: 603 });
    assert_eq!(lab.wrote(), ["603"]);
}

#[test]
fn a_trunk_transfers_nothing_and_nobody_transfers_before_the_answer() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    lab.sent.clear();
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    let tag = lab.sent().pop().unwrap().to_tag().unwrap();
    let early = lab.ask("REFER").tagged(&tag).cseq(2).with("Refer-To: <sip:802@sibai.test>");
    lab.receive(udp(CARRIER), &early.text());
    assert_eq!(lab.wrote(), ["491"]);
    lab.accept(leg);
    let up = lab.ask("REFER").tagged(&tag).cseq(3).with("Refer-To: <sip:802@sibai.test>");
    lab.receive(udp(CARRIER), &up.text());
    assert_eq!(lab.wrote(), ["403"]);
    assert!(!lab.told().iter().any(|event| matches!(event, Event::Referred { .. })));
}

#[test]
fn a_refer_that_the_control_forgets_is_answered_and_one_that_comes_again_is_told_once() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let ask = refer(&invite, 1, "<sip:802@sibai.test>");
    lab.receive(udp(PHONE), &ask.text());
    lab.receive(udp(PHONE), &ask.text());
    assert_eq!(lab.told(), [referred(leg, "802")]);
    lab.wait(Duration::from_secs(11));
    assert_eq!(lab.wrote(), ["500"]);
    lab.command(Command::AcceptRefer { leg });
    assert!(lab.sent().is_empty(), "too late");
}

#[test]
fn a_transfer_without_an_outcome_is_given_up_in_time() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.answer_notify(&first, 200);
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 2).text());
    lab.sent.clear();
    lab.wait(Duration::from_secs(241));
    let last = lab.sent().into_iter().find(|message| is_method(message, &Method::Notify)).unwrap();
    assert_eq!(notice(&last), (over(Ending::Timeout), 100));
    lab.answer_notify(&last, 200);
    assert_eq!(lab.endpoint.legs(), 0);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn the_subscription_is_refreshed_and_ended_by_subscribe_in_its_dialog() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (_, first) = lab.refer_accepted(leg, &refer(&invite, 1, "<sip:802@sibai.test>"));
    lab.answer_notify(&first, 200);
    let subscribe = |cseq, event: &str, expires: u32| {
        let ask = within(&invite, "SUBSCRIBE", "phone", cseq);
        ask.with(&format!("Event: {event}")).with(&format!("Expires: {expires}"))
    };
    lab.receive(udp(PHONE), &subscribe(2, "presence", 60).text());
    let refused = lab.notify();
    assert_eq!((refused.status(), refused.header(Header::AllowEvents).is_some()), (Some(489), true));
    lab.receive(udp(PHONE), &subscribe(3, "refer;id=5", 60).text());
    assert_eq!(lab.wrote(), ["481"]);
    lab.receive(udp(PHONE), &subscribe(4, "refer", 3600).text());
    let sent = lab.sent();
    assert_eq!((sent[0].status(), sent[0].number(Header::Expires)), (Some(200), Ok(240)));
    assert_eq!(notice(&sent[1]).1, 100);
    lab.answer_notify(&sent[1], 200);
    lab.receive(udp(PHONE), &subscribe(5, "refer", 0).text());
    let sent = lab.sent();
    assert_eq!(sent[0].number(Header::Expires), Ok(0));
    assert_eq!(notice(&sent[1]), (over(Ending::Timeout), 100));
    lab.answer_notify(&sent[1], 200);
    lab.receive(udp(PHONE), &subscribe(6, "refer", 60).text());
    assert_eq!(lab.wrote(), ["481"]);
}

impl Lab {
    /// The second phone, of user 802, called; the leg and our INVITE to it.
    fn second_phone_called(&mut self) -> (LegId, Message) {
        let ask = self.register("802", "reg-2", 1, "Contact: <sip:802@10.0.0.8:5060>");
        assert_eq!(self.prove(udp(PHONE_2), ask).status(), Some(200));
        let contact = self.told().iter().find_map(|event| match event {
            Event::Contacts { contacts, .. } => contacts.first().copied(),
            _ => None,
        });
        let leg = LegId::placed(2);
        let to = Destination::Contact { user: "802".into(), contact: contact.unwrap() };
        self.command(Command::Place { leg, invite: Box::new(outgoing(to)) });
        (leg, self.sent().pop().unwrap())
    }

    /// The same, answered.
    fn second_phone_up(&mut self) -> (LegId, Message) {
        let (leg, invite) = self.second_phone_called();
        self.receive(udp(PHONE_2), &answer(&invite, 200, "phone2", SDP));
        self.told();
        self.sent.clear();
        (leg, invite)
    }

    /// An INVITE of user 801 with this Replaces, with its password; its last answer.
    fn invite_replacing(&mut self, call_id: &str, replaces: &str) -> Message {
        let mut ask = self.ask("INVITE").sdp().with(replaces).with("Require: replaces");
        ask.from = "<sip:801@sibai.test>;tag=mine".to_owned();
        ask.call_id = call_id.to_owned();
        self.prove(udp(PHONE), ask)
    }
}

/// How a phone names the dialog of our INVITE to it, when it speaks to us: our tag is the To tag.
fn named(invite: &Message, tag: &str) -> String {
    format!("{};to-tag={};from-tag={tag}", invite.call_id(), invite.from_tag().unwrap())
}

fn escaped(text: &str) -> String {
    text.replace(';', "%3B").replace('=', "%3D").replace('@', "%40")
}

#[test]
fn an_attended_transfer_names_the_other_leg_of_ours() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let (other, second) = lab.second_phone_up();
    let replaces = escaped(&named(&second, "phone2"));
    let ask = refer(&invite, 1, &format!("<sip:sibai@192.0.2.1?Replaces={replaces}>"))
        .with("Referred-By: <sip:801@sibai.test>");
    lab.receive(udp(PHONE), &ask.text());
    let refer = Refer {
        to: "sibai".to_owned(),
        replaces: Some(other),
        referred_by: Some("<sip:801@sibai.test>".to_owned()),
    };
    assert_eq!(lab.told(), [Event::Referred { leg, refer: Box::new(refer) }]);
    lab.command(Command::RefuseRefer { leg, status: 488 });
    let own = escaped(&named(&invite, "phone"));
    let table = [
        (2, format!("{replaces}%3Bearly-only"), "486"),
        (3, escaped(&named(&second, "other")), "481"),
        (4, own, "482"),
    ];
    lab.sent.clear();
    for (cseq, replaces, status) in table {
        let ask = self::refer(&invite, cseq, &format!("<sip:sibai@192.0.2.1?Replaces={replaces}>"));
        lab.receive(udp(PHONE), &ask.text());
        assert_eq!(lab.wrote(), [status], "{replaces}");
    }
}

#[test]
fn an_invite_that_replaces_an_answered_leg_of_its_line_says_which() {
    let mut lab = Lab::new();
    lab.register_phone();
    let (leg, invite) = lab.second_phone_up();
    let replaces = format!("Replaces: {}", named(&invite, "phone2"));
    assert_eq!(lab.invite_replacing("take", &replaces).status(), Some(100));
    assert_eq!(lab.incoming().replaces, Some(leg));
    let table = [
        (format!("{replaces};early-only"), 486),
        ("Replaces: x;to-tag=1;from-tag=2".to_owned(), 481),
        ("Replaces: x".to_owned(), 400),
        (format!("{replaces}\r\n{replaces}"), 400),
    ];
    for (number, (line, status)) in table.into_iter().enumerate() {
        assert_eq!(lab.invite_replacing(&format!("no-{number}"), &line).status(), Some(status), "{line}");
    }
    // A carrier replaces nothing.
    let mut ask = lab.ask("INVITE").sdp().with(&replaces);
    ask.call_id = "carrier".to_owned();
    lab.sent.clear();
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.wrote(), ["403"]);
}

#[test]
fn a_leg_that_is_ending_or_of_another_line_is_not_replaced() {
    let mut lab = Lab::new();
    lab.register_phone();
    let (leg, invite) = lab.second_phone_up();
    let replaces = format!("Replaces: {}", named(&invite, "phone2"));
    let mut strangers = directory();
    let users = Arc::make_mut(&mut strangers.users);
    users.get_mut("801").unwrap().line = Some("another line".into());
    lab.command(Command::Directory(Box::new(strangers)));
    assert_eq!(lab.invite_replacing("other-line", &replaces).status(), Some(481));
    lab.command(Command::Directory(Box::new(directory())));
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.sent().pop().unwrap();
    assert_eq!(lab.invite_replacing("leaving", &replaces).status(), Some(603), "RFC 3891 section 3");
    lab.receive(udp(PHONE_2), &answer(&bye, 200, "phone2", ""));
    assert_eq!(lab.invite_replacing("gone", &replaces).status(), Some(481));
}

#[test]
fn an_invite_that_replaces_a_ringing_leg_of_its_line_says_which_by_either_ends_name() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.second_phone_called();
    let (ours, call) = (invite.from_tag().unwrap(), invite.call_id());
    let replaces = |to: &str, from: &str| format!("Replaces: {call};to-tag={to};from-tag={from}");
    let asks = |lab: &mut Lab, id: &str, replaces: String| {
        lab.told();
        let answer = lab.invite_replacing(id, &replaces);
        let arrived = lab.told().into_iter().find_map(|event| match event {
            Event::Arrived(incoming) => Some(incoming.replaces),
            _ => None,
        });
        (answer.status(), arrived)
    };
    assert_eq!(asks(&mut lab, "p1", replaces(&ours, "phone2")), (Some(481), None), "it does not ring yet");
    lab.receive(udp(PHONE_2), &answer(&invite, 180, "phone2", ""));
    let taken = (Some(100), Some(Some(leg)));
    assert_eq!(asks(&mut lab, "p2", replaces(&ours, "phone2")), taken);
    assert_eq!(asks(&mut lab, "p3", replaces("phone2", &ours)), taken, "as the phone that rings knows it");
    assert_eq!(asks(&mut lab, "p4", format!("{};early-only", replaces(&ours, "phone2"))), taken);
    assert_eq!(asks(&mut lab, "p5", replaces(&ours, "other")), (Some(481), None));
    lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
    assert_eq!(asks(&mut lab, "p6", replaces(&ours, "phone2")), (Some(481), None), "it has stopped ringing");
}
