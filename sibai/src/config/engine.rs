//! engine.yaml: what the operator says about addresses, trunks, storage and limits.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base::g711::Law;
use base::{Cidr, Name, PeerMatch, PhoneNumber};
use ivr::shape::{self, Declared, Kind, View, phone};
use ivr::yaml::{Node, Spot, Value, parse};
use ivr::{Faults, SourceFile};
use pbx::plan::Limits;
use sip::Algorithm;
use sip::admission::Limits as Admitted;
use sip::seam::Transport;

use super::table;

/// The checked engine.yaml.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// Where SIP is spoken.
    pub sip: Sip,
    /// Where audio flows.
    pub rtp: Rtp,
    /// Carriers, in the order of the file.
    pub trunks: Vec<Trunk>,
    /// Where call records are kept.
    pub database: Database,
    /// Where audio is kept.
    pub recordings: Recordings,
    /// The HTTP interface.
    pub api: Api,
    /// Bounds of the engine.
    pub limits: Limits,
}

/// Where SIP is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Sip {
    /// Listeners in the order of the file.
    pub listen: Vec<Listen>,
    /// Digest algorithms where a listener has none of its own, strongest first.
    pub digest: Vec<Algorithm>,
    /// Told to peers outside `local_networks`.
    pub public_address: Option<IpAddr>,
    /// Peers to which the own address is told.
    pub local_networks: Vec<Cidr>,
    /// Whether OPTIONS of somebody who is neither trunk nor registered phone is answered.
    pub answer_unknown_options: bool,
    /// How much is let in.
    pub limits: Admitted,
}

/// A SIP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// UDP or TCP.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// Its digest algorithms, strongest first; `sip.digest` unless it has its own.
    pub digest: Vec<Algorithm>,
}

/// Where audio flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Rtp {
    /// First and last UDP port.
    pub ports: (u16, u16),
    /// In the order of preference.
    pub codecs: Vec<Law>,
}

/// A carrier connection.
#[derive(Clone, PartialEq)]
pub struct Trunk {
    /// For logs, records and metrics.
    pub name: Name,
    /// Where calls go out: a name or address, perhaps with a port.
    pub host: Option<String>,
    /// Toward the host.
    pub transport: Transport,
    /// Digest user, read from the environment.
    pub user: Option<String>,
    /// Digest password, read from the environment.
    pub password: Option<String>,
    /// Sources that are this trunk.
    pub allow_from: Vec<PeerMatch>,
    /// Verified on this trunk; shown to outside seats.
    pub caller_id: Option<PhoneNumber>,
    /// Calls at once, both ways.
    pub max_calls: u32,
}

/// Where call records are kept.
#[derive(Clone, PartialEq)]
pub struct Database {
    /// `sqlite://…` below the data folder, or `postgres://…`.
    pub url: String,
}

/// Where audio is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Recordings {
    /// Absolute, or below the data folder.
    pub folder: String,
    /// Percent of the disk below which nothing is recorded.
    pub keep_free: u8,
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
}

impl Engine {
    /// Whether no carrier outside this machine can be reached or recognised: only then may the wall
    /// clock be shifted (`--at`).
    pub fn all_trunks_on_loopback(&self) -> bool {
        self.trunks.iter().all(|trunk| {
            trunk.allow_from.iter().all(PeerMatch::is_loopback)
                && trunk.host.as_deref().is_none_or(is_loopback)
        })
    }
}

/// Reads engine.yaml. `None` when nothing sensible can be made of it; the faults say why.
pub(super) fn read(
    file: &[SourceFile],
    variable: &dyn Fn(&str) -> Option<String>,
    faults: &mut Faults<'_>,
) -> Option<(Engine, Node)> {
    let source = file.first()?;
    let parsed = parse(0, &source.text, faults);
    let damaged = parsed.damaged;
    let entries = ivr::check::sections(parsed, 0, "engine/v1", faults)?;
    let root = Node { at: START, value: Value::Map(entries) };
    shape::check(&root, &Kind::Struct(&table::ENGINE), &Declared::new(), damaged, faults);
    let mut reader = Reader { variable, faults };
    let engine = reader.engine(View::new(Some(&root), &table::ENGINE))?;
    Some((engine, root))
}

struct Reader<'r, 'f> {
    variable: &'r dyn Fn(&str) -> Option<String>,
    faults: &'r mut Faults<'f>,
}

