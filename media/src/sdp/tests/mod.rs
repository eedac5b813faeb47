//! Descriptions as phones, carriers and attackers write them.

mod browsers;

use std::net::IpAddr;

use codecs::Coding;
use proptest::prelude::*;

use super::*;
use crate::seam::{Direction, Events, Keys, Security, Stream};
use crate::srtp::{Keying, Suite};

const LOCAL: &str = "192.0.2.10";
const PEER: &str = "198.51.100.7";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn keys(stream: &Stream) -> Option<u8> {
    stream.events.map(|events| events.payload_type)
}

fn negotiation() -> Negotiation {
    Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(vec![Coding::Pcma, Coding::Pcmu]))
}

/// A description with these media lines; `c=` of the peer at session level.
fn described(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 {PEER}\r\ns=-\r\nc=IN IP4 {PEER}\r\nt=0 0\r\n{}", lines(media))
}

fn lines(media: &str) -> String {
    media.split_whitespace().fold(String::new(), |text, word| {
        if word.get(1..2) == Some("=") { text + "\r\n" + word } else { text + " " + word }
    })[2..]
        .to_owned()
        + "\r\n"
}

fn answered(media: &str) -> (String, Stream) {
    negotiation().answer(&described(media), ip(PEER)).unwrap()
}

fn refused(media: &str) -> SdpFault {
    negotiation().answer(&described(media), ip(PEER)).unwrap_err()
}

fn version(description: &str) -> String {
    description.lines().find(|line| line.starts_with("o=")).unwrap().to_owned()
}

#[test]
fn a_phones_offer_is_answered_in_full() {
    let (text, stream) = answered(
        "m=audio 4000 RTP/AVP 96 18 0 8 101 a=rtpmap:96 opus/48000/2 a=rtpmap:0 PCMU/8000 a=rtpmap:8 PCMA/8000 \
         a=rtpmap:101 telephone-event/8000 a=fmtp:101 0-16 a=ptime:30 a=sendrecv",
    );
    assert_eq!(
        text,
        "v=0\r\no=- 42 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:30\r\na=maxptime:60\r\na=sendrecv\r\n"
    );
    assert_eq!(
        stream,
        Stream {
            coding: Coding::Pcmu,
            payload_type: 0,
            also: Vec::new(),
            events: Some(Events { payload_type: 101, clock: 8000 }),
            ptime: 30,
            remote_rtp: "198.51.100.7:4000".parse().unwrap(),
            remote_rtcp: "198.51.100.7:4001".parse().unwrap(),
            rtcp_mux: false,
            direction: Direction::Both,
            security: Security::Plain,
            signalling: ip(PEER),
        }
    );
}

#[test]
fn the_callers_first_codec_leads_and_ours_only_when_we_offer() {
    assert_eq!(answered("m=audio 4000 RTP/AVP 0 8").1.coding, Coding::Pcmu);
    assert_eq!(answered("m=audio 4000 RTP/AVP 8 0").1.coding, Coding::Pcma);
    let offer = Negotiation::new(ip(LOCAL), 1, 2, 3, Terms::plain(vec![Coding::Pcmu, Coding::Pcma])).offer();
    assert!(offer.contains("RTP/AVP 0 8 101"), "{offer}");
    let only_a = Negotiation::new(ip(LOCAL), 1, 2, 3, Terms::plain(vec![Coding::Pcma]))
        .answer(&described("m=audio 4 RTP/AVP 0"), ip(PEER));
    assert_eq!(only_a.unwrap_err(), SdpFault::NoCommonCodec);
}

const HD: [Coding; 4] = [Coding::Pcma, Coding::Pcmu, Coding::G722, Coding::Opus];

#[test]
fn opus_and_g722_are_offered_with_their_clocks() {
    let offer = Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(HD.to_vec())).offer();
    assert!(offer.contains("m=audio 30000 RTP/AVP 8 0 9 111 101 110\r\n"), "{offer}");
    for line in ["9 G722/8000", "111 opus/48000/2", "101 telephone-event/8000", "110 telephone-event/48000"] {
        assert!(offer.contains(&format!("a=rtpmap:{line}\r\n")), "{offer}");
    }
    assert!(offer.contains("a=fmtp:111 "), "{offer}");
}

