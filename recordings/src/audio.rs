//! Reading back: a sealed file as one mixed channel, at any byte offset and without loading it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::place;

/// The path of a sealed file that the catalog names; refuses a name that would lead out of the folder.
pub fn file(folder: &Path, name: &str) -> io::Result<PathBuf> {
    place::inside(folder, name)
}

/// A stereo WAV read as mono: 44 bytes of header and the average of both sides, computed as it is read.
///
/// It has a fixed length and the same bytes at every reading, so ranges of it can be served like a file's.
#[derive(Debug)]
pub struct MixedWav {
    file: File,
    /// Where the stereo samples begin.
    data: u64,
    frames: u64,
    rate: u32,
    position: u64,
}

impl MixedWav {
    /// Opens a sealed recording. Anything but a 16-bit stereo WAV is refused.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let (format, data, bytes) = chunks(&file, length)?;
        let [tag, channels, rate, bits] = format;
        if tag != PCM || channels != 2 || bits != 16 {
            return Err(unfit("not a 16-bit stereo WAV"));
        }
        // The sizes in the header are not trusted beyond the end of the file.
        let frames = bytes.min(length.saturating_sub(data)) / STEREO_FRAME;
        Ok(Self { file, data, frames, rate, position: 0 })
    }

    /// Bytes of the mono rendition.
    pub const fn len(&self) -> u64 {
        HEADER as u64 + self.frames * MONO_FRAME
    }

    /// Whether there is no sample in it.
    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Fills `out` from byte `offset` on; how many bytes it could, 0 at the end.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        if offset < HEADER as u64 {
            let header = self.header();
            let from = offset as usize;
            let n = out.len().min(HEADER - from);
            out[..n].copy_from_slice(&header[from..from + n]);
            return Ok(n);
        }
        let within = offset - HEADER as u64;
        let (first, odd) = (within / MONO_FRAME, (within % MONO_FRAME) as usize);
        let left = self.frames.saturating_sub(first);
        let wanted = (out.len() + odd).div_ceil(MONO_FRAME as usize).min(PIECE) as u64;
        let frames = left.min(wanted) as usize;
        if frames == 0 || out.is_empty() {
            return Ok(0);
        }
        let mut stereo = vec![0; frames * STEREO_FRAME as usize];
        self.file.read_exact_at(&mut stereo, self.data + first * STEREO_FRAME)?;
        let mono = stereo.chunks_exact(STEREO_FRAME as usize).flat_map(mixed).skip(odd);
        let n = out.len().min(frames * MONO_FRAME as usize - odd);
        for (slot, byte) in out.iter_mut().zip(mono) {
            *slot = byte;
        }
        Ok(n)
    }

    fn header(&self) -> [u8; HEADER] {
        let data = self.frames * MONO_FRAME;
        let mut header = [0; HEADER];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(b"RIFF");
        put(&u32::try_from(data + HEADER as u64 - 8).unwrap_or(u32::MAX).to_le_bytes());
        put(b"WAVEfmt ");
        put(&16_u32.to_le_bytes());
        put(&(PCM as u16).to_le_bytes());
        put(&1_u16.to_le_bytes());
        put(&self.rate.to_le_bytes());
        put(&(self.rate * MONO_FRAME as u32).to_le_bytes());
        put(&(MONO_FRAME as u16).to_le_bytes());
        put(&16_u16.to_le_bytes());
        put(b"data");
        put(&u32::try_from(data).unwrap_or(u32::MAX).to_le_bytes());
        header
    }
}

impl Read for MixedWav {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(self.position, out)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for MixedWav {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| unfit("seek before the beginning"))?;
        Ok(self.position)
    }
}

/// The average of both sides. It cannot clip: the mean of two samples lies between them.
fn mixed(frame: &[u8]) -> [u8; 2] {
    let sample = |i: usize| i32::from(i16::from_le_bytes([frame[i], frame[i + 1]]));
    (((sample(0) + sample(2)) >> 1) as i16).to_le_bytes()
}

