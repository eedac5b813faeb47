//! How many media workers there are, and what each needs.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::Context;

/// Half the cores, at least one, at most eight (media.md 1).
pub(super) fn workers(cores: usize) -> usize {
    (cores / 2).clamp(1, MOST_BY_CORES)
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A worker binds its shared port when its first browser calls: that it cannot is better known now.
pub(super) fn claim(web_port: Option<u16>, workers: usize) -> anyhow::Result<()> {
    for port in web_port.iter().flat_map(|first| (*first..=u16::MAX).take(workers)) {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
            .with_context(|| format!("cannot take UDP port {port} for browsers (rtp.web_port)"))?;
    }
    Ok(())
}

/// Two seconds of both legs of every call that may be up, shared by the workers.
pub(super) fn tape(max_calls: u32, workers: usize) -> usize {
    let packets = max_calls as usize * 2 * 50 * 2;
    (packets / workers).clamp(SHORTEST_TAPE, LONGEST_TAPE)
}

/// More workers than this by themselves would leave less than their work to each.
const MOST_BY_CORES: usize = 8;

/// Some calls' worth, so that a small cap does not make a small hiccup a gap.
const SHORTEST_TAPE: usize = 2_000;

/// 8 MB a worker, 0.4 s of a thousand calls; more than that needs a faster disk, not a longer tape.
const LONGEST_TAPE: usize = 40_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_cores_carry_audio() {
        let counts = [0, 1, 2, 3, 4, 5, 15, 16, 17, 128].map(workers);
        assert_eq!(counts, [1, 1, 1, 1, 2, 2, 7, 8, 8, 8]);
    }

    #[test]
    fn a_tape_holds_two_seconds_of_its_share_within_bounds() {
        assert_eq!((tape(100, 1), tape(100, 4)), (20_000, 5_000));
        assert_eq!((tape(1, 1), tape(10_000, 1)), (SHORTEST_TAPE, LONGEST_TAPE));
    }
}
