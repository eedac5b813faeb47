//! Scanners and thieves of calls, on the configuration as shipped (reliability A1, A5, A6, A11).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::attack::{Prober, prove, request};
use integration_tests::wire::{Setup, Sibai};
use phones::Event;

use crate::cast::PATIENCE;
use crate::elsewhere;

#[test]
fn nothing_answers_a_stranger_but_401_or_silence() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut scanner = Prober::at(elsewhere(1), sibai.sip(), SILENCE)?;
    let here = scanner.address()?;
    for (number, method) in METHODS.into_iter().enumerate() {
        let text = request(method, number as u64, here, "100", "8001");
        let answer = scanner.ask(&text)?;
        let status = answer.as_ref().and_then(sip::Message::status);
        let expected = (method != "OPTIONS").then_some(401);
        ensure!(status == expected, "{method}: {status:?}");
        let Some(answer) = answer else { continue };
        ensure!(answer.as_bytes().len() * 2 <= text.len() * 3, "{method} amplifies");
        ensure!(answer.header(sip::Header::Server).is_none() && answer.header(sip::Header::Allow).is_none());
    }
    for junk in
        ["hello", "\0\0\0\0\0\0\0\0\0\0\0\0", "INVITE sip:a SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"]
    {
        ensure!(scanner.ask(junk)?.is_none(), "{junk:?}");
    }
    sibai.call_records(0)?;
    Ok(())
}

#[test]
fn no_dial_string_of_a_stranger_or_a_seat_reaches_the_trunk() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    let mut carrier = sibai.carrier_phone(|_| ())?;
    let password = sibai.password("8001")?.to_owned();
    let mut stranger = Prober::at(elsewhere(1), sibai.sip(), SILENCE)?;
    let mut seat = Prober::at(elsewhere(2), sibai.sip(), PATIENCE)?;
    ensure!(seat.register("8001", &password)? == Some(200));
    let here = seat.address()?;
    for (number, dialled) in (1_000..).step_by(2).zip(DIALLED) {
        let from = stranger.address()?;
        let posing = request("INVITE", number, from, "8001", dialled);
        let status = stranger.ask(&posing)?.and_then(|answer| answer.status());
        ensure!(matches!(status, Some(400 | 401)), "{dialled}: {status:?}");
        let plain = request("INVITE", number + 1, here, "8001", dialled);
        let first = seat.ask(&plain)?.context("an answer")?;
        let Some(proof) = prove(&first, "8001", &password, "INVITE", &format!("sip:{dialled}@sibai")) else {
            ensure!(first.status() == Some(400), "{dialled}: {first:?}");
            continue;
        };
        let again = plain.replace("branch=z9hG4bK", "branch=z9hG4bKp").replace("CSeq: 1", "CSeq: 2");
        let again = again.replace("Max-Forwards", &format!("Authorization: {proof}\r\nMax-Forwards"));
        let mut answer = seat.ask(&again)?.context("an answer")?;
        while answer.status() == Some(100) {
            answer = seat.ask("\r\n\r\n")?.context("a final answer")?;
        }
        ensure!(matches!(answer.status(), Some(403 | 404)), "{dialled}: {answer:?}");
        let ack = request("ACK", number + 1, here, "8001", dialled);
        seat.tell(&ack.replace("branch=z9hG4bK", "branch=z9hG4bKp").replace("CSeq: 1", "CSeq: 2"))?;
    }
    let rang = carrier.wait_for(SILENCE, |event| matches!(event, Event::Incoming { .. }));
    ensure!(rang.is_none(), "a call left: {rang:?}");
    Ok(())
}

/// Everything that RFC 3261 and its family know, and what nobody knows.
const METHODS: [&str; 14] = [
    "OPTIONS",
    "INVITE",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "REFER",
    "PUBLISH",
    "UPDATE",
    "INFO",
    "NOTIFY",
    "PRACK",
    "BYE",
    "FROBNICATE",
    "invite",
];

/// A sample of what thieves dial; the story in virtual time fires five hundred.
const DIALLED: [&str; 12] = [
    "00441632960000",
    "000441632960000",
    "9011441632960000",
    "+441632960000",
    "%2B441632960000",
    "%2b00441632960000",
    "00-44-1632-960000",
    "00441632960000;phone-context=+86",
    "+441632960000;user=phone",
    "13912345678",
    "16860",
    "duty_mobile",
];

/// How long nothing has to come for it to count as silence.
const SILENCE: Duration = Duration::from_millis(700);