/// The format fields (tag, channels, rate, bits) and place and size of the samples.
fn chunks(file: &File, length: u64) -> io::Result<([u32; 4], u64, u64)> {
    let mut riff = [0; 12];
    file.read_exact_at(&mut riff, 0)?;
    if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
        return Err(unfit("not a WAV"));
    }
    let (mut at, mut format) = (12, None);
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 8];
        if at + 8 > length {
            break;
        }
        file.read_exact_at(&mut head, at)?;
        let [a, b, c, d, size @ ..] = head;
        let size = u64::from(u32::from_le_bytes(size));
        match (&[a, b, c, d], format) {
            (b"fmt ", _) => format = Some(read_format(file, at + 8)?),
            (b"data", Some(format)) => return Ok((format, at + 8, size)),
            _ => {}
        }
        // Chunks are padded to an even length.
        at += 8 + size + size % 2;
    }
    Err(unfit("a WAV without samples"))
}

fn read_format(file: &File, at: u64) -> io::Result<[u32; 4]> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, at)?;
    let half = |i: usize| u32::from(u16::from_le_bytes([bytes[i], bytes[i + 1]]));
    Ok([half(0), half(2), half(4) | half(6) << 16, half(14)])
}

fn unfit(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const HEADER: usize = 44;
const STEREO_FRAME: u64 = 4;
const MONO_FRAME: u64 = 2;
/// WAVE_FORMAT_PCM.
const PCM: u32 = 1;
/// A read of 16 KiB of mono at most allocates 32 KiB, whatever is asked for.
const PIECE: usize = 8 * 1024;
/// Our own files have two.
const MOST_CHUNKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stereo(path: &Path, frames: &[(i16, i16)]) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for (left, right) in frames {
            writer.write_sample(*left).unwrap();
            writer.write_sample(*right).unwrap();
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn both_sides_are_heard_and_nothing_clips() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        stereo(
            &path,
            &[(100, 300), (i16::MAX, i16::MAX), (i16::MIN, i16::MIN), (i16::MIN, i16::MAX), (0, 7)],
        );
        let mixed = hound::WavReader::new(MixedWav::open(&path).unwrap()).unwrap();
        assert_eq!(mixed.spec().channels, 1);
        let samples: Vec<i16> = mixed.into_samples::<i16>().map(Result::unwrap).collect();
        assert_eq!(samples, [200, i16::MAX, i16::MIN, -1, 3]);
    }

    #[test]
    fn what_is_no_stereo_wav_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        for bytes in [&b""[..], b"RIFF....WAVE", b"RIFF....WAVEdata\x04\0\0\0....", &[0; 100]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(MixedWav::open(&path).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_name_from_the_database_cannot_lead_out_of_the_folder() {
        for name in ["../x.wav", "/etc/passwd", "2026/../../x"] {
            assert!(file(Path::new("recordings"), name).is_err(), "{name}");
        }
        assert!(file(Path::new("recordings"), "2026/10/12/x.wav").is_ok());
    }

    proptest! {
        #[test]
        fn every_range_is_a_slice_of_the_whole(
            frames in prop::collection::vec(any::<(i16, i16)>(), 0..300),
            offset in 0u64..700,
            length in 0usize..700,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.wav");
            stereo(&path, &frames);
            let mut mixed = MixedWav::open(&path).unwrap();
            let mut whole = Vec::new();
            mixed.read_to_end(&mut whole).unwrap();
            prop_assert_eq!(whole.len() as u64, mixed.len());
            mixed.seek(SeekFrom::Start(offset)).unwrap();
            let mut range = Vec::new();
            mixed.take(length as u64).read_to_end(&mut range).unwrap();
            let from = (offset as usize).min(whole.len());
            let to = (from + length).min(whole.len());
            prop_assert_eq!(&range[..], &whole[from..to]);
        }
    }
}
