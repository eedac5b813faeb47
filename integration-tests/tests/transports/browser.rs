//! JsSIP in Chromium.

use std::time::Duration;

use anyhow::Result;
use integration_tests::wire::chromium::Chromium;
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai};

/// A browser needs some seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_page_with_jssip_registers() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let script = SCRIPT
        .replace("SOCKET", &format!("ws://{}", sibai.ws()))
        .replace("PASSWORD", sibai.password("8001")?);
    let mut page = Chromium::open(&script)?;
    page.wait_for("registered", PATIENCE)?;
    sibai.metric_becomes("pbx_registrations", 1.0, PATIENCE)?;
    // The page goes, its connection with it, and nobody rings it any more.
    drop(page);
    sibai.metric_becomes("pbx_registrations", 0.0, PATIENCE)?;
    sibai.metric_becomes("pbx_sip_connections", 0.0, PATIENCE)
}

const SCRIPT: &str = r#"
const JsSIP = require("jssip");
const phone = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface("SOCKET")],
  uri: "sip:8001@sibai.test", password: "PASSWORD", session_timers: false, register_expires: 120,
});
phone.on("registered", () => report("registered"));
phone.on("registrationFailed", event => report("failed " + event.cause));
phone.on("disconnected", event => report("disconnected " + event.code + " " + event.reason));
phone.start();
report("started");
"#;
