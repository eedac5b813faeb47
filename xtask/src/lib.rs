//! Chores that are held by tests: tidy, schema, openapi.

use std::path::{Path, PathBuf};

pub mod arrows;
pub mod generated;
pub mod sources;
pub mod tidy;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}
