//! The phones as judges: what is spoiled on the way is found, what is only lost is not.

mod street;

use std::time::Duration;

use base::{Entropy, Machine, Mono, Now, Timestamp};
use phones::audio::tones_in;
use phones::{Action, Audio, Behaviour, Dial, Event, Hold, Input, Phone};
use proptest::prelude::*;
use street::{Street, rtp, setup, sip};

const SECOND: Duration = Duration::from_secs(1);

fn two(seed: u64) -> Street {
    let mut setups = vec![setup(0, 1), setup(1, 0)];
    setups[1].behaviour = Behaviour::answers(SECOND);
    for setup in &mut setups {
        setup.seed += seed * 2;
    }
    Street::new(seed, setups)
}

fn call(street: &mut Street) {
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(3);
    street.act(0, Action::HangUp);
    street.seconds(40);
}

#[test]
fn every_spoiled_message_is_found() {
    type Meddle = fn(&str) -> Option<String>;
    let spoilers: [(&str, Meddle); 8] = [
        ("To tag", |t| Some(if t.starts_with("SIP/2.0 180") { cut(t, ";tag=", 2) } else { t.into() })),
        ("CSeq number", |t| {
            Some(if t.starts_with("SIP/2.0 200") { t.replace("CSeq: ", "CSeq: 9") } else { t.into() })
        }),
        ("rsip cannot read", |t| {
            Some(if t.starts_with("SIP/2.0 180") { t.replace("SIP/2.0 180", "SIP/9 180") } else { t.into() })
        }),
        ("Content-Length", |t| Some(if t.starts_with("INVITE") { format!("{t}x") } else { t.into() })),
        ("Max-Forwards", |t| Some(t.replace("Max-Forwards: 70\r\n", ""))),
        ("not our Contact", |t| {
            Some(if t.starts_with("BYE") { t.replace("BYE sip:1001@", "BYE sip:1009@") } else { t.into() })
        }),
        ("SDP", |t| Some(t.replace("m=audio 4000 RTP/AVP 8 101", "m=audio 4000 RTP/AVP 8 101 18"))),
        ("branch", |t| {
            Some(if t.starts_with("ACK") || t.starts_with("BYE") {
                t.replace("z9hG4bK", "x")
            } else {
                t.into()
            })
        }),
    ];
    for (word, meddle) in spoilers {
        let mut street = two(1);
        street.meddle = meddle;
        call(&mut street);
        let found = street.faults().iter().any(|fault| fault.contains(word));
        assert!(found, "{word}: {:?}", street.faults());
    }
}

/// Cuts the `n`-th parameter of that name, up to the end of its line.
fn cut(text: &str, name: &str, n: usize) -> String {
    let Some((at, _)) = text.match_indices(name).nth(n - 1) else { return text.to_string() };
    let end = at + text[at..].find("\r\n").unwrap_or(0);
    format!("{}{}", &text[..at], &text[end..])
}

#[test]
fn calls_survive_ten_percent_loss_without_a_fault() {
    for seed in 0..60 {
        let mut street = two(seed);
        street.loss = 100;
        street.act(0, Action::Call(Dial::to("1001")));
        street.seconds(20);
        assert!(street.saw(0, &Event::Answered) && street.saw(1, &Event::Answered), "seed {seed}");
        street.act(0, Action::Say(Audio::tone(500.0, SECOND)));
        street.act(1, Action::Say(Audio::tone(700.0, SECOND)));
        for key in "159".chars() {
            street.act(0, Action::Press(key));
        }
        street.seconds(5);
        assert_eq!(street.phones[1].calls().next().unwrap().1.digits(), "159", "seed {seed}");
        assert!(tones_in(street.phones[1].heard()).contains(&Some(500)), "seed {seed}");
        assert!(tones_in(street.phones[0].heard()).contains(&Some(700)), "seed {seed}");
        street.seconds(20);
        street.act((seed % 2) as usize, Action::HangUp);
        street.assert_clean();
        street.assert_heard();
    }
}

