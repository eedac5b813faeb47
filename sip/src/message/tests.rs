//! What everyday traffic holds, and what nobody may do to us.

use std::net::SocketAddr;

use bytes::Bytes;
use proptest::prelude::*;

use super::draft::Draft;
use super::*;
use crate::header::uri::Host;

fn source() -> SocketAddr {
    "198.51.100.7:40000".parse().unwrap()
}

fn invite(extra: &str, body: &[u8]) -> Bytes {
    let head = format!(
        "INVITE sip:4001@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa\r\n\
         From: <sip:801@example.com>;tag=1\r\nTo: <sip:4001@example.com>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\
         {extra}\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

fn parsed(extra: &str, body: &[u8]) -> Message {
    Message::parse(invite(extra, body), Carriage::Datagram).unwrap()
}

fn flaw(extra: &str, body: &[u8], carriage: Carriage) -> bad::Flaw {
    Message::parse(invite(extra, body), carriage).unwrap_err().flaw
}

#[test]
fn a_datagram_without_content_length_is_body_to_its_end() {
    assert_eq!(parsed("", b"v=0\r\n").body(), b"v=0\r\n");
    assert_eq!(parsed("l: 3\r\n", b"v=0\r\n").body(), b"v=0");
    assert_eq!(parsed("l: 3\r\n", b"v=0\r\n").as_bytes().last(), Some(&b'0'));
    assert_eq!(flaw("l: 6\r\n", b"v=0\r\n", Carriage::Datagram), bad::Flaw::ContentLength);
    assert_eq!(flaw("", b"v=0\r\n", Carriage::Stream), bad::Flaw::ContentLength);
}

#[test]
fn a_star_a_phone_with_an_instance_and_ipv6_are_contacts() {
    assert_eq!(parsed("Contact: *\r\n", b"").contacts(), Ok(Contacts::All));
    let text = "m: <sip:801@[2001:db8::5]:5070;transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:1-2>\"\r\n";
    let contact = parsed(text, b"").contact().unwrap();
    assert_eq!(contact.instance().as_deref(), Some("urn:uuid:1-2"));
    assert_eq!(contact.uri.host(), Some(Host::Address("2001:db8::5".parse().unwrap())));
}

#[test]
fn compact_names_in_upper_case_several_vias_in_a_line_folds_and_tel_are_read() {
    let text = "OPTIONS tel:+8610086 SIP/2.0\r\nV: SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bKa,\r\n\
                \x20SIP/2.0/TCP b;branch=z9hG4bKb\r\nF: <tel:+861380000;phone-context=x>;tag=9\r\nT: <tel:4001>\r\n\
                I: c\r\nCSeq: 1 OPTIONS\r\nM: <sip:a@b>\r\nL: 0\r\n\r\n";
    let message = Message::parse(text.into(), Carriage::Stream).unwrap();
    let vias = message.vias().unwrap();
    assert_eq!((vias.len(), vias[0].port, vias[1].branch()), (2, Some(5062), Some("z9hG4bKb")));
    assert_eq!(message.via().unwrap(), vias[0]);
    assert_eq!(message.from().unwrap().uri.user_text(), Some("+861380000"));
    assert_eq!(message.uri().unwrap().user_text(), Some("+8610086"));
}

#[test]
fn a_name_in_gbk_and_a_binary_body_pass_untouched() {
    let mut bytes = invite("", &[0, 255, 13, 10, 13, 10, 128]).to_vec();
    let at = bytes.windows(5).position(|w| w == b"From:").unwrap() + 6;
    bytes.splice(at..at, *b"\"\xd5\xc5\xc8\xfd\" ");
    let message = Message::parse(bytes.clone().into(), Carriage::Datagram).unwrap();
    assert_eq!(&message.as_bytes()[..], &bytes[..]);
    assert_eq!((message.from_tag().as_deref(), message.cseq().number), (Some("1"), 7));
    assert_eq!(message.body(), [0, 255, 13, 10, 13, 10, 128]);
    let reply = message.reply(200, source(), Some("t")).finish();
    assert_eq!(reply.header(Header::From).unwrap().raw(), message.header(Header::From).unwrap().raw());
}

#[test]
fn the_limits_hold() {
    let long = format!("X: {}\r\n", "x".repeat(MAX_LINE));
    assert_eq!(flaw(&long, b"", Carriage::Datagram), bad::Flaw::LineTooLong);
    let folded = format!("X: {}\r\n", "x\r\n ".repeat(MAX_LINE / 4));
    assert_eq!(flaw(&folded, b"", Carriage::Datagram), bad::Flaw::LineTooLong);
    let many = "X: y\r\n".repeat(MAX_HEADERS);
    assert_eq!(flaw(&many, b"", Carriage::Datagram), bad::Flaw::TooManyHeaders);
    let large = Message::parse(invite("", &vec![b'x'; MAX_MESSAGE]), Carriage::Datagram).unwrap_err();
    assert_eq!((large.flaw, large.status), (bad::Flaw::TooLarge, Some(513)));
    assert!(
        Message::parse(Bytes::from_static(b"\r\n\r\n"), Carriage::Datagram).unwrap_err().status.is_none()
    );
}

#[test]
fn a_reply_copies_what_section_8_2_6_asks_for() {
    let extra =
        "Via: SIP/2.0/TCP p, SIP/2.0/UDP q\r\nRecord-Route: <sip:r1;lr>,<sip:r2;lr>\r\nTimestamp: 5\r\n";
    let request = parsed(extra, b"");
    let ok = request.reply(200, source(), Some("mine")).finish();
    assert_eq!(ok.to_tag().as_deref(), Some("mine"));
    assert_eq!((ok.cseq(), ok.call_id()), (request.cseq(), request.call_id()));
    assert_eq!(ok.addresses(Header::RecordRoute), request.addresses(Header::RecordRoute));
    let vias = ok.vias().unwrap();
    assert_eq!((vias.len(), vias[0].return_address()), (3, Some(source())));
    assert_eq!(vias[1..], request.vias().unwrap()[1..]);
    let trying = request.reply(100, source(), Some("mine")).finish();
    assert_eq!((trying.to_tag(), trying.header(Header::Timestamp).map(Value::raw)), (None, Some(&b"5"[..])));
    let busy = request.reply(486, source(), Some("mine")).finish();
    assert!(busy.header(Header::RecordRoute).is_none());
    assert_eq!(&busy.as_bytes()[..22], b"SIP/2.0 486 Busy Here\r");
}

/// Found by fuzzing: `;;tag=` is no parameter.
#[test]
fn a_tag_is_added_behind_a_semicolon_that_trails() {
    for to in ["sip:a@b;", "<sip:a@b> ; ", "<sip:a@b>;x=1;"] {
        let text = String::from_utf8(invite("", b"").to_vec()).unwrap();
        let line = text.lines().find(|line| line.starts_with("To:")).unwrap().to_owned();
        let request =
            Message::parse(text.replace(&line, &format!("To: {to}")).into(), Carriage::Datagram).unwrap();
        let answer = request.reply(200, source(), Some("mine")).finish();
        let answer = Message::parse(answer.as_bytes().clone(), Carriage::Stream).unwrap();
        assert_eq!(answer.to_tag().as_deref(), Some("mine"), "{to}");
        let bad = text.replace(&line, &format!("To: {to}")).replace("CSeq: ", "CSeq: x");
        let bad = Message::parse(bad.into(), Carriage::Datagram).unwrap_err();
        assert!(!String::from_utf8_lossy(bad.reply(source(), "mine").unwrap().as_bytes()).contains(";;"));
    }
}

#[test]
fn cancel_and_ack_belong_to_the_transaction_of_their_invite() {
    let request = parsed("Route: <sip:p;lr>\r\nMax-Forwards: 9\r\n", b"");
    let cancel = request.cancel().unwrap().finish();
    let busy = request.reply(486, source(), Some("theirs")).finish();
    let ack = request.ack_failure(&busy).unwrap();
    for (sibling, method) in [(&cancel, Method::Cancel), (&ack, Method::Ack)] {
        let read = Message::parse(sibling.as_bytes().clone(), Carriage::Stream).unwrap();
        assert_eq!((read.method(), read.cseq().number), (&method, 7));
        assert_eq!((read.via(), read.from()), (request.via(), request.from()));
        assert_eq!(
            (read.uri(), read.addresses(Header::Route)),
            (request.uri(), request.addresses(Header::Route))
        );
        assert_eq!(read.vias().unwrap().len(), 1);
    }
    assert_eq!((cancel.to_tag(), ack.to_tag().as_deref()), (None, Some("theirs")));
}

#[test]
fn no_value_breaks_out_of_its_line() {
    let evil = "x\r\nContact: <sip:evil@h>\r\n\r\n";
    let message = Draft::of(&parsed("", b""))
        .header(Header::Subject, evil)
        .header_named("X-Line", evil)
        .header_named("Bad\r\nName", "x")
        .header(Header::PAssertedIdentity, Address::new("sip:1@h".parse().unwrap()).named(evil))
        .header(Header::ContentLength, 999)
        .finish();
    let read = Message::parse(message.as_bytes().clone(), Carriage::Stream).unwrap();
    assert!(read.header(Header::Contact).is_none() && read.body().is_empty());
    assert_eq!(read.lines().count(), 9);
    let folded = Draft::of(&parsed("Subject: a\r\n b\r\n", b"")).finish();
    assert_eq!(folded.header(Header::Subject).unwrap().raw(), b"a   b");
    let status = Draft::response_saying(200, evil).finish();
    assert_eq!(memchr::memchr_iter(b'\n', status.as_bytes()).count(), 3);
}

#[test]
fn a_log_line_holds_no_credentials() {
    let message = parsed("Authorization: Digest username=\"u\", response=\"secret\"\r\n", b"");
    assert!(!format!("{message:?}").contains("secret"));
}

/// A valid message, some of whose bytes were changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seed = invite(
        "Contact: \"A, B\" <sip:a@[::1]>;q=0.5, <sip:c@d>\r\nRoute: <sip:p;lr>\r\nSubject: a\r\n b\r\nl: 5\r\n",
        b"v=0\r\n",
    );
    let alphabet = b"\r\n \t\"<>;,:=@\\%/[]?&\0\xff9aZ".to_vec();
    let change = (0..seed.len(), 0..3_u8, proptest::sample::select(alphabet));
    proptest::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut bytes = seed.to_vec();
        for (at, kind, byte) in changes {
            let at = at.min(bytes.len() - 1);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

/// Everything that can be read of a message: none of it may panic.
fn read_all(message: &Message) -> String {
    let lists = [Header::Route, Header::RecordRoute, Header::Contact].map(|header| message.addresses(header));
    format!(
        "{message:?} {:?} {:?} {:?} {lists:?} {:?} {:?} {:?} {:?}",
        message.uri(),
        message.vias(),
        message.contacts(),
        message.session_expires(),
        message.reasons(),
        message.content_type(),
        message.tokens(Header::Supported),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writing_what_was_read_is_a_fixed_point(bytes in mutated()) {
        let bytes = Bytes::from(bytes);
        match Message::parse(bytes.clone(), Carriage::Datagram) {
            Ok(message) => {
                let again = Message::parse(message.as_bytes().clone(), Carriage::Datagram).unwrap();
                prop_assert_eq!(&again, &message);
                prop_assert_eq!(read_all(&again), read_all(&message));
                let rewritten = Draft::of(&message).finish();
                let read = Message::parse(rewritten.as_bytes().clone(), Carriage::Stream).unwrap();
                prop_assert_eq!(read.vias(), message.vias());
                prop_assert_eq!(read.contacts(), message.contacts());
                prop_assert_eq!((read.from(), read.to()), (message.from(), message.to()));
                prop_assert_eq!(read.body(), message.body());
            }
            Err(bad) => {
                if let Some(answer) = bad.reply(source(), "t") {
                    let line_ends = memchr::memchr_iter(b'\n', answer.as_bytes()).count();
                    prop_assert_eq!(line_ends, answer.lines().count() + 2);
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for carriage in [Carriage::Datagram, Carriage::Stream] {
            if let Ok(message) = Message::parse(bytes.clone().into(), carriage) {
                read_all(&message);
            }
        }
    }

    #[test]
    fn no_text_makes_a_typed_header_panic(text in "[ \"<>;,:=@\\\\%/\\[\\]a-c0-9.*SIP\r\n张-]{0,60}") {
        let _ = (Uri::parse(&text), Address::parse(&text), Via::parse(&text), CSeq::parse(&text));
        let _ = (Reason::parse(&text), SessionExpires::parse(&text));
        let _ = crate::header::auth::Credentials::parse(&format!("Digest {text}"));
        let _ = crate::header::auth::Challenge::parse(&format!("Digest {text}"));
        if let Ok(address) = Address::parse(&text) {
            let written = Address::parse(&address.to_string());
            prop_assert_eq!(written.map(|a| a.uri), Ok(address.uri));
        }
    }
}
