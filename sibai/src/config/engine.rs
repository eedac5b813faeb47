//! engine.yaml: what the operator says about addresses, trunks, storage and limits.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base::{Cidr, Name, NumberFormat, PeerMatch, PhoneNumber};
use ivr::shape::{self, Declared, Kind, View, phone};
use ivr::yaml::{Node, Spot, Value, parse};
use ivr::{Faults, SourceFile};
use media::sdp::Protection;
use pbx::plan::{Limits, OriginalCaller, TrunkPlan};
use sip::Algorithm;
use sip::admission::Limits as Admitted;
use sip::seam::{NumberUri, Registration, Transport};
use sip::websocket::Origins;

use super::host::{NameServer, is_host, is_loopback, own_address};
use super::rtp::{self, Rtp};
use super::table;
use super::tls::{self, ListenerTls, TrunkTls};

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
    /// Asked where trunks are; those of the system, if there are none.
    pub name_servers: Vec<SocketAddr>,
    /// Whether OPTIONS of somebody who is neither trunk nor registered phone is answered.
    pub answer_unknown_options: bool,
    /// Certificates of the listeners over TLS.
    pub tls: Option<ListenerTls>,
    /// Pages that may open a WebSocket.
    pub ws_origins: Origins,
    /// How much is let in.
    pub limits: Admitted,
}