#[test]
fn giving_up_at_any_moment_on_a_lossy_link_ends_every_call() {
    for seed in 0..150 {
        let mut street = two(seed);
        street.loss = 100;
        street.act(0, Action::Call(Dial::to("1001")));
        street.millis(seed * 13 % 1600);
        // Gives up, or hangs up when it was answered meanwhile.
        street.act(0, Action::HangUp);
        street.assert_clean();
        street.assert_heard();
    }
}

/// Two people who do whatever comes to their minds, on a link that loses and repeats: whatever happens, both
/// phones come to rest and neither finds a fault in the other.
#[test]
fn whatever_two_people_do_ends_without_a_fault() {
    for seed in 0..400 {
        let mut street = two(seed);
        (street.loss, street.twice) = (50, 50);
        let mut whim = Entropy::from_number(seed);
        for _ in 0..30 {
            street.millis(whim.below(1500) * whim.below(2));
            let who = whim.below(2) as usize;
            let action = match whim.below(16) {
                0..3 => Action::Call(Dial::to(if who == 0 { "1001" } else { "1000" })),
                3 => Action::Call(Dial { offerless: true, ..Dial::to("1001") }),
                4 => Action::Ring,
                5 => Action::EarlyMedia,
                6 => Action::Answer,
                7 => Action::Refuse(480),
                8 => Action::GiveUp,
                9 => Action::HangUp,
                10 => Action::Press('5'),
                11 => Action::PressInfo('6'),
                12 => Action::Hold(
                    [Hold::SendOnly, Hold::Inactive, Hold::Zero, Hold::Update][whim.below(4) as usize],
                ),
                13 => Action::Resume,
                14 => Action::Say(Audio::tone(500.0, SECOND)),
                _ => Action::Probe,
            };
            street.act(who, action);
        }
        for _ in 0..2 {
            street.act(0, Action::HangUp);
            street.act(1, Action::HangUp);
            street.seconds(60);
        }
        println!("seed {seed}");
        street.assert_clean();
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let mut street = two(seed);
        street.loss = 150;
        call(&mut street);
        street.outputs
    };
    assert!(run(5) == run(5));
    assert!(run(5) != run(6));
}

fn now(millis: u64) -> Now {
    Now { mono: Mono::from_nanos(millis * 1_000_000), wall: Timestamp::UNIX_EPOCH }
}

fn drained(phone: &mut Phone, at: Now) {
    while phone.poll().is_some() {}
    phone.expire(at);
    assert!(phone.deadline().is_none_or(|next| next > at.mono));
    while phone.poll().is_some() {}
    assert!(phone.poll().is_none());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(letters in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20)) {
        let mut phone = Phone::new(setup(0, 1));
        phone.handle(now(0), Input::Do(Action::Call(Dial::to("1"))));
        for (n, (is_sip, bytes)) in letters.into_iter().enumerate() {
            let at = now(n as u64 * 700);
            let input = if is_sip {
                Input::Sip { source: sip(1), bytes }
            } else {
                Input::Rtp { at: rtp(0), source: rtp(1), bytes }
            };
            phone.handle(at, input);
            drained(&mut phone, at);
        }
    }

    /// Real messages with a few bytes changed come further than noise.
    #[test]
    fn no_spoiled_message_makes_it_panic(seed in 0u64..50, spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..30)) {
        let mut street = two(seed);
        call(&mut street);
        let letters: Vec<Vec<u8>> = street.outputs.iter().filter_map(|(_, output)| match output {
            phones::Output::SendSip { bytes, .. } => Some(bytes.clone()),
            _ => None,
        }).collect();
        let mut phone = Phone::new(setup(1, 0));
        for (n, (which, place, byte)) in spoils.into_iter().enumerate() {
            let mut bytes = which.get(&letters).clone();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let at = now(n as u64 * 700);
            phone.handle(at, Input::Sip { source: sip(0), bytes });
            drained(&mut phone, at);
        }
    }
}
