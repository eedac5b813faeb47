//! STUN keep-alives of phones with outbound over UDP (RFC 5626 section 4.4.2, RFC 8489): a binding request
//! that comes to the SIP port is answered with the address that it came from, and nothing else is.

use std::net::SocketAddr;

pub use base::stun::is_stun;
use base::stun::{self, Draft, Message};
use bytes::Bytes;

/// The answer to a binding request; `None` for everything else. It is 12 bytes longer than the shortest
/// request over IPv4 and 24 over IPv6, so that it is no lever for a flood.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let request = Message::read(datagram).filter(|message| message.kind == stun::BINDING_REQUEST)?;
    // Below 0x8000 an attribute must be understood; credentials are nobody's business here.
    let is_known = |kind| matches!(kind, stun::USERNAME | stun::MESSAGE_INTEGRITY) || kind >= 0x8000;
    let unknown = request.attributes().map(|attribute| attribute.kind).filter(|kind| !is_known(*kind));
    let unknown: Vec<u8> = unknown.take(MOST_UNKNOWN).flat_map(u16::to_be_bytes).collect();
    let answer = if unknown.is_empty() {
        Draft::new(stun::BINDING_SUCCESS, request.transaction).with_address(source)
    } else {
        // RFC 8489 section 6.3.1.
        Draft::new(stun::BINDING_ERROR, request.transaction)
            .with(stun::ERROR_CODE, &[0, 0, 4, 20])
            .with(stun::UNKNOWN_ATTRIBUTES, &unknown)
    };
    Some(answer.finish().into())
}

/// Told back; a request with more is told of the first ones.
const MOST_UNKNOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let draft = Draft::new(stun::BINDING_REQUEST, [7; 12]);
        attributes.iter().fold(draft, |draft, (kind, value)| draft.with(*kind, value)).finish()
    }

    #[test]
    fn who_asks_is_told_its_address() {
        let source = "192.0.2.1:32853".parse().unwrap();
        let answered = answer(&request(&[(0x8022, b"phone")]), source).unwrap();
        let message = Message::read(&answered).unwrap();
        assert_eq!((message.kind, message.transaction), (stun::BINDING_SUCCESS, [7; 12]));
        assert_eq!(message.attributes().map(|a| a.kind).collect::<Vec<_>>(), [stun::XOR_MAPPED_ADDRESS]);
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_told_back() {
        let answered = answer(&request(&[(0x7777, b"x")]), "192.0.2.1:9".parse().unwrap()).unwrap();
        assert_eq!(answered[..2], stun::BINDING_ERROR);
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
            let _ = answer(&bytes, "[::1]:9".parse().unwrap());
        }
    }
}
