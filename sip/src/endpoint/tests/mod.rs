//! The endpoint in stories, and the bench that they are told on.

mod calls;
mod enrolments;
mod failover;
mod flows;
mod forgeries;
mod guesses;
mod link;
mod offers;
mod probes;
mod races;
mod random;
mod refer;
mod registrations;
mod reliable;
mod sessions;
mod stories;
mod strangers;
mod trunks;
mod watching;
mod weather;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Cause, Entropy, LegId, Machine, Mono, Name, Now, Timestamp};

use super::Endpoint;
use crate::digest::{self, Algorithm, Login};
use crate::header::auth::Challenge;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::message::{Carriage, Message};
use crate::seam::{
    Command, Destination, Directory, Event, Flow, Incoming, Input, Limits, NumberUri, Outgoing, Output,
    Transport, Trunk, User,
};

/// One endpoint, virtual time, and everything that it sent and told.
#[derive(Clone)]
pub(super) struct Lab {
    pub(super) endpoint: Endpoint,
    pub(super) now: Now,
    pub(super) sent: Vec<(Flow, Message)>,
    pub(super) events: Vec<Event>,
    branch: u64,
}

pub(super) const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
pub(super) const OURS: &str = "192.0.2.1:5060";
pub(super) const CARRIER: &str = "192.0.2.2:5060";
pub(super) const PHONE: &str = "198.51.100.7:40000";

pub(super) fn limits() -> Limits {
    Limits {
        transactions: 10_000,
        legs: 1_000,
        contacts_per_user: 3,
        bindings: 100,
        min_expires: Duration::from_mins(1),
        max_expires: Duration::from_hours(1),
        failures_per_source: 10,
    }
}

pub(super) fn directory() -> Directory {
    let user = |name: &str| {
        let ha1 = [Algorithm::Md5, Algorithm::Sha256].map(|a| (a, a.ha1(name, "sibai.test", "secret")));
        (Name::from(name), User { ha1: ha1.to_vec(), line: Some(Name::from("line")) })
    };
    Directory {
        listeners: Vec::new(),
        realm: "sibai.test".to_owned(),
        algorithms: vec![vec![Algorithm::Md5], vec![Algorithm::Sha256, Algorithm::Md5]],
        users: Arc::new(HashMap::from([user("801"), user("802")])),
        trunks: vec![Trunk {
            name: "carrier".into(),
            sources: vec!["192.0.2.2".parse().unwrap()],
            certificate: None,
            targets: Vec::new(),
            host: "carrier.test".to_owned(),
            port: None,
            probe: true,
            registration: None,
            uri: NumberUri::Sip,
            credentials: Some(("account".to_owned(), "trunk secret".to_owned())),
        }],
        answers_strangers: false,
        public_address: None,
        local_networks: Vec::new(),
    }
}

pub(super) fn udp(remote: &str) -> Flow {
    flow(Transport::Udp, remote, None)
}

pub(super) fn tcp(remote: &str, connection: u64) -> Flow {
    flow(Transport::Tcp, remote, Some(connection))
}

fn flow(transport: Transport, remote: &str, connection: Option<u64>) -> Flow {
    let (local, remote): (SocketAddr, SocketAddr) = (OURS.parse().unwrap(), remote.parse().unwrap());
    Flow { transport, local, remote, connection, listener: 0 }
}

pub(super) fn start() -> Now {
    Now { mono: Mono::from_nanos(1), wall: Timestamp::from_second(1_790_000_000).unwrap() }
}

/// A request, line by line: the tests write what a phone would.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) uri: String,
    pub(super) branch: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) extra: Vec<String>,
    pub(super) body: (&'static str, String),
}

