//! RFC 4475, RFC 5118 and what phones really send: every message gets its verdict from the parser.

#![allow(clippy::unwrap_used, reason = "a failure to read is a failed test")]

#[path = "torture/messages.rs"]
mod messages;

use bytes::Bytes;
use sip::framer::{Frame, Framer};
use sip::{Carriage, Contacts, Draft, Flaw, Header, Message, Scheme, ViaTransport};

use messages::{Torture, all, ipv6, oversize, probes, ten_megabytes};

fn bytes_of(name: &str) -> Bytes {
    let mut every = [all(), ipv6(), probes()].into_iter().flatten();
    every.find(|torture| torture.name == name).unwrap_or_else(|| panic!("{name}")).bytes.into()
}

fn read(name: &str) -> Message {
    Message::parse(bytes_of(name), Carriage::Datagram).unwrap_or_else(|bad| panic!("{name}: {bad}"))
}

/// What the message layer answers at once; everything else it hands on.
const REFUSED: &[(&str, Option<u16>, Flaw)] = &[
    ("badinv01", Some(400), Flaw::Header(Header::Via)),
    ("clerr", Some(400), Flaw::ContentLength),
    ("ncl", Some(400), Flaw::ContentLength),
    ("scalar02", Some(400), Flaw::Header(Header::CSeq)),
    // A response is never answered: dropped.
    ("scalarlg", None, Flaw::Header(Header::CSeq)),
    ("quotbal", Some(400), Flaw::Header(Header::To)),
    ("ltgtruri", Some(400), Flaw::RequestUri),
    ("lwsruri", Some(400), Flaw::StartLine),
    ("lwsstart", Some(400), Flaw::StartLine),
    ("escruri", Some(400), Flaw::RequestUri),
    ("regbadct", Some(400), Flaw::Header(Header::Contact)),
    ("badaspec", Some(400), Flaw::Header(Header::To)),
    ("baddn", Some(400), Flaw::Header(Header::From)),
    ("badvers", Some(505), Flaw::Version),
    ("mismatch01", Some(400), Flaw::CSeqMethod),
    ("mismatch02", Some(400), Flaw::CSeqMethod),
    ("bigcode", None, Flaw::StartLine),
    ("insuf", Some(400), Flaw::Insufficient),
    ("multi01", Some(400), Flaw::Repeated),
    ("mcl01", Some(400), Flaw::ContentLength),
    // RFC 5118.
    ("ipv6-bad", Some(400), Flaw::RequestUri),
    ("ipv6-bug-abnf-3-colons", Some(400), Flaw::RequestUri),
    // Too large (reliability.md, B8).
    ("line-64k", Some(513), Flaw::LineTooLong),
    ("headers-10000", Some(513), Flaw::TooManyHeaders),
    ("route-1000", Some(513), Flaw::TooManyHeaders),
    ("route-1000-in-one-line", Some(513), Flaw::LineTooLong),
    ("body-10mb", Some(513), Flaw::TooLarge),
];

#[test]
fn all_49_messages_of_rfc_4475_get_their_verdict() {
    let all = all();
    assert_eq!(all.len(), 49);
    judge(all);
}

#[test]
fn the_messages_of_rfc_5118_get_their_verdict() {
    assert_eq!(ipv6().len(), 11);
    judge(ipv6());
    let address = |text: &str| Some(sip::Host::Address(text.parse().unwrap()));
    let (ambiguous, plain) = (read("port-ambiguous"), read("port-unambiguous"));
    // In brackets everything is the address; the port is what follows them.
    let host = |message: &Message| message.uri().unwrap().host_text().map(str::to_owned);
    assert_eq!(ambiguous.uri().unwrap().host(), address("2001:db8::10:5070"));
    assert_eq!((ambiguous.uri().unwrap().port(), plain.uri().unwrap().port()), (None, Some(5070)));
    assert_eq!(host(&plain).as_deref(), Some("[2001:db8::10]"));
    // `received` is read with brackets and without (RFC 5118 section 4.5).
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(read(name).via().unwrap().received(), Some("2001:db8::9:255".parse().unwrap()), "{name}");
    }
    assert_eq!(read("mult-ip-in-header").vias().unwrap().len(), 3);
    assert_eq!(read("ipv4-mapped-ipv6").via().unwrap().sent_port(), 19823);
}

