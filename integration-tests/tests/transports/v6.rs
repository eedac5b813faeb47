//! IPv6, on the very port that IPv4 has.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_carrier_calls_over_ipv6() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let carrier = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), sibai.carrier().port());
    for over_tcp in [false, true] {
        let mut sipp = sibai
            .sipp("caller_over_v6.xml")
            .from(carrier)
            .to(sibai.sip_v6())
            .service("057155550100")
            .key("caller", "13900139000");
        if over_tcp {
            // Its trunk is the port that it calls from.
            sipp = sipp.over_tcp();
        }
        let heard = sipp.run(PATIENCE)?.received().join("\n");
        assert!(heard.contains("\nc=IN IP6 ::1"), "{heard}");
        assert!(heard.contains("<sip:sibai@[::1]:"), "{heard}");
    }
    assert_eq!(sibai.call_records(2)?[0]["cause"], "caller_hung_up");
    Ok(())
}
