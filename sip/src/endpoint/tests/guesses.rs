//! Who guesses passwords: from one address, from everywhere, with tricks (reliability A3, A4).

use super::*;
use crate::seam::Ban;

/// One guess: asks for a challenge, answers it, and tells what came of it. `None`: silence.
fn guess(lab: &mut Lab, source: &str, user: &str, password: &str) -> Option<u16> {
    lab.sent.clear();
    let call_id = format!("guess-{}-{source}", lab.branch);
    let ask = lab.register(user, &call_id, 1, "Contact: <sip:evil@203.0.113.9>");
    lab.receive(udp(source), &ask.text());
    let challenged = lab.sent().pop()?;
    let again = lab.authorized(ask, &challenged, password, 1);
    lab.receive(udp(source), &again.text());
    lab.sent().pop()?.status()
}

fn bans(lab: &mut Lab) -> Vec<Ban> {
    let told = lab.told().into_iter();
    told.filter_map(|event| if let Event::Banned(ban) = event { Some(ban) } else { None }).collect()
}

fn source(n: usize) -> String {
    format!("203.0.{}.{}:5060", 113 + n / 250, 1 + n % 250)
}

#[test]
fn ten_thousand_guesses_from_one_source_get_ten_answers_in_ten_minutes() {
    let mut lab = Lab::new();
    let mut answered = 0;
    for n in 0..10_000 {
        answered += usize::from(guess(&mut lab, &source(0), "801", &format!("guess {n}")).is_some());
        lab.wait(Duration::from_millis(50));
    }
    assert_eq!(answered, 10, "500 s of guessing");
    assert_eq!(bans(&mut lab).len(), 1);
    assert_eq!(lab.endpoint.bindings(), 0);
    assert_eq!(guess(&mut lab, &source(0), "801", "secret"), None, "even the right one comes too late");
}

#[test]
fn ten_thousand_guesses_from_two_hundred_sources_are_few_and_the_real_phone_is_served() {
    let mut lab = Lab::new();
    lab.register_phone();
    let mut answered = 0;
    for n in 0..10_000 {
        let status = guess(&mut lab, &source(n % 200), "801", &format!("guess {n}"));
        assert!(status.is_none_or(|status| status == 401));
        answered += usize::from(status.is_some());
        lab.wait(Duration::from_millis(20));
        if n % 1_000 == 999 {
            lab.sent.clear();
            let refresh = lab.register("801", "reg-1", 10 + n as u32, "Contact: <sip:801@10.0.0.7:5060>");
            assert_eq!(lab.prove(udp(PHONE), refresh).status(), Some(200), "the phone itself, at {n}");
            // It restarts behind its own address, under a new port.
            assert_eq!(guess(&mut lab, "198.51.100.7:41000", "801", "secret"), Some(200), "at {n}");
            assert_eq!(guess(&mut lab, "198.51.100.7:41000", "801", "secret"), Some(200), "at {n}");
        }
    }
    assert_eq!(answered, 2_000, "ten from each");
    let told = lab.told();
    let alarms = told.iter().filter(|event| matches!(event, Event::Guessed { failures: 20, .. })).count();
    assert_eq!(alarms, 1, "said once");
    let banned = told.iter().filter(|event| matches!(event, Event::Banned(_))).count();
    assert_eq!(banned, 200);
}

#[test]
fn a_guessed_account_is_closed_to_the_right_password_from_elsewhere_and_opens_again() {
    let mut lab = Lab::new();
    for n in 0..30 {
        assert_eq!(guess(&mut lab, &source(n), "801", "wrong"), Some(401));
    }
    assert_eq!(guess(&mut lab, "198.51.100.9:5060", "801", "secret"), Some(401), "closed");
    assert_eq!(guess(&mut lab, "198.51.100.9:5060", "802", "secret"), Some(200), "only that account");
    lab.wait(Duration::from_secs(2));
    assert_eq!(guess(&mut lab, "198.51.100.9:5060", "801", "secret"), Some(200), "nobody guesses any more");
    assert!(bans(&mut lab).is_empty());
}

