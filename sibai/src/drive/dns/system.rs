//! The system's DNS, /etc/resolv.conf and /etc/hosts, or name servers of our own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup as Found;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, ResolverBuilder, TokioResolver};

use super::{Answer, Lookup, Naptr, Srv};

/// What the machine asks, as its files say when this is made.
#[derive(Default)]
pub struct System {
    resolver: Option<TokioResolver>,
    hosts: Hosts,
    /// Whether what else the machine may know counts.
    is_systems: bool,
}

impl System {
    /// Reads the files, of which `name_servers` take the place of resolv.conf; without either only addresses are
    /// found, by what else the machine has.
    pub fn new(name_servers: &[SocketAddr]) -> Self {
        let is_systems = name_servers.is_empty();
        let builder = if is_systems { TokioResolver::builder_tokio() } else { Ok(builder(name_servers)) };
        let resolver = builder.and_then(build);
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no DNS: no SRV or NAPTR records of trunks are found");
        }
        // A machine without the file has no names of its own.
        Self { resolver: resolver.ok(), hosts: Hosts::from_system().unwrap_or_default(), is_systems }
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Option<Answer<T>> {
        let Some(resolver) = &self.resolver else { return Some(none()) };
        // With a dot at its end it is not looked for in the search domains.
        let rooted = format!("{}.", name.trim_end_matches('.'));
        answer(resolver.lookup(rooted, kind).await.as_ref().map(Found::answers), read)
    }
}

impl Lookup for System {
    fn own(&self, name: &str) -> Vec<IpAddr> {
        let Ok(name) = Name::from_ascii(name) else { return Vec::new() };
        let found = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let found = [found(RecordType::A), found(RecordType::AAAA)];
        found.iter().flatten().flat_map(Found::answers).filter_map(|record| record.data.ip_addr()).collect()
    }

    async fn naptr(&self, name: &str) -> Option<Answer<Naptr>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.ask(name, RecordType::NAPTR, |data| match data {
            // Only `s` leads to SRV records, as all of SIP's do (RFC 3263 §4.1).
            RData::NAPTR(naptr) if naptr.flags.eq_ignore_ascii_case(b"s") => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                service: text(&naptr.services),
                replacement: naptr.replacement.to_ascii(),
            }),
            _ => None,
        })
        .await
    }

    async fn srv(&self, name: &str) -> Option<Answer<Srv>> {
        self.ask(name, RecordType::SRV, |data| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii(),
            }),
            _ => None,
        })
        .await
    }

    async fn addresses(&self, name: &str) -> Option<Answer<IpAddr>> {
        let asked = match &self.resolver {
            Some(resolver) => {
                let found = resolver.lookup_ip(name).await;
                answer(found.as_ref().map(|found| found.as_lookup().answers()), RData::ip_addr)?
            }
            None => none(),
        };
        if !asked.records.is_empty() || !self.is_systems {
            return Some(asked);
        }
        // What DNS does not know the machine may: nsswitch.conf has other sources too.
        match tokio::net::lookup_host((name, 0)).await {
            Ok(found) => {
                Some(Answer { records: found.map(|place| place.ip()).collect(), ttl: UNKNOWN_HOLDS })
            }
            Err(_) => Some(asked),
        }
    }
}

