//! Where a trunk's host is (RFC 3263): NAPTR, SRV, addresses, in the order in which they are to be tried.
//!
//! | host | transport written | asked |
//! |---|---|---|
//! | an address | | nothing |
//! | a name of /etc/hosts | | nothing |
//! | a name with a port | | its addresses |
//! | a name | yes | SRV of that transport, else its addresses |
//! | a name | no | NAPTR, else SRV of the usual transport, else its addresses |

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::Entropy;
use sip::seam::Transport;

pub use system::System;

mod system;
#[cfg(test)]
pub(crate) mod tests;

/// Somewhere to ask; tests have tables. `None` is silence or a broken answer; that there are no such records is an
/// answer without any.
pub trait Lookup {
    /// The addresses of a name that this machine knows of itself; none is the usual case.
    fn own(&self, name: &str) -> Vec<IpAddr>;
    /// The NAPTR records of a name.
    fn naptr(&self, name: &str) -> impl Future<Output = Option<Answer<Naptr>>> + Send;
    /// Its SRV records.
    fn srv(&self, name: &str) -> impl Future<Output = Option<Answer<Srv>>> + Send;
    /// Its addresses.
    fn addresses(&self, name: &str) -> impl Future<Output = Option<Answer<IpAddr>>> + Send;
}

/// Records, and how long they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// In any order.
    pub records: Vec<T>,
    /// Time to live; says nothing without records.
    pub ttl: Duration,
}

/// What RFC 3263 §4.1 needs of a NAPTR record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower first.
    pub order: u16,
    /// Lower first among equals.
    pub preference: u16,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
    pub service: String,
    /// The name whose SRV records are meant.
    pub replacement: String,
}

/// RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// The name whose addresses are meant.
    pub target: String,
}

/// A way to a host.
pub type Place = (Transport, SocketAddr);

/// Where a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// In the order in which they are to be tried.
    pub places: Vec<Place>,
    /// How long this holds; `None` for what DNS was not asked.
    pub ttl: Option<Duration>,
    /// Whether each question about SRV records and addresses was answered; else there may be more, or others.
    pub is_whole: bool,
    /// Whether NAPTR records chose the transport.
    pub is_chosen: bool,
}

/// A host as engine.yaml has it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name or address, without port and brackets.
    pub host: String,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// The transport; the usual one if none is written.
    pub transport: Transport,
    /// Whether it is written: then NAPTR has nothing to decide.
    pub is_written: bool,
    /// What NAPTR may choose from (RFC 3263 §4.1).
    pub spoken: Vec<Transport>,
    /// Whether it chose before: then its silence says nothing, and else that there is none.
    pub was_chosen: bool,
}

/// Looks a host up; `None` when nothing was found. The same entropy gives the same order, so that asking again
/// changes nothing while the records stay.
pub async fn locate(dns: &impl Lookup, wanted: &Wanted, entropy: &mut Entropy) -> Option<Located> {
    let &Wanted { ref host, port, transport, is_written, ref spoken, was_chosen } = wanted;
    let usual_port = port.unwrap_or_else(|| transport.default_port());
    if let Ok(ip) = host.parse::<IpAddr>() {
        let places = vec![(transport, SocketAddr::new(ip, usual_port))];
        return Some(Located { places, ttl: None, is_whole: true, is_chosen: false });
    }
    let mut found =
        Finding { dns, entropy, places: Vec::new(), ttl: LONGEST, is_whole: true, is_chosen: false };
    let own = dns.own(host);
    if !own.is_empty() {
        // Whoever writes a host there means it to count before anything else.
        found.take(Answer { records: own, ttl: OWN_HOLDS }, transport, usual_port);
        return found.located();
    }
    if let Some(port) = port {
        found.addresses(host, transport, port).await;
        return found.located();
    }
    if !is_written {
        match dns.naptr(host).await {
            Some(answer) => found.naptr(answer, spoken).await,
            // Networks that swallow NAPTR are common.
            None => found.is_whole = !was_chosen,
        }
    }
    if found.places.is_empty() {
        found.srv(&format!("{}.{host}", prefix(transport)), transport).await;
    }
    if found.places.is_empty() {
        found.addresses(host, transport, transport.default_port()).await;
    }
    found.located()
}

