//! Two endpoints on a lossy, duplicating, reordering link.

use std::collections::BTreeMap;

use super::*;

/// Two endpoints that are each other's trunk, and the packets between them.
struct Pair {
    now: Now,
    ends: [Endpoint; 2],
    addresses: [SocketAddr; 2],
    flying: BTreeMap<(Mono, u64), (usize, Message)>,
    weather: Entropy,
    loss: u64,
    sent: u64,
    events: [Vec<Event>; 2],
}

impl Pair {
    fn new(seed: u64, loss: u64) -> Self {
        let addresses: [SocketAddr; 2] = [OURS.parse().unwrap(), CARRIER.parse().unwrap()];
        let end = |me: usize| {
            let (local, remote) = (addresses[me], addresses[1 - me]);
            let target = Flow { transport: Transport::Udp, local, remote, connection: None, listener: 0 };
            let mut directory = directory();
            directory.trunks[0].sources = vec![remote.ip().to_string().parse().unwrap()];
            directory.trunks[0].targets = vec![target];
            Endpoint::new(directory, limits(), Entropy::from_number(seed * 2 + me as u64))
        };
        Self {
            now: start(),
            ends: [end(0), end(1)],
            addresses,
            flying: BTreeMap::new(),
            weather: Entropy::from_number(seed),
            loss,
            sent: 0,
            events: [Vec::new(), Vec::new()],
        }
    }

    fn command(&mut self, at: usize, command: Command) {
        self.ends[at].handle(self.now, Input::Command(command));
        self.drain(at);
    }

    fn drain(&mut self, from: usize) {
        while let Some(output) = self.ends[from].poll() {
            match output {
                Output::Event(event) => self.events[from].push(event),
                Output::Send { bytes, .. } => {
                    let message = Message::parse(bytes, Carriage::Datagram).unwrap();
                    let copies = u64::from(self.weather.below(100) >= self.loss)
                        + u64::from(self.weather.below(100) < self.loss / 2);
                    for _ in 0..copies {
                        let delay = Duration::from_millis(1 + self.weather.below(120));
                        self.sent += 1;
                        self.flying.insert((self.now.mono + delay, self.sent), (1 - from, message.clone()));
                    }
                }
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            let packet = self.flying.first_key_value().map(|((at, _), _)| *at);
            let due = self.ends.iter().filter_map(Endpoint::deadline).min();
            let Some(next) = base::time::soonest(packet, due).filter(|at| *at <= end) else { break };
            let ahead = next.since(self.now.mono);
            self.now = self.now.later(ahead);
            if packet == Some(next) {
                let (_, (to, message)) = self.flying.pop_first().unwrap();
                let (local, remote) = (self.addresses[to], self.addresses[1 - to]);
                let flow = Flow { transport: Transport::Udp, local, remote, connection: None, listener: 0 };
                self.ends[to].handle(self.now, Input::Received { flow, message: Ok(message) });
                self.drain(to);
            } else {
                for at in 0..2 {
                    self.ends[at].expire(self.now);
                    self.drain(at);
                    assert!(self.ends[at].deadline().is_none_or(|next| next > self.now.mono), "deadline law");
                }
            }
        }
        let rest = end.since(self.now.mono);
        self.now = self.now.later(rest);
    }

    fn place(&mut self, n: u64) -> LegId {
        let leg = LegId::placed(n);
        let to = Destination::Trunk { trunk: "carrier".into(), number: "4001".to_owned() };
        self.command(1, Command::Place { leg, invite: Box::new(outgoing(to)) });
        leg
    }

    fn arrived(&self) -> Vec<LegId> {
        let arrived = |event: &Event| match event {
            Event::Arrived(incoming) => Some(incoming.leg),
            _ => None,
        };
        self.events[0].iter().filter_map(arrived).collect()
    }

    fn ends_of(&self, at: usize, leg: LegId) -> usize {
        self.events[at]
            .iter()
            .filter(|event| matches!(event, Event::Ended { leg: of, .. } if *of == leg))
            .count()
    }

    fn forget_trunks(&mut self) {
        for at in 0..2 {
            self.command(at, Command::Directory(Box::default()));
        }
        self.run(Duration::from_secs(200));
        for end in &self.ends {
            assert_eq!((end.legs.held(), end.wire.held()), (0, 0), "nothing may outlive the calls");
        }
    }
}

/// One call of one seed: whatever the link does, each leg ends exactly once and nothing is left.
fn one_call(seed: u64, loss: u64) -> (bool, Vec<Event>) {
    let mut pair = Pair::new(seed, loss);
    let placed = pair.place(1);
    let mut choice = Entropy::from_number(seed ^ 0x5eed);
    pair.run(Duration::from_millis(200 + choice.below(4_000)));
    let cancels = choice.below(4) == 0;
    if let Some(&leg) = pair.arrived().first() {
        pair.command(0, Command::Progress { leg, status: 180, sdp: None });
        pair.run(Duration::from_millis(choice.below(500)));
        if cancels {
            pair.command(1, Command::GiveUp { leg: placed, cause: Cause::CallerGaveUp });
        }
        pair.run(Duration::from_millis(choice.below(300)));
        match choice.below(4) {
            0 => pair
                .command(0, Command::Refuse { leg, status: 486, retry_after: None, cause: Cause::LineFull }),
            _ => pair.command(0, Command::Accept { leg, sdp: SDP.to_owned() }),
        }
    }
    pair.run(Duration::from_secs(10 + choice.below(30)));
    let answered = pair.events[1].iter().any(|event| matches!(event, Event::Answered { .. }));
    let hangs_up = choice.below(2) as usize;
    let legs = [pair.arrived().first().copied(), Some(placed)];
    let over = |pair: &Pair, at: usize, leg: LegId| pair.ends_of(at, leg) > 0;
    for at in [hangs_up, 1 - hangs_up] {
        if let Some(leg) = legs[at].filter(|leg| !over(&pair, at, *leg)) {
            pair.command(at, Command::HangUp { leg, cause: Cause::FlowEnded });
        }
        pair.run(Duration::from_secs(35));
    }
    pair.run(Duration::from_secs(250));
    for (at, leg) in legs.iter().enumerate() {
        assert!(leg.is_none_or(|leg| pair.ends_of(at, leg) <= 1), "seed {seed}: ended twice");
    }
    assert!(pair.arrived().len() <= 1, "seed {seed}: one INVITE, one leg");
    pair.forget_trunks();
    let events = pair.events.concat();
    (answered, events)
}

#[test]
fn on_a_perfect_link_a_call_is_answered() {
    let mut pair = Pair::new(3, 0);
    let placed = pair.place(1);
    pair.run(Duration::from_secs(1));
    let leg = pair.arrived()[0];
    pair.command(0, Command::Progress { leg, status: 180, sdp: None });
    pair.run(Duration::from_secs(1));
    pair.command(0, Command::Accept { leg, sdp: SDP.to_owned() });
    pair.run(Duration::from_secs(1));
    assert!(pair.events[0].contains(&Event::Confirmed { leg, sdp: None }));
    pair.command(0, Command::HangUp { leg, cause: Cause::FlowEnded });
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.ends_of(1, placed), 1);
    pair.forget_trunks();
}