impl Reader<'_, '_> {
    fn engine(&mut self, file: View<'_>) -> Option<Engine> {
        let sip = self.sip(file.part("sip", &table::SIP));
        let limits = limits(file.part("limits", &table::LIMITS));
        let rtp = self.rtp(file.part("rtp", &table::RTP), limits);
        let trunks = self.trunks(file.items("trunks"));
        let database = self.database(file.part("database", &table::DATABASE));
        let recordings = file.part("recordings", &table::RECORDINGS);
        let recordings = recordings
            .text("folder")
            .zip(recordings.percent("keep_free"))
            .map(|(folder, keep_free)| Recordings { folder: folder.to_owned(), keep_free });
        let api = file.part("api", &table::API);
        let listen = self.parsed(api, "listen", "an ADDRESS:PORT such as 127.0.0.1:8080");
        Some(Engine {
            sip: sip?,
            rtp: rtp?,
            trunks,
            database: database?,
            recordings: recordings?,
            api: Api { listen: listen? },
            limits: limits?,
        })
    }

    fn sip(&mut self, view: View<'_>) -> Option<Sip> {
        let digest = digests(view);
        let listen = match view.node("listen") {
            Some(node) => node.items().iter().filter_map(|item| self.listen(item, &digest)).collect(),
            None => view.texts("listen").into_iter().filter_map(|text| listener(text, &digest)).collect(),
        };
        self.unique(view.node("listen"));
        let public_address = match view.node("public_address") {
            None => None,
            Some(_) => {
                Some(self.parsed::<IpAddr>(view, "public_address", "an IP address such as 203.0.113.10")?)
            }
        };
        let local_networks = self.each(view, "local_networks", "a network such as 10.0.0.0/8");
        let answer_unknown_options = view.truth("answer_unknown_options")?;
        let limits = view.part("limits", &table::SIP_LIMITS);
        let calls = limits.count("calls_per_second")?;
        let limits = Admitted::of(calls, limits.count("registrations_per_second")?);
        Some(Sip { listen, digest, public_address, local_networks, answer_unknown_options, limits })
    }

    fn listen(&mut self, node: &Node, usual: &[Algorithm]) -> Option<Listen> {
        let on = node.child("on").unwrap_or(node);
        let view = View::new(Some(node), &table::LISTENER);
        let own = digests(view);
        let text = on.text()?;
        let listen = listener(text, if own.is_empty() { usual } else { &own });
        if listen.is_none() {
            self.faults.add(on.at, "E182", format!("{text:?} is no listener"), "write udp://0.0.0.0:5060");
        }
        listen
    }

    /// Two sockets cannot be bound to one address.
    fn unique(&mut self, list: Option<&Node>) {
        let mut seen = BTreeSet::new();
        for node in list.map_or(&[][..], Node::items) {
            let on = node.child("on").unwrap_or(node);
            if let Some(text) = on.text()
                && !text.ends_with(":0")
                && !seen.insert(text)
            {
                self.faults.add(on.at, "E181", format!("{text} stands here twice"), "keep one of them");
            }
        }
    }

    fn rtp(&mut self, view: View<'_>, limits: Option<Limits>) -> Option<Rtp> {
        let ports: Vec<u16> = view.texts("ports").into_iter().filter_map(|port| port.parse().ok()).collect();
        let [first, last] = ports[..] else { return None };
        let at = view.node("ports").map_or(START, |node| node.at);
        let pairs = (u32::from(last) + 1).saturating_sub(u32::from(first)) / 2;
        if pairs < 2 {
            self.faults.add(
                at,
                "E015",
                format!("{first} to {last} holds no call"),
                "first port, then last port",
            );
        } else if let Some(limits) = limits
            && pairs / 2 < limits.max_calls
        {
            let message =
                format!("{first} to {last} is enough for {} calls of {}", pairs / 2, limits.max_calls);
            self.faults.add(at, "W185", message, "widen rtp.ports, or lower limits.max_calls");
        }
        let law = |text| if text == "pcmu" { Law::Mu } else { Law::A };
        let mut codecs: Vec<Law> = view.texts("codecs").into_iter().map(law).collect();
        codecs.dedup();
        Some(Rtp { ports: (first, last), codecs })
    }

    fn trunks(&mut self, items: &[Node]) -> Vec<Trunk> {
        let mut names = BTreeSet::new();
        for node in items.iter().filter_map(|item| item.child("name")) {
            if let Some(name) = node.text()
                && !names.insert(name)
            {
                self.faults.add(node.at, "E181", format!("two trunks are called {name}"), "one name each");
            }
        }
        items.iter().filter_map(|item| self.trunk(item)).collect()
    }

