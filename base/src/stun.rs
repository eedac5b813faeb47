//! STUN messages (RFC 8489 sections 5 and 14) read in place and written: what the keep-alives of phones and the
//! connectivity checks of ICE have in common.

use std::net::{IpAddr, SocketAddr};

/// A message whose form is sound. What it asks for is the reader's to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type.
    pub kind: [u8; 2],
    /// Its transaction.
    pub transaction: [u8; 12],
    body: &'a [u8],
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type: below 0x8000 it must be understood.
    pub kind: u16,
    /// Its value without padding.
    pub value: &'a [u8],
    /// Where in the message it begins.
    pub at: usize,
}

type Head<'a> = (u16, &'a [u8]);

/// A message being written.
#[derive(Clone, Debug)]
pub struct Draft {
    bytes: Vec<u8>,
}

/// Whether a datagram is STUN rather than SIP, RTP or DTLS (RFC 7983): none of these begins with a byte below 4.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&COOKIE[..])
}

impl<'a> Message<'a> {
    /// Reads a message whose length and attributes add up; `None` for everything else.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let (head, body) = datagram.split_at_checked(HEAD)?;
        let length = usize::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]));
        if !is_stun(head) || length != body.len() {
            return None;
        }
        let mut rest = body;
        while !rest.is_empty() {
            (_, rest) = split(rest)?;
        }
        let transaction = head.get(8..HEAD)?.try_into().ok()?;
        Some(Self { kind: *head.first_chunk()?, transaction, body })
    }

    /// Its attributes in order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let (body, mut rest) = (self.body, self.body);
        std::iter::from_fn(move || {
            let at = HEAD + body.len() - rest.len();
            let ((kind, value), after) = split(rest)?;
            rest = after;
            Some(Attribute { kind, value, at })
        })
    }

    /// The first attribute of this type.
    pub fn attribute(&self, kind: u16) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }
}

/// The first attribute's type and value, and what follows it.
fn split(bytes: &[u8]) -> Option<(Head<'_>, &[u8])> {
    let [a, b, c, d] = *bytes.first_chunk()?;
    let (kind, size) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
    let value = bytes.get(4..4 + size)?;
    Some(((kind, value), bytes.get(4 + size.next_multiple_of(4)..)?))
}

impl Draft {
    /// A message without attributes.
    pub fn new(kind: [u8; 2], transaction: [u8; 12]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(kind);
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(transaction);
        Self { bytes }
    }

    /// Adds an attribute; its value is cut to what the length can say.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend((value.len() as u16).to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.announce(0);
        self
    }

    /// Adds the address that a request came from (RFC 8489 section 14.2).
    #[must_use]
    pub fn with_address(self, address: SocketAddr) -> Self {
        let mut value = Vec::with_capacity(20);
        let mask = |octets: &[u8], pad: &[u8]| -> Vec<u8> {
            octets.iter().zip(pad).map(|(byte, pad)| byte ^ pad).collect()
        };
        let pad: Vec<u8> = self.bytes.iter().skip(4).take(16).copied().collect();
        let port = mask(&address.port().to_be_bytes(), &pad);
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                value.extend([0, 1]);
                value.extend(port);
                value.extend(mask(&ip.octets(), &pad));
            }
            IpAddr::V6(ip) => {
                value.extend([0, 2]);
                value.extend(port);
                value.extend(mask(&ip.octets(), &pad));
            }
        }
        self.with(XOR_MAPPED_ADDRESS, &value)
    }

    /// Writes the length as if `more` bytes followed: integrity and fingerprint are computed over a message that
    /// already counts them (RFC 8489 sections 14.5 and 14.7).
    pub fn announce(&mut self, more: usize) -> &[u8] {
        let length = (self.bytes.len() - HEAD + more) as u16;
        if let Some(place) = self.bytes.get_mut(2..4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        &self.bytes
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Message type, length, cookie, transaction.
pub const HEAD: usize = 20;
/// Asks for the address that it comes from.
pub const BINDING_REQUEST: [u8; 2] = [0, 1];
/// Asks nothing, answers nothing.
pub const BINDING_INDICATION: [u8; 2] = [0, 0x11];
/// Tells it.
pub const BINDING_SUCCESS: [u8; 2] = [1, 1];
/// Refuses.
pub const BINDING_ERROR: [u8; 2] = [1, 0x11];
/// Who asks.
pub const USERNAME: u16 = 0x0006;
/// HMAC-SHA1 over what stands before it.
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// Why it was refused.
pub const ERROR_CODE: u16 = 0x0009;
/// Which attributes were not understood.
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// Where the request came from.
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// CRC-32 over what stands before it.
pub const FINGERPRINT: u16 = 0x8028;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    #[test]
    fn the_addresses_of_rfc_5769_are_masked_as_there() {
        let draft = Draft::new(BINDING_SUCCESS, TRANSACTION);
        let written = draft.clone().with_address("192.0.2.1:32853".parse().unwrap()).finish();
        assert_eq!(written[..4], [1, 1, 0, 12]);
        assert_eq!(written[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let source = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let masked = [
            0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe,
            0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(draft.with_address(source).finish()[24..], masked);
    }

    #[test]
    fn what_is_written_is_read_with_its_places() {
        let written =
            Draft::new(BINDING_REQUEST, TRANSACTION).with(USERNAME, b"abc:d").with(0x8022, b"").finish();
        let message = Message::read(&written).unwrap();
        assert_eq!((message.kind, message.transaction), (BINDING_REQUEST, TRANSACTION));
        let attributes: Vec<_> = message.attributes().map(|a| (a.kind, a.value, a.at)).collect();
        assert_eq!(attributes, [(USERNAME, &b"abc:d"[..], 20), (0x8022, &b""[..], 32)]);
        for cut in 0..written.len() {
            assert_eq!(Message::read(&written[..cut]), None, "{cut}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_datagram_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut datagram = Draft::new(BINDING_REQUEST, TRANSACTION).finish();
            datagram.extend(&body);
            datagram[2..4].copy_from_slice(&(body.len() as u16).to_be_bytes());
            if let Some(message) = Message::read(&datagram) {
                let length: usize = message.attributes().map(|a| 4 + a.value.len().next_multiple_of(4)).sum();
                prop_assert_eq!(length, body.len());
            }
            let _ = Message::read(&body);
        }
    }
}
