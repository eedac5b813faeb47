//! The life of a registration with a trunk: passwords, refreshes, refusals, losses, the end.

use super::*;
use crate::seam::Registration;

const SECOND: &str = "192.0.2.3:5060";

fn registering(targets: &[Flow]) -> Directory {
    let mut directory = directory();
    let trunk = &mut directory.trunks[0];
    trunk.targets = targets.to_vec();
    trunk.probe = false;
    trunk.registration = Some(Registration { user: "account".to_owned(), expires: Duration::from_hours(1) });
    directory
}

fn told(up: bool, why: &'static str) -> Event {
    Event::TrunkRegistered { trunk: "carrier".into(), up, why }
}

struct Registrar {
    lab: Lab,
    way: Flow,
}

impl Registrar {
    fn new() -> Self {
        Self::over(udp(CARRIER))
    }

    fn over(way: Flow) -> Self {
        let mut lab = Lab::with(registering(&[Flow { connection: None, ..way }]));
        lab.wait(Duration::from_millis(1));
        Self { lab, way }
    }

    /// The newest REGISTER since the last look.
    fn asked(&mut self) -> Option<Message> {
        self.lab.sent().into_iter().rfind(|message| brief(message) == "REGISTER")
    }

    fn say(&mut self, request: &Message, status: u16, header: &str) {
        let lines = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        let text = answer(request, status, "r", "")
            .replace("Contact: <sip:801@10.0.0.7:5060>\r\n", "")
            .replace("Content-Length", &format!("{lines}Content-Length"));
        self.lab.receive(self.way, &text);
    }

    /// Grants what is asked now, for so many seconds.
    fn grant(&mut self, seconds: u32) -> Message {
        let request = self.asked().expect("a REGISTER");
        let contact = request.header(Header::Contact).unwrap().text().into_owned();
        self.say(&request, 200, &format!("Contact: {contact};expires={seconds}"));
        request
    }

    /// How long until the next REGISTER, at most `most`.
    fn pause(&mut self, most: Duration) -> Option<Duration> {
        let before = self.lab.now;
        self.lab.sent.clear();
        while self.lab.now.mono.since(before.mono) < most {
            self.lab.wait(Duration::from_millis(100));
            if self.lab.sent.iter().any(|(_, message)| brief(message) == "REGISTER") {
                return Some(self.lab.now.mono.since(before.mono));
            }
        }
        None
    }
}

#[test]
fn the_first_register_names_the_account_the_carrier_and_our_address() {
    let mut registrar = Registrar::new();
    let request = registrar.asked().unwrap();
    assert_eq!(request.uri_text(), "sip:carrier.test");
    assert_eq!(request.to().unwrap().uri.as_str(), "sip:account@carrier.test");
    assert_eq!(request.from().unwrap().uri.as_str(), "sip:account@carrier.test");
    assert_eq!(request.contact().unwrap().uri.as_str(), "sip:account@192.0.2.1:5060");
    assert_eq!(request.number(Header::Expires), Ok(3600));
    assert!(registrar.lab.told().is_empty(), "nothing is known yet");
}

#[test]
fn either_challenge_of_any_algorithm_is_answered_with_the_password() {
    for (status, asks, answers) in [
        (401, "WWW-Authenticate", Header::Authorization),
        (407, "Proxy-Authenticate", Header::ProxyAuthorization),
    ] {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
            let mut registrar = Registrar::new();
            let first = registrar.asked().unwrap();
            let challenge = Challenge::new("carrier.test", "n1", algorithm, false);
            registrar.say(&first, status, &format!("{asks}: {challenge}"));
            let second = registrar.lab.sent.last().unwrap().1.clone();
            let proof =
                crate::header::auth::Credentials::parse(&second.header(answers).unwrap().text()).unwrap();
            let ha1 = algorithm.ha1("account", "carrier.test", "trunk secret");
            assert!(digest::verify(&proof, algorithm, &ha1, "REGISTER"));
            assert_eq!((second.cseq().number, second.call_id()), (2, first.call_id()));
            registrar.grant(3600);
            assert_eq!(registrar.lab.told().last(), Some(&told(true, "registered")));
        }
    }
}

