//! REFER and SUBSCRIBE over a link that loses, doubles and reorders: one endpoint, one phone that repeats what
//! it asks until it is answered, and answers each request once.

use std::collections::BTreeMap;

use super::*;
use crate::header::subscription_state::SubscriptionState;
use crate::seam::{Lamp, LampCall};

/// The lab in bad weather, and a phone.
struct Storm {
    lab: Lab,
    weather: Entropy,
    loss: u64,
    count: u64,
    to_us: BTreeMap<(Mono, u64), String>,
    to_phone: BTreeMap<(Mono, u64), Message>,
    /// Requests of the phone without final response, and when each is sent again.
    asking: Vec<(Ask, Mono, Duration)>,
    /// What it answered, by branch: a repetition gets the same.
    answered: HashMap<String, String>,
    /// Final responses to its own requests, and the requests that it took, each once and in order.
    responses: Vec<Message>,
    requests: Vec<Message>,
}

impl Storm {
    fn new(lab: Lab, seed: u64, loss: u64) -> Self {
        Self {
            lab,
            weather: Entropy::from_number(seed),
            loss,
            count: 0,
            to_us: BTreeMap::new(),
            to_phone: BTreeMap::new(),
            asking: Vec::new(),
            answered: HashMap::new(),
            responses: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// When each copy of a packet arrives, if any does.
    fn copies(&mut self) -> Vec<(Mono, u64)> {
        let arrives = self.weather.below(100) >= self.loss;
        let copies = u64::from(arrives) + u64::from(self.weather.below(100) < self.loss / 2);
        (0..copies)
            .map(|_| {
                self.count += 1;
                let delay = Duration::from_millis(1 + self.weather.below(150));
                (self.lab.now.mono + delay, self.count)
            })
            .collect()
    }

    fn phone_sends(&mut self, text: &str) {
        for at in self.copies() {
            self.to_us.insert(at, text.to_owned());
        }
    }

    fn ask(&mut self, ask: Ask) {
        self.phone_sends(&ask.text());
        let pause = Duration::from_millis(500);
        self.asking.push((ask, self.lab.now.mono + pause, pause));
    }

    fn command(&mut self, command: Command) {
        self.lab.command(command);
        self.fly();
    }

    fn fly(&mut self) {
        for (_, message) in std::mem::take(&mut self.lab.sent) {
            for at in self.copies() {
                self.to_phone.insert(at, message.clone());
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.lab.now.mono + span;
        loop {
            let times = [
                self.to_us.first_key_value().map(|((at, _), _)| *at),
                self.to_phone.first_key_value().map(|((at, _), _)| *at),
                self.asking.iter().map(|(_, at, _)| *at).min(),
                self.lab.endpoint.deadline(),
            ];
            let Some(next) = times.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.lab.now = self.lab.now.later(next.since(self.lab.now.mono));
            if times[0] == Some(next) {
                let (_, text) = self.to_us.pop_first().unwrap();
                self.lab.receive(udp(PHONE), &text);
            } else if times[1] == Some(next) {
                let (_, message) = self.to_phone.pop_first().unwrap();
                self.phone_takes(&message);
            } else if times[2] == Some(next) {
                self.phone_repeats(next);
            } else {
                self.lab.endpoint.expire(self.lab.now);
                self.lab.drain();
            }
            self.fly();
        }
        self.lab.now = self.lab.now.later(end.since(self.lab.now.mono));
    }

    fn phone_repeats(&mut self, now: Mono) {
        for at in 0..self.asking.len() {
            let (ask, again, pause) = &mut self.asking[at];
            if *again <= now {
                *pause = (*pause * 2).min(Duration::from_secs(4));
                *again = now + *pause;
                let text = ask.text();
                self.phone_sends(&text);
            }
        }
    }

    fn phone_takes(&mut self, message: &Message) {
        let branch = message.via().unwrap().branch().unwrap().to_owned();
        let Some(status) = message.status() else {
            if matches!(message.method(), Method::Options | Method::Ack) {
                return;
            }
            if !self.answered.contains_key(&branch) {
                let last = self.requests.iter().map(|request| request.cseq().number).max().unwrap_or(0);
                assert!(message.cseq().number > last, "in order: {message:?}");
                self.requests.push(message.clone());
                self.answered.insert(branch.clone(), answer(message, 200, "", ""));
            }
            let text = self.answered[&branch].clone();
            return self.phone_sends(&text);
        };
        let Some(at) = self.asking.iter().position(|(ask, ..)| ask.branch == branch) else { return };
        if status < 200 {
            return;
        }
        let (ask, ..) = self.asking.remove(at);
        if status == 401 {
            let again = self.lab.authorized(ask, message, "secret", 1);
            return self.ask(again);
        }
        self.responses.push(message.clone());
    }

    fn notifies(&self) -> impl Iterator<Item = &Message> {
        self.requests.iter().filter(|message| is_method(message, &Method::Notify))
    }

    fn last_state(&self) -> SubscriptionState {
        let last = self.notifies().last().expect("a NOTIFY");
        SubscriptionState::parse(&last.header(Header::SubscriptionState).unwrap().text()).unwrap()
    }

    fn answers(&self) -> Vec<String> {
        self.responses.iter().map(brief).collect()
    }
}

#[test]
fn whatever_the_link_does_a_phone_hears_how_its_transfer_ended_though_it_hung_up() {
    for seed in 0..200 {
        let mut lab = Lab::new();
        let (leg, invite) = lab.placed_up();
        let mut storm = Storm::new(lab, seed, [0, 15, 30, 40][seed as usize % 4]);
        let refer = within(&invite, "REFER", "phone", 1).with("Refer-To: <sip:802@sibai.test>");
        storm.ask(refer);
        while storm.lab.events.is_empty() {
            storm.run(Duration::from_millis(100));
        }
        storm.command(Command::AcceptRefer { leg });
        let mut choice = Entropy::from_number(seed ^ 0xcafe);
        let mut hung_up = false;
        let outcome = if seed % 2 == 0 { 200 } else { 486 };
        for status in [180, 183, outcome] {
            storm.run(Duration::from_millis(choice.below(3_000)));
            if !hung_up && storm.answers() == ["202"] && choice.below(2) == 0 {
                storm.ask(within(&invite, "BYE", "phone", 2));
                hung_up = true;
            }
            storm.command(Command::ReferProgress { leg, status });
        }
        storm.run(Duration::from_secs(40));
        if !hung_up {
            storm.ask(within(&invite, "BYE", "phone", 2));
        }
        storm.run(Duration::from_secs(150));
        assert_eq!(storm.answers(), ["202", "200"], "seed {seed}");
        assert!(storm.last_state().is_over(), "seed {seed}");
        let fragment = String::from_utf8(storm.notifies().last().unwrap().body().to_vec()).unwrap();
        assert!(fragment.starts_with(&format!("SIP/2.0 {outcome} ")), "seed {seed}: {fragment}");
        let told = storm.lab.told();
        let referred = told.iter().filter(|event| matches!(event, Event::Referred { .. })).count();
        let ends = told.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
        assert_eq!((referred, ends), (1, 1), "seed {seed}");
        assert_eq!((storm.lab.endpoint.legs.held(), storm.lab.endpoint.wire.held()), (0, 0), "seed {seed}");
    }
}

#[test]
fn whatever_the_link_does_a_watcher_ends_up_with_the_lamp_as_it_is() {
    for seed in 0..200 {
        let mut lab = Lab::new();
        let mut ask = lab.ask("SUBSCRIBE").with("Event: dialog").with("Expires: 300");
        ask.uri = "sip:801@sibai.test".to_owned();
        ask.from = "<sip:802@sibai.test>;tag=w".to_owned();
        ask.to = "<sip:801@sibai.test>".to_owned();
        let mut storm = Storm::new(lab, seed, [0, 15, 30, 40][seed as usize % 4]);
        storm.ask(ask);
        let mut choice = Entropy::from_number(seed ^ 0xbeef);
        let mut calls = 0;
        for leg in 0..8 {
            storm.run(Duration::from_millis(choice.below(2_000)));
            calls = choice.below(3);
            let call = |number| LampCall {
                leg: LegId::arrived(leg * 4 + number),
                is_caller: true,
                is_confirmed: number == 0,
                remote: None,
                dialog: None,
            };
            let state = Lamp { calls: (0..calls).map(call).collect() };
            storm.command(Command::Lamp { user: "801".into(), state });
        }
        storm.run(Duration::from_secs(60));
        assert_eq!(storm.answers(), ["200"], "seed {seed}");
        let shown = |storm: &Storm| {
            let xml = String::from_utf8(storm.notifies().last().unwrap().body().to_vec()).unwrap();
            let live = ["early", "confirmed"].map(|state| xml.matches(&format!(">{state}<")).count());
            live.iter().sum::<usize>() as u64
        };
        assert_eq!(shown(&storm), calls, "seed {seed}");
        let granted = storm.responses[0].clone();
        let mut end = storm.lab.ask("SUBSCRIBE").with("Event: dialog").with("Expires: 0").cseq(9);
        end.from = "<sip:802@sibai.test>;tag=w".to_owned();
        end.to = granted.header(Header::To).unwrap().text().into_owned();
        storm.ask(end);
        storm.run(Duration::from_secs(90));
        assert_eq!(storm.answers(), ["200", "200"], "seed {seed}");
        assert!(storm.last_state().is_over(), "seed {seed}");
        assert_eq!(storm.lab.endpoint.subscriptions.held(), 0, "seed {seed}");
        assert_eq!(storm.lab.endpoint.wire.held(), 0, "seed {seed}");
    }
}