/// Asks these, over UDP, and over TCP what is too long for it.
fn builder(name_servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let servers = name_servers.iter().map(|at| {
        let mut server = NameServerConfig::udp_and_tcp(at.ip());
        for connection in &mut server.connections {
            connection.port = at.port();
        }
        server
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.timeout = ASK_WITHIN;
    options.attempts = REPEATS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Who asks remembers; a second memory would hand out what is about to end.
    options.cache_size = 0;
    builder.build()
}

fn answer<T>(found: Result<&[Record], &NetError>, read: impl Fn(&RData) -> Option<T>) -> Option<Answer<T>> {
    match found {
        Ok(records) => Some(Answer {
            ttl: Duration::from_secs(records.iter().map(|record| record.ttl).min().unwrap_or(0).into()),
            records: records.iter().filter_map(|record| read(&record.data)).collect(),
        }),
        Err(error) if error.is_no_records_found() => Some(none()),
        Err(error) => {
            tracing::debug!(%error, "DNS");
            None
        }
    }
}

const fn none<T>() -> Answer<T> {
    Answer { records: Vec::new(), ttl: Duration::ZERO }
}

/// One question to one server: three of them, one after another, are what a trunk takes.
const ASK_WITHIN: Duration = Duration::from_millis(600);

/// A datagram may be lost.
const REPEATS: usize = 1;

/// What does not say how long it holds.
const UNKNOWN_HOLDS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use base::Entropy;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
    use sip::seam::Transport;
    use tokio::net::UdpSocket;

    use super::super::{Wanted, locate};
    use super::*;

    /// A name server of our own; what begins with `silent` gets no answer, `broken` a failure.
    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 1_500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..length]).unwrap();
            let query = asked.queries[0].clone();
            let name = query.name().to_ascii().to_ascii_lowercase();
            if name.starts_with("silent") {
                continue;
            }
            let mut reply = Message::response(asked.metadata.id, asked.metadata.op_code);
            for data in records(&name, query.query_type()) {
                reply.add_answer(Record::from_rdata(query.name().clone(), ttl(&data), data));
            }
            if name.starts_with("broken") {
                reply.metadata.response_code = ResponseCode::ServFail;
            } else if reply.answers.is_empty() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            reply.add_query(query);
            socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
        }
    }

    fn ttl(data: &RData) -> u32 {
        match data {
            RData::NAPTR(_) => 600,
            RData::SRV(_) => 300,
            _ => 120,
        }
    }

    fn records(name: &str, kind: RecordType) -> Vec<RData> {
        let named = |name| Name::from_ascii(name).unwrap();
        let naptr = |order, flags: &str, service: &str, to| {
            let [flags, service, nothing] = [flags, service, ""].map(|text| text.as_bytes().into());
            RData::NAPTR(NAPTR::new(order, 0, flags, service, nothing, named(to)))
        };
        match (name, kind) {
            ("carrier.test.", RecordType::NAPTR) => vec![
                naptr(2, "s", "SIP+D2U", "_sip._udp.carrier.test."),
                naptr(1, "S", "SIP+D2T", "_sip._tcp.carrier.test."),
                naptr(0, "u", "SIP+D2T", "nowhere.test."),
            ],
            ("_sip._udp.carrier.test.", RecordType::SRV) => vec![
                RData::SRV(SRV::new(2, 0, 5062, named("two.carrier.test."))),
                RData::SRV(SRV::new(1, 0, 5061, named("one.carrier.test."))),
            ],
            ("_sip._tcp.carrier.test.", RecordType::SRV) => {
                vec![RData::SRV(SRV::new(1, 0, 5070, named("one.carrier.test.")))]
            }
            ("one.carrier.test.", RecordType::A) => vec![RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))],
            ("two.carrier.test.", RecordType::A) => vec![RData::A(A(Ipv4Addr::new(192, 0, 2, 2)))],
            ("two.carrier.test.", RecordType::AAAA) => {
                vec![RData::AAAA(AAAA("2001:db8::2".parse().unwrap()))]
            }
            _ => Vec::new(),
        }
    }

    async fn system() -> System {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut system = System::new(&[socket.local_addr().unwrap()]);
        tokio::spawn(serve(socket));
        system.hosts = Hosts::default();
        system.hosts.read_hosts_conf(&b"127.0.0.1 own.test\n::1 own.test\n"[..]).unwrap();
        system
    }

    #[tokio::test]
    async fn a_name_server_is_asked_and_what_it_says_is_read() {
        let system = system().await;
        let wanted = |is_written| Wanted {
            host: "carrier.test".to_owned(),
            port: None,
            transport: Transport::Udp,
            is_written,
            spoken: vec![Transport::Udp, Transport::Tcp],
            was_chosen: false,
        };
        let udp = [(5061, "192.0.2.1"), (5062, "192.0.2.2"), (5062, "2001:db8::2")]
            .map(|(port, ip)| (Transport::Udp, SocketAddr::new(ip.parse().unwrap(), port)));
        let tcp = (Transport::Tcp, "192.0.2.1:5070".parse().unwrap());

        let mut entropy = Entropy::from_number(1);
        let found = locate(&system, &wanted(true), &mut entropy).await.unwrap();
        assert_eq!(found.places, udp);
        assert_eq!((found.ttl, found.is_whole), (Some(Duration::from_secs(120)), true));
        let found = locate(&system, &wanted(false), &mut entropy).await.unwrap();
        assert_eq!(found.places, [&[tcp][..], &udp].concat());
    }

    #[tokio::test]
    async fn no_records_is_an_answer_and_silence_or_a_failure_is_none() {
        let system = system().await;
        assert_eq!(system.srv("_sip._udp.other.test").await, Some(none()));
        assert_eq!(system.naptr("other.test").await, Some(none()));
        assert_eq!(system.srv("silent.test").await, None);
        assert_eq!(system.srv("broken.test").await, None);
        assert_eq!(system.addresses("broken.test").await, None);
    }

    #[tokio::test]
    async fn names_of_the_machine_are_read_from_its_file() {
        let system = system().await;
        assert_eq!(system.own("own.test"), ["127.0.0.1", "::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(system.own("carrier.test"), [] as [IpAddr; 0]);
        assert_eq!(system.own("a b..c"), [] as [IpAddr; 0]);
    }
}
