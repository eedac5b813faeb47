//! Frames as RFC 6455 shows them, and everything that must end the connection.

use proptest::prelude::*;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: pbx.example:8088\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, sip\r\n{more}\r\n"
    )
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        n @ ..126 => frame.push(0x80 | n as u8),
        n @ ..65_536 => {
            frame.push(0xfe);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0xff);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn after_upgrade(frames: &[u8]) -> Vec<Told> {
    let mut told = read(&[request("").as_bytes(), frames].concat(), Origins::SameHost);
    assert!(matches!(told.remove(0), Told::Opened(_)));
    told
}

fn code(told: &Told) -> u16 {
    let Told::Over(frame) = told else { panic!("{told:?}") };
    assert_eq!(frame[..2], [0x88, 2]);
    u16::from_be_bytes([frame[2], frame[3]])
}

#[test]
fn the_upgrade_is_answered_with_the_key_of_the_rfc() {
    let told = read(request("").as_bytes(), Origins::SameHost);
    let [Told::Opened(answer)] = &told[..] else { panic!("{told:?}") };
    let text = std::str::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 101 "));
    assert!(text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(text.contains("\r\nSec-WebSocket-Protocol: sip\r\n"));
}

#[test]
fn a_request_that_is_not_for_sip_is_refused() {
    let sound = request("");
    let bad = [
        (sound.replace("chat, sip", "chat"), "400"),
        (sound.replace("chat, sip", "SIPX"), "400"),
        (sound.replace("Upgrade: WebSocket\r\n", ""), "426"),
        (sound.replace("Version: 13", "Version: 8"), "426"),
        (sound.replace(KEY, "short"), "400"),
        (sound.replace("Host: pbx.example:8088\r\n", ""), "400"),
        (sound.replace("GET ", "POST "), "400"),
        (sound.replace("HTTP/1.1", "HTTP/1.0"), "400"),
        ("OPTIONS sip:a SIP/2.0\r\n\r\n".to_owned(), "400"),
        ("x".repeat(9_000), "400"),
        (format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(2_000)), "400"),
    ];
    for (text, status) in bad {
        let told = read(text.as_bytes(), Origins::Any);
        let [Told::Over(refusal)] = &told[..] else { panic!("{text}: {told:?}") };
        assert!(refusal.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{text}: {refusal:?}");
    }
}

#[test]
fn only_pages_of_known_origins_are_let_in() {
    let listed = Origins::Listed(vec!["https://desk.example".into()]);
    for (origin, origins, opens) in [
        ("http://pbx.example", Origins::SameHost, true),
        ("https://PBX.example:9443", Origins::SameHost, true),
        ("https://evil.example", Origins::SameHost, false),
        ("https://pbx.example.evil.example", Origins::SameHost, false),
        ("null", Origins::SameHost, false),
        ("https://desk.example", listed.clone(), true),
        ("https://pbx.example", listed.clone(), false),
        ("https://desk.example:444", listed, false),
        ("null", Origins::Any, true),
    ] {
        let told = read(request(&format!("Origin: {origin}\r\n")).as_bytes(), origins);
        assert_eq!(matches!(told[0], Told::Opened(_)), opens, "{origin}: {told:?}");
    }
}

#[test]
fn a_frame_is_one_message_however_it_is_cut() {
    let message = b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\nbody without a length";
    let frames =
        [masked(0x01, &message[..9]), masked(0x89, b"hm"), masked(0x00, b""), masked(0x80, &message[9..])];
    let pong = Told::Write(Bytes::from_static(b"\x8a\x02hm"));
    assert_eq!(after_upgrade(&frames.concat()), [pong, Told::Message(Bytes::from_static(message))]);
    assert_eq!(after_upgrade(&masked(0x82, b"\xff\x00")), [Told::Message(Bytes::from_static(b"\xff\x00"))]);
}

#[test]
fn keep_alives_are_answered() {
    let frames = [masked(0x81, b"\r\n\r\n"), masked(0x81, b"\r\n"), masked(0x8a, b"")].concat();
    let told = after_upgrade(&frames);
    assert_eq!(told, [Told::Write(Bytes::from_static(b"\x81\x02\r\n")), Told::Alive, Told::Alive]);
}

#[test]
fn abuse_ends_the_connection_with_the_code_for_it() {
    let long = vec![b'x'; MAX_MESSAGE + 1];
    let halves = [masked(0x01, &long[..40_000]), masked(0x80, &long[..40_000])].concat();
    let mut pieces = masked(0x01, b"a");
    pieces.extend(masked(0x00, b"").repeat(100));
    let claims = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    for (what, frames, wanted) in [
        ("unmasked", vec![0x81, 1, b'x'], 1002),
        ("reserved bits", masked(0xc1, b"x"), 1002),
        ("unknown kind", masked(0x83, b"x"), 1002),
        ("a ping in pieces", masked(0x09, b"x"), 1002),
        ("a long ping", masked(0x89, &[b'x'; 126]), 1002),
        ("a continuation of nothing", masked(0x80, b"x"), 1002),
        ("a message inside a message", [masked(0x01, b"a"), masked(0x82, b"b")].concat(), 1002),
        ("a length not in its shortest form", vec![0x81, 0xfe, 0, 5, 1, 2, 3, 4], 1002),
        ("too large", masked(0x82, &long), 1009),
        ("too large in two", halves, 1009),
        ("too many pieces", pieces, 1009),
        ("claims a terabyte", claims.to_vec(), 1009),
        ("no UTF-8", masked(0x81, b"\xff"), 1007),
        ("a flood of pings", masked(0x89, b"").repeat(60), 1008),
        ("a flood of empty lines", masked(0x81, b"\r\n").repeat(60), 1008),
        ("a close", masked(0x88, &1001_u16.to_be_bytes()), 1001),
        ("a close with a code that must not be sent", masked(0x88, &1006_u16.to_be_bytes()), 1000),
        ("a close without a code", masked(0x88, b""), 1000),
    ] {
        let told = after_upgrade(&[frames, masked(0x81, b"after the end")].concat());
        assert_eq!(told.last().map(code), Some(wanted), "{what}");
    }
}

#[test]
fn pings_at_a_sane_pace_never_end_it() {
    let mut socket = WebSocket::new(Origins::SameHost);
    socket.push(request("").as_bytes());
    assert!(socket.next_told(Mono::ZERO).is_some() && socket.is_open());
    for second in 0..500 {
        let now = Mono::ZERO + std::time::Duration::from_secs(second);
        socket.push(&masked(0x89, b"x"));
        assert!(matches!(socket.next_told(now), Some(Told::Write(_))), "{second}");
    }
    assert_eq!(socket.pending(), 0);
}

#[test]
fn what_we_write_has_the_shortest_length() {
    for (length, head) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let message = vec![b'x'; length];
        assert_eq!(write(&message).len(), length + head);
    }
    assert_eq!(write(b"\xff")[0], 0x82);
    assert_eq!(going_away()[..], [0x88, 2, 3, 0xe9]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn where_the_connection_is_cut_does_not_matter(cuts in proptest::collection::vec(1_usize..40, 0..40)) {
        let frames = [masked(0x01, b"INVITE"), masked(0x89, b"1"), masked(0x80, &[b'y'; 300]), masked(0x82, b"z")];
        let whole = [request("").into_bytes(), frames.concat()].concat();
        let mut socket = WebSocket::new(Origins::SameHost);
        let mut told = Vec::new();
        let mut rest = &whole[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            socket.push(now);
            told.extend(std::iter::from_fn(|| socket.next_told(Mono::ZERO)));
            rest = later;
        }
        socket.push(rest);
        told.extend(std::iter::from_fn(|| socket.next_told(Mono::ZERO)));
        prop_assert_eq!(told, read(&whole, Origins::SameHost));
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_a_message(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = read(&bytes, Origins::Any);
        let mut socket = WebSocket::new(Origins::Any);
        socket.push(&[request("").as_bytes(), &bytes[..]].concat());
        while socket.next_told(Mono::ZERO).is_some() {}
        prop_assert!(socket.pending() <= MAX_MESSAGE + 600);
    }
}
