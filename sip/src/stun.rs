//! STUN keep-alives of phones with outbound over UDP (RFC 5626 section 4.4.2, RFC 8489): a binding request
//! that comes to the SIP port is answered with the address that it came from, and nothing else is.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

/// Whether a datagram is STUN: no SIP message begins with a byte below 4 (RFC 5626 section 8).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&COOKIE[..])
}

/// The answer to a binding request; `None` for everything else. It is 12 bytes longer than the shortest
/// request over IPv4 and 24 over IPv6, so that it is no lever for a flood.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let (head, mut rest) = datagram.split_at_checked(HEAD)?;
    let length = usize::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]));
    if !is_stun(head) || head.first_chunk() != Some(&BINDING_REQUEST) || length != rest.len() {
        return None;
    }
    let transaction = head.get(8..HEAD)?;
    let mut unknown = Vec::new();
    while !rest.is_empty() {
        let [a, b, c, d] = *rest.first_chunk()?;
        let (kind, size) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
        rest = rest.get(4 + size.next_multiple_of(4)..)?;
        // Below 0x8000 an attribute must be understood; credentials are nobody's business here.
        let is_known = matches!(kind, USERNAME | MESSAGE_INTEGRITY) || kind >= 0x8000;
        if !is_known && unknown.len() < MOST_UNKNOWN {
            unknown.push(kind);
        }
    }
    Some(if unknown.is_empty() { success(transaction, source) } else { refusal(transaction, &unknown) })
}

fn success(transaction: &[u8], source: SocketAddr) -> Bytes {
    let mut value = BytesMut::new();
    value.put_u8(0);
    let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let pad = COOKIE.iter().chain(transaction);
    match source.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value.put_u8(1);
            value.put_u16(port);
            value.extend(ip.octets().iter().zip(pad).map(|(byte, pad)| byte ^ pad));
        }
        IpAddr::V6(ip) => {
            value.put_u8(2);
            value.put_u16(port);
            value.extend(ip.octets().iter().zip(pad).map(|(byte, pad)| byte ^ pad));
        }
    }
    message(BINDING_SUCCESS, transaction, &[(XOR_MAPPED_ADDRESS, &value)])
}

/// 420 with the attributes that we do not know (RFC 8489 section 6.3.1).
fn refusal(transaction: &[u8], unknown: &[u16]) -> Bytes {
    let list: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
    message(BINDING_ERROR, transaction, &[(ERROR_CODE, &[0, 0, 4, 20]), (UNKNOWN_ATTRIBUTES, &list)])
}

fn message(kind: [u8; 2], transaction: &[u8], attributes: &[(u16, &[u8])]) -> Bytes {
    let mut body = BytesMut::new();
    for (kind, value) in attributes {
        body.put_u16(*kind);
        body.put_u16(value.len() as u16);
        body.extend_from_slice(value);
        body.put_bytes(0, value.len().next_multiple_of(4) - value.len());
    }
    let mut message = BytesMut::with_capacity(HEAD + body.len());
    message.extend_from_slice(&kind);
    message.put_u16(body.len() as u16);
    message.extend_from_slice(&COOKIE);
    message.extend_from_slice(transaction);
    message.extend_from_slice(&body);
    message.freeze()
}

/// Message type, length, cookie, transaction.
const HEAD: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const BINDING_ERROR: [u8; 2] = [1, 0x11];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Told back; a request with more is told of the first ones.
const MOST_UNKNOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request(attributes: &[(u16, &[u8])]) -> Bytes {
        message(BINDING_REQUEST, &TRANSACTION, attributes)
    }

    #[test]
    fn the_addresses_of_rfc_5769_come_back_as_there() {
        let answered = answer(&request(&[]), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(answered[..4], [1, 1, 0, 12]);
        assert_eq!(answered[8..20], TRANSACTION);
        assert_eq!(answered[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let source = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let answered = answer(&request(&[(0x8022, b"phone")]), source).unwrap();
        assert_eq!(
            answered[24..],
            [
                0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
                0xbe, 0xd2, 0xb9, 0xd9
            ]
        );
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_told_back() {
        let answered = answer(&request(&[(0x7777, b"x")]), "192.0.2.1:9".parse().unwrap()).unwrap();
        assert_eq!(answered[..2], BINDING_ERROR);
        assert_eq!(answered[20..], [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0x77, 0x77, 0, 0]);
    }

    #[test]
    fn nothing_else_is_answered() {
        let source = "192.0.2.1:9".parse().unwrap();
        let whole = request(&[(0x8022, b"phone")]);
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut], source), None, "{cut}");
        }
        assert_eq!(answer(&answer(&whole, source).unwrap(), source), None);
        assert!(!is_stun(b"OPTIONS sip:a SIP/2.0\r\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut datagram = request(&[]).to_vec();
            datagram.extend(&bytes);
            let length = bytes.len() as u16;
            datagram[2..4].copy_from_slice(&length.to_be_bytes());
            let _ = answer(&datagram, "192.0.2.1:9".parse().unwrap());
            let _ = answer(&bytes, "[::1]:9".parse().unwrap());
        }
    }
}
