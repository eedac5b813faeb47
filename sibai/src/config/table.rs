//! The tables of engine/v1: every key, its default and what it means.

use ivr::shape::{Field, Kind, Need, Struct, Words};

const fn field(key: &'static str, kind: Kind, need: Need, doc: &'static str) -> Field {
    Field { key, kind, need, doc }
}

const fn map(noun: &'static str, fields: &'static [Field], later: &'static [&'static str]) -> Struct {
    Struct { noun, fields, later, others: None }
}

/// engine.yaml.
pub(super) static ENGINE: Struct = map(
    "engine.yaml",
    &[
        field(
            "format",
            Kind::OneOf(&Words { words: &["engine/v1"], later: &[] }),
            Need::Required,
            "The language of the file; its first key.",
        ),
        field("sip", Kind::Struct(&SIP), Need::Optional, "Where SIP is spoken."),
        field("rtp", Kind::Struct(&RTP), Need::Optional, "Where audio flows."),
        field(
            "trunks",
            Kind::List(&Kind::Struct(&TRUNK), 0, 100),
            Need::Default("[]"),
            "Connections to carriers.",
        ),
        field("database", Kind::Struct(&DATABASE), Need::Optional, "Where call records are kept."),
        field("recordings", Kind::Struct(&RECORDINGS), Need::Optional, "Where audio is kept."),
        field("api", Kind::Struct(&API), Need::Optional, "The HTTP interface."),
        field("limits", Kind::Struct(&LIMITS), Need::Optional, "Bounds of the whole engine."),
    ],
    &["apis"],
);

/// A list of digest algorithms.
const fn digests() -> Kind {
    Kind::List(&DIGEST, 1, 3)
}

static DIGEST: Kind = Kind::OneOf(&Words { words: &["md5", "sha-256", "sha-512-256"], later: &[] });

/// SIP.
pub(super) static SIP: Struct = map(
    "sip",
    &[
        field(
            "listen",
            Kind::List(&Kind::Or(&Kind::Text, &Kind::Struct(&LISTENER)), 1, 16),
            Need::Default("[\"udp://127.0.0.1:5060\", \"tcp://127.0.0.1:5060\"]"),
            "Listeners: udp, tcp, tls, ws or wss://ADDRESS:PORT (IPv6 in brackets), or a map with a digest of its own.",
        ),
        field(
            "digest",
            digests(),
            Need::Default("[md5]"),
            "How phones prove their passwords, strongest first; many phones know md5 only.",
        ),
        field(
            "public_address",
            Kind::Text,
            Need::Optional,
            "Told to peers outside local_networks in place of the own address.",
        ),
        field(
            "local_networks",
            Kind::List(&Kind::Text, 0, 64),
            Need::Default(
                "[\"127.0.0.0/8\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"::1/128\", \"fc00::/7\", \"fe80::/10\"]",
            ),
            "Networks whose peers see the own address.",
        ),
        field(
            "answer_unknown_options",
            Kind::Bool,
            Need::Default("false"),
            "Whether OPTIONS of somebody who is neither trunk nor registered phone is answered.",
        ),
        field(
            "name_servers",
            Kind::List(&Kind::Text, 0, 8),
            Need::Default("[]"),
            "DNS servers that are asked where trunks are, as ADDRESS or ADDRESS:PORT; without any, those of the system.",
        ),
        field("tls", Kind::Struct(&TLS), Need::Optional, "Certificates of the tls and wss listeners."),
        field(
            "ws_origins",
            Kind::List(&Kind::Text, 0, 64),
            Need::Default("[]"),
            "Origins of pages that may open a WebSocket, as https://HOST; without any, pages of our own host; \"*\" is any.",
        ),
        field("limits", Kind::Struct(&SIP_LIMITS), Need::Optional, "How much is let in."),
    ],
    &["realm"],
);

