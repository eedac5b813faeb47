//! What the stories share.

use std::time::Duration;

use anyhow::Result;
use integration_tests::wire::{Running, Sibai, Sipp};
use phones::Event;
use phones::live::LivePhone;
use serde_json::Value;

/// What the carrier delivers for the example's 400 number.
pub(super) const NUMBER: &str = "057155550100";

/// Somebody who is on no list.
pub(super) const CALLER: &str = "13900139000";

/// Each story takes some seconds; the rest is for a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// A seat by SIPp: registers with its password, then plays `scenario` with the first call.
pub(super) fn sipp_seat(sibai: &Sibai, extension: &str, n: u16, scenario: &str) -> Result<Running> {
    let at = sibai.phone_port(n);
    let password = sibai.password(extension)?;
    sibai.sipp("register.xml").from(at).service(extension).credentials(extension, password).run(PATIENCE)?;
    let seat = sibai.sipp(scenario).from(at).service(extension).start()?;
    Ok(seat)
}

/// A scenario of seat 8001 about `service`, with its password.
pub(super) fn from_8001(sibai: &Sibai, scenario: &str, n: u16, service: &str) -> Result<Sipp> {
    // SIPp would put the server's address as the digest's URI otherwise; phones put the Request-URI.
    let uri = format!("{service}@{}", sibai.sip());
    let run = sibai.sipp(scenario).from(sibai.phone_port(n)).service(service).key("seat", "8001");
    Ok(run.credentials("8001", sibai.password("8001")?).arguments(&["-auth_uri", &uri]))
}

/// Whether a phone saw this, or sees it soon.
pub(super) fn is_heard(phone: &mut LivePhone, wanted: impl Fn(&Event) -> bool) -> bool {
    phone.seen().iter().any(|sighting| wanted(&sighting.event)) || phone.wait_for(PATIENCE, wanted).is_some()
}

/// Seat (`-`: the caller) and cause of each leg, the caller first, then by name.
pub(super) fn legs(record: &Value) -> Vec<(&str, &str)> {
    let legs = record["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut legs: Vec<(&str, &str)> = legs
        .iter()
        .map(|leg| (leg["seat"].as_str().unwrap_or("-"), leg["cause"].as_str().unwrap_or_default()))
        .collect();
    legs.sort_unstable();
    legs
}
