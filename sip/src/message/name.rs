//! Header names: the known ones as a number, compact forms and any case taken as the same name.

/// A header that the engine knows by name; every other is [`Header::Extension`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the headers")]
pub enum Header {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AcceptContact,
    AlertInfo,
    Allow,
    AllowEvents,
    AnswerMode,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    ErrorInfo,
    Event,
    Expires,
    From,
    HistoryInfo,
    InReplyTo,
    InfoPackage,
    MaxForwards,
    MimeVersion,
    MinExpires,
    MinSe,
    Organization,
    PAssertedIdentity,
    PEarlyMedia,
    PPreferredIdentity,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    Reason,
    RecordRoute,
    RecvInfo,
    ReferSub,
    ReferTo,
    ReferredBy,
    RejectContact,
    RemotePartyId,
    Replaces,
    ReplyTo,
    RequestDisposition,
    Require,
    RetryAfter,
    Route,
    RSeq,
    Server,
    ServiceRoute,
    SessionExpires,
    SipEtag,
    SipIfMatch,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    /// A header that we do not know; it is found by its text.
    Extension,
}

impl Header {
    /// The header of this name, long or compact, in any case.
    pub fn from_name(name: &[u8]) -> Self {
        if let &[letter] = name {
            return Self::from_compact(letter);
        }
        let [first, .., last] = name else { return Self::Extension };
        let slot = slot_of(*first, *last, name.len());
        match NAMES.get(usize::from(SLOTS[slot])) {
            // As nearly everyone writes it.
            Some((text, header)) if name == text.as_bytes() => *header,
            Some(_) => Self::in_any_case(name, slot),
            None => Self::Extension,
        }
    }

    /// Looks from this slot on, letter by letter.
    #[cold]
    fn in_any_case(name: &[u8], mut slot: usize) -> Self {
        while let Some((text, header)) = NAMES.get(usize::from(SLOTS[slot])) {
            if name.eq_ignore_ascii_case(text.as_bytes()) {
                return *header;
            }
            slot = (slot + 1) % SLOT_COUNT;
        }
        Self::Extension
    }

    /// The header of this compact letter (RFC 3261 section 7.3.3 and the registry).
    const fn from_compact(letter: u8) -> Self {
        match letter.to_ascii_lowercase() {
            b'a' => Self::AcceptContact,
            b'u' => Self::AllowEvents,
            b'i' => Self::CallId,
            b'm' => Self::Contact,
            b'e' => Self::ContentEncoding,
            b'l' => Self::ContentLength,
            b'c' => Self::ContentType,
            b'o' => Self::Event,
            b'f' => Self::From,
            b'r' => Self::ReferTo,
            b'b' => Self::ReferredBy,
            b'j' => Self::RejectContact,
            b'd' => Self::RequestDisposition,
            b'x' => Self::SessionExpires,
            b's' => Self::Subject,
            b'k' => Self::Supported,
            b't' => Self::To,
            b'v' => Self::Via,
            _ => Self::Extension,
        }
    }

    /// Its long form; empty for [`Header::Extension`].
    pub fn as_str(self) -> &'static str {
        NAMES.get(self as usize).map_or("", |(text, _)| text)
    }
}

