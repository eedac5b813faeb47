//! What SIPp cannot do: two requests under way at once, of which the second does not wait for the first.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::attack::{Prober, request};
use integration_tests::wire::{Setup, Sibai};
use sip::{Header, Message};

use super::house::{CALLER, NUMBER, PATIENCE};

/// While the caller hears why it is refused. Whichever comes first, each is answered once, and the INVITE too.
#[test]
fn a_prack_crosses_a_cancel_before_it_and_after_it() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_real_prompts().line("max_calls: 10 ", "max_calls: 1 "))?;
    let stays = sibai.sipp("caller_stays.xml").service(NUMBER).key("caller", CALLER);
    let mut first = stays.arguments(&["-d", "3000"]).start()?;
    sibai.metric_becomes("pbx_calls_active", 1.0, PATIENCE)?;
    let mut caller = Caller { prober: Prober::at(sibai.second_carrier(), sibai.sip(), SILENCE)?, calls: 0 };
    let answers = caller.crosses(|prack, cancel| [prack, cancel])?;
    ensure!(answers == ["200 PRACK", "200 CANCEL", "487 INVITE"], "{answers:?}");
    // Its early dialog is gone (RFC 3261 section 12.2.2).
    let answers = caller.crosses(|prack, cancel| [cancel, prack])?;
    ensure!(answers == ["200 CANCEL", "487 INVITE", "481 PRACK"], "{answers:?}");
    first.finish(PATIENCE)?;
    let records = sibai.call_records(3)?;
    let gave_up = records.iter().filter(|record| record["cause"] == "caller_gave_up");
    ensure!(gave_up.count() == 2, "{records:#?}");
    Ok(())
}

/// A caller of the trunk that requires 100rel.
struct Caller {
    prober: Prober,
    calls: u64,
}

impl Caller {
    /// Calls, and sends both of these together once it has heard the 183; the final answers, in order.
    fn crosses(&mut self, order: fn(String, String) -> [String; 2]) -> Result<Vec<String>> {
        self.calls += 1;
        let here = self.prober.address()?;
        let invite = request("INVITE", self.calls, here, CALLER, NUMBER);
        let invite = invite.replace("Expires: 3600", "Require: 100rel");
        self.prober.tell(&invite)?;
        let shown = loop {
            let heard = self.prober.hear()?.context("no 183")?;
            if heard.status() == Some(183) {
                break heard;
            }
        };
        let number = shown.header(Header::RSeq).context("RSeq")?.text().into_owned();
        let plain = request("PRACK", self.calls, here, CALLER, NUMBER);
        let prack = plain
            .replace("branch=z9hG4bK", "branch=z9hG4bKp")
            .replace("CSeq: 1", "CSeq: 2")
            .replace("Expires: 3600", &format!("RAck: {number} 1 INVITE"));
        let prack = with_tag(&prack, &shown)?;
        let cancel = request("CANCEL", self.calls, here, CALLER, NUMBER);
        for text in order(prack, cancel) {
            self.prober.tell(&text)?;
        }
        let mut answers = Vec::new();
        while let Some(heard) = self.prober.hear()? {
            let Some(status @ 200..) = heard.status() else { continue };
            answers.push(format!("{status} {}", heard.method()));
            if status == 487 {
                let ack = request("ACK", self.calls, here, CALLER, NUMBER);
                self.prober.tell(&with_tag(&ack, &heard)?)?;
            }
        }
        Ok(answers)
    }
}

/// The request with the To of what was heard.
fn with_tag(request: &str, heard: &Message) -> Result<String> {
    let to = request.lines().find(|line| line.starts_with("To: ")).context("To")?;
    let tagged = heard.header(Header::To).context("To")?.text().into_owned();
    Ok(request.replace(to, &format!("To: {tagged}")))
}

/// Nothing more comes: above T1, so that a repetition would be heard too.
const SILENCE: Duration = Duration::from_millis(900);
