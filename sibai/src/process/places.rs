//! Where the trunks are, as DNS says, and when it is asked again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base::{Entropy, Name};
use futures_util::future::join_all;
use sip::seam::Transport;
use tokio::sync::watch;

use crate::config::{Engine, host_name, host_port};
use crate::drive::dns::{Located, Lookup, Place, System, Wanted, locate};

/// The places of each trunk, in the order of the file.
pub(super) type Places = Vec<Vec<Place>>;

/// Logs where trunks are that were elsewhere before.
pub(super) fn log(engine: &Engine, before: &Places, now: &Places) {
    for (at, (trunk, now)) in engine.trunks.iter().zip(now).enumerate() {
        if before.get(at).map_or(!now.is_empty(), |before| before != now) {
            let places: Vec<String> = now.iter().map(|(way, at)| format!("{}:{at}", way.as_str())).collect();
            tracing::info!(trunk = %trunk.name, places = places.join(" "), "calls to it go here");
        }
    }
}

/// Asks for all trunks, at the start and whenever an answer has ended.
pub(super) struct Seeker {
    trunks: Vec<Sought>,
    name_servers: Vec<SocketAddr>,
}

impl Seeker {
    /// Nothing is known yet, and all is due.
    pub(super) fn new(engine: &Engine, entropy: &mut Entropy, now: Instant) -> Self {
        // TLS needs what only `transport: tls` brings.
        let spoken = engine.sip.listen.iter().map(|listener| listener.transport);
        let spoken: Vec<Transport> = spoken.filter(|&way| way != Transport::Tls).collect();
        let trunks = engine.trunks.iter().map(|trunk| {
            let wanted = trunk.host.as_deref().map(|host| Wanted {
                host: host_name(host).to_owned(),
                port: host_port(host),
                transport: trunk.transport,
                is_written: trunk.transport_is_written,
                spoken: spoken.clone(),
                was_chosen: false,
            });
            Sought {
                name: trunk.name.clone(),
                again: wanted.is_some().then_some(now),
                wanted,
                entropy: entropy.fork(),
                places: Vec::new(),
                is_failing: false,
            }
        });
        Self { trunks: trunks.collect(), name_servers: engine.sip.name_servers.clone() }
    }

    /// What is known.
    pub(super) fn places(&self) -> Places {
        self.trunks.iter().map(|trunk| trunk.places.clone()).collect()
    }

    /// Asks for all at once; who has not answered within `AT_THE_START` is asked again beside the calls.
    pub(super) async fn begin(&mut self) {
        let dns = System::new(&self.name_servers);
        self.ask(&dns, Instant::now(), AT_THE_START).await;
    }

    /// Asks for all that are due at once, and says whether a place has changed.
    async fn ask(&mut self, dns: &impl Lookup, now: Instant, within: Duration) -> bool {
        let due = self.trunks.iter_mut().filter(|trunk| trunk.again.is_some_and(|at| at <= now));
        let asked = due.map(|trunk| async move {
            let found = trunk.ask(dns, within).await;
            trunk.take(now, found)
        });
        join_all(asked).await.contains(&true)
    }

    /// Asks for each trunk whenever it is time, and tells what has changed; ends when all hosts are addresses.
    pub(super) async fn follow(self, tell: watch::Sender<Places>) {
        let Self { trunks, name_servers } = self;
        let each = trunks.into_iter().enumerate();
        join_all(each.map(|(at, trunk)| trunk.follow(at, &name_servers, &tell))).await;
    }
}

/// One trunk's host.
struct Sought {
    name: Name,
    /// `None` without a host.
    wanted: Option<Wanted>,
    entropy: Entropy,
    places: Vec<Place>,
    /// When to ask next; never for an address.
    again: Option<Instant>,
    is_failing: bool,
}

impl Sought {
    async fn follow(mut self, at: usize, name_servers: &[SocketAddr], tell: &watch::Sender<Places>) {
        while let Some(due) = self.again {
            tokio::time::sleep_until(due.into()).await;
            // Made anew, since resolv.conf and hosts may have changed.
            let found = self.ask(&System::new(name_servers), ASK_WITHIN).await;
            if self.take(Instant::now(), found) {
                tell.send_modify(|all| {
                    if let Some(known) = all.get_mut(at) {
                        known.clone_from(&self.places);
                    }
                });
            }
        }
    }

    async fn ask(&self, dns: &impl Lookup, within: Duration) -> Option<Located> {
        let wanted = self.wanted.as_ref()?;
        // The same draws each time, so that the order stays until the process begins anew.
        let mut entropy = self.entropy.clone();
        tokio::time::timeout(within, locate(dns, wanted, &mut entropy)).await.ok().flatten()
    }

    /// Whether its places have changed.
    fn take(&mut self, now: Instant, found: Option<Located>) -> bool {
        // A part of an answer is better than none, and worse than a whole one of before.
        let Some(found) = found.filter(|found| found.is_whole || self.places.is_empty()) else {
            self.fail(now);
            return false;
        };
        let ttl = if found.is_whole { found.ttl } else { Some(WITHOUT_ANY) };
        self.again = ttl.map(|ttl| now + ttl.max(SHORTEST));
        if let Some(wanted) = &mut self.wanted {
            wanted.was_chosen = found.is_chosen;
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(trunk = %self.name, "DNS answers again for its host");
        }
        let has_changed = self.places != found.places;
        self.places = found.places;
        has_changed
    }

    /// Nothing, or less than is known: it is told once.
    fn fail(&mut self, now: Instant) {
        let is_known = !self.places.is_empty();
        self.again = Some(now + if is_known { WHILE_SILENT } else { WITHOUT_ANY });
        if !std::mem::replace(&mut self.is_failing, true) {
            if is_known {
                tracing::warn!(trunk = %self.name, "DNS does not answer for its host; what it said before holds");
            } else {
                tracing::error!(trunk = %self.name, "its host is not found; it is asked for again and again");
            }
        }
    }
}

