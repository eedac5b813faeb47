//! The verdicts: what each message that hurts is answered with, by who sends it and over what, and why.

use super::source::{Heard, Kind};

/// What one message gets. 0 stands for silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Where the message is from.
    pub(crate) set: Set,
    /// The RFC's section.
    pub(crate) section: &'static str,
    /// The message.
    pub(crate) name: &'static str,
    /// What a trunk hears, over UDP.
    pub(crate) trunk: u16,
    /// What a registered seat hears.
    pub(crate) seat: u16,
    /// What a stranger hears.
    pub(crate) stranger: u16,
    /// How TCP differs.
    pub(crate) tcp: Tcp,
    /// Why.
    pub(crate) why: &'static str,
}

/// Where a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Session Initiation Protocol torture tests.
    Rfc4475,
    /// IPv6 torture tests.
    Rfc5118,
    /// What phones and carriers really send.
    Traffic,
    /// What is too large.
    Oversize,
}

/// How a verdict over TCP differs from UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tcp {
    /// Not.
    Same,
    /// This answer, and the connection is closed: nobody knows where the next message begins.
    Closes(u16),
    /// No answer: the rest of the message has not come.
    Waits,
    /// A second message follows, an INVITE: what the trunk hears, and what others do.
    ThenInvite(u16, u16),
}

impl Verdict {
    /// What is heard over TCP.
    pub(crate) fn over_tcp(&self, kind: Kind, udp: Heard) -> Heard {
        match self.tcp {
            Same => udp,
            Closes(code) => Heard { statuses: vec![code], goes_on: false },
            Waits => Heard { statuses: Vec::new(), goes_on: false },
            ThenInvite(trunk, other) => {
                let second = if kind == Kind::Trunk { trunk } else { other };
                Heard { statuses: [udp.statuses, vec![second]].concat(), goes_on: true }
            }
        }
    }
}

const fn row(
    set: Set,
    (section, name): (&'static str, &'static str),
    [trunk, seat, stranger]: [u16; 3],
    tcp: Tcp,
    why: &'static str,
) -> Verdict {
    Verdict { set, section, name, trunk, seat, stranger, tcp, why }
}

use Set::{Oversize, Rfc4475, Rfc5118, Traffic};
use Tcp::{Closes, Same, ThenInvite, Waits};

