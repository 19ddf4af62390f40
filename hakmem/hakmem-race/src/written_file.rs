//! Output files: figures and plots, which replace those of an earlier run.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Writes `text` to a file. An existing file stays until the new text is complete. A path that is
/// not a regular file, but a pipe or a terminal, is written to directly.
///
/// # Errors
///
/// A sentence that names the file and the system's error.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    written(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn written(path: &Path, text: &str) -> io::Result<()> {
    let existing = std::fs::metadata(path);
    if existing.as_ref().is_ok_and(|it| !it.is_file()) {
        return std::fs::write(path, text);
    }
    // If the path is a symbolic link, the file that it points to is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    let mode = existing.map_or(0o644, |it| it.permissions().mode() & 0o777);
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.svg");
        write(&path, "old").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let reader = std::fs::File::open(&path).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "old", "it is another file");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("none/plot.svg"), "new").is_err());
    }
}