impl Ask {
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} {} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch={}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {} {}\r\n",
            self.method, self.uri, self.branch, self.from, self.to, self.call_id, self.cseq, self.method
        );
        for line in &self.extra {
            text.push_str(line);
            text.push_str("\r\n");
        }
        if !self.body.1.is_empty() {
            text = format!("{text}Content-Type: {}\r\n", self.body.0);
        }
        format!("{text}Content-Length: {}\r\n\r\n{}", self.body.1.len(), self.body.1)
    }

    pub(super) fn with(mut self, line: &str) -> Self {
        self.extra.push(line.to_owned());
        self
    }

    pub(super) fn sdp(mut self) -> Self {
        self.body = ("application/sdp", SDP.to_owned());
        self
    }

    pub(super) fn branch(mut self, branch: &str) -> Self {
        self.branch = format!("z9hG4bK{branch}");
        self
    }

    pub(super) fn cseq(mut self, cseq: u32) -> Self {
        self.cseq = cseq;
        self
    }

    pub(super) fn tagged(mut self, tag: &str) -> Self {
        self.to = format!("{};tag={tag}", self.to);
        self
    }

    pub(super) fn without_contact(mut self) -> Self {
        self.extra.retain(|line| !line.starts_with("Contact"));
        self
    }
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with(directory())
    }

    pub(super) fn with(directory: Directory) -> Self {
        let endpoint = Endpoint::new(directory, limits(), Entropy::from_number(1));
        Self { endpoint, now: start(), sent: Vec::new(), events: Vec::new(), branch: 0 }
    }

    /// A request with a new branch, from a caller behind the carrier to 4001.
    pub(super) fn ask(&mut self, method: &'static str) -> Ask {
        self.branch += 1;
        Ask {
            method,
            uri: "sip:4001@192.0.2.1".to_owned(),
            branch: format!("z9hG4bKauto{}", self.branch),
            from: "\"Li\" <sip:13800138000@carrier.test>;tag=caller".to_owned(),
            to: "<sip:4001@192.0.2.1>".to_owned(),
            call_id: "call-1".to_owned(),
            cseq: 1,
            extra: vec!["Contact: <sip:gw@192.0.2.2:5060>".to_owned()],
            body: ("", String::new()),
        }
    }

    pub(super) fn receive(&mut self, flow: Flow, text: &str) {
        let carriage = if flow.transport == Transport::Udp { Carriage::Datagram } else { Carriage::Stream };
        let message = Message::parse(text.to_owned().into(), carriage);
        self.input(Input::Received { flow, message });
    }

    pub(super) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(super) fn input(&mut self, input: Input) {
        self.endpoint.handle(self.now, input);
        self.drain();
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now.later(span);
        while let Some(due) = self.endpoint.deadline().filter(|due| *due <= end.mono) {
            let ahead = due.since(self.now.mono);
            self.now = self.now.later(ahead);
            self.endpoint.expire(self.now);
            self.drain();
            assert!(self.endpoint.deadline().is_none_or(|next| next > self.now.mono), "deadline law");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { flow, bytes } => {
                    let message =
                        Message::parse(bytes, Carriage::Datagram).expect("we write what we can read");
                    self.sent.push((flow, message));
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        assert!(self.endpoint.poll().is_none(), "drain law");
    }

    /// What was sent since the last look, without the way.
    pub(super) fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, message)| message).collect()
    }

    /// Status codes and methods that were sent since the last look.
    pub(super) fn wrote(&mut self) -> Vec<String> {
        self.sent().iter().map(brief).collect()
    }

    pub(super) fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// An INVITE over the carrier, up to `Arrived`.
    pub(super) fn arrive(&mut self) -> (LegId, Ask) {
        let ask = self.ask("INVITE").sdp();
        self.receive(udp(CARRIER), &ask.text());
        (self.incoming().leg, ask)
    }

    pub(super) fn incoming(&mut self) -> Incoming {
        let arrived = self.told().into_iter().find_map(|event| match event {
            Event::Arrived(incoming) => Some(*incoming),
            _ => None,
        });
        arrived.expect("an INVITE arrived")
    }

    /// The same, answered and ACKed; the tag is ours.
    pub(super) fn up(&mut self) -> (LegId, String) {
        let (leg, _) = self.arrive();
        let tag = self.accept(leg);
        let ack = self.ask("ACK").tagged(&tag);
        self.receive(udp(CARRIER), &ack.text());
        assert_eq!(self.told(), [Event::Confirmed { leg, sdp: None }]);
        (leg, tag)
    }

    /// Answers and tells our tag.
    pub(super) fn accept(&mut self, leg: LegId) -> String {
        self.sent.clear();
        self.command(Command::Accept { leg, sdp: SDP.to_owned() });
        let sent = self.sent();
        assert_eq!(sent[0].status(), Some(200));
        sent[0].to_tag().unwrap()
    }

    /// Places an INVITE to the phone at `PHONE`, which registers first.
    pub(super) fn place(&mut self) -> (LegId, Message) {
        self.register_phone();
        let leg = LegId::placed(1);
        let to = Destination::Contact { user: "801".into(), contact: 1 };
        self.command(Command::Place { leg, invite: Box::new(outgoing(to)) });
        let invite = self.sent().pop().expect("an INVITE was sent");
        (leg, invite)
    }

    /// The same, answered by the phone.
    pub(super) fn placed_up(&mut self) -> (LegId, Message) {
        let (leg, invite) = self.place();
        self.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
        assert!(matches!(self.told()[..], [Event::Answered { .. }]));
        assert_eq!(self.wrote(), ["ACK"]);
        (leg, invite)
    }

    pub(super) fn register_phone(&mut self) {
        let ask = self.register("801", "reg-1", 1, "Contact: <sip:801@10.0.0.7:5060>");
        let status = self.prove(udp(PHONE), ask);
        assert_eq!(status.status(), Some(200));
        self.told();
    }

    pub(super) fn register(&mut self, user: &str, call_id: &str, cseq: u32, contact: &str) -> Ask {
        let mut ask = self.ask("REGISTER").cseq(cseq).without_contact();
        ask.uri = "sip:sibai.test".to_owned();
        ask.from = format!("<sip:{user}@sibai.test>;tag=r");
        ask.to = format!("<sip:{user}@sibai.test>");
        ask.call_id = call_id.to_owned();
        // As long as a phone's: to a shorter one the answer would have to be silence (reliability A11).
        let ask = ask
            .with("User-Agent: a phone of the bench, second edition")
            .with("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, MESSAGE");
        if contact.is_empty() { ask } else { ask.with(contact) }
    }

    /// Sends a request, answers the challenge, and returns the last response.
    pub(super) fn prove(&mut self, flow: Flow, ask: Ask) -> Message {
        self.sent.clear();
        self.receive(flow, &ask.text());
        let challenged = self.sent().pop().expect("a response");
        if challenged.status() != Some(401) {
            return challenged;
        }
        let again = self.authorized(ask, &challenged, "secret", 1);
        self.receive(flow, &again.text());
        self.sent().pop().expect("a response")
    }

    /// The request again with a proof.
    pub(super) fn authorized(&mut self, ask: Ask, challenged: &Message, password: &str, count: u32) -> Ask {
        let value = challenged.header(Header::WwwAuthenticate).expect("a challenge");
        let challenge = Challenge::parse(&value.text()).unwrap();
        let user = ask.from.split(['@', ':']).nth(1).unwrap().to_owned();
        let login = Login { user: &user, password };
        let proof = digest::answer(&challenge, login, ask.method, &ask.uri, "cnonce", count).unwrap();
        self.branch += 1;
        let cseq = ask.cseq + 1;
        let mut again = ask.cseq(cseq).branch(&format!("proof{}", self.branch));
        again.extra.retain(|line| !line.starts_with("Authorization"));
        again.with(&format!("Authorization: {proof}"))
    }

    /// The same while a phone is registered: its own timers go on.
    pub(super) fn assert_no_leak_but_registrations(&mut self) {
        self.assert_no_leak();
    }

    /// Nothing but registrations, nonces and probes may outlive the calls.
    pub(super) fn assert_no_leak(&mut self) {
        self.wait(Duration::from_secs(70));
        assert_eq!(self.endpoint.legs.held(), 0, "legs");
        assert_eq!(self.endpoint.wire.held(), 0, "transactions");
    }
}

