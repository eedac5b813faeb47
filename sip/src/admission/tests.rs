//! What the door lets in, told in virtual time.

use super::*;

const TRUNK: &str = "192.0.2.2:5060";
const PHONE: &str = "198.51.100.7:40000";

fn door() -> Admission {
    let mut door = Admission::new(Mono::ZERO, Limits::of(10, 20), Entropy::from_number(1));
    door.set_trunks(vec!["192.0.2.2".parse().unwrap()]);
    door.know(Transport::Udp, address(PHONE), true);
    door
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(millis: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(millis)
}

fn text(method: &str, tag: &str) -> String {
    format!(
        "{method} sip:4001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=f\r\nTo: <sip:4001@192.0.2.1>{tag}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n"
    )
}

fn ask(door: &mut Admission, millis: u64, source: &str, method: &str, tag: &str) -> Verdict {
    let bytes = text(method, tag);
    door.judge(at(millis), Transport::Udp, address(source), bytes.as_bytes(), Pressure::default())
}

#[test]
fn new_calls_above_the_rate_are_busy_and_what_stands_goes_first() {
    let mut door = door();
    let mut busy = Vec::new();
    let mut admitted = 0;
    for millis in 0..10_000 {
        match ask(&mut door, millis, TRUNK, "INVITE", "") {
            Verdict::Second => admitted += 1,
            Verdict::Busy(retry_after) => busy.push(retry_after),
            other => panic!("{other:?}"),
        }
        assert_eq!(ask(&mut door, millis, TRUNK, "BYE", ";tag=1"), Verdict::First);
        assert_eq!(ask(&mut door, millis, PHONE, "INVITE", ";tag=1"), Verdict::First);
        assert_eq!(ask(&mut door, millis, PHONE, "REGISTER", ""), Verdict::First);
    }
    assert_eq!(admitted, 20 + 99);
    assert!(busy.iter().all(|seconds| (5..=30).contains(seconds)));
    assert!(busy.iter().max() > busy.iter().min(), "scattered");
}

#[test]
fn one_source_gets_no_more_than_its_bucket_and_a_neighbour_is_not_touched() {
    let mut door = door();
    let taken =
        (0..10_000).filter(|n| ask(&mut door, n / 20, "203.0.113.1:5060", "OPTIONS", "") == Verdict::Second);
    assert_eq!(taken.count(), 400 + 49, "half a second");
    assert_eq!(
        ask(&mut door, 499, "203.0.113.1:9999", "BYE", ";tag=x"),
        Verdict::Drop(Drop::Source),
        "an address, whatever the port"
    );
    assert_eq!(ask(&mut door, 500, "203.0.113.2:5060", "OPTIONS", ""), Verdict::Second);
}

#[test]
fn strangers_from_everywhere_cost_no_more_than_they_may_and_the_trunk_still_calls() {
    let mut door = door();
    let mut taken = 0;
    for n in 0..100_000_u64 {
        let source = format!("10.{}.{}.{}:5060", n >> 16, n >> 8 & 255, n & 255);
        match ask(&mut door, n / 100, &source, "INVITE", "") {
            Verdict::Second => taken += 1,
            verdict => assert_eq!(verdict, Verdict::Drop(Drop::Strangers), "never 503"),
        }
    }
    assert_eq!(taken, 5_000 + 4_995);
    assert!(door.sources.len() <= MAX_SOURCES);
    assert_eq!(ask(&mut door, 1_000, TRUNK, "INVITE", ""), Verdict::Second);
    assert_eq!(ask(&mut door, 1_000, PHONE, "REGISTER", ""), Verdict::First);
}

#[test]
fn made_up_tags_do_not_fill_the_first_lane() {
    let mut door = door();
    let mut first = 0;
    for n in 0..100_000_u64 {
        let source = format!("10.{}.{}.{}:5060", n >> 16, n >> 8 & 255, n & 255);
        first += u32::from(ask(&mut door, n / 100, &source, "BYE", ";tag=x") == Verdict::First);
    }
    assert_eq!(first, 2_000 + 999);
}

#[test]
fn while_we_lag_new_calls_of_peers_are_busy_and_strangers_dropped() {
    let mut door = door();
    let moment = Pressure { lag: Duration::from_millis(300), waiting: 63, room: 2_000 };
    let call = text("INVITE", "");
    let verdict = door.judge(at(0), Transport::Udp, address(TRUNK), call.as_bytes(), moment);
    assert_eq!(verdict, Verdict::Second, "a pause is no overload");
    let late = Pressure { lag: Duration::from_millis(51), waiting: 64, room: 2_000 };
    let full = Pressure { lag: Duration::ZERO, waiting: 51, room: 100 };
    for pressure in [late, full] {
        let mut judge = |source: &str, method: &str, tag: &str| {
            door.judge(at(1), Transport::Udp, address(source), text(method, tag).as_bytes(), pressure)
        };
        assert!(matches!(judge(TRUNK, "INVITE", ""), Verdict::Busy(5..=30)));
        assert!(matches!(judge("203.0.113.1:5060", "REGISTER", ""), Verdict::Busy(_)));
        assert_eq!(judge("203.0.113.1:5060", "INVITE", ""), Verdict::Drop(Drop::Strangers));
        assert_eq!(judge("203.0.113.1:5060", "OPTIONS", ""), Verdict::Drop(Drop::Strangers));
        for (source, method) in [(TRUNK, "BYE"), (TRUNK, "ACK"), (PHONE, "REGISTER"), (PHONE, "CANCEL")] {
            assert_eq!(judge(source, method, ""), Verdict::First);
        }
    }
}

#[test]
fn five_thousand_phones_that_come_back_together_are_all_in_within_a_minute() {
    let mut door = Admission::new(Mono::ZERO, Limits::of(200, 200), Entropy::from_number(1));
    // When each phone asks next, and how many of its two REGISTERs were let in.
    let mut phones: Vec<(u64, u32)> = (0..5_000).map(|n| (n * 2_000 / 5_000, 0)).collect();
    let mut last = 0;
    for now in 0..60_000_u64 {
        for (number, (next, through)) in phones.iter_mut().enumerate() {
            if *next != now || *through == 2 {
                continue;
            }
            let source = format!("10.0.{}.{}:5060", number / 250, number % 250);
            match ask(&mut door, now, &source, "REGISTER", "") {
                Verdict::Second => {
                    *through += 1;
                    *next = now + 10;
                    last = now;
                }
                Verdict::Busy(seconds) => *next = now + u64::from(seconds) * 1_000,
                // A datagram that is lost comes again (timer E).
                Verdict::Drop(_) => *next = now + 4_000,
                Verdict::First => panic!("a stranger's REGISTER"),
            }
        }
    }
    assert!(phones.iter().all(|(_, through)| *through == 2), "the last at {last} ms");
}

#[test]
fn the_banned_are_dropped_and_their_registered_phone_and_the_trunk_are_not() {
    let mut door = door();
    for source in [TRUNK, PHONE, "203.0.113.1:1"] {
        door.ban(Ban::network(address(source).ip()), true);
    }
    assert_eq!(ask(&mut door, 0, "203.0.113.1:5060", "INVITE", ""), Verdict::Drop(Drop::Banned));
    assert_eq!(ask(&mut door, 0, "198.51.100.7:50000", "REGISTER", ""), Verdict::Drop(Drop::Banned));
    assert_eq!(ask(&mut door, 0, PHONE, "REGISTER", ""), Verdict::First);
    assert_eq!(ask(&mut door, 0, TRUNK, "INVITE", ""), Verdict::Second);
    door.ban("203.0.113.1".parse().unwrap(), false);
    assert_eq!(ask(&mut door, 0, "203.0.113.1:5060", "INVITE", ""), Verdict::Second);
}

#[test]
fn a_refusal_is_a_503_shorter_than_the_request_with_the_same_tag_for_each_copy() {
    let door = door();
    let message = |text: String| Message::parse(text.into(), crate::message::Carriage::Datagram).unwrap();
    let request = message(text("INVITE", ""));
    let source = address(TRUNK);
    let refusal = door.refusal(&request, source, 7).unwrap();
    assert!(refusal.len() * 2 <= request.as_bytes().len() * 3);
    let read = Message::parse(refusal.clone(), crate::message::Carriage::Datagram).unwrap();
    assert_eq!((read.status(), read.number(Header::RetryAfter)), (Some(503), Ok(7)));
    assert!(read.to_tag().is_some());
    assert_eq!(door.refusal(&request, source, 7).unwrap(), refusal);
    assert!(door.refusal(&message(text("ACK", "")), source, 7).is_none());
}
