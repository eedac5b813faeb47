//! engine.yaml, `rtp`: where audio flows, and who carries it.

use codecs::Coding;
use ivr::Faults;
use ivr::shape::View;
use media::sdp::Protection;
use pbx::plan::Limits;

use super::engine::START;
use super::tls;

/// Where audio flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Rtp {
    /// First and last UDP port.
    pub ports: (u16, u16),
    /// In the order of preference.
    pub codecs: Vec<Coding>,
    /// SRTP with seats.
    pub srtp: Protection,
    /// Threads that carry audio; `None`: by the cores of the machine.
    pub workers: Option<u16>,
    /// Whether they run before everything else, where that is permitted.
    pub realtime: bool,
    /// The first of the ports that browsers share, one for each worker; `None`: each leg has ports of its own.
    pub web_port: Option<u16>,
}

/// Reads it; `limits`: of the whole engine, where they could be read.
pub(super) fn read(view: View<'_>, limits: Option<Limits>, faults: &mut Faults<'_>) -> Option<Rtp> {
    let ports: Vec<u16> = view.texts("ports").into_iter().filter_map(|port| port.parse().ok()).collect();
    let [first, last] = ports[..] else { return None };
    let at = view.node("ports").map_or(START, |node| node.at);
    let pairs = (u32::from(last) + 1).saturating_sub(u32::from(first)) / 2;
    if pairs < 2 {
        faults.add(at, "E015", format!("{first} to {last} holds no call"), "first port, then last port");
    } else if let Some(limits) = limits
        && pairs / 2 < limits.max_calls
    {
        let message = format!("{first} to {last} is enough for {} calls of {}", pairs / 2, limits.max_calls);
        faults.add(at, "W185", message, "widen rtp.ports, or lower limits.max_calls");
    }
    let known =
        |text: &str| Coding::ALL.iter().copied().find(|coding| coding.name().eq_ignore_ascii_case(text));
    let mut codecs: Vec<Coding> = view.texts("codecs").into_iter().filter_map(known).collect();
    codecs.dedup();
    let workers = view.count("workers").map(|count| count as u16);
    let web_port = view.count("web_port").map(|port| port as u16);
    check_web_port(view, web_port, workers, (first, last), faults);
    let realtime = view.truth("realtime")?;
    Some(Rtp { ports: (first, last), codecs, srtp: tls::protection(view)?, workers, realtime, web_port })
}

/// Each worker has the next port, and none of them may be a leg's.
fn check_web_port(
    view: View<'_>,
    port: Option<u16>,
    workers: Option<u16>,
    legs: (u16, u16),
    faults: &mut Faults<'_>,
) {
    let (Some(port), Some(node)) = (port, view.node("web_port")) else { return };
    let last = u32::from(port) + u32::from(workers.unwrap_or(MOST_WORKERS)) - 1;
    if last > u32::from(u16::MAX) {
        let message = format!("{port} to {last}: there is no port above 65535");
        faults.add(node.at, "E015", message, "a lower port: each worker takes the next one");
    } else if u32::from(legs.0) <= last && port <= legs.1 {
        let message = format!("{port} to {last} are among rtp.ports, {} to {}", legs.0, legs.1);
        faults.add(node.at, "E015", message, "ports of their own: each worker takes the next one");
    }
}

/// As many by themselves as there are on the largest machine; the port of each has to be there.
const MOST_WORKERS: u16 = 8;