pub(super) fn brief(message: &Message) -> String {
    message.status().map_or_else(|| message.method().to_string(), |status| status.to_string())
}

pub(super) fn outgoing(to: Destination) -> Outgoing {
    Outgoing {
        to,
        from_user: "13800138000".to_owned(),
        display: Some("李\"四\r\nX: y".to_owned()),
        asserted: Some("13800138000".to_owned()),
        withheld: false,
        called: Some("4008001234".to_owned()),
        referred_by: None,
        diverting: None,
        hops: None,
        sdp: SDP.to_owned(),
    }
}

/// A response of the peer to a request of ours.
pub(super) fn answer(request: &Message, status: u16, tag: &str, sdp: &str) -> String {
    let mut draft = request.reply(status, OURS.parse().unwrap(), Some(tag));
    if status < 300 {
        draft = draft.header(Header::Contact, "<sip:801@10.0.0.7:5060>");
    }
    if !sdp.is_empty() {
        draft = draft.body("application/sdp", sdp.as_bytes().to_vec());
    }
    String::from_utf8(draft.finish().as_bytes().to_vec()).unwrap()
}

/// A request of the phone in the dialog that our INVITE made.
pub(super) fn within(invite: &Message, method: &'static str, tag: &str, cseq: u32) -> Ask {
    let to = invite.to().unwrap();
    Ask {
        method,
        uri: "sip:sibai@192.0.2.1:5060".to_owned(),
        branch: format!("z9hG4bKwithin{method}{cseq}"),
        from: format!("<{}>;tag={tag}", to.uri),
        to: invite.header(Header::From).unwrap().text().into_owned(),
        call_id: invite.call_id().into_owned(),
        cseq,
        extra: vec!["Contact: <sip:801@10.0.0.7:5060>".to_owned()],
        body: ("", String::new()),
    }
}

pub(super) fn ended(leg: LegId, cause: Cause, status: Option<u16>) -> Event {
    Event::Ended { leg, cause, status, q850: None }
}

/// The same, with the Q.850 value that was read.
pub(super) fn ended_by(leg: LegId, cause: Cause, status: Option<u16>, q850: u8) -> Event {
    Event::Ended { leg, cause, status, q850: Some(q850) }
}

pub(super) fn is_method(message: &Message, method: &Method) -> bool {
    message.is_request() && message.method() == method
}
