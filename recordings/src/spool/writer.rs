//! Writing a spool: frames gather in memory, `flush` hands them to the kernel, `sync` to the disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base::{Name, RecordingId, Timestamp};

use super::{PacketRecord, SpoolError, format};
use crate::facts::Facts;
use crate::place;

/// The open spool of one recording.
///
/// A write error is returned once; from then on the writer is broken: it takes every call, writes nothing
/// and counts what it refused. The call never learns of it; the row is marked partial by who owns us.
#[derive(Debug)]
pub struct SpoolWriter {
    id: RecordingId,
    file: File,
    folder: Option<PathBuf>,
    buffer: Vec<u8>,
    broken: Option<io::ErrorKind>,
    refused: u64,
}

impl SpoolWriter {
    /// Creates the spool with its header already in the kernel. Fails when a spool of that name exists.
    pub fn create(folder: &Path, facts: &Facts) -> Result<Self, SpoolError> {
        let spools = place::spool_folder(folder);
        place::make_folder(&spools)?;
        let file = place::new_file(&place::spool_file(folder, facts.recording))?;
        let mut writer = Self::over(file, facts.recording);
        writer.folder = Some(spools);
        format::put_facts(&mut writer.buffer, facts)?;
        writer.flush()?;
        Ok(writer)
    }

    pub(super) fn over(file: File, id: RecordingId) -> Self {
        let buffer = Vec::with_capacity(BUFFER + format::FRAME_HEADER);
        Self { id, file, folder: None, buffer, broken: None, refused: 0 }
    }

    /// Which recording it is.
    pub const fn id(&self) -> RecordingId {
        self.id
    }

    /// The error that broke it, if one did.
    pub const fn broken(&self) -> Option<io::ErrorKind> {
        self.broken
    }

    /// Packets that were refused since it broke.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes a packet. It reaches the kernel with the next `flush`, or when the buffer is full.
    pub fn append<P: AsRef<[u8]>>(&mut self, packet: &PacketRecord<P>) -> Result<(), SpoolError> {
        if self.broken.is_some() {
            self.refused += 1;
            return Ok(());
        }
        format::put_packet(&mut self.buffer, packet)?;
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Says that the ring in front of us lost `dropped` packets by the time `at_us`.
    pub fn mark_gap(&mut self, at_us: u64, dropped: u32) -> Result<(), SpoolError> {
        self.mark(|buffer| format::put_gap(buffer, at_us, dropped))
    }

    /// From `at_us` on the file is to be silent.
    pub fn pause(&mut self, at_us: u64) -> Result<(), SpoolError> {
        self.mark(|buffer| format::put_pause(buffer, at_us, true))
    }

    /// The end of a pause.
    pub fn resume(&mut self, at_us: u64) -> Result<(), SpoolError> {
        self.mark(|buffer| format::put_pause(buffer, at_us, false))
    }

    /// From `at_us` on this seat is heard on its side, or nobody.
    pub fn mark_seat(&mut self, at_us: u64, seat: Option<&Name>) -> Result<(), SpoolError> {
        self.mark(|buffer| format::put_seat(buffer, at_us, seat))
    }

    /// Hands what was gathered to the kernel, where a `kill -9` cannot reach it. To be called at least
    /// every 100 ms.
    pub fn flush(&mut self) -> Result<(), SpoolError> {
        if self.broken.is_some() {
            return Ok(());
        }
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        self.note(written)
    }

    /// Flushes, and waits until the disk has it (`fdatasync`). See [`super::sync_all`] for many at once.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        self.flush()?;
        if self.broken.is_some() {
            return Ok(());
        }
        let synced = self.file.sync_data();
        self.note(synced)?;
        // The name needs it only once.
        match self.folder.take() {
            Some(folder) => {
                let synced = place::sync_folder(&folder);
                self.note(synced)
            }
            None => Ok(()),
        }
    }

    /// Ends the recording in order: the last record, then everything to the disk.
    pub fn end(mut self, at_us: u64, wall: Timestamp) -> Result<(), SpoolError> {
        self.mark(|buffer| format::put_end(buffer, at_us, wall))?;
        self.sync()
    }

    fn mark(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<(), SpoolError>) -> Result<(), SpoolError> {
        if self.broken.is_some() { Ok(()) } else { put(&mut self.buffer) }
    }

    fn note(&mut self, result: io::Result<()>) -> Result<(), SpoolError> {
        result.map_err(|error| {
            self.broken = Some(error.kind());
            self.buffer = Vec::new();
            SpoolError::Io(error)
        })
    }
}

/// Two seconds of two sides are 40 kB: a flush that comes late must not let the buffer grow.
const BUFFER: usize = 32 * 1024;
