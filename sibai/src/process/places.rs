//! Where the trunks are, as DNS says, and when it is asked again.

use std::time::{Duration, Instant};

use base::{Entropy, Name};
use futures_util::future::join_all;
use sip::seam::Transport;
use tokio::sync::watch;

use crate::config::{Engine, host_name, host_port};
use crate::drive::dns::{Located, Lookup, Place, System, Wanted, locate};

/// The places of each trunk, in the order of the file.
pub(super) type Places = Vec<Vec<Place>>;

/// Asks for all trunks, at the start and whenever an answer has ended.
pub(super) struct Seeker {
    trunks: Vec<Sought>,
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
        Self { trunks: trunks.collect() }
    }

    /// What is known.
    pub(super) fn places(&self) -> Places {
        self.trunks.iter().map(|trunk| trunk.places.clone()).collect()
    }

    /// When to ask next; never when all hosts are addresses.
    pub(super) fn due(&self) -> Option<Instant> {
        self.trunks.iter().filter_map(|trunk| trunk.again).min()
    }

    /// Asks for all that are due at once, and says whether a place has changed.
    pub(super) async fn ask(&mut self, dns: &impl Lookup, now: Instant, within: Duration) -> bool {
        let due = self.trunks.iter_mut().filter(|trunk| trunk.again.is_some_and(|at| at <= now));
        let asked = due.map(|trunk| async move {
            let Some(wanted) = &trunk.wanted else { return false };
            // The same draws each time, so that the order stays until the process begins anew.
            let mut entropy = trunk.entropy.clone();
            let found = tokio::time::timeout(within, locate(dns, wanted, &mut entropy)).await;
            trunk.take(now, found.ok().flatten())
        });
        join_all(asked).await.contains(&true)
    }

    /// Asks whenever it is time, and tells what has changed.
    pub(super) async fn follow(mut self, tell: watch::Sender<Places>) {
        while let Some(due) = self.due() {
            tokio::time::sleep_until(due.into()).await;
            // Made anew, since resolv.conf and hosts may have changed.
            if self.ask(&System::new(), Instant::now(), ASK_WITHIN).await {
                tell.send_replace(self.places());
            }
        }
    }
}

/// One trunk's host.
struct Sought {
    name: Name,
    /// `None` without a host.
    wanted: Option<Wanted>,
    entropy: Entropy,
    places: Vec<Place>,
    again: Option<Instant>,
    is_failing: bool,
}

impl Sought {
    /// Whether its places have changed.
    fn take(&mut self, now: Instant, found: Option<Located>) -> bool {
        let known = !self.places.is_empty();
        match found {
            // A part of an answer is better than none, and worse than a whole one of before.
            Some(found) if found.is_whole || !known => {
                self.is_failing = false;
                let ttl = if found.is_whole { found.ttl } else { Some(SHORTEST) };
                self.again = ttl.map(|ttl| now + ttl.clamp(SHORTEST, LONGEST));
                if self.places == found.places {
                    return false;
                }
                let first = found.places.first().map(|(_, place)| place.to_string());
                tracing::info!(trunk = %self.name, places = found.places.len(), first, "its host was found");
                self.places = found.places;
                true
            }
            _ => {
                self.again = Some(now + if known { SHORTEST } else { WITHOUT_ANY });
                if !self.is_failing && known {
                    tracing::warn!(trunk = %self.name, "DNS does not answer for its host; what it said before holds");
                } else if !self.is_failing {
                    tracing::error!(trunk = %self.name, "its host is not found; it is asked for again and again");
                }
                self.is_failing = true;
                false
            }
        }
    }
}

/// The start waits this long for all trunks together; what is not found by then comes later.
pub(super) const AT_THE_START: Duration = Duration::from_secs(2);

/// A dead DNS takes some seconds for each record in turn.
const ASK_WITHIN: Duration = Duration::from_secs(15);

/// Carriers that move a service within seconds do it by SRV records, all of which are tried anyway; and a failure
/// is not worth more questions either.
const SHORTEST: Duration = Duration::from_secs(30);

/// What holds for days is looked at now and then all the same.
const LONGEST: Duration = Duration::from_hours(1);

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
            self.seeker.due().map(|due| (due - self.start).as_secs())
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
        assert_eq!((bed.places(), bed.due()), (vec![vec!["192.0.2.1:5060".to_owned()]], Some(35)));
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
