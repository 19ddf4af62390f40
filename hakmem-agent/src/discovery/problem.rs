//! Finds out why a directory to be watched cannot be read.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hakmem_reader::directory::{SHARED_MEMORY, files_of_directory};

use super::USER_DIRECTORY_PREFIX;

/// Why a directory cannot be read, if it cannot. The first program of a user creates the user's
/// directory; any other directory must exist, or its name is a mistake.
pub(super) fn problem_of(directory: &Path) -> Option<String> {
    let name = directory.file_name().unwrap_or_default().as_bytes();
    let is_of_user = directory.parent() == Some(Path::new(SHARED_MEMORY))
        && name.starts_with(USER_DIRECTORY_PREFIX.as_bytes());
    match std::fs::read_dir(directory) {
        Ok(_) if is_of_user && files_of_directory(directory).is_none() => {
            Some("does not belong to the user in its name".to_owned())
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (!is_of_user).then(|| "does not exist".to_owned())
        }
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