#[test]
fn g711_comes_before_opus_where_it_leads_our_order_and_keys_keep_the_clock_of_the_audio() {
    let chrome = "m=audio 9 RTP/AVP 111 63 9 0 8 13 110 126 a=rtpmap:111 opus/48000/2 a=rtpmap:63 red/48000/2 \
                  a=rtpmap:9 G722/8000 a=rtpmap:110 telephone-event/48000 a=rtpmap:126 telephone-event/8000";
    let chosen = |order: &[Coding]| {
        let mut negotiation = Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(order.to_vec()));
        let stream = negotiation.answer(&described(chrome), ip(PEER)).unwrap().1;
        (stream.coding, stream.payload_type, stream.events.unwrap())
    };
    let (narrow, wide) =
        (Events { payload_type: 126, clock: 8000 }, Events { payload_type: 110, clock: 48_000 });
    assert_eq!(chosen(&HD), (Coding::Pcmu, 0, narrow));
    assert_eq!(chosen(&[Coding::Opus, Coding::Pcma]), (Coding::Opus, 111, wide));
    assert_eq!(chosen(&[Coding::G722, Coding::Pcma]), (Coding::G722, 9, narrow));
}

#[test]
fn a_payload_type_keeps_its_meaning_when_we_offer_again() {
    let mut negotiation = Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(HD.to_vec()));
    let theirs = "m=audio 4000 RTP/AVP 101 111 a=rtpmap:101 opus/48000/2 a=rtpmap:111 telephone-event/48000";
    negotiation.answer(&described(theirs), ip(PEER)).unwrap();
    let offer = negotiation.offer();
    assert!(offer.contains("m=audio 30000 RTP/AVP 101 8 0 9 111 96\r\n"), "{offer}");
    assert!(offer.contains("a=rtpmap:101 opus/48000/2\r\n"), "{offer}");
    assert!(offer.contains("a=rtpmap:111 telephone-event/48000\r\na=fmtp:111 0-15\r\n"), "{offer}");
    assert!(offer.contains("a=rtpmap:96 telephone-event/8000\r\n"), "{offer}");
}

#[test]
fn what_the_other_party_speaks_is_taken_before_all_where_it_is_offered() {
    let browser = described(
        "m=audio 9 RTP/AVP 111 9 0 8 a=rtpmap:111 opus/48000/2 a=rtpmap:9 G722/8000 a=rtpmap:0 PCMU/8000",
    );
    assert_eq!(offered_codecs(&browser), [Coding::Opus, Coding::G722, Coding::Pcmu, Coding::Pcma]);
    for wanted in HD {
        let mut negotiation = Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(HD.to_vec()));
        negotiation.prefer(Some(wanted));
        assert_eq!(negotiation.answer(&browser, ip(PEER)).unwrap().1.coding, wanted);
    }
    let mut negotiation = negotiation();
    negotiation.prefer(Some(Coding::Opus));
    assert_eq!(
        negotiation.answer(&browser, ip(PEER)).unwrap().1.coding,
        Coding::Pcmu,
        "it is not ours to give"
    );
    for nonsense in
        ["", "v=0", "nonsense", &described("m=audio 0 RTP/AVP 8"), &described("m=video 9 RTP/AVP 8")]
    {
        assert!(offered_codecs(nonsense).is_empty(), "{nonsense}");
    }
}

#[test]
fn whatever_we_offered_and_did_not_agree_on_may_be_heard_all_the_same() {
    let mut negotiation = Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(HD.to_vec()));
    negotiation.offer();
    let mut another = negotiation.clone();
    let stream =
        negotiation.take_answer(&described("m=audio 4 RTP/AVP 111 a=rtpmap:111 opus/48000/2"), ip(PEER));
    let others = vec![(8, Coding::Pcma), (0, Coding::Pcmu), (9, Coding::G722)];
    assert_eq!(stream.unwrap().also, others);
    // Of a number that the answer gave to something else nothing else can be known.
    let taken = "m=audio 4 RTP/AVP 9 0 a=rtpmap:9 opus/48000/2 a=rtpmap:0 telephone-event/48000";
    let stream = another.take_answer(&described(taken), ip(PEER)).unwrap();
    assert_eq!((stream.coding, stream.payload_type), (Coding::Opus, 9));
    assert_eq!(stream.also, [(8, Coding::Pcma)]);
    // What we answer with is one codec.
    assert!(answered("m=audio 4000 RTP/AVP 0 8").1.also.is_empty());
}

