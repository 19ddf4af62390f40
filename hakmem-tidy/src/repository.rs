//! The repository's text files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Folders that hold nothing of the repository's own.
const SKIPPED: [&str; 4] = [".git", "target", "node_modules", "corpus"];

/// All text files below the root, by their paths from it.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    files: BTreeMap<String, String>,
}

impl Repository {
    /// The root of the repository that this program was built from.
    pub fn own_root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    /// Reads every file that is UTF-8.
    ///
    /// # Errors
    /// If a folder or a file cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut repository = Self::default();
        repository.read_folder(root, "")?;
        Ok(repository)
    }

    /// A repository of these paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(own).collect() }
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file()
                && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
            {
                self.files.insert(path, text);
            }
        }
        Ok(())
    }

    /// Paths and texts, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether there is a file or a folder whose path ends with this one, at a `/`.
    pub fn has_anywhere(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        let (inside, end) = (format!("/{path}/"), format!("/{path}"));
        self.files.keys().any(|file| {
            let file = format!("/{file}");
            file.ends_with(&end) || file.contains(&inside)
        })
    }

    /// The folders of crates that have a library or a program, `src` included, as `hakmem/src`.
    pub fn crates(&self) -> impl Iterator<Item = &str> {
        self.files.keys().filter_map(|path| path.strip_suffix("/lib.rs"))
    }
}
