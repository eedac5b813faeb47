//! What browsers and phones with DTLS write.

use super::*;
use crate::dtls::{Dtls, Fingerprint, Ice, Role};
use crate::ice::Credentials;

/// The shape of Chromium's offer for audio alone, as JsSIP sends it once all candidates are there.
fn chromium() -> String {
    let lines = [
        "v=0",
        "o=- 6153127352350237301 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 7f8e",
        "m=audio 45123 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
        "c=IN IP4 198.51.100.7",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:3868 1 udp 2122260223 198.51.100.7 45123 typ host generation 0 network-id 1",
        "a=ice-ufrag:iN3d",
        "a=ice-pwd:W3+y0pYcOqDFgzcRoFwDCLgF",
        "a=ice-options:trickle",
        "a=fingerprint:sha-256 FINGERPRINT",
        "a=setup:actpass",
        "a=mid:0",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=sendrecv",
        "a=msid:7f8e 0a1b",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "a=ssrc:1234 cname:x",
    ];
    lines
        .iter()
        .fold(String::new(), |text, line| text + line + "\r\n")
        .replace("FINGERPRINT", &theirs().to_string())
}

fn theirs() -> Fingerprint {
    Fingerprint::of(b"their certificate")
}

fn ours() -> Fingerprint {
    Fingerprint::of(b"our certificate")
}

fn leg(offered: bool, protection: Protection) -> Negotiation {
    let web = Some(Web { fingerprint: ours(), offered });
    let terms = Terms { protection, web, ..Terms::plain(vec![Coding::Pcma, Coding::Opus]) };
    Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, terms)
}

fn dtls(stream: &Stream) -> Dtls {
    match &stream.security {
        Security::Dtls(dtls) => (**dtls).clone(),
        other => panic!("{other:?}"),
    }
}