/// Certificates of the listeners.
pub(super) static TLS: Struct = map(
    "sip.tls",
    &[
        field(
            "certificate",
            Kind::Text,
            Need::Required,
            "PEM file of the certificate and its chain, below the configuration's folder; a new one is taken up at once.",
        ),
        field("key", Kind::Text, Need::Required, "PEM file of its private key."),
        field(
            "client_ca",
            Kind::Text,
            Need::Optional,
            "PEM file of who signs the certificates of trunks that prove themselves by one (tls_client).",
        ),
    ],
    &[],
);

/// Admission.
pub(super) static SIP_LIMITS: Struct = map(
    "the limits of sip",
    &[
        field(
            "calls_per_second",
            Kind::Count(1, 10_000),
            Need::Default("200"),
            "New calls of trunks and phones; above it 503 with Retry-After.",
        ),
        field(
            "registrations_per_second",
            Kind::Count(1, 10_000),
            Need::Default("200"),
            "Phones that register anew; above it 503 with Retry-After.",
        ),
    ],
    &[],
);

/// A listener with a digest of its own.
pub(super) static LISTENER: Struct = map(
    "a listener",
    &[
        field("on", Kind::Text, Need::Required, "udp, tcp, tls, ws or wss://ADDRESS:PORT."),
        field("digest", digests(), Need::Optional, "As sip.digest, for this listener only."),
    ],
    &[],
);

/// RTP.
pub(super) static RTP: Struct = map(
    "rtp",
    &[
        field(
            "ports",
            Kind::List(&Kind::Count(1024, 65_535), 2, 2),
            Need::Default("[20000, 20999]"),
            "First and last UDP port for audio; each leg takes two.",
        ),
        field(
            "codecs",
            Kind::List(&Kind::OneOf(&CODECS), 1, 5),
            Need::Default("[pcma, pcmu, g722, opus]"),
            "Offered in this order; where G.711 comes first it is also taken before others.",
        ),
        field(
            "srtp",
            Kind::OneOf(&PROTECTION),
            Need::Default("prefer"),
            "SRTP with seats that do not say it themselves: `prefer` takes keys and offers them over TLS, `require` refuses a phone without.",
        ),
    ],
    &[],
);

#[cfg(not(feature = "g729"))]
const CODECS: Words = Words { words: &["pcma", "pcmu", "g722", "opus"], later: &["g729"] };
#[cfg(feature = "g729")]
const CODECS: Words = Words { words: &["pcma", "pcmu", "g722", "opus", "g729"], later: &[] };

const PROTECTION: Words = Words { words: &["off", "prefer", "require"], later: &[] };