#[test]
fn an_unknown_account_is_closed_as_a_known_one_and_no_alarm_names_it() {
    let mut lab = Lab::new();
    for n in 0..40 {
        assert_eq!(guess(&mut lab, &source(n), "nobody", "wrong"), Some(401));
    }
    assert!(!lab.told().iter().any(|event| matches!(event, Event::Guessed { .. })));
}

#[test]
fn nobody_is_banned_for_proofs_that_another_sends_in_its_name() {
    let mut lab = Lab::new();
    let ask = lab.register("801", "r", 1, "Contact: <sip:801@10.0.0.7>");
    lab.receive(udp("203.0.113.1:5060"), &ask.text());
    let challenged = lab.sent().pop().unwrap();
    for n in 0..100 {
        // The attacker's own nonce, and one made up, under the victim's address.
        let ask = lab.register("801", &format!("r{n}"), 1, "Contact: <sip:801@10.0.0.7>");
        let forged = lab.authorized(ask, &challenged, "wrong", n + 1).text();
        lab.receive(udp("198.51.100.9:5060"), &forged);
        lab.receive(udp("198.51.100.9:5060"), &forged.replace("nonce=\"0", "nonce=\"1"));
    }
    assert!(bans(&mut lab).is_empty());
    assert_eq!(guess(&mut lab, "198.51.100.9:5060", "801", "secret"), Some(200));
}

#[test]
fn bans_are_told_and_taken_over_by_the_next_run_and_can_be_lifted() {
    let mut lab = Lab::new();
    for _ in 0..10 {
        guess(&mut lab, &source(0), "801", "wrong");
    }
    let kept = bans(&mut lab);
    let mut next = Lab::new();
    next.now = next.now.later(Duration::from_mins(4));
    next.command(Command::Ban(kept.clone()));
    assert_eq!(bans(&mut next), kept, "told again, so that it is kept on");
    assert_eq!(next.endpoint.bans(), 1);
    assert_eq!(guess(&mut next, &source(0), "801", "secret"), None);
    next.command(Command::Lift(kept[0].source));
    assert_eq!(next.told().last(), Some(&Event::Unbanned { source: kept[0].source }));
    assert_eq!(guess(&mut next, &source(0), "801", "secret"), Some(200));
}

#[test]
fn a_registered_phone_of_a_banned_address_may_prove_its_own_password_only() {
    let mut lab = Lab::new();
    lab.register_phone();
    for _ in 0..10 {
        assert_eq!(guess(&mut lab, "198.51.100.7:50000", "802", "wrong"), Some(401));
    }
    assert_eq!(guess(&mut lab, "198.51.100.7:50000", "802", "wrong"), None);
    assert_eq!(guess(&mut lab, PHONE, "801", "secret"), Some(200));
    assert_eq!(guess(&mut lab, PHONE, "802", "secret"), None, "its address is no shelter for guessing");
}

#[test]
fn known_and_unknown_users_cost_the_same_hashes() {
    let cost = |user: &str, password: &str| {
        let mut lab = Lab::new();
        let ask = lab.register(user, "r", 1, "Contact: <sip:x@203.0.113.9>");
        lab.receive(udp(PHONE), &ask.text());
        let challenged = lab.sent().pop().unwrap();
        let again = lab.authorized(ask, &challenged, password, 1).text();
        let before = digest::tally();
        lab.receive(udp(PHONE), &again);
        digest::tally() - before
    };
    let known = cost("801", "wrong");
    assert!(known > 0);
    for user in ["nobody", "8", &"9".repeat(3), "\u{ff18}01"] {
        assert_eq!(cost(user, "wrong"), known, "{user}");
    }
}