fn attribute<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("a={name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// What is said of DTLS and ICE, in the order in which it stands.
fn web_lines(text: &str) -> Vec<&str> {
    let names = [
        "a=group",
        "a=ice",
        "a=mid",
        "a=setup",
        "a=finger",
        "a=candidate",
        "a=end-of",
        "a=rtcp-mux",
        "a=crypto",
    ];
    text.lines().filter(|line| names.iter().any(|name| line.starts_with(name))).collect()
}

fn fault(offer: &str) -> SdpFault {
    leg(false, Protection::Prefer).answer(offer, ip(PEER)).unwrap_err()
}

#[test]
fn a_browsers_offer_is_answered_with_what_it_needs_and_nothing_else() {
    let mut negotiation = leg(false, Protection::Prefer);
    let (text, stream) = negotiation.answer(&chromium(), ip(PEER)).unwrap();
    let (fragment, password) = (attribute(&text, "ice-ufrag"), attribute(&text, "ice-pwd"));
    assert_eq!((fragment.len(), password.len()), (8, 24));
    let expected = [
        "a=ice-lite",
        "a=group:BUNDLE 0",
        "a=mid:0",
        "a=rtcp-mux",
        "a=setup:passive",
        &format!("a=fingerprint:sha-256 {}", ours()),
        &format!("a=ice-ufrag:{fragment}"),
        &format!("a=ice-pwd:{password}"),
        &format!("a=candidate:1 1 udp 2130706431 {LOCAL} 30000 typ host"),
        "a=end-of-candidates",
    ];
    assert_eq!(web_lines(&text), expected, "{text}");
    assert!(text.contains("m=audio 30000 UDP/TLS/RTP/SAVPF 8 126\r\n"), "{text}");
    assert!(!text.contains("extmap") && !text.contains("rtcp-fb") && !text.contains("ssrc"), "{text}");
    let theirs_of_ice = Credentials { fragment: "iN3d".into(), password: "W3+y0pYcOqDFgzcRoFwDCLgF".into() };
    let ours_of_ice = Credentials { fragment: fragment.into(), password: password.into() };
    let ice = Some(Ice { ours: ours_of_ice, theirs: theirs_of_ice });
    assert_eq!(dtls(&stream), Dtls { theirs: theirs(), role: Role::Passive, ice });
    assert!(stream.rtcp_mux && stream.direction == Direction::Both);
    // A hold: who begins, the names and the keys stay.
    let held = chromium().replace("a=sendrecv", "a=sendonly");
    let (again, held) = negotiation.answer(&held, ip(PEER)).unwrap();
    assert_eq!((web_lines(&again), dtls(&held)), (web_lines(&text), dtls(&stream)));
    // ICE begins anew: a new name of ours, the same handshake.
    let restarted = chromium().replace("iN3d", "other");
    let (_, restarted) = negotiation.answer(&restarted, ip(PEER)).unwrap();
    assert_ne!(dtls(&restarted).ice.unwrap().ours.fragment, fragment);
    assert!(dtls(&restarted).continues(&dtls(&stream)));
}

#[test]
fn who_begins_is_as_the_browser_wants_it() {
    for (setup, answered, role) in [
        ("active", "passive", Role::Passive),
        ("passive", "active", Role::Active),
        ("actpass", "passive", Role::Passive),
    ] {
        let offer = chromium().replace("a=setup:actpass", &format!("a=setup:{setup}"));
        let mut negotiation = leg(false, Protection::Require);
        let (text, stream) = negotiation.answer(&offer, ip(PEER)).unwrap();
        assert_eq!((attribute(&text, "setup"), dtls(&stream).role), (answered, role));
        // Once it is settled, an offer of either turns nothing round.
        let (_, again) = negotiation.answer(&chromium(), ip(PEER)).unwrap();
        assert_eq!(dtls(&again).role, role);
        let again = negotiation.offer();
        assert_eq!(
            (attribute(&again, "setup"), attribute(&again, "ice-ufrag")),
            ("actpass", attribute(&text, "ice-ufrag"))
        );
    }
}

#[test]
fn a_browser_that_hides_its_address_is_not_on_hold() {
    for hidden in ["0.0.0.0", "2001:db8::7", "b1ff.local"] {
        let kind = if hidden.contains(':') { "IP6" } else { "IP4" };
        let offer = chromium().replace("c=IN IP4 198.51.100.7", &format!("c=IN {kind} {hidden}"));
        let (_, stream) = leg(false, Protection::Prefer).answer(&offer, ip(PEER)).unwrap();
        assert_eq!(
            (stream.direction, stream.remote_rtp.ip().is_unspecified()),
            (Direction::Both, true),
            "{hidden}"
        );
    }
}

#[test]
fn what_cannot_be_trusted_or_done_is_refused_with_488() {
    let fingerprint = format!("a=fingerprint:sha-256 {}", theirs());
    for (was, is, expected) in [
        (&*format!("{fingerprint}\r\n"), "", WebFault::Missing),
        (&*fingerprint, "a=fingerprint:sha-1 00:11", WebFault::Hash),
        (&*fingerprint, "a=fingerprint:sha-256 00:11", WebFault::Form),
        ("a=ice-pwd:W3+y0pYcOqDFgzcRoFwDCLgF\r\n", "", WebFault::Ice),
        ("a=ice-ufrag:iN3d\r\n", "", WebFault::Ice),
        ("W3+y0pYcOqDFgzcRoFwDCLgF", "short", WebFault::Ice),
        ("iN3d", "i:3d", WebFault::Ice),
        ("a=rtcp-mux\r\n", "", WebFault::Mux),
        ("a=setup:actpass", "a=setup:holdconn", WebFault::Setup),
        ("a=setup:actpass", "a=setup:whatever", WebFault::Setup),
    ] {
        let offer = chromium();
        assert!(offer.contains(was));
        let fault = fault(&offer.replace(was, is));
        assert_eq!((fault.status(), &fault), (488, &SdpFault::Web(expected)), "{was} -> {is}");
    }
    let off = leg(false, Protection::Off).answer(&chromium(), ip(PEER)).unwrap_err();
    let without_certificate = protected(Protection::Prefer, true).answer(&chromium(), ip(PEER)).unwrap_err();
    assert_eq!([off, without_certificate], [(); 2].map(|()| SdpFault::Profile("UDP/TLS/RTP/SAVPF".into())));
}

#[test]
fn a_phone_with_dtls_and_without_ice_gets_no_ice() {
    for profile in ["UDP/TLS/RTP/SAVP", "RTP/SAVPF"] {
        let offer = described(&format!("m=audio 4000 {profile} 8 a=setup:actpass a=rtcp-mux"))
            + &format!("a=fingerprint:SHA-256 {}\r\n", theirs().to_string().to_lowercase());
        let (text, stream) = leg(false, Protection::Prefer).answer(&offer, ip(PEER)).unwrap();
        let fingerprint = format!("a=fingerprint:sha-256 {}", ours());
        assert_eq!(web_lines(&text), ["a=rtcp-mux", "a=setup:passive", &fingerprint], "{text}");
        assert!(text.contains(&format!("m=audio 30000 {profile} 8\r\n")), "{text}");
        assert_eq!(dtls(&stream), Dtls { theirs: theirs(), role: Role::Passive, ice: None });
        assert_eq!(stream.remote_rtcp.port(), 4000);
    }
}

#[test]
fn other_streams_of_a_browser_are_refused_by_name() {
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";
    let offer = chromium().replace("BUNDLE 0", "BUNDLE 0 1") + video;
    let (text, _) = leg(false, Protection::Prefer).answer(&offer, ip(PEER)).unwrap();
    assert!(text.contains("a=group:BUNDLE 0\r\n"), "{text}");
    assert!(text.ends_with("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"), "{text}");
    let named_badly = chromium().replace("a=mid:0", "a=mid:0 x");
    assert_eq!(fault(&named_badly).status(), 400);
}

#[test]
fn to_a_browser_we_offer_dtls_alone_and_take_its_answer() {
    let mut negotiation = leg(true, Protection::Prefer);
    let offer = negotiation.offer();
    assert!(offer.contains("m=audio 30000 UDP/TLS/RTP/SAVPF 8 111 101 110\r\n"), "{offer}");
    assert_eq!(attribute(&offer, "setup"), "actpass");
    assert_eq!(web_lines(&offer).len(), 10, "{offer}");
    let ours_of_ice = attribute(&offer, "ice-ufrag").to_owned();
    let answer = |setup: &str| chromium().replace("actpass", setup);
    let stream = negotiation.take_answer(&answer("active"), ip(PEER)).unwrap();
    assert_eq!((dtls(&stream).role, dtls(&stream).ice.unwrap().ours.fragment), (Role::Passive, ours_of_ice));
    assert!(stream.rtcp_mux);
    let stream = negotiation.take_answer(&answer("passive"), ip(PEER)).unwrap();
    assert_eq!(dtls(&stream).role, Role::Active);
    assert_eq!(
        negotiation.take_answer(&answer("actpass"), ip(PEER)).unwrap_err(),
        SdpFault::Web(WebFault::Setup)
    );
    let plain = described("m=audio 4000 RTP/AVP 8");
    assert_eq!(negotiation.take_answer(&plain, ip(PEER)).unwrap_err(), SdpFault::Web(WebFault::Missing));
    // Who was offered plain RTP cannot answer with DTLS; who may have none is offered none.
    let mut plainly = leg(false, Protection::Prefer);
    assert!(web_lines(&plainly.offer()).is_empty());
    assert_eq!(plainly.take_answer(&answer("active"), ip(PEER)).unwrap_err().status(), 488);
    assert!(web_lines(&leg(true, Protection::Off).offer()).is_empty());
}

proptest! {
    #[test]
    fn no_line_about_it_breaks_reading(
        name in "fingerprint|setup|ice-ufrag|ice-pwd|mid|group|candidate|ice-lite",
        value in "\\PC{0,60}",
    ) {
        let offer = chromium() + &format!("a={name}:{value}\r\n");
        let _ = leg(false, Protection::Prefer).answer(&offer, ip(PEER));
        let replaced: String = chromium()
            .lines()
            .map(|line| if line.starts_with(&format!("a={name}")) { format!("a={name}:{value}\r\n") } else { format!("{line}\r\n") })
            .collect();
        let _ = leg(true, Protection::Prefer).answer(&replaced, ip(PEER));
    }
}
