//! Reading a spool: up to the last whole record, and how much lies torn behind it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::format::{self, Body};
use super::{Record, SpoolError};
use crate::facts::Facts;

/// A spool being read from its beginning; holds one record at a time.
#[derive(Debug)]
pub struct SpoolReader {
    input: BufReader<File>,
    facts: Facts,
    /// Bytes up to the end of the last whole record.
    whole: u64,
    length: u64,
    done: bool,
    body: Vec<u8>,
}

impl SpoolReader {
    /// Opens a spool and reads its header.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut input = BufReader::with_capacity(BUFFER, file);
        let mut body = Vec::new();
        if !read_frame(&mut input, &mut body)? {
            return Err(SpoolError::NoHeader);
        }
        let facts = format::read_facts(&body)?;
        let whole = (format::FRAME_HEADER + body.len()) as u64;
        Ok(Self { input, facts, whole, length, done: false, body })
    }

    /// The facts in the header.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The next whole record; `None` at the end or where the tail is torn.
    pub fn next_record(&mut self) -> Result<Option<Record>, SpoolError> {
        while !self.done {
            if !read_frame(&mut self.input, &mut self.body)? {
                self.done = true;
                break;
            }
            let read = format::read_body(&self.body);
            if matches!(read, Body::Senseless) {
                self.done = true;
                break;
            }
            self.whole += (format::FRAME_HEADER + self.body.len()) as u64;
            if let Body::Known(record) = read {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Bytes behind the last whole record; 0 for a spool that was written to its end. Final once
    /// `next_record` has returned `None`.
    pub const fn torn(&self) -> u64 {
        if self.done { self.length.saturating_sub(self.whole) } else { 0 }
    }
}

/// Reads one frame into `body`; `false` at the end of the file or at anything that is not a whole frame.
fn read_frame(input: &mut impl Read, body: &mut Vec<u8>) -> io::Result<bool> {
    let (mut length, mut sum) = ([0; 4], [0; 4]);
    if !fill(input, &mut length)? || !fill(input, &mut sum)? {
        return Ok(false);
    }
    let (length, sum) = (u32::from_le_bytes(length), u32::from_le_bytes(sum));
    if length == 0 || length as usize > format::LONGEST_BODY {
        return Ok(false);
    }
    body.resize(length as usize, 0);
    Ok(fill(input, body)? && format::checksum(length, body) == sum)
}

/// Fills the whole of `bytes`; `false` when the file ends first.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// One read brings several seconds of both sides.
const BUFFER: usize = 128 * 1024;
