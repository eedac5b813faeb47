//! What every part of the endpoint works with: the transactions, the outputs, the directory, the entropy.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{Entropy, LegId, Mono, Name};
use bytes::Bytes;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::endpoint::login;
use crate::header::address::Address;
use crate::header::uri::Uri;
use crate::header::via::{self, Via};
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::message::reply::MAX_FORWARDS;
use crate::registrar::Moved;
use crate::seam::{Directory, Event, Flow, Limits, Output, Transport, Trunk};
use crate::transaction::client::{self, Client};
use crate::transaction::key::ByKey;
use crate::transaction::server::{self, Acknowledged, Server};
use crate::transaction::table::Table;
use crate::transaction::{Key, Keyring, PATIENCE};

/// What a request outside every dialog says of itself.
pub(crate) struct Lone<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) from: Uri,
    pub(crate) to: Uri,
    pub(crate) call_id: &'a str,
    /// Of CSeq.
    pub(crate) number: u32,
    pub(crate) contact: String,
}

/// Whose a client transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The INVITE of a placed leg.
    Invite(LegId),
    /// The PRACK of a 18x to a placed leg.
    Prack(LegId),
    /// A re-INVITE or UPDATE of ours that refreshes a session.
    Refresh(LegId),
    /// The BYE of a leg.
    Bye(LegId),
    /// A NOTIFY that tells the peer of a leg what came of its REFER.
    Notify(LegId),
    /// A NOTIFY of this subscription.
    Watch(u64),
    /// The OPTIONS that asks whether a trunk is there.
    Probe(Name),
    /// A re-INVITE whose leg is over: a 2xx still gets its ACK.
    Left,
    /// The REGISTER by which we enrol with a trunk.
    Registration(Name),
    /// An INVITE that was answered by silence and went another way: an answer that comes late is dismissed.
    Stray,
    /// Its answer changes nothing: a CANCEL, the BYE of a fork.
    Nobody,
}

/// The shared half of the endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// Who is who.
    pub(crate) directory: Directory,
    /// The bounds.
    pub(crate) limits: Limits,
    /// Tags, branches, jitter.
    pub(crate) entropy: Entropy,
    /// Names that the peers of connections have proved; they go with the connection.
    pub(crate) proofs: BTreeMap<u64, Vec<String>>,
    /// What finds transactions.
    pub(crate) keys: Keyring,
    /// HMAC under a secret of this endpoint, with nothing sealed yet.
    sealer: Hmac<Sha256>,
    outputs: VecDeque<Output>,
    servers: Table<Server>,
    merges: ByKey<Key>,
    clients: Table<Client<Owner>>,
    heard: Vec<(Name, Flow, bool)>,
    /// Trunks that refused a stream, and until when that is believed.
    datagrams_only: BTreeMap<SocketAddr, Mono>,
}

/// A client transaction that its owner must hear of.
#[derive(Clone, Debug)]
pub(crate) struct TimedOut {
    /// Its key.
    pub(crate) key: Key,
    /// Whose it was.
    pub(crate) owner: Owner,
}

impl Wire {
    pub(crate) fn new(directory: Directory, limits: Limits, mut entropy: Entropy) -> Self {
        // HMAC fills a shorter secret up with zeros to its block; so do we, and nothing can fail.
        let mut secret = [0; HMAC_BLOCK];
        if let Some(secret) = secret.first_chunk_mut::<32>() {
            entropy.fill(secret);
        }
        let sealer = <Hmac<Sha256> as KeyInit>::new(&secret.into());
        let keys = Keyring::new(&seal(&sealer, &[b"keys"]));
        Self {
            directory,
            limits,
            entropy,
            proofs: BTreeMap::new(),
            keys,
            sealer,
            outputs: VecDeque::new(),
            servers: Table::default(),
            merges: ByKey::default(),
            clients: Table::default(),
            heard: Vec::new(),
            datagrams_only: BTreeMap::new(),
        }
    }

    /// A call learned that a trunk's target answers, or is silent; for its probes.
    pub(crate) fn hear(&mut self, trunk: &Name, flow: Flow, heard: bool) {
        self.heard.push((trunk.clone(), flow, heard));
    }

