//! Files, whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use tempfile::NamedTempFile;

use crate::output::whole;

/// Makes the directory and a file in it.
///
/// # Errors
/// What the system says.
pub fn writable(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() && !directory.is_dir() {
        return Err(anyhow!("is a file, expected a directory"));
    }
    std::fs::create_dir_all(directory)?;
    NamedTempFile::new_in(directory)?;
    Ok(())
}

/// A file name alone is one in this directory.
pub fn beside(path: &Path) -> PathBuf {
    if path.parent().is_some_and(|parent| parent.as_os_str().is_empty()) {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    }
}

/// Writes a file under a temporary name and renames it.
///
/// # Errors
/// What the system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let _whole = whole();
    let directory = path.parent().ok_or_else(|| anyhow!("has no directory"))?;
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    // Temporary files are private; a report is as readable as any new file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path)?;
    Ok(())
}