    fn trunk(&mut self, node: &Node) -> Option<Trunk> {
        let view = View::new(Some(node), &table::TRUNK);
        let host = view.text("host").map(str::to_owned);
        let at = view.node("host").map_or(node.at, |host| host.at);
        if let Some(host) = &host
            && !is_host(host)
        {
            self.faults.add(
                at,
                "E182",
                format!("{host:?} is no host"),
                "write a name or address, with :port if not 5060",
            );
        }
        let mut allow_from: Vec<PeerMatch> =
            self.each(view, "allow_from", "CIDR, or an address with its port");
        if allow_from.is_empty() {
            match host.as_deref().map(own_address) {
                None => {
                    self.faults.add(node.at, "E013", "a trunk lacks `host` or `allow_from`", "who is it?");
                }
                Some(Some(own)) => allow_from.push(own),
                Some(None) => {
                    let message = "calls from this trunk cannot be recognised by a host name";
                    self.faults.add(at, "W184", message, "list the carrier's addresses in allow_from");
                }
            }
        }
        let (user, password) = (self.secret(view, "user"), self.secret(view, "password"));
        if view.node("user").is_some() != view.node("password").is_some() {
            self.faults.add(
                node.at,
                "E013",
                "a trunk has only one of `user` and `password`",
                "write both or none",
            );
        }
        Some(Trunk {
            name: view.name("name")?,
            host,
            transport: if view.text("transport")? == "tcp" { Transport::Tcp } else { Transport::Udp },
            user,
            password,
            allow_from,
            caller_id: view.text("caller_id").and_then(phone),
            max_calls: view.count("max_calls")?,
        })
    }

    fn secret(&mut self, view: View<'_>, key: &str) -> Option<String> {
        let name = view.text(key)?.strip_prefix("env:")?;
        let value = (self.variable)(name);
        if value.is_none() {
            let at = view.node(key).map_or(START, |node| node.at);
            self.faults.add(
                at,
                "W161",
                format!("{name} is not set"),
                format!("set {name} where Sibai starts"),
            );
        }
        value
    }

    fn database(&mut self, view: View<'_>) -> Option<Database> {
        let text = view.text("url")?;
        let at = view.node("url").map_or(START, |node| node.at);
        if text.starts_with("env:") {
            return Some(Database { url: self.secret(view, "url").unwrap_or_else(|| text.to_owned()) });
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !matches!(scheme, "sqlite" | "postgres" | "postgresql") || rest.is_empty() {
            let proposal = "sqlite://sibai.db or postgres://host/name";
            self.faults.add(at, "E182", format!("{text:?} is no database"), proposal);
        } else if rest.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
            self.faults.add(
                at,
                "E160",
                "a password stands in the URL",
                "write url: env:NAME and set the variable",
            );
        }
        Some(Database { url: text.to_owned() })
    }

    fn parsed<T: std::str::FromStr>(&mut self, view: View<'_>, key: &str, wanted: &str) -> Option<T> {
        let text = view.text(key)?;
        let value = text.parse().ok();
        if value.is_none() {
            let at = view.node(key).map_or(START, |node| node.at);
            self.faults.add(at, "E182", format!("{text:?} is not {wanted}"), "");
        }
        value
    }

    fn each<T: std::str::FromStr>(&mut self, view: View<'_>, key: &str, wanted: &str) -> Vec<T> {
        for node in view.items(key) {
            if let Some(text) = node.text()
                && text.parse::<T>().is_err()
            {
                self.faults.add(node.at, "E182", format!("{text:?} is not {wanted}"), "");
            }
        }
        view.texts(key).into_iter().filter_map(|text| text.parse().ok()).collect()
    }
}

fn limits(view: View<'_>) -> Option<Limits> {
    Some(Limits {
        max_calls: view.count("max_calls")?,
        max_call: view.duration("max_call")?,
        max_setup: view.duration("max_setup")?,
        confirm_within: view.duration("confirm_within")?,
    })
}

fn digests(view: View<'_>) -> Vec<Algorithm> {
    view.texts("digest").into_iter().filter_map(Algorithm::from_name).collect()
}

fn listener(text: &str, digest: &[Algorithm]) -> Option<Listen> {
    let (scheme, address) = text.split_once("://")?;
    let transport = match scheme {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return None,
    };
    Some(Listen { transport, address: address.parse().ok()?, digest: digest.to_vec() })
}

/// A name or address, perhaps with a port.
fn is_host(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "5060"));
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let all_digits = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !all_digits && name.split('.').all(label) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// How a trunk is recognised by its host, when that is an address.
fn own_address(host: &str) -> Option<PeerMatch> {
    host.parse().ok()
}

fn is_loopback(host: &str) -> bool {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || own_address(host).is_some_and(|own| own.is_loopback())
}

/// The password stays out of logs.
impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trunk").field("name", &self.name).field("host", &self.host).finish_non_exhaustive()
    }
}

/// A URL from the environment may hold a password.
impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("scheme", &self.url.split("://").next()).finish_non_exhaustive()
    }
}

/// Where a fault of a default is shown.
const START: Spot = Spot { file: 0, line: 1, column: 1 };
