//! Where things lie below the recordings folder, and how a file is made to last.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use base::{RecordingId, Timestamp};
use jiff::tz::TimeZone;

/// The folder of what is being written: `<folder>/spool`.
pub fn spool_folder(folder: &Path) -> PathBuf {
    folder.join("spool")
}

/// The spool of a recording: `<folder>/spool/<id>.spool`.
pub fn spool_file(folder: &Path, id: RecordingId) -> PathBuf {
    spool_folder(folder).join(format!("{id}.{SPOOL}"))
}

/// Where a recording is sealed before it gets its final name. It lies beside the spools, so that recovery
/// looks for leftovers in one small folder and not in the whole archive.
pub(crate) fn part_file(folder: &Path, id: RecordingId) -> PathBuf {
    spool_folder(folder).join(format!("{id}.wav.{PART}"))
}

/// The final name, relative to the folder: `YYYY/MM/DD/<id>.wav` by the UTC day on which it began.
pub(crate) fn sealed_name(id: RecordingId, started: Timestamp) -> String {
    let day = started.to_zoned(TimeZone::UTC).date();
    format!("{:04}/{:02}/{:02}/{id}.wav", day.year(), day.month(), day.day())
}

/// The path of a file that the catalog names; refuses a name that would lead out of the folder.
pub(crate) fn inside(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let name = Path::new(name);
    if name.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(folder.join(name))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "the file's name leads out of the folder"))
    }
}

/// Removes a file; `false` when there was none.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a folder and its parents, readable by us alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path)
}

/// A new or emptied file, readable by us alone.
pub(crate) fn fresh_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(path)
}

/// A file that must not exist yet, readable by us alone.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)
}

/// Makes the names in a folder survive a power loss.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) const SPOOL: &str = "spool";
pub(crate) const PART: &str = "part";

/// Recordings are personal data: no other user of the machine reads them.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