fn protected(protection: Protection, confidential: bool) -> Negotiation {
    let terms = Terms { protection, confidential, ..Terms::plain(vec![Coding::Pcma]) };
    Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, terms)
}

/// What a phone with this profile and these keys offers.
fn with_keys(profile: &str, keys: &[Crypto]) -> String {
    let keys = keys.iter().fold(String::new(), |text, key| text + "a=crypto:" + &key.write() + "\r\n");
    described(&format!("m=audio 4000 {profile} 8")) + &keys
}

fn key(tag: u32, suite: Suite) -> Crypto {
    let bytes = [tag as u8; Keying::LONGEST];
    Crypto { tag, keying: Keying::new(suite, &bytes[..suite.key_len() + suite.salt_len()]).unwrap() }
}

fn keys_in(text: &str) -> Vec<Crypto> {
    text.lines()
        .filter_map(|line| line.strip_prefix("a=crypto:"))
        .map(|value| Crypto::read(value).unwrap())
        .collect()
}

#[test]
fn who_offers_keys_gets_ours_of_the_best_suite_and_srtp_both_ways() {
    let theirs = [key(1, Suite::AesCm128HmacSha1Tag80), key(2, Suite::AeadAes128Gcm)];
    for (profile, protection) in [
        ("RTP/SAVP", Protection::Prefer),
        ("RTP/AVP", Protection::Prefer),
        ("RTP/SAVPF", Protection::Require),
    ] {
        let mut negotiation = protected(protection, false);
        let (text, stream) = negotiation.answer(&with_keys(profile, &theirs), ip(PEER)).unwrap();
        let [ours] = &keys_in(&text)[..] else { panic!("{text}") };
        assert_eq!((ours.tag, ours.keying.suite()), (2, Suite::AeadAes128Gcm));
        let keys = Keys { ours: ours.keying.clone(), theirs: theirs[1].keying.clone() };
        assert_eq!(stream.security, Security::Srtp(Box::new(keys.clone())));
        assert!(text.contains(&format!("m=audio 30000 {profile} 8\r\n")), "{text}");
        // The same offer again changes nothing, and our own next offer has the same key.
        let (_, again) = negotiation.answer(&with_keys(profile, &theirs), ip(PEER)).unwrap();
        assert_eq!(again.security, stream.security);
        assert_eq!(keys_in(&negotiation.offer()), keys_in(&text));
        // Another key of theirs: ours stays.
        let (_, renewed) =
            negotiation.answer(&with_keys(profile, &[key(3, Suite::AeadAes128Gcm)]), ip(PEER)).unwrap();
        let Security::Srtp(renewed) = renewed.security else { panic!("plain") };
        assert_eq!((renewed.ours == keys.ours, renewed.theirs == keys.theirs), (true, false));
    }
}

#[test]
fn what_may_not_be_plain_and_what_may_not_be_sealed_is_refused() {
    let sealed = with_keys("RTP/SAVP", &[key(1, Suite::AeadAes128Gcm)]);
    let plain = with_keys("RTP/AVP", &[]);
    let fault = |protection, offer: &str| protected(protection, false).answer(offer, ip(PEER)).unwrap_err();
    assert_eq!(fault(Protection::Off, &sealed), SdpFault::Profile("RTP/SAVP".into()));
    assert_eq!(fault(Protection::Require, &plain), SdpFault::Crypto(CryptoFault::Missing));
    assert_eq!(
        fault(Protection::Prefer, &with_keys("RTP/SAVP", &[])),
        SdpFault::Crypto(CryptoFault::Missing)
    );
    assert_eq!(fault(Protection::Require, &plain).status(), 488);
    // Of a phone that offers both, each takes its own.
    let both =
        format!("{}m=audio 4002 RTP/AVP 8\r\n", with_keys("RTP/SAVP", &[key(1, Suite::AeadAes128Gcm)]));
    for (protection, port, is_plain) in [(Protection::Off, 4002, true), (Protection::Prefer, 4000, false)] {
        let stream = protected(protection, false).answer(&both, ip(PEER)).unwrap().1;
        assert_eq!((stream.remote_rtp.port(), stream.security == Security::Plain), (port, is_plain));
    }
}