#[test]
fn a_wrong_password_is_told_and_not_tried_again_in_a_hurry() {
    let mut registrar = Registrar::new();
    let ask = "WWW-Authenticate: Digest realm=\"carrier.test\", nonce=\"n1\", qop=\"auth\"";
    let first = registrar.asked().unwrap();
    registrar.say(&first, 401, ask);
    let second = registrar.asked().unwrap();
    registrar.say(&second, 401, &ask.replace("n1", "n2"));
    assert!(registrar.lab.told().contains(&told(false, "password")));
    let pause = registrar.pause(Duration::from_mins(2)).unwrap();
    assert!(pause >= Duration::from_secs(15) && pause <= Duration::from_secs(31), "{pause:?}");
}

#[test]
fn it_is_refreshed_before_what_was_granted_is_over() {
    for granted in [60, 300, 3600] {
        let mut registrar = Registrar::new();
        registrar.grant(granted);
        let mut last = 0;
        for _ in 0..5 {
            let pause = registrar.pause(Duration::from_hours(2)).unwrap();
            let share = pause.as_secs_f64() / f64::from(granted);
            assert!((0.79..0.92).contains(&share), "{share} of {granted} s");
            let request = registrar.grant(granted);
            assert!(request.cseq().number > last, "the sequence rises");
            last = request.cseq().number;
        }
        let events: Vec<Event> =
            registrar.lab.told().into_iter().filter(|e| matches!(e, Event::TrunkRegistered { .. })).collect();
        assert_eq!(events, [told(true, "registered")], "told once");
    }
}

#[test]
fn a_423_is_asked_for_longer_at_once_and_not_for_ever() {
    let mut registrar = Registrar::new();
    let first = registrar.asked().unwrap();
    registrar.say(&first, 423, "Min-Expires: 7200");
    let second = registrar.asked().unwrap();
    assert_eq!(second.number(Header::Expires), Ok(7200));
    let mut request = second;
    for _ in 0..10 {
        registrar.say(&request, 423, "Min-Expires: 7200");
        let Some(next) = registrar.asked() else { break };
        request = next;
    }
    assert!(request.cseq().number < 8, "it gave up");
    assert!(registrar.lab.told().contains(&told(false, "refused")));
}

#[test]
fn pauses_double_from_thirty_seconds_to_half_an_hour_with_jitter() {
    let mut registrar = Registrar::new();
    let mut most = 30;
    for failure in 0..10 {
        let request = registrar.asked().unwrap();
        registrar.say(&request, 403, "");
        let pause = registrar.pause(Duration::from_hours(1)).unwrap().as_secs();
        assert!((most / 2..=most + 1).contains(&pause), "failure {failure}: {pause} s");
        most = (most * 2).min(1800);
        // What `pause` saw is what is asked next.
        let again = registrar.lab.sent.iter().rfind(|(_, m)| brief(m) == "REGISTER").cloned();
        registrar.lab.sent = again.into_iter().collect();
    }
    registrar.grant(3600);
    assert_eq!(registrar.lab.told().last(), Some(&told(true, "registered")));
}

#[test]
fn a_registrar_that_asks_for_patience_gets_it() {
    let mut registrar = Registrar::new();
    let request = registrar.asked().unwrap();
    registrar.say(&request, 503, "Retry-After: 120");
    let pause = registrar.pause(Duration::from_hours(1)).unwrap();
    assert!(pause >= Duration::from_secs(119), "{pause:?}");
}

#[test]
fn what_is_not_refreshed_expires_and_is_told_once() {
    let mut registrar = Registrar::new();
    registrar.grant(60);
    registrar.lab.told();
    registrar.lab.wait(Duration::from_mins(5));
    let events: Vec<Event> =
        registrar.lab.told().into_iter().filter(|e| matches!(e, Event::TrunkRegistered { .. })).collect();
    assert_eq!(events, [told(false, "expired")]);
    assert_eq!(registrar.lab.endpoint.enrolled(), 0);
}

#[test]
fn a_silent_registrar_is_left_for_the_next_address() {
    let mut lab = Lab::with(registering(&[udp(CARRIER), udp(SECOND)]));
    lab.wait(Duration::from_secs(9));
    let (way, request) = lab.sent.iter().rfind(|(_, m)| brief(m) == "REGISTER").cloned().unwrap();
    assert_eq!(way.remote.to_string(), SECOND);
    let contact = request.header(Header::Contact).unwrap().text().into_owned();
    let ok =
        answer(&request, 200, "r", "").replace("<sip:801@10.0.0.7:5060>", &format!("{contact};expires=600"));
    lab.receive(udp(SECOND), &ok);
    assert!(lab.told().contains(&told(true, "registered")));
}

