//! Messages of somebody who overheard a call, or pretends to (reliability A7, A11).

use super::*;

const STRANGER: &str = "203.0.113.66:5060";

fn refused_by_source(lab: &mut Lab) -> usize {
    let told = lab.told();
    assert!(told.iter().all(|event| matches!(event, Event::Refused { .. })), "{told:?}");
    told.iter().filter(|event| matches!(event, Event::Refused { why: "source", .. })).count()
}

#[test]
fn a_response_from_where_nothing_was_asked_changes_nothing() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    for (status, tag, sdp) in [(180, "evil", ""), (200, "evil", SDP), (486, "evil", ""), (302, "evil", "")] {
        lab.receive(udp(STRANGER), &answer(&invite, status, tag, sdp));
        assert!(lab.sent.is_empty(), "not even ACKed");
    }
    assert_eq!(refused_by_source(&mut lab), 4);
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
    assert!(matches!(lab.told()[..], [Event::Answered { leg: answered, .. }] if answered == leg));
}

#[test]
fn a_phone_that_answers_from_a_new_port_is_heard() {
    let mut lab = Lab::new();
    let (_, invite) = lab.place();
    lab.receive(udp("198.51.100.7:41234"), &answer(&invite, 200, "phone", SDP));
    assert!(matches!(lab.told()[..], [Event::Answered { .. }]));
}

#[test]
fn a_forged_cancel_does_not_end_a_ringing_call() {
    let mut lab = Lab::new();
    let (leg, ask) = lab.arrive();
    lab.sent.clear();
    let mut cancel = lab.ask("CANCEL").without_contact();
    cancel.branch = ask.branch;
    lab.receive(udp(STRANGER), &cancel.text());
    assert_eq!(lab.wrote(), ["481"]);
    assert_eq!(refused_by_source(&mut lab), 1);
    lab.receive(udp(CARRIER), &cancel.text());
    assert_eq!(lab.wrote(), ["200", "487"]);
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
}

#[test]
fn a_forged_ack_does_not_bring_the_answer_to_our_offer() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    let tag = lab.accept(leg);
    let ack = lab.ask("ACK").tagged(&tag).sdp();
    lab.receive(udp(STRANGER), &ack.text());
    assert_eq!(refused_by_source(&mut lab), 1);
    lab.receive(udp(CARRIER), &ack.text());
    assert!(matches!(lab.told()[..], [Event::Confirmed { .. }]));
}

#[test]
fn whatever_is_forged_into_a_trunks_call_is_refused_and_the_call_goes_on() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    lab.sent.clear();
    for method in ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "MESSAGE", "NOTIFY", "OPTIONS", "FROBNICATE"] {
        // Both tags, from elsewhere.
        let both = lab.ask(method).tagged(&tag).cseq(2);
        lab.receive(udp(STRANGER), &both.text());
        assert_eq!(lab.wrote(), ["403"], "{method} with both tags");
        // The Call-ID and one tag.
        let mut ours_only = lab.ask(method).tagged(&tag).cseq(2);
        ours_only.from = "<sip:x@y>;tag=guessed".to_owned();
        let theirs_only = lab.ask(method).tagged("guessed").cseq(2);
        for ask in [ours_only, theirs_only] {
            let expected = if method == "INVITE" { "401" } else { "481" };
            lab.receive(udp(STRANGER), &ask.text());
            assert_eq!(lab.wrote(), [expected], "{method} with one tag");
        }
    }
    assert_eq!(refused_by_source(&mut lab), 9);
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.told(), [ended(leg, Cause::CallerHungUp, None)]);
}

#[test]
fn whatever_is_forged_into_a_seats_call_is_challenged() {
    let mut lab = Lab::new();
    let (_, invite) = lab.placed_up();
    for (number, method) in ["BYE", "INVITE", "UPDATE", "INFO", "REFER"].into_iter().enumerate() {
        let ask = within(&invite, method, "phone", number as u32 + 1);
        lab.receive(udp(STRANGER), &ask.text());
        assert_eq!(lab.wrote(), ["401"], "{method}");
    }
    assert!(lab.told().is_empty());
}

#[test]
fn no_answer_to_a_stranger_is_half_again_as_long_as_what_was_asked() {
    let minimal = |method: &str, extra: &str| {
        format!(
            "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP b;branch=z9hG4bK1\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\n\
             i:1\r\nCSeq:1 {method}\r\nMax-Forwards:9\r\n{extra}\r\n"
        )
    };
    let mut strangers = directory();
    strangers.answers_strangers = true;
    strangers.algorithms[0] = vec![Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
    let mut lab = Lab::with(strangers);
    let (mut answered, mut silent) = (0, 0);
    let padding = "X-Padding: 0123456789012345678901234567890123456789\r\n";
    for method in ["INVITE", "REGISTER", "OPTIONS", "BYE", "CANCEL", "SUBSCRIBE", "FROBNICATE"] {
        for pads in 0..12 {
            for flaw in
                ["", "Max-Forwards: 1\r\n", "CSeq: 2 BYE\r\n", "Content-Length: -1\r\n", "To: <sip:b>\r\n"]
            {
                let text = minimal(method, &format!("{flaw}{}", padding.repeat(pads)));
                lab.receive(udp(STRANGER), &text);
                let sent = std::mem::take(&mut lab.sent);
                assert!(sent.len() <= 1, "one answer at most: {text}");
                for (_, answer) in &sent {
                    let (length, asked) = (answer.as_bytes().len(), text.len());
                    assert!(length * 2 <= asked * 3, "{length} for {asked}: {text}\n{answer:?}");
                }
                if sent.is_empty() { silent += 1 } else { answered += 1 }
            }
        }
    }
    assert!(answered > 200 && silent > 10, "{answered} {silent}");
    lab.wait(Duration::from_secs(60));
    assert!(lab.sent.is_empty(), "and none is repeated");
    assert_eq!(lab.endpoint.wire.held(), 0);
}
