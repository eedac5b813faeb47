//! Session timers: a session that nobody refreshes is over (RFC 4028).

use std::time::Duration;

use base::Mono;

use crate::header::session::{LEAST_INTERVAL, Refresher, SessionExpires, parse_min_se};
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    interval: u32,
    refresher: Option<Refresher>,
    peer_knows_timers: bool,
}

/// The asked interval is below our Min-SE and the peer can ask again (section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSmall;

/// A running session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    interval: u32,
    /// The least that the peer wants.
    least: u32,
    /// When we refresh, if it is ours to do and no refresh is out.
    pub(crate) refresh_at: Option<Mono>,
    /// When we give up: before the peer does (section 10).
    pub(crate) ends: Mono,
    ours: bool,
}

impl Ask {
    /// Reads a request; `Ok(None)` when it asks for no timer.
    pub(crate) fn read(request: &Message) -> Result<Option<Self>, TooSmall> {
        let Some(SessionExpires { seconds: interval, refresher }) = session_expires(request) else {
            return Ok(None);
        };
        let peer_knows_timers =
            request.lists_token(Header::Supported, "timer") || request.lists_token(Header::Require, "timer");
        if interval < LEAST_INTERVAL && peer_knows_timers {
            return Err(TooSmall);
        }
        // A proxy asked in the name of a phone that cannot be told to ask again: the least is granted.
        Ok(Some(Self { interval: interval.max(LEAST_INTERVAL), refresher, peer_knows_timers }))
    }

    /// Who refreshes: the peer, wherever it can and did not ask us to.
    fn role(self) -> Refresher {
        if self.peer_knows_timers { self.refresher.unwrap_or(Refresher::Uac) } else { Refresher::Uas }
    }

    /// Writes the answer into our 2xx (section 9).
    pub(crate) fn answer(self, draft: Draft) -> Draft {
        let refresher = self.role();
        let told = SessionExpires { seconds: self.interval, refresher: Some(refresher) };
        let draft = draft.header(Header::SessionExpires, told);
        if refresher == Refresher::Uac { draft.header(Header::Require, "timer") } else { draft }
    }

    /// The timer that runs from our 2xx on.
    pub(crate) fn begin(self, now: Mono) -> Session {
        Session::new(now, self.interval, self.role() == Refresher::Uas)
    }
}

impl Session {
    fn new(now: Mono, interval: u32, ours: bool) -> Self {
        let whole = Duration::from_secs(u64::from(interval));
        let early = (whole / 3).min(LATEST_BYE);
        Self {
            interval,
            least: LEAST_INTERVAL,
            refresh_at: ours.then(|| now + whole / 2),
            ends: now + whole.saturating_sub(early),
            ours,
        }
    }

    /// What the 2xx to a request of ours says; `None`: no timer runs.
    pub(crate) fn told(now: Mono, response: &Message) -> Option<Self> {
        let told = session_expires(response)?;
        Some(Self::new(now, told.seconds.max(LEAST_INTERVAL), told.refresher != Some(Refresher::Uas)))
    }

    /// Writes what a refresh of ours asks for: the same again (section 7.4).
    pub(crate) fn ask(self, draft: Draft) -> Draft {
        let refresher = if self.ours { Refresher::Uac } else { Refresher::Uas };
        let asked = SessionExpires { seconds: self.interval, refresher: Some(refresher) };
        draft.header(Header::SessionExpires, asked)
    }

    /// Min-SE of a request of ours: what a 422 told must be told back (section 7.4).
    pub(crate) fn least(&self) -> u32 {
        self.least
    }

    /// When a refresh of ours goes out; a peer's is not ours to send.
    pub(crate) fn refresh_at(&mut self, at: Mono) {
        self.refresh_at = self.ours.then_some(at);
    }

    /// The peer finds the interval too small (section 7.4); `false` when it asks for no more than it got.
    pub(crate) fn raise(&mut self, least: u32) -> bool {
        let grows = least > self.interval;
        self.interval = self.interval.max(least);
        self.least = self.least.max(least);
        grows
    }
}

/// The interval and the refresher of a Session-Expires header; one that cannot be read counts as absent.
fn session_expires(message: &Message) -> Option<SessionExpires> {
    SessionExpires::parse(&message.header(Header::SessionExpires)?.text()).ok()
}

/// Writes what an INVITE of ours asks for; who refreshes is the peer's choice (section 7.1).
pub(crate) fn propose(draft: Draft, least: u32) -> Draft {
    let asked = SessionExpires { seconds: OUR_INTERVAL.max(least), refresher: None };
    draft.replace(Header::SessionExpires, asked).replace(Header::MinSe, least)
}

/// The least interval that a 422 wants; nothing when it wants none, or one without end.
pub(crate) fn min_se(response: &Message) -> Option<u32> {
    let told = parse_min_se(&response.header(Header::MinSe)?.text()).ok()?;
    (LEAST_INTERVAL..=LONGEST_INTERVAL).contains(&told).then_some(told)
}

/// What RFC 4028 section 4 recommends: half an hour finds a dead peer and costs next to nothing.
const OUR_INTERVAL: u32 = 1800;
/// A session timer of more than a day is none.
const LONGEST_INTERVAL: u32 = 86_400;
/// BYE goes out this long before the end at most (RFC 4028 section 10).
const LATEST_BYE: Duration = Duration::from_secs(32);
