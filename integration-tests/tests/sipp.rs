//! SIPp against the real process: what carriers and phones do to it, one story a test.

use std::time::Duration;

use integration_tests::wire::{Setup, Sibai};

#[test]
fn options_is_answered_with_200() -> anyhow::Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    sibai.sipp("options.xml").service("4005550100").run(SOON)?;
    Ok(())
}

/// A second or two; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(20);