#[test]
fn keys_are_offered_where_nobody_reads_them_and_where_they_must_be() {
    assert!(keys_in(&protected(Protection::Off, true).offer()).is_empty());
    assert!(keys_in(&protected(Protection::Prefer, false).offer()).is_empty());
    for (protection, profile) in [(Protection::Prefer, "RTP/AVP"), (Protection::Require, "RTP/SAVP")] {
        let mut negotiation = protected(protection, true);
        let offer = negotiation.offer();
        assert!(offer.contains(&format!("m=audio 30000 {profile} 8 101\r\n")), "{offer}");
        let offered = keys_in(&offer);
        assert_eq!(offered.len(), 4);
        let theirs = key(2, offered[1].keying.suite());
        let stream =
            negotiation.take_answer(&with_keys(profile, std::slice::from_ref(&theirs)), ip(PEER)).unwrap();
        let keys = Keys { ours: offered[1].keying.clone(), theirs: theirs.keying };
        assert_eq!(stream.security, Security::Srtp(Box::new(keys)));
        assert_eq!(keys_in(&negotiation.offer()), offered[1..2]);
        // A phone without SRTP.
        let mut negotiation = protected(protection, true);
        negotiation.offer();
        let plain = negotiation.take_answer(&with_keys(profile, &[]), ip(PEER));
        match protection {
            Protection::Prefer => assert_eq!(plain.unwrap().security, Security::Plain),
            _ => assert_eq!(plain.unwrap_err(), SdpFault::Crypto(CryptoFault::Missing)),
        }
    }
}

#[test]
fn who_refuses_keys_beside_plain_rtp_is_offered_them_alone_and_the_other_way_round() {
    let mut negotiation = protected(Protection::Prefer, true);
    let beside = negotiation.offer();
    let alone = negotiation.offer_otherwise().unwrap();
    assert!(beside.contains(" RTP/AVP 8") && alone.contains(" RTP/SAVP 8"), "{beside}{alone}");
    assert!(negotiation.insists() && keys_in(&alone).len() == 4);
    assert!(keys_in(&alone)[0].keying != keys_in(&beside)[0].keying, "who refused a key has read it");
    // What was offered alone is not answered by plain RTP.
    let plain = negotiation.clone().take_answer(&with_keys("RTP/AVP", &[]), ip(PEER)).unwrap_err();
    assert_eq!(plain, SdpFault::Crypto(CryptoFault::Missing));
    let theirs = key(2, keys_in(&alone)[1].keying.suite());
    let answer = with_keys("RTP/SAVP", std::slice::from_ref(&theirs));
    assert!(matches!(negotiation.take_answer(&answer, ip(PEER)).unwrap().security, Security::Srtp(_)));
    assert_eq!(negotiation.offer_otherwise(), None, "something was agreed on");
    // Known as such, it is offered them alone at once; and beside, should it refuse that.
    let known = |confidential| {
        let terms = Terms {
            protection: Protection::Prefer,
            confidential,
            insists: true,
            ..Terms::plain(vec![Coding::Pcma])
        };
        Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, terms)
    };
    let mut again = known(true);
    assert!(again.offer().contains(" RTP/SAVP 8"));
    assert!(again.offer_otherwise().unwrap().contains(" RTP/AVP 8") && !again.insists());
    // Where somebody reads along no key is offered, however the peer insists.
    assert!(known(false).offer().contains(" RTP/AVP 8"));
}

#[test]
fn where_there_is_but_one_way_to_offer_there_is_no_second_try() {
    for (protection, confidential) in [
        (Protection::Require, true),
        (Protection::Require, false),
        (Protection::Off, true),
        (Protection::Prefer, false),
    ] {
        let mut negotiation = protected(protection, confidential);
        assert_eq!(negotiation.offer_otherwise(), None, "nothing was offered");
        negotiation.offer();
        assert_eq!(negotiation.offer_otherwise(), None, "{protection:?} {confidential}");
    }
}

#[test]
fn dynamic_types_and_missing_rtpmaps_are_understood() {
    let (text, stream) =
        answered("m=audio 4000 RTP/AVP 111 110 a=rtpmap:111 pcma/8000 a=rtpmap:110 Telephone-Event/8000");
    assert_eq!((stream.coding, stream.payload_type, keys(&stream)), (Coding::Pcma, 111, Some(110)));
    assert!(text.contains("m=audio 30000 RTP/AVP 111 110\r\n"), "{text}");
    let (_, stream) = answered(
        "m=audio 4000 RTP/AVP 8 110 126 a=rtpmap:110 telephone-event/48000 a=rtpmap:126 telephone-event/8000",
    );
    assert_eq!((stream.payload_type, keys(&stream)), (8, Some(126)));
    assert_eq!(answered("m=audio 4000 RTP/AVP 8").1.events, None);
    assert_eq!(
        answered("m=audio 4000 RTP/AVP 8 a=rtpmap:8").1.coding,
        Coding::Pcma,
        "an empty rtpmap takes nothing"
    );
}