/// A trunk.
pub(super) static TRUNK: Struct = map(
    "a trunk",
    &[
        field("name", Kind::Name, Need::Required, "For logs, records and metrics."),
        field(
            "host",
            Kind::Text,
            Need::Optional,
            "Where calls go out: an address or name (NAPTR, SRV, addresses), with :port if not 5060 (5061 over TLS).",
        ),
        field(
            "transport",
            Kind::OneOf(&Words { words: &["udp", "tcp", "tls"], later: &[] }),
            Need::Default("udp"),
            "Transport toward the host; written, it also counts before the NAPTR records of the host.",
        ),
        field(
            "tls_name",
            Kind::Text,
            Need::Optional,
            "The name that the carrier's certificate must be for; without it, the host.",
        ),
        field(
            "ca",
            Kind::Text,
            Need::Optional,
            "PEM file of who signs the carrier's certificate; without it, the system's authorities.",
        ),
        field("certificate", Kind::Text, Need::Optional, "PEM file of our certificate for this carrier."),
        field("key", Kind::Text, Need::Optional, "PEM file of its private key."),
        field(
            "tls_client",
            Kind::Text,
            Need::Optional,
            "A peer that proves this name by a certificate of sip.tls.client_ca is this trunk, wherever it is.",
        ),
        field("user", Kind::Secret, Need::Optional, "Digest user, as env:NAME."),
        field("password", Kind::Secret, Need::Optional, "Digest password, as env:NAME."),
        field(
            "allow_from",
            Kind::List(&Kind::Text, 0, 64),
            Need::Default("[]"),
            "Sources that are this trunk: CIDR, or address with port; without any, the host's own address.",
        ),
        field(
            "caller_id",
            Kind::Phone,
            Need::Optional,
            "A number verified on this trunk; shown to outside seats.",
        ),
        field(
            "srtp",
            Kind::OneOf(&PROTECTION),
            Need::Default("off"),
            "SRTP with the carrier: `prefer` takes keys and offers them over TLS, `require` allows nothing else.",
        ),
        field("max_calls", Kind::Count(1, 10_000), Need::Default("30"), "Calls over it at once, both ways."),
        field(
            "calls_per_second",
            Kind::Count(1, 1_000),
            Need::Optional,
            "Calls that go out over it within any second.",
        ),
        field(
            "order",
            Kind::Count(1, 100),
            Need::Default("1"),
            "Trunks with a lower order are tried first; every line may use every trunk.",
        ),
        field(
            "weight",
            Kind::Count(1, 1_000),
            Need::Default("1"),
            "Its share of the calls among trunks of one order.",
        ),
        field(
            "register",
            Kind::Bool,
            Need::Default("false"),
            "Register with the host; calls from its addresses are then this trunk's.",
        ),
        field(
            "register_as",
            Kind::Text,
            Need::Optional,
            "The user of the address of record, where it is not `user`.",
        ),
        field(
            "expires",
            Kind::Duration(60, 86_400),
            Need::Default("1h"),
            "How long a registration is asked for; the carrier may grant less.",
        ),
        field(
            "probe",
            Kind::Bool,
            Need::Default("true"),
            "Ask by OPTIONS every 3 s if it is there; else only its calls tell.",
        ),
        field(
            "number_format",
            Kind::OneOf(&Words { words: &["national", "e164", "e164_plus"], later: &[] }),
            Need::Default("national"),
            "How it wants numbers: 13912345678, 8613912345678 or +8613912345678.",
        ),
        field("dial_prefix", Kind::Text, Need::Optional, "Digits dialled before each number."),
        field(
            "uri",
            Kind::OneOf(&Words { words: &["sip", "phone", "tel"], later: &[] }),
            Need::Default("sip"),
            "How the number stands: sip:N@HOST, sip:N@HOST;user=phone or tel:N.",
        ),
        field(
            "international",
            Kind::Bool,
            Need::Default("false"),
            "Outside seats with numbers outside mainland China may be dialled over it.",
        ),
        field(
            "original_caller",
            Kind::OneOf(&Words { words: &["none", "diversion", "history_info", "asserted"], later: &[] }),
            Need::Default("none"),
            "What it is told of the caller when an outside seat is rung.",
        ),
    ],
    &[],
);

/// Database.
pub(super) static DATABASE: Struct = map(
    "database",
    &[field(
        "url",
        Kind::Text,
        Need::Default("sqlite://sibai.db"),
        "sqlite://FILE in the data folder, postgres://HOST/NAME, or env:NAME that holds one.",
    )],
    &[],
);

/// Recordings.
pub(super) static RECORDINGS: Struct = map(
    "recordings",
    &[
        field("folder", Kind::Text, Need::Default("recordings"), "Absolute, or below the data folder."),
        field(
            "keep_free",
            Kind::Percent,
            Need::Default("10%"),
            "Nothing is recorded while less of the disk is free.",
        ),
    ],
    &["copy_to"],
);

/// API.
pub(super) static API: Struct =
    map("api", &[field("listen", Kind::Text, Need::Default("127.0.0.1:8080"), "ADDRESS:PORT.")], &["tokens"]);

/// Limits.
pub(super) static LIMITS: Struct = map(
    "limits",
    &[
        field(
            "max_calls",
            Kind::Count(1, 10_000),
            Need::Default("200"),
            "Calls of the whole engine at once.",
        ),
        field("max_call", Kind::Duration(60, 86_400), Need::Default("4h"), "The longest call."),
        field(
            "max_setup",
            Kind::Duration(10, 600),
            Need::Default("3min"),
            "The longest that a caller's INVITE stays unanswered.",
        ),
        field(
            "confirm_within",
            Kind::Duration(1, 60),
            Need::Default("10s"),
            "How long an outside seat may take to press its confirm key.",
        ),
    ],
    &[],
);
