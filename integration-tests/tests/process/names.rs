//! A trunk whose host is a name: NAPTR, SRV and addresses of a name server of the test's own (RFC 3263).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::{NameServer, Says, Setup, Sibai, program};
use phones::live::{self, LivePhone, Sockets};
use phones::{Action, Behaviour, Carrier, CarrierSetup, Event};
use serde_json::Value;

use super::cast::{PATIENCE, call};

#[test]
fn a_trunk_is_where_dns_says_and_moves_when_its_answer_ends() -> Result<()> {
    let names = NameServer::start()?;
    let mut sibai = house(&names)?;
    // A dead DNS holds nobody up.
    let check = Command::new(program()?).arg("check").arg(sibai.configs()).output()?;
    ensure!(check.status.success(), "{check:?}");
    let began = Instant::now();
    sibai.run()?;
    ensure!(sibai.log().contains("its host is not found"), "{}", sibai.log());
    ensure!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());

    // Two targets: the first takes everything and says nothing.
    let [dead, second, third] = [2, 3, 4].map(|n| SocketAddr::from(([127, 0, 0, n], sibai.carrier().port())));
    let silent = UdpSocket::bind(dead)?;
    let mut carrier = carrier(&sibai, second)?;
    say(&names, &[("one.carrier.test", dead), ("two.carrier.test", second)]);
    sibai.wait_for_log(&format!("udp:{dead} udp:{second}"), PATIENCE)?;
    rings(&mut carrier)?;
    ensure!(trunks(&sibai, 1)? == ["carrier", "carrier"]);
    ensure!(heard(&silent, "INVITE ")?, "the first target was not tried");

    // Its answer ends, and the next one names another place.
    let mut moved = self::carrier(&sibai, third)?;
    say(&names, &[("three.carrier.test", third)]);
    sibai.wait_for_log(&format!("\"places\":\"udp:{third}\""), PATIENCE)?;
    rings(&mut moved)?;
    ensure!(trunks(&sibai, 2)? == ["carrier", "carrier"]);
    // Where it was it is no trunk any more.
    carrier.order(Action::Call(call()));
    let refused = carrier.wait_for(PATIENCE, |event| matches!(event, Event::Refused { .. }));
    ensure!(refused.is_some_and(|seen| matches!(seen.event, Event::Refused { code: 401, .. })));

    // DNS dies: what it said holds.
    names.fall_silent();
    sibai.wait_for_log("what it said before holds", PATIENCE)?;
    rings(&mut moved)?;
    ensure!(trunks(&sibai, 3)? == ["carrier", "carrier"]);
    Ok(())
}

/// A Sibai with one trunk, of which it knows a name only; open day and night, by the real clock.
fn house(names: &NameServer) -> Result<Sibai> {
    let closed = "    - if: { holiday: office }\n      then:\n        - play: holiday_closed\n        - hangup\n    \
                  - if: { closed: office }\n      then:\n        - goto: after_hours\n";
    let setup = Setup::default()
        .by_the_real_clock()
        .line(closed, "")
        .engine("sip:\n", &format!("sip:\n  name_servers: [\"{}\"]\n", names.at()));
    let sibai = Sibai::new(setup)?;
    let file = sibai.configs().join("engine.yaml");
    let text = std::fs::read_to_string(&file)?;
    let (before, rest) = text.split_once("trunks:\n").context("trunks")?;
    let (_, after) = rest.split_once("database:").context("database")?;
    // Without probes the silence of the first target is found out by the call.
    let trunk = "  - { name: carrier, host: carrier.test, caller_id: \"0571-55550100\", probe: false }";
    std::fs::write(&file, format!("{before}trunks:\n{trunk}\ndatabase:{after}"))?;
    Ok(sibai)
}

/// NAPTR leads to SRV records over UDP, those to these names, in this order, and they to their addresses.
fn say(names: &NameServer, targets: &[(&str, SocketAddr)]) {
    let service = "_sip._udp.carrier.test";
    let mut records = vec![("carrier.test", Says::Naptr(1, "SIP+D2U", service.into()))];
    for (priority, (name, at)) in (1..).zip(targets) {
        let SocketAddr::V4(v4) = at else { continue };
        let ip: Ipv4Addr = *v4.ip();
        records.push((service, Says::Srv(priority, at.port(), (*name).to_owned())));
        records.push((name, Says::A(ip)));
    }
    names.say(TTL, &records);
}

/// A carrier at this place, with the duty mobile behind it.
fn carrier(sibai: &Sibai, at: SocketAddr) -> Result<LivePhone> {
    let sockets = Sockets::at(at, 2)?;
    let mut setup = CarrierSetup::new(sibai.sip(), at, sockets.rtp());
    setup.rtp_ports = 2;
    setup.seed = u64::from(at.ip().is_ipv4()) + u64::from(at.port()) + u64::from(last(at));
    setup.plan = vec![("13800138001".to_owned(), Behaviour::waits())];
    Ok(live::run(Carrier::new(setup).into_line(), sockets)?)
}

fn last(at: SocketAddr) -> u8 {
    match at {
        SocketAddr::V4(v4) => v4.ip().octets()[3],
        SocketAddr::V6(_) => 0,
    }
}

/// Somebody calls over this carrier and asks for the mobile, which rings over the same one; then hangs up.
fn rings(carrier: &mut LivePhone) -> Result<()> {
    carrier.order(Action::Call(call()));
    let answered = carrier.wait_for(PATIENCE, |event| *event == Event::Answered);
    let caller = answered.and_then(|seen| seen.call).context("the call was not answered")?;
    let end = Instant::now() + PATIENCE;
    let is_incoming = |event: &Event| matches!(event, Event::Incoming { .. });
    // The menu may not have begun yet.
    loop {
        carrier.order_on(caller, Action::Press('3'));
        if carrier.wait_for(PRESS_EVERY, is_incoming).is_some() {
            break;
        }
        if Instant::now() > end {
            bail!("the mobile was not rung: {:?}", carrier.seen());
        }
    }
    carrier.order_on(caller, Action::HangUp);
    let is_over = |event: &Event| matches!(event, Event::CancelledByPeer { .. });
    carrier.wait_for(PATIENCE, is_over).context("the mobile rings on")?;
    Ok(())
}

/// The trunks of the newest of so many calls, leg by leg.
fn trunks(sibai: &Sibai, calls: usize) -> Result<Vec<String>> {
    let records = sibai.call_records(calls)?;
    let legs = records.first().and_then(|record| record["legs"].as_array()).context("a record")?;
    let trunk = |leg: &Value| leg["trunk"].as_str().unwrap_or_default().to_owned();
    Ok(legs.iter().map(trunk).collect())
}

/// Whether something that begins so came to this socket.
fn heard(socket: &UdpSocket, begins: &str) -> Result<bool> {
    socket.set_nonblocking(true)?;
    let mut buffer = [0; 4_096];
    while let Ok(length) = socket.recv(&mut buffer) {
        if buffer[..length].starts_with(begins.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As short as it can be: Sibai asks every five seconds then.
const TTL: u32 = 1;

/// Long enough for the first target's silence to be noticed without a second key.
const PRESS_EVERY: Duration = Duration::from_millis(700);
