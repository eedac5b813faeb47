//! Reports on voice in descriptions (RFC 3611 section 5): offered, taken, and nowhere else.

use super::*;

const ASKS: &str = "a=rtcp-xr:voip-metrics\r\n";

fn leg() -> Negotiation {
    Negotiation::new(ip(LOCAL), 30_000, 30_001, 42, Terms::plain(vec![Coding::Pcma]))
}

#[test]
fn we_offer_them_and_send_them_to_who_takes_them() {
    for (said, taken) in [
        ("a=rtcp-xr:voip-metrics", true),
        ("a=rtcp-xr:pkt-loss-rle=40 VOIP-METRICS rcvr-rtt=all:10", true),
        ("a=rtcp-xr:rcvr-rtt=all", false),
        ("a=rtcp-xr", false),
        ("a=ptime:20", false),
    ] {
        let mut leg = leg();
        assert!(leg.offer().contains(ASKS));
        let answer = described(&format!("m=audio 4000 RTP/AVP 8 {said}"));
        assert_eq!(leg.take_answer(&answer, ip(PEER)).unwrap().xr, taken, "{said}");
        // Who does not take them is not asked again.
        assert_eq!(leg.offer().contains(ASKS), taken, "{said}");
    }
}

#[test]
fn we_take_them_where_they_are_offered_with_and_without_a_port_of_their_own() {
    for (mux, muxed) in [("", false), (" a=rtcp-mux", true)] {
        let (text, stream) = answered(&format!("m=audio 4000 RTP/AVP 8 a=rtcp-xr:voip-metrics{mux}"));
        assert!(text.contains(ASKS), "{text}");
        assert_eq!((stream.xr, stream.rtcp_mux), (true, muxed));
        assert_eq!(text.contains("a=rtcp-mux"), muxed);
        assert_eq!(stream.remote_rtcp.port(), if muxed { 4000 } else { 4001 });
    }
    let (text, stream) = answered("m=audio 4000 RTP/AVP 8");
    assert!(!text.contains("rtcp-xr") && !stream.xr, "{text}");
    // For the whole session; what the audio says of itself comes first.
    let session = described("m=audio 4000 RTP/AVP 8").replace("m=audio", "a=rtcp-xr:voip-metrics\r\nm=audio");
    assert!(leg().answer(&session, ip(PEER)).unwrap().1.xr);
    let but =
        described("m=audio 4000 RTP/AVP 8 a=rtcp-xr").replace("m=audio", "a=rtcp-xr:voip-metrics\r\nm=audio");
    assert!(!leg().answer(&but, ip(PEER)).unwrap().1.xr);
}
