//! The configuration of the Sibai that is started: as many seats as calls, in lines of twenty-five, each call recorded
//! where that is asked for.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

/// What the configuration is to be.
pub struct Plan {
    /// Calls at once.
    pub calls: u32,
    /// New ones a second.
    pub rate: u32,
    /// Whether they are recorded.
    pub record: bool,
    /// Where it speaks SIP.
    pub sip: SocketAddr,
    /// Where its API is.
    pub api: SocketAddr,
    /// Its first port for audio.
    pub first_port: u16,
    /// The carrier's address.
    pub carrier: SocketAddr,
}

impl Plan {
    /// Writes it below `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("engine.yaml"), self.engine())?;
        for line in 0..self.lines() {
            let place = folder.join(format!("lines/load_{line}"));
            fs::create_dir_all(place.join("prompts"))?;
            fs::write(place.join("line.yaml"), self.line(line))?;
            fs::write(place.join("prompts/notice.wav"), tone())?;
        }
        Ok(())
    }

    /// How many lines there are.
    pub fn lines(&self) -> u32 {
        self.calls.div_ceil(SEATS_A_LINE)
    }

    /// What the n-th call dials: a line has as many callers as seats.
    pub fn dial(&self, n: u32) -> String {
        landing(n % self.calls.max(1) / SEATS_A_LINE)
    }

    fn engine(&self) -> String {
        // Both legs' RTP and RTCP, a quarter more for those that rest, and for ports that others hold.
        let last = (u32::from(self.first_port) + self.calls * 5 + SPARE_PORTS).min(u32::from(u16::MAX));
        format!(
            "format: engine/v1\n\
             sip:\n  listen: [\"udp://{sip}\"]\n  limits: {{ calls_per_second: {rate}, registrations_per_second: 1000 }}\n\
             rtp: {{ ports: [{}, {last}], codecs: [pcma] }}\n\
             trunks:\n  - {{ name: load, host: \"{carrier}\", allow_from: [\"{carrier}\"], probe: false, max_calls: {most} }}\n\
             database: {{ url: \"sqlite://sibai.db\" }}\n\
             recordings: {{ folder: recordings, keep_free: 1% }}\n\
             api: {{ listen: \"{api}\" }}\n\
             limits: {{ max_calls: {most} }}\n",
            self.first_port,
            sip = self.sip,
            rate = (self.rate * 4).clamp(200, 10_000),
            carrier = self.carrier,
            most = (self.calls * 2).clamp(100, 10_000),
            api = self.api,
        )
    }

    fn line(&self, line: u32) -> String {
        let mut text = format!(
            "format: line/v1\nline: {{ name: Load {line}, max_calls: {}, start: answer }}\n\
             numbers: [{{ number: \"400{:07}\", arrives_as: [\"{}\"] }}]\n\
             prompts: {{ notice: {{ file: prompts/notice.wav, text: \"Recorded.\" }} }}\nseats:\n",
            SEATS_A_LINE * 2,
            5_550_000 + line,
            landing(line),
        );
        let seats = (line * SEATS_A_LINE..self.calls.min((line + 1) * SEATS_A_LINE)).collect::<Vec<_>>();
        for seat in &seats {
            let _ = writeln!(text, "  s{seat}: {{ name: \"{seat}\", ext: \"{}\" }}", FIRST_EXTENSION + seat);
        }
        let names: Vec<String> = seats.iter().map(|seat| format!("s{seat}")).collect();
        let _ = write!(
            text,
            "queues:\n  all:\n    ring: {{ strategy: sequential, seats: [{}], timeout: 15s }}\n    max_waiting: 100\n    \
             wrap_up: 0s\n    when_no_seats: [hangup]\n    when_full: [hangup]\n    when_timed_out: [hangup]\n",
            names.join(", ")
        );
        text.push_str(if self.record {
            "flows: { answer: [recording_notice, { queue: all }] }\n\
             recording: { record: [queues], notice: notice }\nretention: { keep: 1d }\n"
        } else {
            "flows: { answer: [{ queue: all }] }\n"
        });
        text
    }
}

/// What the carrier delivers for a line's number.
fn landing(line: u32) -> String {
    format!("0571{:08}", 55_550_000 + line)
}

/// A tenth of a second of 600 Hz, 16 bits at 8 kHz.
fn tone() -> Vec<u8> {
    let samples: Vec<i16> = (0..800)
        .map(|n| ((f64::from(n) * 600.0 * std::f64::consts::TAU / 8_000.0).sin() * 8_000.0) as i16)
        .collect();
    let bytes = samples.len() as u32 * 2;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&8_000_u32.to_le_bytes());
    wav.extend_from_slice(&16_000_u32.to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}

/// A queue rings at most 32.
const SEATS_A_LINE: u32 = 25;
const FIRST_EXTENSION: u32 = 20_000;
/// Where others hold some.
const SPARE_PORTS: u32 = 100;
