//! What a SUBSCRIBE asks for (RFC 6665 section 4.2.1).

use crate::header::event::EventType;
use crate::lex;
use crate::message::Message;
use crate::message::name::Header;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    /// The calls of a user: the lamp beside its name (RFC 4235).
    Dialog,
    /// Whether messages wait for a user (RFC 3842).
    MessageSummary,
}

impl Package {
    fn of(name: &str) -> Option<Self> {
        [Self::Dialog, Self::MessageSummary].into_iter().find(|package| package.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
        }
    }

    /// The one type in which it is told.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
        }
    }
}

/// A SUBSCRIBE that can be granted as far as its headers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    pub(crate) package: Package,
    pub(crate) event: EventType,
    /// For how many seconds; 0: look once, or watch no more.
    pub(crate) seconds: u32,
}

impl Asking {
    /// Reads a SUBSCRIBE; `Err` is the status that refuses it.
    pub(crate) fn read(request: &Message) -> Result<Self, u16> {
        let event = request.header(Header::Event).ok_or(BAD_EVENT)?;
        let event = EventType::parse(&event.text()).map_err(|_| 400_u16)?;
        let package = Package::of(&event.package).ok_or(BAD_EVENT)?;
        if !takes(request, package.content_type()) {
            return Err(406);
        }
        let seconds = match request.header(Header::Expires) {
            None => MOST_SECONDS,
            Some(_) => request.number(Header::Expires).map_err(|_| 400_u16)?.min(MOST_SECONDS),
        };
        if (1..LEAST_SECONDS).contains(&seconds) {
            return Err(423);
        }
        Ok(Self { package, event, seconds })
    }
}

/// Whether Accept has room for this type; without Accept the package's own is meant.
fn takes(request: &Message, content_type: &str) -> bool {
    if request.header(Header::Accept).is_none() {
        return true;
    }
    let kind = content_type.split('/').next().unwrap_or_default();
    request.tokens(Header::Accept).iter().any(|range| {
        let range = lex::trim(range.split(';').next().unwrap_or_default());
        range == "*/*"
            || range.eq_ignore_ascii_case(content_type)
            || range.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(kind))
    })
}

/// The packages, for Allow-Events; `refer` is subscribed to by REFER alone.
pub(crate) const ALLOW_EVENTS: &str = "dialog, message-summary, refer";
/// Bad Event.
const BAD_EVENT: u16 = 489;
/// An hour: the default of both packages (RFC 4235 section 3.4, RFC 3842 section 3.4), and the most.
const MOST_SECONDS: u32 = 3600;
/// Below it phones would be busy with subscribing (423).
pub(crate) const LEAST_SECONDS: u32 = 60;