/// The long forms, in the order of the enum.
const NAMES: [(&str, Header); 73] = [
    ("Accept", Header::Accept),
    ("Accept-Encoding", Header::AcceptEncoding),
    ("Accept-Language", Header::AcceptLanguage),
    ("Accept-Contact", Header::AcceptContact),
    ("Alert-Info", Header::AlertInfo),
    ("Allow", Header::Allow),
    ("Allow-Events", Header::AllowEvents),
    ("Answer-Mode", Header::AnswerMode),
    ("Authentication-Info", Header::AuthenticationInfo),
    ("Authorization", Header::Authorization),
    ("Call-ID", Header::CallId),
    ("Call-Info", Header::CallInfo),
    ("Contact", Header::Contact),
    ("Content-Disposition", Header::ContentDisposition),
    ("Content-Encoding", Header::ContentEncoding),
    ("Content-Language", Header::ContentLanguage),
    ("Content-Length", Header::ContentLength),
    ("Content-Type", Header::ContentType),
    ("CSeq", Header::CSeq),
    ("Date", Header::Date),
    ("Diversion", Header::Diversion),
    ("Error-Info", Header::ErrorInfo),
    ("Event", Header::Event),
    ("Expires", Header::Expires),
    ("From", Header::From),
    ("History-Info", Header::HistoryInfo),
    ("In-Reply-To", Header::InReplyTo),
    ("Info-Package", Header::InfoPackage),
    ("Max-Forwards", Header::MaxForwards),
    ("MIME-Version", Header::MimeVersion),
    ("Min-Expires", Header::MinExpires),
    ("Min-SE", Header::MinSe),
    ("Organization", Header::Organization),
    ("P-Asserted-Identity", Header::PAssertedIdentity),
    ("P-Early-Media", Header::PEarlyMedia),
    ("P-Preferred-Identity", Header::PPreferredIdentity),
    ("Path", Header::Path),
    ("Priority", Header::Priority),
    ("Privacy", Header::Privacy),
    ("Proxy-Authenticate", Header::ProxyAuthenticate),
    ("Proxy-Authorization", Header::ProxyAuthorization),
    ("Proxy-Require", Header::ProxyRequire),
    ("RAck", Header::RAck),
    ("Reason", Header::Reason),
    ("Record-Route", Header::RecordRoute),
    ("Recv-Info", Header::RecvInfo),
    ("Refer-Sub", Header::ReferSub),
    ("Refer-To", Header::ReferTo),
    ("Referred-By", Header::ReferredBy),
    ("Reject-Contact", Header::RejectContact),
    ("Remote-Party-ID", Header::RemotePartyId),
    ("Replaces", Header::Replaces),
    ("Reply-To", Header::ReplyTo),
    ("Request-Disposition", Header::RequestDisposition),
    ("Require", Header::Require),
    ("Retry-After", Header::RetryAfter),
    ("Route", Header::Route),
    ("RSeq", Header::RSeq),
    ("Server", Header::Server),
    ("Service-Route", Header::ServiceRoute),
    ("Session-Expires", Header::SessionExpires),
    ("SIP-ETag", Header::SipEtag),
    ("SIP-If-Match", Header::SipIfMatch),
    ("Subject", Header::Subject),
    ("Subscription-State", Header::SubscriptionState),
    ("Supported", Header::Supported),
    ("Timestamp", Header::Timestamp),
    ("To", Header::To),
    ("Unsupported", Header::Unsupported),
    ("User-Agent", Header::UserAgent),
    ("Via", Header::Via),
    ("Warning", Header::Warning),
    ("WWW-Authenticate", Header::WwwAuthenticate),
];

/// By a mark of the name, the number of the first header that has it, and of the next one in the slots after:
/// a name is compared with one or two others.
const SLOTS: [u8; SLOT_COUNT] = slots();

const fn slots() -> [u8; SLOT_COUNT] {
    let mut slots = [EMPTY; SLOT_COUNT];
    let mut number = 0;
    while number < NAMES.len() {
        let name = NAMES[number].0.as_bytes();
        let mut slot = slot_of(name[0], name[name.len() - 1], name.len());
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOT_COUNT;
        }
        slots[slot] = number as u8;
        number += 1;
    }
    slots
}

/// The same for every case of the letters. The factors are such that every name stands in its own slot but
/// Reply-To, which meets Refer-To and stands in the next.
const fn slot_of(first: u8, last: u8, length: usize) -> usize {
    let (first, last) = ((first | 0x20) as usize, (last | 0x20) as usize);
    (first + last * 3 + length * 41) % SLOT_COUNT
}

/// Seven times as many as names.
const SLOT_COUNT: usize = 512;
const EMPTY: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_case_and_in_its_compact_form() {
        assert_eq!(Header::from_name(b"VIA"), Header::Via);
        assert_eq!(Header::from_name(b"I"), Header::CallId);
        assert_eq!(Header::from_name(b"max-FORWARDS"), Header::MaxForwards);
        assert_eq!(Header::from_name(b"X-Line"), Header::Extension);
        assert_eq!(Header::from_name(b""), Header::Extension);
    }

    #[test]
    fn every_long_form_finds_itself() {
        for (number, (text, named)) in NAMES.iter().enumerate() {
            for text in [(*text).to_owned(), text.to_uppercase(), text.to_lowercase()] {
                let header = Header::from_name(text.as_bytes());
                assert_eq!((header, header as usize), (*named, number), "{text}");
            }
        }
    }
}
