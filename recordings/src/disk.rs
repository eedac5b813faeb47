//! Whether there is room for another recording.

use std::io;
use std::path::Path;

/// Whether at least `percent` of the disk that holds `folder` are free for us.
pub fn enough_space(folder: &Path, percent: u8) -> io::Result<bool> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(enough(disk.f_bavail, disk.f_blocks, percent))
}

fn enough(free: u64, all: u64, percent: u8) -> bool {
    u128::from(free) * 100 >= u128::from(all) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_a_tenth() {
        assert!(enough(100, 1000, 10));
        assert!(!enough(99, 1000, 10));
        assert!(enough(0, 0, 10), "a disk without blocks cannot say");
        assert!(!enough(u64::MAX / 2, u64::MAX, 51));
    }

    #[test]
    fn a_real_folder_answers_and_a_missing_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(enough_space(folder.path(), 0).unwrap());
        assert!(!enough_space(folder.path(), 100).unwrap());
        assert!(enough_space(&folder.path().join("missing"), 10).is_err());
    }
}
