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
        // By length first: at most a handful of comparisons for each header line.
        let candidates: &[(&str, Self)] = match name.len() {
            1 => return name.first().map_or(Self::Extension, |&letter| Self::from_compact(letter)),
            2 => &[("To", Self::To)],
            3 => &[("Via", Self::Via)],
            4 => &[
                ("CSeq", Self::CSeq),
                ("Date", Self::Date),
                ("From", Self::From),
                ("Path", Self::Path),
                ("RAck", Self::RAck),
                ("RSeq", Self::RSeq),
            ],
            5 => &[("Allow", Self::Allow), ("Event", Self::Event), ("Route", Self::Route)],
            6 => &[
                ("Accept", Self::Accept),
                ("Min-SE", Self::MinSe),
                ("Reason", Self::Reason),
                ("Server", Self::Server),
            ],
            7 => &[
                ("Contact", Self::Contact),
                ("Call-ID", Self::CallId),
                ("Expires", Self::Expires),
                ("Privacy", Self::Privacy),
                ("Require", Self::Require),
                ("Subject", Self::Subject),
                ("Warning", Self::Warning),
            ],
            8 => &[
                ("Priority", Self::Priority),
                ("Refer-To", Self::ReferTo),
                ("Replaces", Self::Replaces),
                ("Reply-To", Self::ReplyTo),
                ("SIP-ETag", Self::SipEtag),
            ],
            9 => &[
                ("Supported", Self::Supported),
                ("Call-Info", Self::CallInfo),
                ("Diversion", Self::Diversion),
                ("Recv-Info", Self::RecvInfo),
                ("Refer-Sub", Self::ReferSub),
                ("Timestamp", Self::Timestamp),
            ],
            10 => &[
                ("User-Agent", Self::UserAgent),
                ("Alert-Info", Self::AlertInfo),
                ("Error-Info", Self::ErrorInfo),
            ],
            11 => &[
                ("Answer-Mode", Self::AnswerMode),
                ("In-Reply-To", Self::InReplyTo),
                ("Min-Expires", Self::MinExpires),
                ("Referred-By", Self::ReferredBy),
                ("Retry-After", Self::RetryAfter),
                ("Unsupported", Self::Unsupported),
            ],
            12 => &[
                ("Content-Type", Self::ContentType),
                ("Max-Forwards", Self::MaxForwards),
                ("Record-Route", Self::RecordRoute),
                ("Allow-Events", Self::AllowEvents),
                ("History-Info", Self::HistoryInfo),
                ("Info-Package", Self::InfoPackage),
                ("MIME-Version", Self::MimeVersion),
                ("Organization", Self::Organization),
                ("SIP-If-Match", Self::SipIfMatch),
            ],
            13 => &[
                ("Authorization", Self::Authorization),
                ("P-Early-Media", Self::PEarlyMedia),
                ("Proxy-Require", Self::ProxyRequire),
                ("Service-Route", Self::ServiceRoute),
            ],
            14 => &[
                ("Content-Length", Self::ContentLength),
                ("Accept-Contact", Self::AcceptContact),
                ("Reject-Contact", Self::RejectContact),
            ],
            15 => &[
                ("Accept-Encoding", Self::AcceptEncoding),
                ("Accept-Language", Self::AcceptLanguage),
                ("Remote-Party-ID", Self::RemotePartyId),
                ("Session-Expires", Self::SessionExpires),
            ],
            16 => &[
                ("Content-Encoding", Self::ContentEncoding),
                ("Content-Language", Self::ContentLanguage),
                ("WWW-Authenticate", Self::WwwAuthenticate),
            ],
            18 => &[
                ("Proxy-Authenticate", Self::ProxyAuthenticate),
                ("Subscription-State", Self::SubscriptionState),
            ],
            19 => &[
                ("Authentication-Info", Self::AuthenticationInfo),
                ("Content-Disposition", Self::ContentDisposition),
                ("P-Asserted-Identity", Self::PAssertedIdentity),
                ("Proxy-Authorization", Self::ProxyAuthorization),
                ("Request-Disposition", Self::RequestDisposition),
            ],
            20 => &[("P-Preferred-Identity", Self::PPreferredIdentity)],
            _ => &[],
        };
        let is_it = |text: &str| name == text.as_bytes() || name.eq_ignore_ascii_case(text.as_bytes());
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