#[test]
fn hold_is_mirrored_in_all_its_forms() {
    for (offered, mirrored, direction) in [
        ("a=sendonly", "a=recvonly", Direction::ReceiveOnly),
        ("a=recvonly", "a=sendonly", Direction::SendOnly),
        ("a=inactive", "a=inactive", Direction::Inactive),
        ("c=IN IP4 0.0.0.0", "a=recvonly", Direction::ReceiveOnly),
        ("c=IN IP4 0.0.0.0 a=inactive", "a=inactive", Direction::Inactive),
        ("c=IN IP4 0.0.0.0 a=recvonly", "a=inactive", Direction::Inactive),
    ] {
        let (text, stream) = answered(&format!("m=audio 4000 RTP/AVP 8 {offered}"));
        assert!(text.contains(mirrored), "{offered}: {text}");
        assert_eq!(stream.direction, direction, "{offered}");
    }
    let of_session = described("m=audio 4000 RTP/AVP 8").replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n");
    assert_eq!(negotiation().answer(&of_session, ip(PEER)).unwrap().1.direction, Direction::Inactive);
}

#[test]
fn the_version_rises_with_a_change_and_only_then() {
    let mut negotiation = negotiation();
    let talk = described("m=audio 4000 RTP/AVP 8 101 a=rtpmap:101 telephone-event/8000");
    let hold = described("m=audio 4000 RTP/AVP 8 101 a=rtpmap:101 telephone-event/8000 a=sendonly");
    let mut said = |offer: &str| version(&negotiation.answer(offer, ip(PEER)).unwrap().0);
    assert_eq!(said(&talk), "o=- 42 1 IN IP4 192.0.2.10");
    assert_eq!(said(&talk), "o=- 42 1 IN IP4 192.0.2.10");
    assert_eq!(said(&hold), "o=- 42 2 IN IP4 192.0.2.10");
    assert_eq!(said(&hold), "o=- 42 2 IN IP4 192.0.2.10");
    assert_eq!(said(&talk), "o=- 42 3 IN IP4 192.0.2.10");
}

#[test]
fn a_refused_reoffer_leaves_all_as_it_was() {
    let mut negotiation = negotiation();
    let talk = described("m=audio 4000 RTP/AVP 8");
    let first = negotiation.answer(&talk, ip(PEER)).unwrap();
    assert!(negotiation.answer(&described("m=audio 4000 RTP/AVP 18"), ip(PEER)).is_err());
    assert_eq!(negotiation.answer(&talk, ip(PEER)).unwrap(), first);
}

#[test]
fn other_streams_are_refused_in_their_places() {
    let (text, stream) = answered(
        "m=video 5000 RTP/AVP 96 a=rtpmap:96 H264/90000 m=audio 4000 RTP/AVP 8 a=mid:a m=audio 6000 RTP/AVP 8 \
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    );
    let media: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 30000 RTP/AVP 8",
            "m=audio 0 RTP/AVP 8",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
        ]
    );
    assert!(!text.contains("mid") && !text.contains("BUNDLE"), "grouping is not supported: {text}");
    assert_eq!(stream.remote_rtp.port(), 4000);
}

#[test]
fn a_phone_that_offers_srtp_and_rtp_gets_rtp() {
    let (text, stream) = answered("m=audio 4000 RTP/SAVP 8 m=audio 5000 RTP/AVPF 8");
    assert!(text.contains("m=audio 0 RTP/SAVP 8\r\nm=audio 30000 RTP/AVPF 8\r\n"), "{text}");
    assert_eq!(stream.remote_rtp.port(), 5000);
    assert_eq!(refused("m=audio 4000 RTP/SAVP 8"), SdpFault::Profile("RTP/SAVP".into()));
    assert_eq!(refused("m=audio 4000 UDP/TLS/RTP/SAVPF 8").status(), 488);
}

