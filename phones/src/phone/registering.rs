//! REGISTER and OPTIONS: how a phone makes itself known (RFC 3261 §10.2).

use std::time::Duration;

use base::Now;
use rsip::Method;

use crate::events::Event;
use crate::phone::Phone;
use crate::phone::asking::{Draft, Why};
use crate::read::{Read, address_of};
use crate::timers::Timer;

/// What a phone remembers of its registration.
#[derive(Clone, Debug, Default)]
pub(super) struct Registration {
    pub(super) bound: bool,
    call_id: String,
    seq: u32,
    /// The registrar asked for more time than we did (423).
    lengthened: bool,
}

impl Registration {
    pub(super) fn next_seq(&mut self) -> u32 {
        self.seq += 1;
        self.seq
    }
}

impl Phone {
    /// Asks the registrar for `expires` seconds; 0 takes the binding away.
    pub(super) fn register(&mut self, now: Now, expires: u32) {
        if self.registration.call_id.is_empty() {
            self.registration.call_id = self.entropy.token(12);
        }
        self.timers.stop(Timer::Register);
        let headers = vec![
            ("Contact".to_string(), self.contact()),
            ("Expires".into(), expires.to_string()),
            ("Allow".into(), super::ALLOW.into()),
        ];
        let uri = format!("sip:{}", self.setup.domain);
        let to = format!("<sip:{}@{}>", self.setup.name, self.setup.domain);
        self.ask_proxy(now, Why::Register { expires }, Method::Register, uri, to, headers);
    }

    pub(super) fn probe(&mut self, now: Now) {
        let uri = format!("sip:{}", self.setup.domain);
        let to = format!("<{uri}>");
        let headers = vec![("Accept".to_string(), "application/sdp".to_string())];
        self.ask_proxy(now, Why::Probe, Method::Options, uri, to, headers);
    }

    fn ask_proxy(
        &mut self,
        now: Now,
        why: Why,
        method: Method,
        uri: String,
        to: String,
        headers: Vec<(String, String)>,
    ) {
        let from = format!("<sip:{}@{}>;tag={}", self.setup.name, self.setup.domain, self.entropy.token(6));
        // All REGISTERs of a phone share a Call-ID (§10.2); a probe has its own.
        let call_id = match why {
            Why::Register { .. } => self.registration.call_id.clone(),
            _ => self.entropy.token(12),
        };
        let seq = self.registration.next_seq();
        let draft = Draft { method, uri, from, to, call_id, seq, routes: Vec::new(), headers, body: None };
        let proxy = self.setup.proxy;
        self.ask(now, why, draft, proxy);
    }

    pub(super) fn registered(&mut self, now: Now, asked: u32, code: u16, read: Option<&Read>) {
        match (code, read) {
            (200..300, Some(read)) => self.bound(now, asked, read),
            (423, Some(read)) => match read.value("min-expires").and_then(|v| v.parse::<u32>().ok()) {
                Some(least) if least > asked && !self.registration.lengthened => {
                    self.registration.lengthened = true;
                    self.setup.expires = least;
                    self.register(now, least);
                }
                least => {
                    if least.is_none_or(|least| least <= asked) {
                        self.fault(now, None, format!("423 with Min-Expires {least:?} for {asked}"));
                    }
                    self.saw(now, None, Event::RegisterFailed(code));
                }
            },
            _ => {
                self.registration.bound = false;
                self.saw(now, None, Event::RegisterFailed(code));
            }
        }
    }

    /// The 200 lists every binding; ours must be there with its time (§10.3 item 8).
    fn bound(&mut self, now: Now, asked: u32, read: &Read) {
        let ours = read.contacts.iter().find(|contact| {
            address_of(&contact.uri) == Some(self.setup.local_sip)
                && crate::read::user_of(&contact.uri) == self.setup.name
        });
        if asked == 0 {
            self.registration.bound = false;
            if ours.is_some() {
                self.fault(now, None, "200 to the end of a registration still lists our Contact");
            }
            return self.saw(now, None, Event::Unregistered);
        }
        let header = || read.value("expires").and_then(|value| value.parse().ok());
        let granted = ours.map(|contact| contact.expires.or_else(header));
        let expires = match granted {
            None => {
                self.fault(now, None, "200 to REGISTER does not list our Contact");
                asked
            }
            Some(None) => {
                self.fault(now, None, "200 to REGISTER does not say for how long");
                asked
            }
            Some(Some(expires)) => expires,
        };
        if expires == 0 || expires > asked {
            self.fault(now, None, format!("asked for {asked} s, got {expires} s"));
        }
        self.registration.bound = true;
        // Again when a fifth of the time is left, a little varied, so that a thousand phones do not march.
        let millis = u64::from(expires.max(1)) * 800;
        let early = self.entropy.below(millis / 8 + 1);
        self.timers.set(Timer::Register, now.mono + Duration::from_millis(millis - early));
        self.saw(now, None, Event::Registered { expires });
    }
}
