//! What we play to those who wait: music from a file, in a loop, and the busy tone over the cap.

use super::*;

#[test]
fn who_waits_and_who_is_held_hears_the_lines_music_and_then_the_seat_again() -> Result<()> {
    // 2.5 s: two tones, so that the beginning and the round show.
    let music = [Audio::tone(620.0, MUSIC_FIRST), Audio::tone(930.0, MUSIC_THEN)];
    let music: Vec<i16> = music.iter().flat_map(|part| part.samples().to_vec()).collect();
    let setup = Setup::default()
        .sound("music", music)
        .line("\nprompts: ", "\nprompts:\n  music: { file: prompts/music.wav }\n#")
        .line("  start: answer_call", "  music: music\n  start: answer_call")
        .line("    max_wait: 5min", "    caller_hears: { music: default }\n    max_wait: 5min");
    let speech = [Pcma.into(), Pcma.into(), Pcma.into()];
    let mut stage = Stage::set_over(setup, speech, false, |_| [Over::Udp, Over::Udp])?;
    stage.queue()?;
    talk(4);
    stage.take()?;
    talk(3);
    stage.seat.hold()?;
    talk(7);
    stage.seat.resume()?;
    talk(4);
    let done = stage.hang_up()?;

    let heard = &done.caller.heard;
    let sent = as_sent(Pcma, &done.seat.said);
    let tones: Vec<u32> = phones::audio::tones_in(heard).into_iter().flatten().collect();
    ensure!(!tones.contains(&450), "there is ringback: {tones:?}");
    // Where the music is: once while the seats rang, once while the seat held, each from its beginning.
    let turns: Vec<u32> = tones.into_iter().filter(|hz| matches!(hz, 620 | 930)).collect();
    ensure!(turns.iter().filter(|hz| **hz == 930).count() >= 3, "it does not go round: {turns:?}");
    // Where one tone follows the other in the middle of a stretch, each has a quarter.
    let is_music = |part: &[i16]| {
        phones::audio::level(part) > -40.0
            && phones::audio::share_of(part, 620.0) + phones::audio::share_of(part, 930.0) > 0.4
    };
    let music = runs(heard, is_music);
    let long: Vec<_> = music.iter().filter(|run| run.len() > 8_000).collect();
    ensure!(long.len() == 2, "music in {music:?}");
    for run in long {
        let beginning = &heard[run.start + 800..run.start + 4_000];
        assert_eq!(phones::audio::dominant(beginning), Some(620), "from its beginning: {run:?}");
    }
    let late = sound::share_in(heard, &sent[sent.len() - 20_000..sent.len() - 4_000]);
    ensure!(late > 0.9, "what the seat said after the hold was not heard: {late:.2}");
    // The recording holds the caller without a hole, and nothing of the music.
    done.is_recorded_exactly_left(Pcma)?;
    for channel in [&done.left, &done.right] {
        let share = phones::audio::share_of(channel, 620.0).max(phones::audio::share_of(channel, 930.0));
        ensure!(share < 0.02, "music is in the recording: {share:.3}");
    }
    Ok(())
}

#[test]
fn the_caller_over_the_cap_hears_chinas_busy_tone_and_is_refused() -> Result<()> {
    let setup = Setup::default()
        .line("max_calls: 10 ", "max_calls: 1 ")
        .line("    - play: lines_busy\n", "    - { tone: busy, for: 4s }\n");
    let speech = [Pcma.into(), Pcma.into(), Pcma.into()];
    let mut stage = Stage::set_over(setup, speech, false, |_| [Over::Udp, Over::Udp])?;
    // The one call that may be is a seat's own to its line.
    stage.seat.dial("4005550100")?;
    stage.seat.wait_for("CALL_ESTABLISHED")?;
    stage.caller.dial("057155550100")?;
    stage.caller.wait_for("CALL_PROGRESS")?;
    let end = stage.caller.wait_for("CALL_CLOSED")?;
    ensure!(end.to_string().contains("486"), "{end}");
    ensure!(!stage.caller.has_seen("CALL_ESTABLISHED")?, "the call was answered");
    stage.seat.hang_up()?;
    let heard = stage.caller.quit()?.heard;
    let loud = runs(&heard, |part| phones::audio::level(part) > -40.0);
    // Four seconds of 700 ms each; the first and the last burst may be cut.
    ensure!(loud.len() >= 5, "{loud:?} in {} samples", heard.len());
    for run in &loud[1..loud.len() - 1] {
        let ms = run.len() / 8;
        ensure!((320..=380).contains(&ms), "a burst of {ms} ms: {loud:?}");
        assert_eq!(phones::audio::dominant(&heard[run.clone()]), Some(450));
    }
    for pair in loud.windows(2).skip(1) {
        let ms = (pair[1].start - pair[0].end) / 8;
        ensure!((320..=380).contains(&ms), "{ms} ms between bursts: {loud:?}");
    }
    Ok(())
}

/// Stretches in which every 20 ms are so.
fn runs(heard: &[i16], is_so: impl Fn(&[i16]) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (n, part) in heard.chunks_exact(FRAME).enumerate().filter(|(_, part)| is_so(part)) {
        match runs.last_mut() {
            Some(run) if run.end == n * FRAME => run.end += part.len(),
            _ => runs.push(n * FRAME..(n + 1) * FRAME),
        }
    }
    runs
}

const MUSIC_FIRST: Duration = Duration::from_millis(1500);
const MUSIC_THEN: Duration = Duration::from_millis(1000);

/// 20 ms.
const FRAME: usize = 160;
