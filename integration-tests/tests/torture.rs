//! Messages that hurt, into the running engine: every one gets its verdict, by who sends it and over what, and
//! leaves nothing behind. The verdicts are also in docs/conformance.md.

#[path = "../../sip/tests/torture/messages.rs"]
mod messages;
mod torture {
    pub(crate) mod protos;
    pub(crate) mod source;
    pub(crate) mod table;
    pub(crate) mod verdicts;
}

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Setup, Sibai};
use integration_tests::world::{CARRIER, Example, SIBAI};

use messages::Torture;
use torture::protos::{Case, anomalies, cases};
use torture::source::{Heard, Kind, Source, Transport};
use torture::verdicts::{VERDICTS, Verdict};

#[test]
fn every_message_gets_its_verdict_over_udp() -> Result<()> {
    judge(Transport::Udp)
}

#[test]
fn every_message_gets_its_verdict_over_tcp() -> Result<()> {
    judge(Transport::Tcp)
}

#[test]
fn every_message_has_one_verdict_and_the_document_says_the_same() -> Result<()> {
    let every = every();
    for verdict in VERDICTS {
        let found = every.iter().filter(|torture| torture.name == verdict.name).count();
        ensure!(found == 1, "{} is {found} messages", verdict.name);
    }
    ensure!(every.len() == VERDICTS.len(), "{} messages, {} verdicts", every.len(), VERDICTS.len());
    torture::table::compare()
}

#[test]
fn every_story_and_scenario_that_the_document_names_is_told() -> Result<()> {
    torture::table::find_what_it_names()
}

/// PROTOS' taxonomy (reliability.md B2) in virtual time: whatever is wrong, the node goes on.
#[test]
fn one_wrong_thing_in_one_place_stops_nothing() -> Result<()> {
    let mut example = Example::at("2026-10-12T10:00");
    let (carrier, sibai) = (CARRIER.parse()?, SIBAI.parse()?);
    example.world.overhear(carrier);
    let anomalies = anomalies();
    ensure!(cases() >= LEAST_CASES, "only {} cases", cases());
    for number in 0..cases() {
        let case = Case::of(number, &anomalies);
        example.world.inject(carrier, case.bytes);
        example.run(Duration::from_millis(20));
        for bytes in example.world.overheard() {
            for answer in answers_to(&bytes, sibai) {
                example.world.inject(carrier, answer);
            }
        }
        if number % 50 == 0 {
            let asked = format!("asked-{number}");
            example.world.inject(carrier, options(&asked, carrier).into_bytes());
            example.run(Duration::from_millis(20));
            let heard = example.world.overheard().iter().any(|bytes| is_answer(bytes, 200, &asked));
            ensure!(heard, "nothing is answered after {number}, {}", case.name);
        }
    }
    example.run(FORGOTTEN * 3);
    let node = example.world.pbx().node();
    let left = (node.sip().transactions(), node.sip().legs(), node.channels(), node.brain().is_idle());
    ensure!(left == (0, 0, 0, true), "left over: {left:?}");
    Ok(())
}

/// The same into the process: one in so many, an OPTIONS after each fifty, and a whole call at the end.
#[test]
fn one_wrong_thing_in_one_place_does_not_stop_the_process() -> Result<()> {
    let setup = Setup::default().engine("allow_from: [", "allow_from: [\"127.66.0.0/16\", ").logging("warn");
    let sibai = Sibai::start(setup)?;
    let mut source = Source::of(&sibai, Kind::Trunk, Transport::Udp)?;
    let anomalies = anomalies();
    let every = cases() / SENT;
    let mut before = None;
    for (count, number) in (0..cases()).step_by(every).enumerate() {
        source.throw(&Case::of(number, &anomalies).bytes)?;
        if count % 50 == 0 {
            ensure!(source.ask(b"")?.goes_on, "nothing is answered after {number}");
        }
        if count == SENT / 2 {
            before = Some(Footprint::of(&sibai)?);
        }
    }
    sibai
        .sipp("caller_hangs_up.xml")
        .service("057155550100")
        .key("caller", "13900139000")
        .key("key", "0")
        .run(FORGOTTEN)?;
    sibai.metric_becomes("pbx_calls_active", 0.0, FORGOTTEN)?;
    sibai.metric_becomes("pbx_sip_transactions", 0.0, FORGOTTEN)?;
    let (before, after) = (before.context("no half")?, Footprint::of(&sibai)?);
    ensure!(after.memory <= before.memory + MEMORY_TOLERANCE, "{before:?} grew to {after:?}");
    Ok(())
}

/// What a caller sends on a final answer to its INVITE: an ACK, and behind a 200 a BYE.
fn answers_to(bytes: &[u8], sibai: std::net::SocketAddr) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let status: u16 = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    if status < 200 || !line("CSeq:").ends_with("INVITE") {
        return Vec::new();
    }
    let number: u32 = line("CSeq:").split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    let send = |method: &str, number: u32, via: &str| {
        let dialog = [line("From:"), line("To:"), line("Call-ID:")].join("\r\n");
        let head =
            format!("{method} sip:{sibai} SIP/2.0\r\n{via}\r\n{dialog}\r\nCSeq: {number} {method}\r\n");
        format!("{head}Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    if status >= 300 {
        return vec![send("ACK", number, &line("Via:"))];
    }
    let via =
        |kind: &str| format!("Via: SIP/2.0/UDP {CARRIER};branch=z9hG4bK{kind}{}", line("Call-ID:").len());
    let bye = format!("{}{}", via("b"), line("Call-ID:").trim_start_matches("Call-ID: "));
    vec![send("ACK", number, &via("a")), send("BYE", number.saturating_add(1), &bye)]
}