#[test]
fn rtcp_goes_where_the_description_says() {
    let rtcp = |media: &str| answered(media).1.remote_rtcp.to_string();
    assert_eq!(rtcp("m=audio 4000 RTP/AVP 8 a=rtcp:4999"), "198.51.100.7:4999");
    assert_eq!(rtcp("m=audio 4000 RTP/AVP 8 a=rtcp:4999 IN IP4 203.0.113.1"), "203.0.113.1:4999");
    assert_eq!(rtcp("m=audio 4000 RTP/AVP 8 a=rtcp:nonsense"), "198.51.100.7:4001");
    assert_eq!(rtcp("m=audio 65535 RTP/AVP 8"), "198.51.100.7:0");
    let (text, stream) = answered("m=audio 4000 RTP/AVP 8 a=rtcp-mux a=rtcp:4000");
    assert!(stream.rtcp_mux && text.contains("a=rtcp-mux\r\n"));
    assert_eq!(stream.remote_rtcp, stream.remote_rtp);
    let mut odd = Negotiation::new(ip(LOCAL), 30_000, 30_007, 1, Terms::plain(vec![]));
    assert!(odd.offer().contains("a=rtcp:30007\r\n"));
}

#[test]
fn ptime_is_one_that_we_can_send() {
    for (asked, sent) in [
        ("", 20),
        ("a=ptime:10", 10),
        ("a=ptime:40 a=maxptime:30", 30),
        ("a=ptime:200", 60),
        ("a=ptime:0", 20),
        ("a=ptime:25", 20),
        ("a=ptime:5", 10),
        ("a=maxptime:4294967296", 20),
        ("a=ptime:20.0", 20),
        ("a=ptime:x", 20),
    ] {
        assert_eq!(answered(&format!("m=audio 4000 RTP/AVP 8 {asked}")).1.ptime, sent, "{asked}");
    }
}

#[test]
fn ipv6_is_spoken_by_an_ipv6_leg() {
    let mut on_v6 = Negotiation::new(ip("2001:db8::1"), 30_000, 30_001, 1, Terms::plain(vec![]));
    let offer = "v=0\r\no=- 1 1 IN IP6 2001:db8::9\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::9\r\n";
    let (text, stream) = on_v6.answer(offer, ip("2001:db8::9")).unwrap();
    assert_eq!(stream.remote_rtp, "[2001:db8::9]:4000".parse().unwrap());
    assert!(text.contains("c=IN IP6 2001:db8::1\r\n"));
    assert_eq!(negotiation().answer(offer, ip(PEER)), Err(SdpFault::Address));
    let mapped =
        described("m=audio 4000 RTP/AVP 8").replace(&format!("IP4 {PEER}"), &format!("IP6 ::ffff:{PEER}"));
    let stream = negotiation().answer(&mapped, ip(PEER)).unwrap().1;
    assert_eq!(stream.remote_rtp, "198.51.100.7:4000".parse().unwrap());
}

#[test]
fn our_offer_and_its_answer_agree_even_when_the_answer_comes_twice() {
    let mut negotiation = negotiation();
    assert_eq!(
        negotiation.take_answer(&described("m=audio 4 RTP/AVP 8"), ip(PEER)),
        Err(SdpFault::NotOffered)
    );
    let offer = negotiation.offer();
    assert!(offer.contains("m=audio 30000 RTP/AVP 8 0 101\r\n"), "{offer}");
    let answer =
        described("m=audio 4000 RTP/AVP 0 101 a=rtpmap:101 telephone-event/8000 a=ptime:20 a=rtcp-mux");
    let stream = negotiation.take_answer(&answer, ip(PEER)).unwrap();
    assert_eq!((stream.coding, keys(&stream), stream.rtcp_mux), (Coding::Pcmu, Some(101), false));
    assert_eq!(negotiation.take_answer(&answer, ip(PEER)).unwrap(), stream);
    // Our own re-INVITE keeps what was agreed on first, and its payload types.
    let again = negotiation.offer();
    assert!(again.contains("m=audio 30000 RTP/AVP 0 8 101\r\n"), "{again}");
    assert_eq!(negotiation.take_answer(&described("m=audio 0 RTP/AVP 0"), ip(PEER)), Err(SdpFault::NoAudio));
}