/// The start waits this long for all trunks together; what is not found by then comes later.
const AT_THE_START: Duration = Duration::from_secs(2);

/// A dead DNS takes some seconds for each record in turn.
const ASK_WITHIN: Duration = Duration::from_secs(15);

/// A carrier that is about to move says so by records of a few seconds; below that DNS would be asked for nothing.
const SHORTEST: Duration = Duration::from_secs(5);

/// What is known still serves, and a DNS in trouble has enough to do.
const WHILE_SILENT: Duration = Duration::from_secs(30);

/// No call can go out over such a trunk.
const WITHOUT_ANY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::dns::tests::{Tables, tables};

    struct Bed {
        tables: Tables,
        seeker: Seeker,
        start: Instant,
    }

    impl Bed {
        fn new(trunks: &str) -> Self {
            let start = Instant::now();
            let engine = crate::config::tests::engine(trunks);
            let seeker = Seeker::new(&engine, &mut Entropy::from_number(1), start);
            Self { tables: tables(), seeker, start }
        }

        async fn ask(&mut self, second: u64) -> bool {
            self.seeker.ask(&self.tables, self.start + Duration::from_secs(second), ASK_WITHIN).await
        }

        fn due(&self) -> Option<u64> {
            let due = self.seeker.trunks.iter().filter_map(|trunk| trunk.again).min();
            due.map(|due| (due - self.start).as_secs())
        }

        fn places(&self) -> Vec<Vec<String>> {
            let all = self.seeker.places().into_iter();
            all.map(|places| places.iter().map(|(_, place)| place.to_string()).collect()).collect()
        }
    }

    const CARRIER: &str = "trunks: [{ name: a, host: c.test, transport: udp, allow_from: [192.0.2.0/24] }]";

    #[tokio::test]
    async fn a_host_is_asked_for_again_when_its_answer_ends_and_only_a_change_is_told() {
        let mut bed = Bed::new(CARRIER);
        assert_eq!(bed.due(), Some(0));
        assert!(bed.ask(0).await);
        assert_eq!(bed.places(), [["192.0.2.1:5060", "192.0.2.3:5080"]]);
        assert_eq!(bed.due(), Some(60));
        bed.tables.addresses.insert("b.c.test", vec!["192.0.2.4".parse().unwrap()]);
        assert!(!bed.ask(59).await, "not yet");
        assert!(bed.ask(60).await);
        assert_eq!(bed.places(), [["192.0.2.1:5060", "192.0.2.4:5080"]]);
        assert!(!bed.ask(120).await, "nothing new");
        assert_eq!(bed.due(), Some(180));
    }

    #[tokio::test]
    async fn while_dns_is_dead_the_last_answer_holds() {
        let mut bed = Bed::new(CARRIER);
        bed.ask(0).await;
        let known = bed.places();
        bed.tables.silent = ["_sip._udp.c.test", "c.test"].into();
        for second in [60, 90, 120] {
            assert!(!bed.ask(second).await);
            assert_eq!((bed.places(), bed.due()), (known.clone(), Some(second + 30)));
        }
        // A part of the answer does not take a place away either.
        bed.tables.silent = ["b.c.test"].into();
        assert!(!bed.ask(150).await);
        assert_eq!(bed.places(), known);
        bed.tables.silent.clear();
        assert!(!bed.ask(180).await);
        assert_eq!(bed.due(), Some(240));
    }

    #[tokio::test]
    async fn a_trunk_that_was_not_found_at_the_start_comes_soon() {
        let mut bed = Bed::new(CARRIER);
        bed.tables.silent = ["_sip._udp.c.test", "c.test"].into();
        assert!(!bed.ask(0).await);
        assert_eq!((bed.places(), bed.due()), (vec![vec![]], Some(5)));
        // A part is better than nothing.
        bed.tables.silent = ["b.c.test"].into();
        assert!(bed.ask(5).await);
        assert_eq!((bed.places(), bed.due()), (vec![vec!["192.0.2.1:5060".to_owned()]], Some(10)));
    }

    #[tokio::test]
    async fn an_address_is_asked_for_once_and_a_trunk_without_host_never() {
        let mut bed = Bed::new(
            "trunks:\n  - { name: a, host: \"192.0.2.7:5080\" }\n  - { name: b, allow_from: [192.0.2.0/24] }\n  - { name: c, host: \"[2001:db8::1]:5090\", transport: tcp }",
        );
        assert!(bed.ask(0).await);
        assert_eq!(bed.places(), [vec!["192.0.2.7:5080"], vec![], vec!["[2001:db8::1]:5090"]]);
        assert_eq!(bed.due(), None);
    }

    /// DNS that never says anything, not even that.
    struct Nothing;

    impl Lookup for Nothing {
        fn own(&self, _: &str) -> Vec<std::net::IpAddr> {
            Vec::new()
        }
        async fn naptr(&self, _: &str) -> Option<crate::drive::dns::Answer<crate::drive::dns::Naptr>> {
            std::future::pending().await
        }
        async fn srv(&self, _: &str) -> Option<crate::drive::dns::Answer<crate::drive::dns::Srv>> {
            std::future::pending().await
        }
        async fn addresses(&self, _: &str) -> Option<crate::drive::dns::Answer<std::net::IpAddr>> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn the_start_does_not_wait_for_a_dns_that_says_nothing() {
        let mut bed = Bed::new(CARRIER);
        let start = bed.start;
        assert!(!bed.seeker.ask(&Nothing, start, Duration::from_millis(1)).await);
        assert_eq!(bed.due(), Some(5));
    }
}
