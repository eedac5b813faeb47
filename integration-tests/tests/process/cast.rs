//! Who plays in the stories of the process: a caller at the trunk, a seat, and what both say.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::{Api, Sibai};
use phones::live::LivePhone;
use phones::{Action, Audio, Behaviour, Dial, Event};
use serde_json::Value;

/// One conversation: the caller went through the menu to product_advice, li_na answered, both speak.
pub(crate) struct Talk {
    pub(crate) caller: LivePhone,
    pub(crate) seat: LivePhone,
}

impl Talk {
    /// Sets it up and waits until both hear something.
    pub(crate) fn begin(sibai: &Sibai) -> Result<Self> {
        Self::begin_with(sibai, "8001", sibai.carrier())
    }

    /// The same with another seat and a caller at another address.
    pub(crate) fn begin_with(sibai: &Sibai, seat: &str, caller: SocketAddr) -> Result<Self> {
        let seat = sibai.seat(seat, Behaviour::answers(Duration::ZERO))?;
        let caller = sibai.carrier_phone_at(caller, |_| ())?;
        let mut talk = Self { caller, seat };
        talk.again()?;
        Ok(talk)
    }

    /// Another call of the same phones.
    pub(crate) fn again(&mut self) -> Result<()> {
        let Self { caller, seat } = self;
        dial(caller)?;
        press_until(caller, '1', || seat.next(PRESS_EVERY).is_some_and(|s| s.event == Event::Answered))?;
        // Silence goes before: once it is let through, nothing that is said is said too early.
        seat.wait_for(PATIENCE, |event| *event == Event::AudioBegan).context("the seat hears nothing")?;
        caller.order(Action::Say(unlike_anything(1)));
        seat.order(Action::Say(unlike_anything(2)));
        Ok(())
    }

    /// The caller hangs up, and the seat notices.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.caller.order(Action::HangUp);
        let is_over = |event: &Event| matches!(event, Event::HungUpByPeer { .. });
        self.seat.wait_for(PATIENCE, is_over).context("the seat was not hung up")?;
        Ok(())
    }
}

/// Calls the line and waits for the answer.
pub(crate) fn dial(caller: &mut LivePhone) -> Result<()> {
    caller.order(Action::Call(call()));
    caller.wait_for(PATIENCE, |event| *event == Event::Answered).context("the call was not answered")?;
    Ok(())
}

/// A mobile calls the number as the trunk delivers it.
pub(crate) fn call() -> Dial {
    Dial { from: Some("13912345678".into()), ..Dial::to("057155550100") }
}

/// Presses a key until something comes of it: the menu may not have begun yet.
pub(crate) fn press_until(caller: &LivePhone, key: char, mut done: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        caller.order(Action::Press(key));
        let again = Instant::now() + PRESS_EVERY;
        while Instant::now() < again {
            if done() {
                return Ok(());
            }
        }
    }
    bail!("nothing came of the key {key}")
}

/// A minute of noise: every place of it is unlike every other, so that a loss can be counted in samples.
pub(crate) fn unlike_anything(seed: u64) -> Audio {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut sample = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 48) as i16) / 4
    };
    Audio::from_samples((0..60 * 8_000).map(|_| sample()).collect::<Vec<i16>>())
}

/// The recording's row once `wanted` holds.
pub(crate) fn recording(api: &Api, id: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        let row = api.get(&format!("/v1/recordings/{id}"))?.json()?;
        if wanted(&row) {
            return Ok(row);
        }
        ensure!(Instant::now() < end, "the recording is not as it should be: {row:#}");
        std::thread::sleep(LOOK);
    }
}

/// Waits until something is so.
pub(crate) fn becomes_true(
    what: &str,
    within: Duration,
    mut is_so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let end = Instant::now() + within;
    while !is_so()? {
        ensure!(Instant::now() < end, "{what}: not within {} s", within.as_secs());
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// For what must come; the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const PRESS_EVERY: Duration = Duration::from_millis(700);

const LOOK: Duration = Duration::from_millis(40);
