//! Accounts that are guessed from many sources at once: each further guess has to wait longer (reliability A3).

use std::time::Duration;

use base::Mono;

use crate::recent::Recent;

/// Wrong proofs by account, known or not: both are treated alike, or the delay would tell them apart.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    accounts: Recent<u64, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    failures: u32,
    last: Mono,
    /// Until then no proof is taken, except from where the account is registered.
    opens: Mono,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self { accounts: Recent::new(MAX_ACCOUNTS) }
    }

    /// Whether a proof for this account must wait.
    pub(crate) fn is_closed(&self, now: Mono, account: u64) -> bool {
        self.accounts.find(&account).is_some_and(|account| account.opens > now)
    }

    /// A wrong proof was judged; `Some` with their number when that closed the account, which was open to all.
    pub(crate) fn count(&mut self, now: Mono, account: u64) -> Option<u32> {
        let fresh = || Account { failures: 0, last: now, opens: now };
        let (closed, _) = self.accounts.touch(&account, fresh, |account| {
            if now.since(account.last) >= QUIET {
                account.failures = 0;
            }
            account.last = now;
            account.failures = account.failures.saturating_add(1);
            let beyond = account.failures.checked_sub(FREE)?;
            account.opens = now + FIRST_DELAY.saturating_mul(1 << beyond.min(16)).min(LONGEST_DELAY);
            (beyond == 0).then_some(account.failures)
        });
        closed
    }
}

/// Accounts remembered; more are guessed only by someone who guesses each once.
const MAX_ACCOUNTS: usize = 65_536;
/// So many wrong proofs, from all sources together, are people; then it is an attack.
const FREE: u32 = 20;
/// An account that was left alone for this long starts anew.
const QUIET: Duration = Duration::from_mins(30);
/// The wait after the last free guess, doubled with each further one.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest: its user, come back from a new address, gets in between two guesses.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_wait_doubles_up_to_five_minutes_and_ends_with_the_attack() {
        let mut accounts = Accounts::new();
        for _ in 1..20 {
            assert_eq!(accounts.count(at(0), 7), None);
            assert!(!accounts.is_closed(at(0), 7));
        }
        assert_eq!(accounts.count(at(0), 7), Some(20));
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert!(
                accounts.is_closed(at(now + wait - 1), 7) && !accounts.is_closed(at(now + wait), 7),
                "{wait}"
            );
            now += wait;
            assert_eq!(accounts.count(at(now), 7), None, "told once");
        }
        assert!(!accounts.is_closed(at(now), 8), "only that account");
        assert_eq!(accounts.count(at(now + 1_800), 7), None);
        assert!(!accounts.is_closed(at(now + 1_800), 7));
    }
}