#[test]
fn a_reoffer_of_ours_keeps_every_line_and_type_of_theirs() {
    let mut negotiation = negotiation();
    let offer = described(
        "m=video 5000 RTP/AVP 96 m=audio 4000 RTP/AVP 112 97 a=rtpmap:112 PCMU/8000 a=rtpmap:97 telephone-event/8000 a=rtcp-mux",
    );
    negotiation.answer(&offer, ip(PEER)).unwrap();
    let ours = negotiation.offer();
    let media: Vec<&str> = ours.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=video 0 RTP/AVP 96", "m=audio 30000 RTP/AVP 112 8 97"]);
    assert!(
        ours.contains("a=rtcp-mux\r\n") && ours.contains("a=rtpmap:97 telephone-event/8000\r\n"),
        "{ours}"
    );
}

#[test]
fn abuse_is_refused_cheaply() {
    let audio = |fmt: &str| refused(&format!("m=audio 4000 RTP/AVP {fmt}")).status();
    assert_eq!(audio("4294967296"), 488);
    assert_eq!(audio("-1 256 999"), 488);
    assert_eq!(audio("8 a=rtpmap:8 PCMA/0"), 488);
    assert_eq!(audio("8 a=rtpmap:8 PCMA/8000/2"), 488);
    assert_eq!(refused("m=audio 0 RTP/AVP 8"), SdpFault::NoAudio);
    assert_eq!(refused("m=video 4000 RTP/AVP 8"), SdpFault::NoAudio);
    assert_eq!(refused("m=audio 70000 RTP/AVP 8").status(), 400);
    assert_eq!(refused(&"m=audio 4000 RTP/AVP 8 ".repeat(500)), SdpFault::TooManyStreams(500));
    let whole = |text: &str| negotiation().answer(text, ip(PEER)).unwrap_err();
    assert_eq!(whole(&described(&"m=audio 4000 RTP/AVP 8 a=x:y ".repeat(3000))).status(), 400);
    assert_eq!(whole(&"v=0\r\n".repeat(20_000)), SdpFault::TooLong(100_000));
    assert_eq!(whole("").status(), 400);
    assert_eq!(whole("not SDP at all").status(), 400);
    let nowhere = described("m=audio 4000 RTP/AVP 8").replace(&format!("c=IN IP4 {PEER}\r\n"), "");
    assert_eq!(whole(&nowhere), SdpFault::Address);
    for address in ["239.1.2.3/127", "255.255.255.255", "host.example.com", "999.1.1.1"] {
        let text = described("m=audio 4000 RTP/AVP 8")
            .replace(&format!("c=IN IP4 {PEER}"), &format!("c=IN IP4 {address}"));
        assert!(matches!(whole(&text), SdpFault::Address | SdpFault::Unreadable(_)), "{address}");
    }
}

#[test]
fn nothing_of_theirs_can_write_lines_into_our_answer() {
    let smuggled = described("m=audio 4000 RTP/AVP 8") + "m=vi\rdeo\ra=evil 5000 RTP/AVP 96\r\n";
    assert!(matches!(negotiation().answer(&smuggled, ip(PEER)), Err(SdpFault::Unreadable(_))));
    let long = described("m=audio 4000 RTP/AVP 8") + &format!("m={} 5000 RTP/AVP 96\r\n", "x".repeat(65));
    assert!(matches!(negotiation().answer(&long, ip(PEER)), Err(SdpFault::Unreadable(_))));
}

proptest! {
    #[test]
    fn a_mutated_offer_is_answered_or_refused_and_our_answer_is_always_readable(
        cuts in proptest::collection::vec((0usize..400, any::<u8>()), 0..12),
    ) {
        let offer = described(
            "m=audio 4000 RTP/AVP 0 8 101 a=rtpmap:0 PCMU/8000 a=rtpmap:101 telephone-event/8000 a=ptime:20 \
             a=rtcp:4001 IN IP4 198.51.100.7 a=sendonly m=video 5000 RTP/AVP 96",
        );
        let mut bytes = offer.into_bytes();
        for (at, value) in cuts {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok((answer, stream)) = negotiation().answer(&text, ip(PEER)) {
            prop_assert!((10..=60).contains(&stream.ptime) && stream.ptime % 10 == 0);
            prop_assert_eq!(answer.lines().filter(|l| l.starts_with("m=")).count(), text.lines().filter(|l| l.starts_with("m=")).count());
            let mut judge = negotiation();
            judge.offer();
            prop_assert!(judge.take_answer(&answer, ip(LOCAL)).is_ok(), "{}", answer);
        }
    }
}
