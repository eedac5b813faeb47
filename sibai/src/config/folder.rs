//! Where the configuration's files lie: in a folder, or inside the binary.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::embedded;

/// A configuration's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folder {
    /// On disk.
    Disk(PathBuf),
    /// The shipped example, inside the binary.
    BuiltIn,
}

impl Folder {
    /// A file's bytes; an error for a missing or unreadable one and for more than `most` bytes.
    pub(super) fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::BuiltIn => {
                embedded::file(path).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Disk(folder) => {
                let mut bytes = Vec::new();
                std::fs::File::open(folder.join(path))?.take(most + 1).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > most {
                    let message = format!("larger than {most} bytes");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
                }
                Ok(bytes)
            }
        }
    }

    /// Where a path of the configuration lies on disk; `None` inside the binary.
    pub fn place(&self, path: &str) -> Option<PathBuf> {
        match self {
            Self::BuiltIn => None,
            Self::Disk(folder) => Some(folder.join(path)),
        }
    }

    /// Whether the path is a file.
    pub(super) fn has(&self, path: &str) -> bool {
        match self {
            Self::BuiltIn => embedded::file(path).is_some(),
            Self::Disk(folder) => folder.join(path).is_file(),
        }
    }

    /// The names of the folders in a folder, sorted; none when it does not exist.
    pub(super) fn folders(&self, path: &str) -> io::Result<Vec<String>> {
        self.names(path, Path::is_dir, true)
    }

    /// The names of the files in a folder, sorted.
    pub(super) fn files(&self, path: &str) -> io::Result<Vec<String>> {
        self.names(path, |place| !place.is_dir(), false)
    }

    fn names(&self, path: &str, wanted: impl Fn(&Path) -> bool, folders: bool) -> io::Result<Vec<String>> {
        let mut names = match self {
            Self::BuiltIn => built_in_names(path, folders),
            Self::Disk(folder) => match std::fs::read_dir(folder.join(path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
                Ok(entries) => entries
                    .filter_map(|entry| match entry {
                        Ok(entry) => wanted(&entry.path())
                            .then(|| Ok(entry.file_name().to_string_lossy().into_owned())),
                        Err(error) => Some(Err(error)),
                    })
                    .collect::<io::Result<_>>()?,
            },
        };
        names.sort();
        Ok(names)
    }

    /// How it is shown before the paths of its files.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::BuiltIn => "(built-in)".to_owned(),
            Self::Disk(folder) => folder.display().to_string(),
        }
    }
}

fn built_in_names(path: &str, folders: bool) -> Vec<String> {
    let prefix = format!("{path}/");
    let mut names: Vec<String> = embedded::paths()
        .filter_map(|known| known.strip_prefix(&prefix))
        .filter_map(|rest| match rest.split_once('/') {
            Some((folder, _)) => folders.then(|| folder.to_owned()),
            None => (!folders).then(|| rest.to_owned()),
        })
        .collect();
    names.dedup();
    names
}