fn options(call_id: &str, from: std::net::SocketAddr) -> String {
    format!(
        "OPTIONS sip:{SIBAI} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\n\
        From: <sip:a@{from}>;tag=1\r\nTo: <sip:{SIBAI}>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\
        Content-Length: 0\r\n\r\n"
    )
}

fn is_answer(bytes: &[u8], status: u16, call_id: &str) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.starts_with(&format!("SIP/2.0 {status}")) && text.contains(&format!("Call-ID: {call_id}\r\n"))
}

/// Every message from every kind of source; then the engine is as it was before.
fn judge(transport: Transport) -> Result<()> {
    let setup = Setup::default().engine("allow_from: [", "allow_from: [\"127.66.0.0/16\", ").logging("warn");
    let sibai = Sibai::start(setup)?;
    let mut wrong = round(&sibai, transport)?;
    let before = Footprint::of(&sibai)?;
    wrong.extend(round(&sibai, transport)?);
    ensure!(wrong.is_empty(), "{} verdicts differ:\n{}", wrong.len(), wrong.join("\n"));
    // What was refused is forgotten when its transaction ends (RFC 3261 table 4: at most 64 T1).
    sibai.metric_becomes("pbx_sip_transactions", 0.0, FORGOTTEN)?;
    sibai.metric_becomes("pbx_calls_active", 0.0, FORGOTTEN)?;
    sibai.metric_becomes("pbx_registrations", 0.0, FORGOTTEN)?;
    let after = Footprint::of(&sibai)?;
    ensure!(after.files <= before.files + FILES_TOLERANCE, "{before:?} grew to {after:?}");
    ensure!(after.memory <= before.memory + MEMORY_TOLERANCE, "{before:?} grew to {after:?}");
    Ok(())
}

/// All messages once; what was not answered as it should be.
fn round(sibai: &Sibai, transport: Transport) -> Result<Vec<String>> {
    let every = every();
    let mut wrong = Vec::new();
    for kind in [Kind::Stranger, Kind::Trunk, Kind::Seat] {
        let mut source = Source::of(sibai, kind, transport)?;
        for verdict in VERDICTS {
            let torture = every.iter().find(|torture| torture.name == verdict.name).context("no message")?;
            if transport == Transport::Udp && torture.bytes.len() > LONGEST_DATAGRAM {
                continue;
            }
            let heard = source.ask(&torture.bytes).with_context(|| format!("{kind:?} {}", verdict.name))?;
            let due = due(verdict, kind, transport);
            if heard != due {
                wrong.push(format!("{kind:?} {transport:?} {}: {heard:?} and not {due:?}", verdict.name));
            }
        }
        source.leave()?;
    }
    Ok(wrong)
}

fn due(verdict: &Verdict, kind: Kind, transport: Transport) -> Heard {
    let code = match kind {
        Kind::Stranger => verdict.stranger,
        Kind::Trunk => verdict.trunk,
        Kind::Seat => verdict.seat,
    };
    let udp = Heard { statuses: if code == 0 { Vec::new() } else { vec![code] }, goes_on: true };
    match transport {
        Transport::Udp => udp,
        Transport::Tcp => verdict.over_tcp(kind, udp),
    }
}

fn every() -> Vec<Torture> {
    let sets = [messages::all(), messages::ipv6(), messages::probes(), messages::oversize()];
    sets.into_iter().flatten().chain([messages::ten_megabytes()]).collect()
}

/// What the process holds.
#[derive(Debug)]
struct Footprint {
    files: usize,
    /// Resident, in KiB.
    memory: u64,
}

impl Footprint {
    fn of(sibai: &Sibai) -> Result<Self> {
        let folder = format!("/proc/{}", sibai.pid()?);
        // Connections that were closed are given back a moment later.
        let end = Instant::now() + SETTLED;
        let mut files = std::fs::read_dir(format!("{folder}/fd"))?.count();
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
            let now = std::fs::read_dir(format!("{folder}/fd"))?.count();
            files = files.min(now);
        }
        let status = std::fs::read_to_string(format!("{folder}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let memory = line.split_ascii_whitespace().next().context("no figure")?.parse()?;
        Ok(Self { files, memory })
    }
}

/// As many as the PROTOS suite of 2002 had.
const LEAST_CASES: usize = 4_527;

/// How many of them are sent to the process.
const SENT: usize = 500;

/// What an IPv4 datagram holds.
const LONGEST_DATAGRAM: usize = 65_507;

/// The longest that a transaction lives, and some.
const FORGOTTEN: Duration = Duration::from_secs(60);

const SETTLED: Duration = Duration::from_millis(500);

/// The store opens connections as it needs them; a round makes some three hundred connections of its own.
const FILES_TOLERANCE: usize = 8;

/// One round more costs nothing; an allocator keeps a little.
const MEMORY_TOLERANCE: u64 = 4 * 1024;