/// Set, section and name; what trunk, seat and stranger hear over UDP; TCP; why.
#[rustfmt::skip]
pub(crate) const VERDICTS: &[Verdict] = &[
    row(Rfc4475, ("3.1.1.1", "wsinv"), [481, 401, 401], Same, "white space and folds are read; its To tag is no dialog's (RFC 3261 §12.2.2)"),
    row(Rfc4475, ("3.1.1.2", "intmeth"), [501, 401, 401], Same, "every token is a method; this one we do not know (RFC 3261 §8.2.1)"),
    row(Rfc4475, ("3.1.1.3", "esc01"), [404, 401, 401], Same, "escapes are resolved once; no number of ours"),
    row(Rfc4475, ("3.1.1.4", "escnull"), [401, 401, 401], Same, "%00 is a user like any other; REGISTER wants a password"),
    row(Rfc4475, ("3.1.1.5", "esc02"), [501, 401, 401], Same, "escapes are none in a method: it is no REGISTER"),
    row(Rfc4475, ("3.1.1.6", "lwsdisp"), [200, 200, 0], Same, "no white space is needed before <"),
    row(Rfc4475, ("3.1.1.7", "longreq"), [404, 401, 401], Same, "long values within the limits"),
    row(Rfc4475, ("3.1.1.8", "dblreq"), [401, 401, 401], ThenInvite(400, 401), "a datagram ends with its Content-Length; a stream goes on with the next message (RFC 3261 §18.3), an INVITE without Contact"),
    row(Rfc4475, ("3.1.1.9", "semiuri"), [200, 200, 0], Same, "; may stand in a user"),
    row(Rfc4475, ("3.1.1.10", "transports"), [200, 200, 0], Same, "unknown transports in Vias below the top one"),
    row(Rfc4475, ("3.1.1.11", "mpart01"), [405, 401, 401], Same, "a body of any bytes; MESSAGE is not taken (RFC 3428 §7)"),
    row(Rfc4475, ("3.1.1.12", "unreason"), [0, 0, 0], Same, "a response that nobody waits for is dropped (RFC 3261 §18.1.2)"),
    row(Rfc4475, ("3.1.1.13", "noreason"), [0, 0, 0], Same, "a response that nobody waits for is dropped (RFC 3261 §18.1.2)"),
    row(Rfc4475, ("3.1.2.1", "badinv01"), [400, 400, 400], Same, "empty parameters in Via"),
    row(Rfc4475, ("3.1.2.2", "clerr"), [400, 400, 400], Waits, "the datagram ends before its Content-Length; a stream waits for the rest (RFC 3261 §18.3)"),
    row(Rfc4475, ("3.1.2.3", "ncl"), [400, 400, 400], Closes(400), "negative Content-Length: nobody can tell where a stream goes on"),
    row(Rfc4475, ("3.1.2.4", "scalar02"), [400, 400, 400], Same, "CSeq beyond 32 bits (RFC 3261 §8.1.1.5)"),
    row(Rfc4475, ("3.1.2.5", "scalarlg"), [0, 0, 0], Same, "a bad response is dropped"),
    row(Rfc4475, ("3.1.2.6", "quotbal"), [400, 400, 400], Same, "a quote that never ends"),
    row(Rfc4475, ("3.1.2.7", "ltgtruri"), [400, 400, 400], Same, "<> round the Request-URI"),
    row(Rfc4475, ("3.1.2.8", "lwsruri"), [400, 400, 400], Same, "white space in the Request-URI"),
    row(Rfc4475, ("3.1.2.9", "lwsstart"), [400, 400, 400], Same, "two spaces in the request line (RFC 3261 §7.1)"),
    row(Rfc4475, ("3.1.2.10", "trws"), [200, 200, 0], Same, "spaces after the request line harm nobody: taken, as the RFC allows"),
    row(Rfc4475, ("3.1.2.11", "escruri"), [400, 400, 400], Same, "headers in a Request-URI (RFC 3261 §19.1.1)"),
    row(Rfc4475, ("3.1.2.12", "baddate"), [404, 401, 401], Same, "a Date in a wrong zone is not ours to use: ignored"),
    row(Rfc4475, ("3.1.2.13", "regbadct"), [400, 400, 400], Same, "a Contact with ? needs <> (RFC 3261 §20)"),
    row(Rfc4475, ("3.1.2.14", "badaspec"), [400, 400, 400], Same, "spaces within <>"),
    row(Rfc4475, ("3.1.2.15", "baddn"), [400, 400, 400], Same, "a comma in a name needs quotes"),
    row(Rfc4475, ("3.1.2.16", "badvers"), [505, 505, 505], Same, "SIP/7.0 (RFC 3261 §21.5.6)"),
    row(Rfc4475, ("3.1.2.17", "mismatch01"), [400, 400, 400], Same, "CSeq names another method (RFC 3261 §8.1.1.5)"),
    row(Rfc4475, ("3.1.2.18", "mismatch02"), [400, 400, 400], Same, "CSeq names another method; 501 would do too"),
    row(Rfc4475, ("3.1.2.19", "bigcode"), [0, 0, 0], Same, "a status of ten digits is no response"),
    row(Rfc4475, ("3.2.1", "badbranch"), [200, 200, 0], Same, "a bare cookie names no transaction: matched as RFC 2543 did"),
    row(Rfc4475, ("3.3.1", "insuf"), [400, 400, 400], Same, "no Call-ID, From or To (RFC 3261 §8.1.1)"),
    row(Rfc4475, ("3.3.2", "unkscm"), [416, 416, 0], Same, "nobodyKnowsThisScheme: (RFC 3261 §8.2.2.1)"),
    row(Rfc4475, ("3.3.3", "novelsc"), [416, 416, 0], Same, "soap.beep: (RFC 3261 §8.2.2.1)"),
    row(Rfc4475, ("3.3.4", "unksm2"), [401, 401, 401], Same, "unknown schemes in To, From and Contact are kept; REGISTER wants a password first"),
    row(Rfc4475, ("3.3.5", "bext01"), [420, 420, 0], Same, "Require and Proxy-Require of the unknown (RFC 3261 §8.2.2.3)"),
    row(Rfc4475, ("3.3.6", "invut"), [415, 401, 401], Same, "a body of unknown type (RFC 3261 §8.2.3)"),
    row(Rfc4475, ("3.3.7", "regaut01"), [401, 401, 401], Same, "an unknown scheme of Authorization is no proof (RFC 3261 §22)"),
    row(Rfc4475, ("3.3.8", "multi01"), [400, 400, 400], Same, "headers that may stand once stand twice"),
    row(Rfc4475, ("3.3.9", "mcl01"), [400, 400, 400], Closes(400), "two lengths: nobody can tell where a stream goes on"),
    row(Rfc4475, ("3.3.10", "bcast"), [0, 0, 0], Same, "a response that is nobody's: its second Via is never written to"),
    row(Rfc4475, ("3.3.11", "zeromf"), [200, 200, 0], Same, "an OPTIONS with no hop left is answered where it ends (RFC 3261 §11)"),
    row(Rfc4475, ("3.3.12", "cparam01"), [401, 401, 401], Same, "unknown parameters are kept; REGISTER wants a password"),
    row(Rfc4475, ("3.3.13", "cparam02"), [401, 401, 401], Same, "unknown parameters are kept; REGISTER wants a password"),
    row(Rfc4475, ("3.3.14", "regescrt"), [401, 401, 401], Same, "a Contact may have headers; REGISTER wants a password"),
    row(Rfc4475, ("3.3.15", "sdp01"), [404, 401, 401], Same, "an Accept without SDP forbids no answer here: no number of ours"),
    row(Rfc4475, ("3.4.1", "inv2543"), [400, 401, 401], Closes(400), "RFC 2543 without branch and tags is read; without Contact a call has no way back (RFC 3261 §8.1.1.8)"),
    row(Rfc5118, ("4.1", "ipv6-good"), [401, 401, 401], Same, "IPv6 references throughout; REGISTER wants a password"),
    row(Rfc5118, ("4.2", "ipv6-bad"), [400, 400, 400], Same, "an IPv6 address without brackets"),
    row(Rfc5118, ("4.3", "port-ambiguous"), [401, 401, 401], Same, "within the brackets all is address"),
    row(Rfc5118, ("4.4", "port-unambiguous"), [401, 401, 401], Same, "after the brackets stands the port"),
    row(Rfc5118, ("4.5", "via-received-param-with-delim"), [481, 481, 481], Same, "received in brackets is read too; no such dialog"),
    row(Rfc5118, ("4.5", "via-received-param-no-delim"), [200, 200, 0], Same, "received without brackets, as the grammar has it"),
    row(Rfc5118, ("4.6", "ipv6-in-sdp"), [488, 401, 401], Same, "IPv6 media on a way of IPv4 (RFC 3261 §13.3.1.3)"),
    row(Rfc5118, ("4.7", "mult-ip-in-header"), [481, 481, 481], Same, "both families in Vias; no such dialog"),
    row(Rfc5118, ("4.8", "mult-ip-in-sdp"), [404, 401, 401], Same, "both families in SDP"),
    row(Rfc5118, ("4.9", "ipv4-mapped-ipv6"), [404, 401, 401], Same, "mapped addresses in brackets"),
    row(Rfc5118, ("4.10", "ipv6-bug-abnf-3-colons"), [400, 400, 400], Same, "three colons are no address; the RFC leaves it to us"),
    row(Traffic, ("", "no-length"), [200, 401, 401], Closes(400), "without Content-Length a datagram's end ends the body (RFC 3261 §18.3)"),
    row(Traffic, ("", "star"), [401, 401, 401], Same, "Contact: *"),
    row(Traffic, ("", "outbound"), [401, 401, 401], Same, "reg-id and +sip.instance (RFC 5626 §4.1)"),
    row(Traffic, ("", "compact"), [200, 401, 401], Same, "compact names in upper case (RFC 3261 §7.3.1)"),
    row(Traffic, ("", "two-vias"), [200, 200, 0], Same, "two Vias in one line (RFC 3261 §7.3.1)"),
    row(Traffic, ("", "ipv6-via-contact"), [200, 401, 401], Same, "IPv6 in Via and Contact"),
    row(Traffic, ("", "tel"), [200, 401, 401], Same, "tel: as Request-URI, From and To (RFC 3966)"),
    row(Traffic, ("", "folded-via"), [200, 200, 0], Same, "a Via over three lines (RFC 3261 §7.3.1)"),
    row(Traffic, ("", "unknown-method"), [501, 401, 401], Same, "a method that nobody knows (RFC 3261 §8.2.1)"),
    row(Traffic, ("", "percent"), [200, 200, 0], Same, "an escaped % stays one"),
    row(Traffic, ("", "tenth-use-of-a-nonce"), [401, 401, 401], Same, "nc is hexadecimal; SHA-256 is a token; the proof is wrong"),
    row(Traffic, ("", "no-max-forwards"), [200, 200, 0], Same, "RFC 2543 knew none"),
    row(Traffic, ("", "not-utf8"), [200, 200, 0], Same, "bytes that are not UTF-8 in a header that we do not use"),
    row(Traffic, ("", "binary-body"), [405, 401, 401], Same, "every byte in a body; MESSAGE is not taken"),
    row(Traffic, ("", "via-100"), [200, 200, 0], Same, "a hundred hops are many and legal"),
    row(Oversize, ("", "longest-datagram"), [200, 200, 0], Same, "the longest datagram is within the limit of 64 KiB"),
    row(Oversize, ("", "line-64k"), [513, 513, 513], Same, "a header line above 8 KiB (RFC 3261 §21.5.7)"),
    row(Oversize, ("", "headers-10000"), [513, 513, 513], Same, "above 128 header lines"),
    row(Oversize, ("", "route-1000"), [513, 513, 513], Same, "above 128 header lines"),
    row(Oversize, ("", "route-1000-in-one-line"), [513, 513, 513], Same, "a header line above 8 KiB"),
    row(Oversize, ("", "body-10mb"), [513, 513, 513], Closes(513), "above 64 KiB: refused by its Content-Length before it is read"),
];
