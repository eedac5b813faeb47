//! Any rate to 8 kHz, once, at load: band-limited by an FFT filter so that nothing folds back.

use rubato::{FftFixedInOut, Resampler};

use super::PromptFault;

/// The same audio at 8000 Hz; what is at 8000 Hz already stays as it is.
pub(super) fn to_8k(samples: Vec<f32>, rate: u32) -> Result<Vec<f32>, PromptFault> {
    if rate == RATE {
        return Ok(samples);
    }
    let broken = |fault: String| PromptFault::Broken(format!("cannot be resampled: {fault}"));
    let chunk = (u64::from(rate) * CHUNK / u64::from(RATE)) as usize;
    let mut resampler = FftFixedInOut::<f32>::new(rate as usize, RATE as usize, chunk, 1)
        .map_err(|fault| broken(fault.to_string()))?;
    let wanted = (samples.len() as u64 * u64::from(RATE)).div_ceil(u64::from(rate)) as usize;
    let delay = resampler.output_delay();
    let mut converted = Vec::with_capacity(wanted + delay + resampler.output_frames_max());
    let mut rest = samples.as_slice();
    while converted.len() < wanted + delay {
        let (now, later) = rest.split_at(resampler.input_frames_next().min(rest.len()));
        rest = later;
        // Silence after the end pushes the filter's tail out.
        let mut input = now.to_vec();
        input.resize(resampler.input_frames_next(), 0.0);
        let output = resampler.process(&[input], None).map_err(|fault| broken(fault.to_string()))?;
        converted.extend(output.into_iter().flatten());
    }
    converted.drain(..delay);
    converted.truncate(wanted);
    Ok(converted)
}

const RATE: u32 = 8000;

/// Output samples of one FFT block: long enough a filter to leave 3.4 kHz whole and nothing of 4.2 kHz.
const CHUNK: u64 = 1024;