#[test]
fn a_connection_that_breaks_is_registered_over_anew() {
    let mut registrar = Registrar::over(tcp(CARRIER, 7));
    let request = registrar.grant(3600);
    assert_eq!(request.contact().unwrap().uri.as_str(), "sip:account@192.0.2.1:5060;transport=tcp");
    registrar.lab.told();
    registrar.lab.input(Input::Closed { connection: 8 });
    assert!(registrar.lab.told().is_empty(), "another's connection");
    registrar.lab.input(Input::Closed { connection: 7 });
    assert_eq!(registrar.lab.told(), [told(false, "closed")]);
    let pause = registrar.pause(Duration::from_secs(10)).unwrap();
    assert!(pause <= Duration::from_millis(2_200), "{pause:?}");
    let (way, _) = registrar.lab.sent.last().unwrap();
    assert_eq!(way.connection, None, "the drive opens a new one");
}

#[test]
fn a_registrar_that_was_restarted_is_registered_with_as_soon_as_it_answers() {
    let mut directory = registering(&[udp(CARRIER)]);
    directory.trunks[0].probe = true;
    let mut lab = Lab::with(directory);
    let mut alive = true;
    let mut registered_at = Vec::new();
    for tenth in 0..600 {
        lab.wait(Duration::from_millis(100));
        alive = if tenth == 200 { false } else { alive || tenth == 400 };
        for (way, message) in std::mem::take(&mut lab.sent).into_iter().filter(|_| alive) {
            if brief(&message) == "REGISTER" {
                registered_at.push(tenth);
                let contact = message.header(Header::Contact).unwrap().text().into_owned();
                let ok = answer(&message, 200, "r", "").replace("<sip:801@10.0.0.7:5060>", &contact);
                lab.receive(way, &ok);
            } else {
                lab.receive(way, &answer(&message, 200, "t", ""));
            }
        }
    }
    assert_eq!(registered_at.len(), 2, "{registered_at:?}");
    assert!((400..500).contains(&registered_at[1]), "{registered_at:?}");
}

#[test]
fn who_leaves_takes_the_registration_back_with_the_password() {
    let mut registrar = Registrar::new();
    registrar.grant(3600);
    registrar.lab.told();
    registrar.lab.command(Command::Drain);
    let goodbye = registrar.asked().unwrap();
    assert_eq!(goodbye.number(Header::Expires), Ok(0));
    registrar.say(
        &goodbye,
        401,
        "WWW-Authenticate: Digest realm=\"carrier.test\", nonce=\"n1\", qop=\"auth\"",
    );
    let again = registrar.asked().unwrap();
    assert_eq!(again.number(Header::Expires), Ok(0));
    registrar.say(&again, 200, "");
    assert_eq!(registrar.lab.told(), [told(false, "left")]);
    assert_eq!(registrar.lab.endpoint.enrolled(), 0);
    assert_eq!(registrar.pause(Duration::from_hours(3)), None);
}

#[test]
fn who_leaves_a_dead_registrar_does_not_wait_for_ever() {
    let mut registrar = Registrar::new();
    registrar.grant(3600);
    registrar.lab.command(Command::Drain);
    registrar.lab.wait(Duration::from_secs(10));
    assert_eq!(registrar.lab.endpoint.enrolled(), 0);
}

#[test]
fn a_directory_with_the_same_trunk_does_not_register_again() {
    let mut registrar = Registrar::new();
    registrar.grant(3600);
    registrar.lab.command(Command::Directory(Box::new(registering(&[udp(CARRIER)]))));
    assert_eq!(registrar.pause(Duration::from_mins(10)), None);
    registrar.lab.command(Command::Directory(Box::new(directory())));
    assert_eq!(registrar.pause(Duration::from_hours(3)), None, "it is not wanted any more");
}

#[test]
fn of_two_trunks_at_one_address_the_call_is_the_one_whose_account_was_called() {
    let mut directory = registering(&[udp(CARRIER)]);
    let mut other = directory.trunks[0].clone();
    other.name = "second".into();
    other.registration = Some(Registration { user: "account2".to_owned(), expires: Duration::from_hours(1) });
    directory.trunks.push(other);
    let mut lab = Lab::with(directory);
    let mut ask = lab.ask("INVITE").sdp();
    ask.uri = "sip:account2@192.0.2.1".to_owned();
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.incoming().peer, crate::seam::Peer::Trunk("second".into()));
}
