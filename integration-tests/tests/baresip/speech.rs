//! Codecs that are not the caller's, and media under keys: what one says the other hears, and the recording holds.

use super::*;

#[test]
fn a_seat_that_speaks_g722_and_the_caller_understand_each_other() -> Result<()> {
    spoken(Speech::G722, false, 0.9)
}

#[test]
fn a_seat_that_speaks_opus_and_the_caller_understand_each_other() -> Result<()> {
    spoken(Speech::Opus, false, 0.7)
}

#[test]
fn a_seat_under_srtp_with_keys_over_tls_is_passed_on_bit_by_bit() -> Result<()> {
    spoken(Pcma.into(), true, ALIKE)
}

/// A call between an A-law caller and a seat that speaks otherwise. The waves of what was said and heard are as alike as
/// the codec leaves them.
fn spoken(seat: Speech, sealed: bool, alike: f64) -> Result<()> {
    let pki = Pki::new()?;
    let speech = [Pcma.into(), seat, Pcma.into()];
    let mut stage = Stage::set_over(Setup::default().with_every_transport(&pki), speech, sealed, |sibai| {
        let tls = Over::Tls(sibai.tls(), sibai.configs().join("tls/ca.pem"));
        [if sealed { tls } else { Over::Udp }, Over::Udp]
    })?;
    stage.connect()?;
    talk(7);
    let log = stage.seat.log();
    let done = stage.hang_up()?;
    if sealed {
        // Four keys in our offer, one in the answer.
        ensure!(log.matches("a=crypto:").count() > 4, "no SRTP:\n{log}");
        done.is_recorded_exactly(Pcma, Pcma)?;
    }
    done.is_recorded_exactly_left(Pcma)?;
    let span = 8_000..5 * 8_000;
    let right = (&done.seat.said, &done.right, "the recording does not hold the seat");
    let heard = (&done.seat.said, &done.caller.heard, "the caller does not hear the seat");
    let hears = (&done.caller.said, &done.seat.heard, "the seat does not hear the caller");
    for (said, heard, what) in [right, heard, hears] {
        let (likeness, _) = phones::ear::find(&said[span.clone()], heard);
        eprintln!("{what}? {likeness:.3}");
        ensure!(likeness >= alike, "{what}: {likeness:.3}");
    }
    Ok(())
}
