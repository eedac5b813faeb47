//! Comparing sounds: sample by sample, and by PESQ.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Voices repeated at a loudness that differs from time to time, so that no two stretches are the same.
pub fn speech(voice: &[i16], seconds: usize) -> Vec<i16> {
    let gains = [100, 83, 91, 76, 96, 70, 88, 79, 94, 73].into_iter().cycle();
    let repeated = gains.flat_map(|gain| voice.iter().map(move |&s| (i32::from(s) * gain / 100) as i16));
    repeated.take(seconds * 8_000).collect()
}

/// The channels of a WAV of 16-bit samples.
pub fn channels(wav: &[u8]) -> anyhow::Result<Vec<Vec<i16>>> {
    let mut reader = hound::WavReader::new(std::io::Cursor::new(wav))?;
    let count = usize::from(reader.spec().channels);
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
    Ok((0..count).map(|n| samples.iter().skip(n).step_by(count).copied().collect()).collect())
}

/// Where `recorded` lies in `sent`: how many samples of `sent` come before its first one that is heard, and
/// how much of it is silent before and behind. An error tells the first sample that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact {
    /// Samples of `recorded` before the first sound.
    pub before: usize,
    /// Samples compared, every one equal.
    pub equal: usize,
    /// Samples of `recorded` behind the last sound.
    pub behind: usize,
    /// Where in `sent` the first sound of `recorded` is.
    pub place: usize,
}

/// Compares sample by sample: once the beginning is found, everything to the end must be equal.
pub fn compare(recorded: &[i16], sent: &[i16]) -> anyhow::Result<Exact> {
    let before = recorded.iter().position(|&s| s != 0).context("nothing was recorded")?;
    let last = recorded.iter().rposition(|&s| s != 0).context("nothing was recorded")?;
    let sounding = &recorded[before..=last];
    let key = sounding.get(..KEY).context("hardly anything was recorded")?;
    let Some(place) = sent.windows(KEY).position(|window| window == key) else {
        bail!("the beginning of the recording was never sent");
    };
    let differs = sounding.iter().zip(&sent[place..]).position(|(a, b)| a != b);
    if let Some(at) = differs {
        let same = sounding.iter().zip(&sent[place..]).filter(|(a, b)| a == b).count();
        bail!(
            "sample {} is {} and was sent as {} ({same} of {} are equal)",
            before + at,
            sounding[at],
            sent[place + at],
            sounding.len()
        );
    }
    ensure!(place + sounding.len() <= sent.len(), "more was recorded than sent");
    Ok(Exact { before, equal: sounding.len(), behind: recorded.len() - 1 - last, place })
}

/// How much of the loud part of `stretch` is found in `sound` sample by sample, of 1.
pub fn share_in(sound: &[i16], stretch: &[i16]) -> f64 {
    let loud = stretch.chunks_exact(FRAME).filter(|frame| phones::audio::level(frame) > QUIET);
    let (mut found, mut all) = (0.0, 0.0);
    for frame in loud {
        all += 1.0;
        found += f64::from(u8::from(sound.windows(FRAME).any(|window| window == frame)));
    }
    if all > 0.0 { found / all } else { 0.0 }
}

/// PESQ (P.862, narrow band) of what was recorded against what was said: 1 to 4.55.
pub fn pesq(said: &[i16], recorded: &[i16]) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let (reference, degraded) = (folder.path().join("said.wav"), folder.path().join("recorded.wav"));
    phones::audio::save(&reference, said)?;
    phones::audio::save(&degraded, recorded)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/speech_quality.py");
    let output = Command::new(python()?).arg(script).arg(reference).arg(degraded).output()?;
    ensure!(output.status.success(), "PESQ: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// The python that has what the tests need: `SIBAI_PYTHON`, or the one that `./test.sh --install` makes.
pub fn python() -> anyhow::Result<PathBuf> {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
    let python = std::env::var_os("SIBAI_PYTHON").map_or_else(made, PathBuf::from);
    ensure!(python.exists(), "{} is missing: run ./test.sh --install", python.display());
    Ok(python)
}

/// 100 ms of speech: no other place of it is the same.
const KEY: usize = 800;

/// dBFS above which two frames are not alike by chance.
const QUIET: f64 = -35.0;

/// 20 ms at 8 kHz.
const FRAME: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_sample_is_found() {
        let sent: Vec<i16> = (0..8_000_i32).map(|n| ((n * 7_919) % 20_001 - 10_000) as i16 | 1).collect();
        let mut recorded = vec![0; 88];
        recorded.extend(&sent[1_000..7_000]);
        recorded.extend([0; 40]);
        let exact = Exact { before: 88, equal: 6_000, behind: 40, place: 1_000 };
        assert_eq!(compare(&recorded, &sent).unwrap(), exact);
        recorded[5_000] ^= 2;
        assert!(compare(&recorded, &sent).unwrap_err().to_string().starts_with("sample 5000 "));
        assert!(compare(&[0; 100], &sent).is_err());
    }
}