struct Finding<'a, D> {
    dns: &'a D,
    entropy: &'a mut Entropy,
    places: Vec<Place>,
    ttl: Duration,
    is_whole: bool,
    is_chosen: bool,
}

impl<D: Lookup> Finding<'_, D> {
    async fn naptr(&mut self, mut answer: Answer<Naptr>, spoken: &[Transport]) {
        answer.records.sort_by_key(|record| (record.order, record.preference));
        answer.records.truncate(MOST_RECORDS);
        for record in answer.records {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => continue,
            };
            if !spoken.contains(&transport) {
                continue;
            }
            self.ttl = self.ttl.min(answer.ttl);
            self.srv(&record.replacement, transport).await;
        }
        self.is_chosen = !self.places.is_empty();
    }

    async fn srv(&mut self, name: &str, transport: Transport) {
        let Some(answer) = self.dns.srv(name).await else {
            self.is_whole = false;
            return;
        };
        for record in by_weight(answer.records, self.entropy).into_iter().take(MOST_RECORDS) {
            self.ttl = self.ttl.min(answer.ttl);
            // A single dot says that there is no such service (RFC 2782).
            if record.target != "." && !record.target.is_empty() {
                self.addresses(&record.target, transport, record.port).await;
            }
        }
    }

    async fn addresses(&mut self, name: &str, transport: Transport, port: u16) {
        match self.dns.addresses(name).await {
            Some(answer) => self.take(answer, transport, port),
            None => self.is_whole = false,
        }
    }

    fn take(&mut self, mut answer: Answer<IpAddr>, transport: Transport, port: u16) {
        // Servers turn the order from answer to answer; ours must stay, and yet differ between machines.
        answer.records.sort_unstable();
        answer.records.sort_by_cached_key(|ip| (ip.is_ipv6(), self.entropy.next_u64()));
        for ip in answer.records {
            self.ttl = self.ttl.min(answer.ttl);
            let place = (transport, SocketAddr::new(ip, port));
            if !self.places.contains(&place) && self.places.len() < MOST_PLACES {
                self.places.push(place);
            }
        }
    }

    fn located(self) -> Option<Located> {
        let Self { places, ttl, is_whole, is_chosen, .. } = self;
        (!places.is_empty()).then_some(Located { places, ttl: Some(ttl), is_whole, is_chosen })
    }
}

/// By priority, and within one by drawing in proportion to the weights (RFC 2782).
fn by_weight(mut records: Vec<Srv>, entropy: &mut Entropy) -> Vec<Srv> {
    // Those of weight 0 stand first, so that they have a small chance too.
    records.sort_by(|a, b| {
        let key = |record: &Srv| (record.priority, record.weight != 0);
        key(a).cmp(&key(b)).then_with(|| (&a.target, a.port).cmp(&(&b.target, b.port)))
    });
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority);
        let all: u64 = equals.map(|record| u64::from(record.weight)).sum();
        let mark = entropy.below(all + 1);
        let mut sum = 0;
        let drawn = records.iter().position(|record| {
            sum += u64::from(record.weight);
            sum >= mark
        });
        ordered.push(records.remove(drawn.unwrap_or(0)));
    }
    ordered
}

const fn prefix(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    }
}

/// What holds for days is looked at now and then all the same.
const LONGEST: Duration = Duration::from_hours(1);

/// Reading a small file costs nothing.
const OWN_HOLDS: Duration = Duration::from_secs(60);

/// Records of one kind that are followed; carriers have a handful.
const MOST_RECORDS: usize = 8;

/// Places of one trunk: each is probed.
const MOST_PLACES: usize = 8;