    /// What calls learned since the last look.
    pub(crate) fn take_heard(&mut self) -> Vec<(Name, Flow, bool)> {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.outputs.push_back(Output::Send { flow, bytes });
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// HMAC-SHA-256 of `parts` under a secret of this endpoint: stateless tags, nonces, stand-in passwords.
    pub(crate) fn seal(&self, parts: &[&[u8]]) -> [u8; 32] {
        seal(&self.sealer, parts)
    }

    /// The To tag of a stateless response: the same for every copy of the request (RFC 3261 section 8.2.7).
    pub(crate) fn stateless_tag(&self, request: &Message) -> String {
        let from_tag = request.from_tag().unwrap_or_default();
        let call_id = request.call_id();
        let sealed =
            self.seal(&[b"tag", call_id.as_bytes(), from_tag.as_bytes(), request.uri_text().as_bytes()]);
        hex::encode(sealed.get(..8).unwrap_or_default())
    }

    /// A tag that nobody can guess.
    pub(crate) fn fresh_tag(&mut self) -> String {
        self.entropy.token(8)
    }

    /// Seconds for Retry-After, scattered so that the refused do not come back together.
    pub(crate) fn retry_after(&mut self) -> u32 {
        5 + self.entropy.below(26) as u32
    }

    // Server transactions.

    /// Whether `load` transactions are too many; the caller adds its own margin.
    pub(crate) fn load(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    pub(crate) fn has_server(&self, key: &Key) -> bool {
        self.servers.find(key).is_some()
    }

    pub(crate) fn server_state(&self, key: &Key) -> Option<server::State> {
        self.servers.find(key).map(Server::state)
    }

    /// The way that the request of a server transaction came.
    pub(crate) fn server_flow(&self, key: &Key) -> Option<Flow> {
        self.servers.find(key).map(|server| server.flow)
    }

    /// Whether what came by `flow` can be of the peer that is spoken to by `spoken`: the same address, behind
    /// whatever port its NAT has now, or the same trunk by another way. Branches and tags can be overheard, and
    /// an address off the path cannot be borrowed for long (reliability A7).
    pub(crate) fn is_from(&self, spoken: &Flow, flow: &Flow) -> bool {
        let (expected, seen) = (spoken.remote.ip().to_canonical(), flow.remote.ip().to_canonical());
        let is_trunks = |trunk: &Trunk| self.is_within(trunk, spoken) && self.is_within(trunk, flow);
        expected == seen || self.directory.trunks.iter().any(is_trunks)
    }

    /// Opens a server transaction; `merge` is what a copy by another way would share.
    pub(crate) fn open(&mut self, key: &Key, flow: Flow, is_invite: bool, merge: Option<Key>) {
        if let Some(merge) = &merge {
            self.merges.insert(merge.clone(), key.clone());
        }
        self.servers.insert(key.clone(), Server::new(flow, is_invite, merge));
    }

    /// Whether an open transaction has this request by another way (RFC 3261 section 8.2.2.2).
    pub(crate) fn is_merged(&self, merge: &Key, key: &Key) -> bool {
        self.merges.get(merge).is_some_and(|other| other != key)
    }

    /// The request came again.
    pub(crate) fn repeat(&mut self, key: &Key) {
        let again = self.servers.find(key).and_then(|server| Some((server.flow, server.repeated()?)));
        if let Some((flow, bytes)) = again {
            self.send(flow, bytes);
        }
    }

    /// Sends a response through its transaction.
    pub(crate) fn respond(&mut self, now: Mono, key: &Key, response: &Message) {
        let status = response.status().unwrap_or(500);
        let bytes = response.as_bytes().clone();
        let changed =
            self.servers.change(key, |server| (server.respond(now, status, bytes.clone()), server.flow));
        let Some(((true, flow), over)) = changed else { return };
        self.forget_merge(key, over);
        self.send(flow, bytes);
    }

    /// Responses that are still to be sent over a connection that is gone go by the new way.
    pub(crate) fn moved(&mut self, moved: Moved) {
        let there = |server: &Server| server.flow.connection == moved.from.connection;
        for key in self.servers.keys_where(there) {
            self.servers.change(&key, |server| server.flow = moved.to);
        }
    }

    /// An ACK with this key came; `None` when no transaction has it.
    pub(crate) fn acknowledged(&mut self, now: Mono, key: &Key) -> Option<Acknowledged> {
        let (acknowledged, over) = self.servers.change(key, |server| server.acknowledged(now))?;
        self.forget_merge(key, over);
        Some(acknowledged)
    }

    fn forget_merge(&mut self, key: &Key, over: Option<Server>) {
        if let Some(merge) = over.and_then(|server| server.merge)
            && self.merges.get(&merge) == Some(key)
        {
            self.merges.remove(&merge);
        }
    }

    // Client transactions.

    /// A new branch.
    pub(crate) fn branch(&mut self) -> String {
        format!("{}{}", via::MAGIC_COOKIE, self.entropy.token(10))
    }

    /// Our Via on this way, with a new branch.
    pub(crate) fn via(&mut self, flow: &Flow) -> Via {
        let transport = match flow.transport {
            Transport::Udp => via::ViaTransport::Udp,
            Transport::Tcp => via::ViaTransport::Tcp,
            Transport::Tls => via::ViaTransport::Tls,
            Transport::Ws => via::ViaTransport::Ws,
            Transport::Wss => via::ViaTransport::Wss,
        };
        let branch = self.branch();
        Via::new(transport, self.advertised(flow), &branch)
    }

    /// Our Contact on this way.
    pub(crate) fn contact(&self, flow: &Flow) -> String {
        self.contact_as(flow, false)
    }

    /// The same as a `sips:` URI, where the request or the dialog is one of those.
    pub(crate) fn contact_as(&self, flow: &Flow, is_sips: bool) -> String {
        let at = self.advertised(flow);
        match (login::transport_param(flow), is_sips) {
            ("", _) => format!("<sip:{CONTACT_USER}@{at}>"),
            // That TLS carries it the scheme says already (RFC 3261 section 26.2.2).
            ("tls", true) => format!("<sips:{CONTACT_USER}@{at}>"),
            (transport, true) => format!("<sips:{CONTACT_USER}@{at};transport={transport}>"),
            (transport, false) => format!("<sip:{CONTACT_USER}@{at};transport={transport}>"),
        }
    }

    /// A request that belongs to no dialog (RFC 3261 section 8.1.1), with a Via and a tag of its own.
    pub(crate) fn lone(&mut self, flow: &Flow, method: Method, lone: Lone<'_>) -> Draft {
        let tag = self.fresh_tag();
        let sequence = format!("{} {}", lone.number, method.as_str());
        Draft::request(method, lone.uri)
            .header(Header::Via, self.via(flow))
            .header(Header::MaxForwards, MAX_FORWARDS)
            .header(Header::From, Address::new(lone.from).tagged(&tag))
            .header(Header::To, Address::new(lone.to))
            .header(Header::CallId, lone.call_id)
            .header(Header::CSeq, sequence)
            .header(Header::Contact, lone.contact)
            .header(Header::UserAgent, PRODUCT)
    }

    /// An OPTIONS that asks whether anybody is there, or keeps a NAT's mapping.
    pub(crate) fn ping(&mut self, flow: &Flow, uri: &Uri) -> Option<Message> {
        let from = Uri::sip(Some("ping"), &self.directory.realm, None).ok()?;
        let call_id = self.entropy.token(12);
        let contact = self.contact(flow);
        let lone = Lone { uri, from, to: uri.clone(), call_id: &call_id, number: 1, contact };
        Some(self.lone(flow, Method::Options, lone).finish())
    }

    /// The address that we tell the peer of this way: the public one toward peers outside our own networks.
    pub(crate) fn advertised(&self, flow: &Flow) -> SocketAddr {
        SocketAddr::new(self.advertised_ip(flow.local.ip(), flow.remote.ip()), flow.local.port())
    }

    /// The same without port.
    pub(crate) fn advertised_ip(&self, local: IpAddr, remote: IpAddr) -> IpAddr {
        match self.directory.public_address {
            Some(public)
                if public.is_ipv4() == local.is_ipv4()
                    && !self.directory.local_networks.iter().any(|net| net.contains(remote)) =>
            {
                public
            }
            _ => local,
        }
    }

    /// Whether what comes this way is this trunk: by its address, or by the certificate of the connection.
    pub(crate) fn is_of(&self, trunk: &Trunk, flow: &Flow) -> bool {
        trunk.sources.iter().any(|source| source.covers(flow.remote)) || self.has_proved(trunk, flow)
    }

    /// The same for what belongs to something begun: where a trunk is called it may also answer from.
    pub(crate) fn is_within(&self, trunk: &Trunk, flow: &Flow) -> bool {
        trunk.is_at(flow.remote) || self.has_proved(trunk, flow)
    }

    /// Whether the peer of this connection has proved to be this trunk.
    fn has_proved(&self, trunk: &Trunk, flow: &Flow) -> bool {
        let proved = flow.connection.and_then(|connection| self.proofs.get(&connection));
        trunk.certificate.as_ref().is_some_and(|name| proved.is_some_and(|proved| proved.contains(name)))
    }

    /// The trunk of this name.
    pub(crate) fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.directory.trunks.iter().find(|trunk| trunk.name == *name)
    }

    /// Whether `user` may see and take the calls of `owner`: its own, and those of users of its line.
    pub(crate) fn may_touch(&self, user: &Name, owner: &Name) -> bool {
        let line = |name: &Name| self.directory.users.get(name).and_then(|user| user.line.as_ref());
        user == owner || line(user).is_some_and(|of| line(owner) == Some(of))
    }

    /// Sends a request through a transaction of its own.
    pub(crate) fn request(&mut self, now: Mono, flow: Flow, request: Message, owner: Owner) -> Option<Key> {
        let key = self.keys.client(&request)?;
        let client = match self.over_stream(now, &flow, &request) {
            Some((way, longer)) => {
                let mut client = Client::new(now, way, longer, owner);
                client.fallback = Some(Box::new((flow, request)));
                client
            }
            None => Client::new(now, flow, request, owner),
        };
        self.send(client.flow, client.request.as_bytes().clone());
        self.clients.insert(key.clone(), client);
        Some(key)
    }

    /// A request that is too long for a datagram, for TCP (RFC 3261 section 18.1.1): toward trunks only. To a
    /// phone behind NAT nobody can connect, and one that registered over UDP gets what UDP can carry. The
    /// branch stays: were the stream refused, nobody would have seen it.
    fn over_stream(&self, now: Mono, flow: &Flow, request: &Message) -> Option<(Flow, Message)> {
        let is_too_long = flow.transport == Transport::Udp && request.as_bytes().len() > LONGEST_DATAGRAM;
        let is_trunk = || self.directory.trunks.iter().any(|trunk| self.is_within(trunk, flow));
        let refused = self.datagrams_only.get(&flow.remote).is_some_and(|until| *until > now);
        if !is_too_long || refused || !is_trunk() {
            return None;
        }
        let mut via = request.via().ok()?;
        via.transport = via::ViaTransport::Tcp;
        let request = Draft::of(request).without(Header::Via).header_first(Header::Via, via).finish();
        Some((Flow { transport: Transport::Tcp, connection: None, ..*flow }, request))
    }

    /// A trunk took no stream: for a while it is not asked again.
    fn datagrams_only(&mut self, now: Mono, remote: SocketAddr) {
        self.datagrams_only.retain(|_, until| *until > now);
        if self.datagrams_only.len() >= MAX_DATAGRAMS_ONLY {
            self.datagrams_only.pop_first();
        }
        self.datagrams_only.insert(remote, now + DATAGRAMS_ONLY);
    }

    pub(crate) fn client(&self, key: &Key) -> Option<&Client<Owner>> {
        self.clients.find(key)
    }

    /// A response came: the owner to be told, if there is one.
    pub(crate) fn received(&mut self, now: Mono, response: &Message) -> Option<(Key, Client<Owner>)> {
        let key = self.keys.client(response)?;
        let (received, over) = self.clients.change(&key, |client| client.receive(now, response))?;
        let client = over.or_else(|| self.clients.find(&key).cloned())?;
        if let Some(ack) = received.send {
            self.send(client.flow, ack);
        }
        received.pass.then_some((key, client))
    }

    /// ACKs a 2xx, now and each time that it comes again.
    pub(crate) fn acknowledge(&mut self, key: &Key, to_tag: &str, flow: Flow, ack: &Message) {
        let bytes = ack.as_bytes().clone();
        self.send(flow, bytes.clone());
        self.clients.change(key, |client| {
            client.flow = flow;
            client.acknowledge(to_tag, bytes);
        });
    }

    /// Forgets a client transaction (RFC 3261 section 9.1: no final response 64·T1 after the CANCEL).
    pub(crate) fn abandon(&mut self, key: &Key) {
        self.clients.remove(key);
    }

    /// The leg of this request is over. A re-INVITE must run to its end, because whatever answers it wants an
    /// ACK; nothing else of it is of interest.
    pub(crate) fn leave(&mut self, now: Mono, key: &Key) {
        let is_invite =
            self.clients.find(key).is_some_and(|client| *client.request.method() == Method::Invite);
        if !is_invite {
            return self.abandon(key);
        }
        self.clients.change(key, |client| {
            client.owner = Owner::Left;
            client.end_by(now + PATIENCE);
        });
    }

    /// An INVITE that nobody answered goes another way: it is repeated no more, and what is answered late is
    /// cancelled, or ACKed and BYEd.
    pub(crate) fn disown(&mut self, key: &Key) {
        self.clients.change(key, |client| {
            client.owner = Owner::Stray;
            client.hush();
        });
    }

    /// A stray INVITE got a provisional response: it is cancelled, and waited for no longer than that takes.
    pub(crate) fn cancel_stray(&mut self, now: Mono, key: &Key) {
        let Some((request, flow)) = self
            .clients
            .change(key, |client| {
                client.owner = Owner::Nobody;
                client.end_by(now + PATIENCE);
                (client.request.clone(), client.flow)
            })
            .map(|(cancelled, _)| cancelled)
        else {
            return;
        };
        if let Ok(cancel) = request.cancel() {
            self.request(now, flow, cancel.finish(), Owner::Nobody);
        }
    }

    /// Every client transaction on this way fails.
    pub(crate) fn fail_flow(&mut self, now: Mono, flow: &Flow) -> Vec<TimedOut> {
        let same = |client: &Client<Owner>| client.flow == *flow && client.state() != client::State::Accepted;
        let keys = self.clients.keys_where(same);
        let mut failed = Vec::new();
        for key in keys {
            let Some(client) = self.clients.remove(&key) else { continue };
            match client.fallback {
                Some(original) if client.state() == client::State::Calling => {
                    let (flow, request) = *original;
                    self.datagrams_only(now, flow.remote);
                    self.send(flow, request.as_bytes().clone());
                    self.clients.insert(key, Client::new(now, flow, request, client.owner));
                }
                _ => failed.push(TimedOut { key, owner: client.owner }),
            }
        }
        failed
    }

    // Deadlines.

    pub(crate) fn deadline(&self) -> Option<Mono> {
        base::time::soonest(self.servers.deadline(), self.clients.deadline())
    }

    /// Runs what is due of the transactions; the owner of a timed-out one must be told.
    pub(crate) fn expire(&mut self, now: Mono) -> Vec<TimedOut> {
        while let Some(key) = self.servers.due(now) {
            let Some((expired, over)) = self.servers.change(&key, |server| (server.expire(now), server.flow))
            else {
                break;
            };
            self.forget_merge(&key, over);
            if let (server::Expired::Repeat(bytes), flow) = expired {
                self.send(flow, bytes);
            }
        }
        let mut timed_out = Vec::new();
        while let Some(key) = self.clients.due(now) {
            let changed = self.clients.change(&key, |client| (client.expire(now), client.flow));
            let Some(((expired, flow), over)) = changed else { break };
            match (expired, over) {
                (client::Expired::Repeat(bytes), _) => self.send(flow, bytes),
                (client::Expired::TimedOut, Some(client)) => {
                    timed_out.push(TimedOut { key, owner: client.owner });
                }
                _ => {}
            }
        }
        timed_out
    }

    /// How many transactions and merge keys are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.servers.len() + self.clients.len() + self.merges.len()
    }
}

