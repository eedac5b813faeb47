//! JsSIP in Chromium.

use std::time::Duration;

use anyhow::{Result, ensure};
use integration_tests::wire::chromium::Chromium;
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai};

/// A browser needs some seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_page_with_jssip_registers_and_is_called_over_ws() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let socket = format!("ws://{}", sibai.ws());
    is_called_over(&sibai, &socket)
}

/// Trunks have certificates here (`client_ca`); a browser that is asked for one hangs up with 1006.
#[test]
fn a_page_with_jssip_registers_and_is_called_over_wss() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let socket = format!("wss://{}", sibai.wss());
    is_called_over(&sibai, &socket)
}

/// The page cannot be connected to: its registration and the call came over the one connection that it has.
fn is_called_over(sibai: &Sibai, socket: &str) -> Result<()> {
    let script = SCRIPT.replace("SOCKET", socket).replace("PASSWORD", sibai.password("8001")?);
    let mut page = Chromium::open(&script)?;
    page.wait_for("registered", PATIENCE)?;
    sibai.metric_becomes("pbx_registrations", 1.0, PATIENCE)?;
    sibai.metric_becomes("pbx_sip_connections", 1.0, PATIENCE)?;
    let caller = sibai.sipp("caller_hangs_up.xml").service("057155550100").key("caller", "13900139000");
    let mut caller = caller.key("key", "1").arguments(&["-d", "4000"]).start()?;
    let called = page.wait_for("called", PATIENCE)?;
    ensure!(called == "called by 13900139000", "{called}");
    caller.finish(PATIENCE)?;
    let record = sibai.call_record()?;
    ensure!(record["legs"][1]["seat"] == "li_na" && record["legs"][1]["cause"] == "busy", "{record:#}");
    sibai.metric_becomes("pbx_sip_connections", 1.0, PATIENCE)?;
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
phone.on("newRTCSession", event => {
  report("called by " + event.request.from.uri.user);
  event.session.terminate({ status_code: 486, reason_phrase: "Busy Here" });
});
phone.start();
report("started");
"#;