#[test]
fn whatever_the_link_does_each_leg_ends_once_and_nothing_is_left() {
    let mut answered = 0;
    for seed in 0..300 {
        let loss = [0, 10, 30, 60][seed as usize % 4];
        answered += u32::from(one_call(seed, loss).0);
    }
    assert!(answered > 100, "{answered} of 300 calls were answered");
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in [7, 8, 9] {
        assert_eq!(one_call(seed, 30), one_call(seed, 30));
    }
}

#[test]
fn even_with_a_third_of_the_packets_lost_most_calls_are_answered() {
    let mut answered = 0;
    for seed in 1000..1050 {
        let mut pair = Pair::new(seed, 33);
        pair.place(1);
        pair.run(Duration::from_secs(31));
        if let Some(&leg) = pair.arrived().first() {
            pair.command(0, Command::Accept { leg, sdp: SDP.to_owned() });
        }
        pair.run(Duration::from_secs(31));
        answered += u32::from(pair.events[0].iter().any(|event| matches!(event, Event::Confirmed { .. })));
    }
    assert!(answered >= 48, "{answered} of 50");
}

#[test]
fn a_call_that_runs_in_a_circle_through_us_ends_with_483() {
    let mut pair = Pair::new(5, 0);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "4001".to_owned() };
    pair.place(1);
    let (mut next, mut seen) = (2, [0, 0]);
    for _ in 0..200 {
        pair.run(Duration::from_millis(200));
        for (at, seen) in seen.iter_mut().enumerate() {
            while let Some(event) = pair.events[at].get(*seen).cloned() {
                *seen += 1;
                if let Event::Arrived(incoming) = event {
                    let hops = Some(incoming.hops.saturating_sub(1));
                    let invite = Box::new(Outgoing { hops, ..outgoing(to.clone()) });
                    pair.command(at, Command::Place { leg: LegId::placed(next), invite });
                    next += 1;
                }
            }
        }
    }
    let ends =
        pair.events.concat().iter().filter(|e| matches!(e, Event::Ended { status: Some(483), .. })).count();
    assert_eq!(ends, 1, "the last of the circle is refused");
    assert_eq!(next - 2, 70, "each hop took one of seventy");
}