fn seal(sealer: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = sealer.clone();
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A response to `request`, to be finished and sent.
pub(crate) fn reply(request: &Message, flow: Flow, status: u16, tag: &str) -> Draft {
    request.reply(status, flow.remote, Some(tag)).header(Header::Server, PRODUCT)
}

/// The block of SHA-256.
const HMAC_BLOCK: usize = 64;
/// The methods that we take, for Allow.
pub(crate) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REGISTER, REFER, SUBSCRIBE";
/// The extensions that we know, for Supported.
pub(crate) const SUPPORTED: &str = "timer, 100rel, replaces, norefersub, from-change";
/// The bodies that we read, for Accept.
pub(crate) const ACCEPT: &str = "application/sdp, application/dtmf-relay, application/dtmf";
/// What we say we are: no version, which would only help an attacker.
pub(crate) const PRODUCT: &str = "Sibai";
/// The user part of our Contact; requests to it are found by their dialog.
const CONTACT_USER: &str = "sibai";
/// Above it a request may be cut into fragments, which firewalls drop (RFC 3261 section 18.1.1).
const LONGEST_DATAGRAM: usize = 1_300;
/// A carrier that takes no TCP today will not in a minute.
const DATAGRAMS_ONLY: Duration = Duration::from_mins(10);
/// More addresses of trunks than any configuration has.
const MAX_DATAGRAMS_ONLY: usize = 256;