#[test]
fn what_phones_and_carriers_really_send_is_read() {
    judge(probes());
    judge(oversize());
    judge(vec![ten_megabytes()]);
    assert_eq!(read("no-length").body().len(), 150);
    assert_eq!(read("star").contacts(), Ok(Contacts::All));
    assert!(read("outbound").contact().unwrap().params.has("+sip.instance"));
    assert_eq!((read("compact").call_id().as_ref(), read("compact").body().len()), ("compact.1", 150));
    assert_eq!(read("two-vias").vias().unwrap()[1].branch(), Some("z9hG4bKsecond"));
    assert_eq!(read("folded-via").via().unwrap().branch(), Some("z9hG4bKfolded"));
    assert_eq!(read("tel").uri().unwrap().user().as_deref(), Some("057155550100"));
    assert_eq!(read("tel").from().unwrap().uri.user().as_deref(), Some("+86-138-0013-8000"));
    // Nothing after a line that is not UTF-8 is lost, nor is an escape resolved twice.
    assert_eq!(read("not-utf8").header(Header::Organization).unwrap().raw(), b"after it");
    assert_eq!(read("percent").uri().unwrap().user().as_deref(), Some("100%%25"));
    assert_eq!(read("binary-body").body().len(), 261);
    let tenth = read("tenth-use-of-a-nonce");
    let proof = sip::Credentials::parse(&tenth.header(Header::Authorization).unwrap().text()).unwrap();
    assert_eq!((proof.nc(), proof.algorithm()), (Some(10), Some(sip::Algorithm::Sha256)));
    assert_eq!(read("via-100").vias().unwrap().len(), 101);
}

fn judge(messages: Vec<Torture>) {
    for torture in messages {
        let name = torture.name;
        let verdict = Message::parse(torture.bytes.into(), Carriage::Datagram);
        match (verdict, REFUSED.iter().find(|(refused, ..)| *refused == name)) {
            (Ok(message), None) => assert_fixed_point(name, &message),
            (Err(bad), Some((_, status, flaw))) => {
                assert_eq!((bad.status, bad.flaw), (*status, *flaw), "{name}");
            }
            (Ok(_), Some(_)) => panic!("{name} was taken"),
            (Err(bad), None) => panic!("{name} was refused: {bad}"),
        }
    }
}

/// What was read is written byte by byte, and reads the same again, also after a rewrite line by line.
fn assert_fixed_point(name: &str, message: &Message) {
    let again = Message::parse(message.as_bytes().clone(), Carriage::Datagram).unwrap();
    assert_eq!(&again, message, "{name}");
    let rewritten = Draft::of(message).finish();
    let read = Message::parse(rewritten.as_bytes().clone(), Carriage::Stream).unwrap();
    assert_eq!(read.body(), message.body(), "{name}");
    assert_eq!((read.cseq(), read.call_id()), (message.cseq(), message.call_id()), "{name}");
    assert_eq!((read.from(), read.to()), (message.from(), message.to()), "{name}");
    assert_eq!((read.vias(), read.contacts()), (message.vias(), message.contacts()), "{name}");
    assert_eq!(Draft::of(&read).finish(), read, "{name}");
}

#[test]
fn over_a_stream_they_are_cut_where_their_length_says() {
    for torture in all() {
        let refused = REFUSED.iter().any(|(refused, ..)| *refused == torture.name);
        if refused || torture.name == "inv2543" {
            continue;
        }
        let mut framer = Framer::new();
        framer.push(&torture.bytes);
        let Some(Ok(Frame::Message(frame))) = framer.next_frame() else { panic!("{}", torture.name) };
        let streamed =
            Message::parse(frame, Carriage::Stream).unwrap_or_else(|bad| panic!("{}: {bad}", torture.name));
        assert_eq!(streamed, read(torture.name), "{}", torture.name);
    }
    let mut framer = Framer::new();
    framer.push(&bytes_of("dblreq"));
    assert!(matches!(framer.next_frame(), Some(Ok(Frame::Message(_)))));
    assert_eq!(framer.next_frame(), Some(Ok(Frame::Pong)));
    assert!(matches!(framer.next_frame(), Some(Ok(Frame::Message(_)))));
    let mut framer = Framer::new();
    framer.push(&bytes_of("inv2543"));
    assert!(matches!(framer.next_frame(), Some(Err(_))));
}

