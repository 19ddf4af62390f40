//! Files that are replaced in one step, so that nobody ever sees half of one.

use std::io;
use std::path::{Path, PathBuf};

/// A file in the making, beside the one that it will replace. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    /// `None` if the target is no regular file and is written to directly.
    temporary: Option<PathBuf>,
}

impl Replacement {
    /// Makes sure that the file can be written, without touching it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn begin(path: &Path) -> io::Result<Self> {
        // Behind a link, the file that it names is replaced, not the link.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match std::fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => return Ok(Self { target, temporary: None }),
            Ok(_) => drop(std::fs::OpenOptions::new().append(true).open(&target)?),
            Err(_) => {}
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let temporary = target.with_file_name(name);
        std::fs::File::create(&temporary)?;
        Ok(Self { target, temporary: Some(temporary) })
    }

    /// Where to write to.
    pub fn path(&self) -> &Path {
        self.temporary.as_ref().unwrap_or(&self.target)
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn commit(mut self) -> io::Result<()> {
        match self.temporary.take() {
            Some(temporary) => std::fs::rename(temporary, &self.target),
            None => Ok(()),
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // There is nobody to tell, and the name says what it is.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests;