/// A SIP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Its transport.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// Its digest algorithms, strongest first; `sip.digest` unless it has its own.
    pub digest: Vec<Algorithm>,
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
    /// Else the carrier's NAPTR records decide, where it has some.
    pub transport_is_written: bool,
    /// Digest user, read from the environment.
    pub user: Option<String>,
    /// Digest password, read from the environment.
    pub password: Option<String>,
    /// Sources that are this trunk.
    pub allow_from: Vec<PeerMatch>,
    /// Connections whose peer proved this name by a certificate are this trunk.
    pub tls_client: Option<String>,
    /// How TLS is spoken toward the host, when that is its transport.
    pub tls: Option<TrunkTls>,
    /// Verified on this trunk; shown to outside seats.
    pub caller_id: Option<PhoneNumber>,
    /// Calls at once, both ways.
    pub max_calls: u32,
    /// We register with the host.
    pub registration: Option<Registration>,
    /// Whether it is asked by OPTIONS if it is there.
    pub probe: bool,
    /// SRTP with it.
    pub srtp: Protection,
    /// How the called number stands in its Request-URIs.
    pub uri: NumberUri,
    /// Order, weight, rate, numbers: what the brain decides with, but for what stands above.
    pub outgoing: TrunkPlan,
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
        let rtp = rtp::read(file.part("rtp", &table::RTP), limits, self.faults);
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
        let name_servers = self.each(view, "name_servers", "an address such as 10.0.0.2 or 10.0.0.2:53");
        let answer_unknown_options = view.truth("answer_unknown_options")?;
        let ws_origins = self.origins(view);
        let tls = tls::of_listeners(view);
        let limits = view.part("limits", &table::SIP_LIMITS);
        let calls = limits.count("calls_per_second")?;
        let limits = Admitted::of(calls, limits.count("registrations_per_second")?);
        Some(Sip {
            listen,
            digest,
            public_address,
            local_networks,
            name_servers: name_servers.into_iter().map(|NameServer(at)| at).collect(),
            answer_unknown_options,
            tls,
            ws_origins,
            limits,
        })
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

    fn origins(&mut self, view: View<'_>) -> Origins {
        for node in view.items("ws_origins") {
            if let Some(text) = node.text()
                && !is_origin(text)
            {
                let message = format!("{text:?} is no origin");
                self.faults.add(
                    node.at,
                    "E182",
                    message,
                    "write https://HOST or https://HOST:PORT, or \"*\"",
                );
            }
        }
        let listed: Vec<String> = view.texts("ws_origins").into_iter().map(str::to_owned).collect();
        match &listed[..] {
            [] => Origins::SameHost,
            list if list.iter().any(|origin| origin == "*") => Origins::Any,
            _ => Origins::Listed(listed),
        }
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

    fn trunks(&mut self, items: &[Node]) -> Vec<Trunk> {
        let mut names = BTreeSet::new();
        for node in items.iter().filter_map(|item| item.child("name")) {
            if let Some(name) = node.text()
                && !names.insert(name)
            {
                self.faults.add(node.at, "E181", format!("two trunks are called {name}"), "one name each");
            }
        }
        let trunks: Vec<Trunk> = items.iter().filter_map(|item| self.trunk(item)).collect();
        self.registered_twice(items, &trunks);
        trunks
    }

    /// A second registration of one address of record would take the first one's calls away.
    fn registered_twice(&mut self, items: &[Node], trunks: &[Trunk]) {
        let mut seen = BTreeSet::new();
        for trunk in trunks {
            let Some(own) = &trunk.registration else { continue };
            if !seen.insert((trunk.host.clone(), own.user.clone())) {
                let is_it =
                    |item: &&Node| item.child("name").and_then(Node::text) == Some(trunk.name.as_str());
                let at =
                    items.iter().find(is_it).map_or(START, |item| item.child("register").unwrap_or(item).at);
                let message = format!("{} registers the address of another trunk", trunk.name);
                self.faults.add(at, "E181", message, "one trunk for each account");
            }
        }
    }

    fn trunk(&mut self, node: &Node) -> Option<Trunk> {
        let view = View::new(Some(node), &table::TRUNK);
        let host = view.text("host").map(str::to_owned);
        let transport = Transport::from_name(view.text("transport")?)?;
        let tls = tls::of_trunk(view, transport, self.faults);
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
        let tls_client = view.text("tls_client").map(str::to_owned);
        if allow_from.is_empty() && tls_client.is_none() {
            match host.as_deref() {
                None => {
                    self.faults.add(
                        node.at,
                        "E013",
                        "a trunk lacks `host`, `allow_from` or `tls_client`",
                        "who is it?",
                    );
                }
                // The addresses of a name are looked up while it runs.
                Some(host) => allow_from.extend(own_address(host)),
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
            transport,
            transport_is_written: view.node("transport").is_some(),
            user,
            password,
            allow_from,
            tls_client,
            tls,
            caller_id: view.text("caller_id").and_then(phone),
            max_calls: view.count("max_calls")?,
            registration: self.registration(node, view),
            probe: view.truth("probe")?,
            srtp: tls::protection(view)?,
            uri: match view.text("uri")? {
                "tel" => NumberUri::Tel,
                "phone" => NumberUri::Phone,
                _ => NumberUri::Sip,
            },
            outgoing: self.outgoing(view)?,
        })
    }

    /// What the brain knows of the trunk; `across` adds what does not stand in these keys.
    fn outgoing(&mut self, view: View<'_>) -> Option<TrunkPlan> {
        let dial_prefix = view.text("dial_prefix").unwrap_or_default().to_owned();
        if dial_prefix.len() > LONGEST_PREFIX
            || !dial_prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'*' | b'#' | b'+'))
        {
            let at = view.node("dial_prefix").map_or(START, |node| node.at);
            let message = format!("{dial_prefix:?} cannot be dialled");
            self.faults.add(at, "E182", message, "write up to 8 digits, in quotes: dial_prefix: \"9\"");
        }
        Some(TrunkPlan {
            order: view.count("order")?,
            weight: view.count("weight")?,
            calls_per_second: view.count("calls_per_second"),
            international: view.truth("international")?,
            format: match view.text("number_format")? {
                "e164" => NumberFormat::E164,
                "e164_plus" => NumberFormat::E164Plus,
                _ => NumberFormat::National,
            },
            dial_prefix,
            original_caller: match view.text("original_caller")? {
                "diversion" => OriginalCaller::Diversion,
                "history_info" => OriginalCaller::HistoryInfo,
                "asserted" => OriginalCaller::Asserted,
                _ => OriginalCaller::None,
            },
            ..TrunkPlan::default()
        })
    }

    fn registration(&mut self, node: &Node, view: View<'_>) -> Option<Registration> {
        let wanted = view.truth("register")?;
        for key in ["register_as", "expires"] {
            if let Some(key_node) = view.node(key)
                && !wanted
            {
                self.faults.add(
                    key_node.at,
                    "E180",
                    format!("`{key}` says nothing without `register: true`"),
                    "add register: true, or remove it",
                );
            }
        }
        if !wanted {
            return None;
        }
        let at = view.node("register").map_or(node.at, |register| register.at);
        for key in ["host", "user", "password"] {
            if view.node(key).is_none() {
                self.faults.add(
                    at,
                    "E013",
                    format!("a trunk that registers lacks `{key}`"),
                    format!("write `{key}`"),
                );
            }
        }
        let own = view.text("register_as").map(str::to_owned);
        if let Some(own) =
            own.as_deref().filter(|own| sip::Uri::sip(Some(own), "h", None).is_err() || own.is_empty())
        {
            let at = view.node("register_as").map_or(at, |node| node.at);
            self.faults.add(
                at,
                "E182",
                format!("{own:?} is no user of an address"),
                "write what stands before the @",
            );
        }
        let user = own.or_else(|| self.quiet_secret(view, "user"))?;
        Some(Registration { user, expires: view.duration("expires")? })
    }

    /// As `secret`; that it is not set was said before.
    fn quiet_secret(&self, view: View<'_>, key: &str) -> Option<String> {
        (self.variable)(view.text(key)?.strip_prefix("env:")?)
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
    let transport = Transport::from_name(scheme)?;
    Some(Listen { transport, address: address.parse().ok()?, digest: digest.to_vec() })
}

/// As a browser writes the origin of a page (RFC 6454 section 6.2), or any.
fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == "*" || authority.is_some_and(|authority| is_host(authority) || authority == "localhost")
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

/// No carrier asks for a longer one.
const LONGEST_PREFIX: usize = 8;

/// Where a fault of a default is shown.
pub(super) const START: Spot = Spot { file: 0, line: 1, column: 1 };