#[test]
fn the_answer_to_a_refused_request_carries_what_could_be_read() {
    let bad = Message::parse(bytes_of("lwsruri"), Carriage::Datagram).unwrap_err();
    let answer = bad.reply("192.0.2.99:4000".parse().unwrap(), "mine").unwrap();
    let answer = Message::parse(answer.as_bytes().clone(), Carriage::Stream).unwrap();
    assert_eq!(answer.status(), Some(400));
    assert_eq!(answer.call_id(), "lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423");
    assert_eq!(answer.to_tag().as_deref(), Some("3xfe-9921883-z9f"));
    assert_eq!(answer.via().unwrap().return_address(), Some("192.0.2.99:4000".parse().unwrap()));
    let insufficient = Message::parse(bytes_of("insuf"), Carriage::Datagram).unwrap_err();
    assert!(insufficient.reply("192.0.2.99:4000".parse().unwrap(), "mine").is_some());
    let mut ack = bytes_of("lwsstart").to_vec();
    ack.splice(..6, *b"ACK");
    assert_eq!(Message::parse(ack.into(), Carriage::Datagram).unwrap_err().status, None);
}

#[test]
fn the_valid_ones_are_understood() {
    let wsinv = read("wsinv");
    assert_eq!(wsinv.from().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!((wsinv.to_tag().as_deref(), wsinv.number(Header::MaxForwards)), (Some("1918181833n"), Ok(68)));
    assert_eq!((wsinv.cseq().number, wsinv.vias().unwrap().len()), (9, 3));
    assert_eq!(wsinv.vias().unwrap()[2].branch(), Some("z9hG4bK30239"));
    assert_eq!(wsinv.contact().unwrap().preference(), 330);
    assert_eq!(wsinv.body().len(), 150);
    assert!(wsinv.addresses(Header::Route).unwrap()[0].uri.is_loose());
    let odd = wsinv.headers_named("unknownheaderwithunusualvalue").next().unwrap();
    assert_eq!(odd.raw(), b";;,,;;,;");

    let intmeth = read("intmeth");
    assert_eq!(intmeth.method().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(intmeth.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(intmeth.uri().unwrap().password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(intmeth.from_tag().as_deref(), Some("_token~1'+`*%!-."));

    assert_eq!(read("esc01").uri().unwrap().user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(read("esc01").contact().unwrap().uri.param("lr"), Some(""));
    let Contacts::List(nulls) = read("escnull").contacts().unwrap() else { panic!() };
    assert_eq!(nulls[1].uri.user().as_deref(), Some("\0\0"));
    assert_eq!(read("esc02").method().as_str(), "RE%47IST%45R");
    assert_eq!(read("esc02").headers(Header::Contact).count(), 2);
    assert_eq!(read("lwsdisp").from().unwrap().display.as_deref(), Some("caller"));
    assert_eq!(read("longreq").vias().unwrap().len(), 34);
    assert_eq!(read("dblreq").body(), b"");
    assert_eq!(read("semiuri").uri().unwrap().user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(read("transports").vias().unwrap()[3].transport, ViaTransport::Other("UNKNOWN".into()));
    assert!(read("mpart01").body().windows(4).any(|w| w == [253, 254, 255, 255]));
    assert_eq!((read("unreason").status(), read("noreason").status()), (Some(200), Some(100)));
}

#[test]
fn what_the_application_must_judge_can_be_seen_by_it() {
    assert_eq!(read("unkscm").uri().unwrap().scheme(), Scheme::Other);
    assert_eq!(read("novelsc").uri().unwrap().scheme_text(), "soap.beep");
    assert_eq!(read("unksm2").to().unwrap().uri.scheme(), Scheme::Other);
    assert_eq!(read("bext01").tokens(Header::Require), ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert_eq!(read("invut").content_type().as_deref(), Some("application/unknownformat"));
    assert!(
        sip::Credentials::parse(&read("regaut01").header(Header::Authorization).unwrap().text()).is_err()
    );
    assert_eq!(read("bcast").vias().unwrap().len(), 2);
    assert_eq!(read("zeromf").number(Header::MaxForwards), Ok(0));
    assert!(read("cparam01").contact().unwrap().params.has("unknownparam"));
    assert_eq!(read("cparam02").contact().unwrap().uri.param("unknownparam"), Some(""));
    assert!(read("regescrt").contact().unwrap().uri.headers_text().is_some());
    assert_eq!(read("sdp01").tokens(Header::Accept), ["text/nobodyKnowsThis"]);
    assert_eq!(read("badbranch").via().unwrap().branch(), Some("z9hG4bK"));
    assert_eq!((read("inv2543").from_tag(), read("inv2543").via().unwrap().branch()), (None, None));
}