#[test]
fn tricks_with_the_proof_prove_nothing() {
    // Each trick changes a proof that would be good, given as the text of the whole request.
    type Trick = (&'static str, fn(&str) -> String);
    let tricks: [Trick; 14] = [
        ("auth-int", |text| text.replace("qop=auth", "qop=auth-int")),
        ("an unknown qop", |text| text.replace("qop=auth", "qop=none")),
        ("no cnonce", |text| text.replace(", cnonce=\"cnonce\"", "")),
        ("another cnonce", |text| text.replace("cnonce=\"cnonce\"", "cnonce=\"other\"")),
        ("no nc", |text| text.replace(", nc=00000001", "")),
        ("nc that is no number", |text| text.replace("nc=00000001", "nc=0000000z")),
        ("another nc", |text| text.replace("nc=00000001", "nc=00000002")),
        ("without qop, as RFC 2069", |text| {
            text.replace(", qop=auth", "").replace(", nc=00000001", "").replace(", cnonce=\"cnonce\"", "")
        }),
        ("an algorithm that is not offered", |text| text.replace("algorithm=MD5", "algorithm=SHA-256")),
        ("a session algorithm", |text| text.replace("algorithm=MD5", "algorithm=MD5-sess")),
        ("another realm", |text| text.replace("realm=\"sibai.test\"", "realm=\"other\"")),
        ("another digest-uri", |text| text.replace("uri=\"sip:sibai.test\"", "uri=\"sip:other.test\"")),
        ("another user's name", |text| text.replace("username=\"801\"", "username=\"802\"")),
        ("full-width digits", |text| {
            text.replace("username=\"801\"", "username=\"\u{ff18}\u{ff10}\u{ff11}\"")
        }),
    ];
    for (name, trick) in tricks {
        let mut lab = Lab::new();
        let ask = lab.register("801", "r", 1, "Contact: <sip:801@10.0.0.7>");
        lab.receive(udp(PHONE), &ask.text());
        let challenged = lab.sent().pop().unwrap();
        let good = lab.authorized(ask, &challenged, "secret", 1).text();
        let tricked = trick(&good);
        assert_ne!(tricked, good, "{name} changes nothing");
        lab.receive(udp(PHONE), &tricked);
        assert_eq!(lab.wrote(), ["401"], "{name}");
        assert_eq!(lab.endpoint.bindings(), 0, "{name}");
        // The nonce is not used up by a trick: the phone itself still gets in.
        lab.receive(udp(PHONE), &good.replace("branch=z9hG4bK", "branch=z9hG4bKgood"));
        assert_eq!(lab.wrote(), ["200"], "{name}");
    }
}

#[test]
fn a_nonce_is_good_where_it_was_given_and_its_count_is_taken_once() {
    let mut lab = Lab::new();
    let ask = lab.register("801", "r", 1, "Contact: <sip:801@10.0.0.7>");
    lab.receive(udp(PHONE), &ask.text());
    let challenged = lab.sent().pop().unwrap();
    let stale = |message: &Message| {
        message.header(Header::WwwAuthenticate).is_some_and(|value| value.text().contains("stale=true"))
    };
    let ask = lab.register("801", "elsewhere", 1, "Contact: <sip:801@10.0.0.7>");
    let overheard = lab.authorized(ask, &challenged, "secret", 1);
    lab.receive(udp("203.0.113.5:5060"), &overheard.text());
    let refused = lab.sent().pop().unwrap();
    assert!(
        refused.status() == Some(401) && stale(&refused),
        "a phone that moved asks again without its user"
    );
    for (count, status) in [(1, 200), (1, 401), (3, 200), (2, 200), (2, 401), (0, 401)] {
        let call_id = format!("r{count}{status}{}", lab.branch);
        let ask = lab.register("801", &call_id, 10, "Contact: <sip:801@10.0.0.7>");
        let proof = lab.authorized(ask, &challenged, "secret", count);
        lab.receive(udp(PHONE), &proof.text());
        let answer = lab.sent().pop().unwrap();
        assert_eq!(answer.status(), Some(status), "nc={count}");
        assert!(status == 200 || stale(&answer));
    }
}
