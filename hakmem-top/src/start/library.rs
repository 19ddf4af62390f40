//! Finds the allocator library and preloads it into programs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// File name of the library.
pub const LIBRARY: &str = "libhakmem_preload.so";
/// Environment variable that names the library unless the command line does.
const LIBRARY_VARIABLE: &str = "HAKMEM_LIBRARY";

/// Why the allocator library cannot be preloaded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LibraryError {
    /// The named file does not exist.
    #[error(
        "no allocator library at {} (named by {named_by}); build it with `cargo build \
         --release` or name another", path.display()
    )]
    NamedMissing {
        /// The file.
        path: PathBuf,
        /// The option or variable that named it.
        named_by: &'static str,
    },
    /// The library is in none of the places that were searched.
    #[error(
        "{LIBRARY} not found: looked for {looked_for}; run `cargo build \
         --release`, or name it with --library PATH"
    )]
    NotFound {
        /// The places that were searched.
        looked_for: String,
    },
    /// `LD_PRELOAD` separates its entries with these characters.
    #[error(
        "the path {} holds a space or a colon, which LD_PRELOAD cannot carry; copy the \
         library elsewhere and name it with --library PATH", .0.display()
    )]
    Unloadable(PathBuf),
}

/// Finds the library: `named` by the command line, else by `HAKMEM_LIBRARY`, else beside this
/// executable (for one in cargo's `deps`, also beside that folder), else in `../lib/hakmem`.
///
/// # Errors
///
/// [`LibraryError`] says where the library was searched and what to do.
pub fn find(named: Option<&Path>) -> Result<PathBuf, LibraryError> {
    let variable = std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty());
    if let Some(path) = named {
        return existing(path, "--library");
    }
    if let Some(path) = variable {
        return existing(Path::new(&path), LIBRARY_VARIABLE);
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let candidates = candidates(&executable);
    let found = candidates.iter().find(|path| path.is_file());
    match found {
        Some(path) => loadable(path),
        None => {
            let places: Vec<String> =
                candidates.iter().map(|path| path.display().to_string()).collect();
            Err(LibraryError::NotFound { looked_for: places.join(", ") })
        }
    }
}

fn existing(path: &Path, named_by: &'static str) -> Result<PathBuf, LibraryError> {
    if path.is_file() {
        loadable(path)
    } else {
        Err(LibraryError::NamedMissing { path: path.to_owned(), named_by })
    }
}

fn candidates(executable: &Path) -> Vec<PathBuf> {
    let mut directory = executable.parent().unwrap_or(Path::new("."));
    if directory.file_name() == Some(OsStr::new("deps")) {
        directory = directory.parent().unwrap_or(directory);
    }
    let mut candidates = vec![directory.join(LIBRARY)];
    if let Some(prefix) = directory.parent() {
        candidates.push(prefix.join("lib").join("hakmem").join(LIBRARY));
    }
    candidates
}

fn loadable(path: &Path) -> Result<PathBuf, LibraryError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let separates = |byte: &u8| byte.is_ascii_whitespace() || *byte == b':';
    if path.as_os_str().as_encoded_bytes().iter().any(separates) {
        return Err(LibraryError::Unloadable(path));
    }
    Ok(path)
}

/// The value of `LD_PRELOAD` that loads `library` before its `already` set entries.
pub fn preload_value(library: &Path, already: Option<&OsStr>) -> OsString {
    let mut value = library.as_os_str().to_owned();
    if let Some(already) = already.filter(|it| !it.is_empty()) {
        value.push(":");
        value.push(already);
    }
    value
}

/// The assignment for a shell; quoted only if the shell needs it.
pub fn shell_assignment(value: &OsStr) -> String {
    let text = value.to_string_lossy();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "/._-+:=,@%".contains(it);
    if text.chars().all(is_plain) {
        format!("LD_PRELOAD={text}")
    } else {
        format!("LD_PRELOAD='{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
