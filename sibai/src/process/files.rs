//! How many files and sockets may be open: as many as the operator allows, which a shell or systemd grants only to
//! whoever asks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and says so in the log when that is too few for these many calls.
pub(super) fn allow_all(most_calls: u32) {
    let before = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    // None is without a limit.
    let Some(allowed) = getrlimit(Resource::Nofile).current else { return };
    let needed = wanted(most_calls);
    if allowed < needed {
        tracing::warn!(
            allowed,
            needed,
            "fewer files may be open than full use needs: raise LimitNOFILE= or ulimit -n"
        );
    }
}

/// For every connection and call at once.
fn wanted(most_calls: u32) -> u64 {
    MOST_CONNECTIONS + u64::from(most_calls) * EACH_CALL + REST
}

/// As many connections as are let in (docs/transports.md).
const MOST_CONNECTIONS: u64 = 8_192;
/// RTP and RTCP of two legs, and what is recorded.
const EACH_CALL: u64 = 6;
/// Listeners, the database, the API.
const REST: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_use_is_counted() {
        assert_eq!(wanted(0), 8_448);
        assert_eq!(wanted(200), 9_648);
    }
}
