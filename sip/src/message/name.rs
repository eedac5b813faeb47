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
        let is_it = |text: &str| name == text.as_bytes() || name.eq_ignore_ascii_case(text.as_bytes());
        let candidates = BY_LENGTH.get(name.len()).copied().unwrap_or_default();
        candidates.iter().find(|(text, _)| is_it(text)).map_or(Self::Extension, |&(_, header)| header)
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
        LONG_FORMS.get(self as usize).copied().unwrap_or("")
    }
}

/// The long forms, in the order of the enum.
const LONG_FORMS: [&str; 73] = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Accept-Contact",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Answer-Mode",
    "Authentication-Info",
    "Authorization",
    "Call-ID",
    "Call-Info",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Diversion",
    "Error-Info",
    "Event",
    "Expires",
    "From",
    "History-Info",
    "In-Reply-To",
    "Info-Package",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Asserted-Identity",
    "P-Early-Media",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "Reason",
    "Record-Route",
    "Recv-Info",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Reject-Contact",
    "Remote-Party-ID",
    "Replaces",
    "Reply-To",
    "Request-Disposition",
    "Require",
    "Retry-After",
    "Route",
    "RSeq",
    "Server",
    "Service-Route",
    "Session-Expires",
    "SIP-ETag",
    "SIP-If-Match",
    "Subject",
    "Subscription-State",
    "Supported",
    "Timestamp",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "Warning",
    "WWW-Authenticate",
];

/// By length first, the frequent ones in front: at most a handful of comparisons for each header line.
const BY_LENGTH: [&[(&str, Header)]; 21] = [
    &[],
    &[],
    &[("To", Header::To)],
    &[("Via", Header::Via)],
    &[
        ("CSeq", Header::CSeq),
        ("Date", Header::Date),
        ("From", Header::From),
        ("Path", Header::Path),
        ("RAck", Header::RAck),
        ("RSeq", Header::RSeq),
    ],
    &[("Allow", Header::Allow), ("Event", Header::Event), ("Route", Header::Route)],
    &[
        ("Accept", Header::Accept),
        ("Min-SE", Header::MinSe),
        ("Reason", Header::Reason),
        ("Server", Header::Server),
    ],
    &[
        ("Contact", Header::Contact),
        ("Call-ID", Header::CallId),
        ("Expires", Header::Expires),
        ("Privacy", Header::Privacy),
        ("Require", Header::Require),
        ("Subject", Header::Subject),
        ("Warning", Header::Warning),
    ],
    &[
        ("Priority", Header::Priority),
        ("Refer-To", Header::ReferTo),
        ("Replaces", Header::Replaces),
        ("Reply-To", Header::ReplyTo),
        ("SIP-ETag", Header::SipEtag),
    ],
    &[
        ("Supported", Header::Supported),
        ("Call-Info", Header::CallInfo),
        ("Diversion", Header::Diversion),
        ("Recv-Info", Header::RecvInfo),
        ("Refer-Sub", Header::ReferSub),
        ("Timestamp", Header::Timestamp),
    ],
    &[
        ("User-Agent", Header::UserAgent),
        ("Alert-Info", Header::AlertInfo),
        ("Error-Info", Header::ErrorInfo),
    ],
    &[
        ("Answer-Mode", Header::AnswerMode),
        ("In-Reply-To", Header::InReplyTo),
        ("Min-Expires", Header::MinExpires),
        ("Referred-By", Header::ReferredBy),
        ("Retry-After", Header::RetryAfter),
        ("Unsupported", Header::Unsupported),
    ],
    &[
        ("Content-Type", Header::ContentType),
        ("Max-Forwards", Header::MaxForwards),
        ("Record-Route", Header::RecordRoute),
        ("Allow-Events", Header::AllowEvents),
        ("History-Info", Header::HistoryInfo),
        ("Info-Package", Header::InfoPackage),
        ("MIME-Version", Header::MimeVersion),
        ("Organization", Header::Organization),
        ("SIP-If-Match", Header::SipIfMatch),
    ],
    &[
        ("Authorization", Header::Authorization),
        ("P-Early-Media", Header::PEarlyMedia),
        ("Proxy-Require", Header::ProxyRequire),
        ("Service-Route", Header::ServiceRoute),
    ],
    &[
        ("Content-Length", Header::ContentLength),
        ("Accept-Contact", Header::AcceptContact),
        ("Reject-Contact", Header::RejectContact),
    ],
    &[
        ("Accept-Encoding", Header::AcceptEncoding),
        ("Accept-Language", Header::AcceptLanguage),
        ("Remote-Party-ID", Header::RemotePartyId),
        ("Session-Expires", Header::SessionExpires),
    ],
    &[
        ("Content-Encoding", Header::ContentEncoding),
        ("Content-Language", Header::ContentLanguage),
        ("WWW-Authenticate", Header::WwwAuthenticate),
    ],
    &[],
    &[("Proxy-Authenticate", Header::ProxyAuthenticate), ("Subscription-State", Header::SubscriptionState)],
    &[
        ("Authentication-Info", Header::AuthenticationInfo),
        ("Content-Disposition", Header::ContentDisposition),
        ("P-Asserted-Identity", Header::PAssertedIdentity),
        ("Proxy-Authorization", Header::ProxyAuthorization),
        ("Request-Disposition", Header::RequestDisposition),
    ],
    &[("P-Preferred-Identity", Header::PPreferredIdentity)],
];

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
        for (number, text) in LONG_FORMS.iter().enumerate() {
            let header = Header::from_name(text.as_bytes());
            assert_eq!((header as usize, header.as_str()), (number, *text));
        }
    }
}
