//! The inputs in `fuzz/corpus`, for the tests of the crates that have the bodies of the targets.
//! Each of these crates includes this file, because the folder belongs to none of them.
//!
//! An input is a seed, which a test of that crate recorded, unless its name begins with `found-`:
//! then a fuzzer found it, and it once broke something.

use std::path::{Path, PathBuf};
// One of the crates is without the usual prelude.
use std::string::String;
use std::vec::Vec;

/// Maximum length of an input: what is longer takes a fuzzer longer, too.
const BYTES_MAX: usize = 8 << 10;

fn folder(target: &str) -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let corpora = folders.map(|it| it.join("fuzz/corpus")).find(|it| it.is_dir());
    corpora.expect("the repository has a folder fuzz/corpus").join(target)
}

/// The names and the bytes of all inputs of a target, of which there must be some.
pub(crate) fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let read = |file: std::fs::DirEntry| {
        let name = file.file_name().into_string().expect("inputs have plain names");
        (name, std::fs::read(file.path()).expect("inputs can be read"))
    };
    let mut inputs: Vec<_> =
        files.map(|file| read(file.expect("the folder is readable"))).collect();
    inputs.sort();
    assert!(inputs.iter().any(|(name, _)| is_seed(name)), "{folder:?} has no seed");
    inputs
}

/// Whether an input is valid, and not one that a fuzzer found.
pub(crate) fn is_seed(name: &str) -> bool {
    !name.starts_with("found-")
}

/// Writes seeds, in the place of those that are there.
pub(crate) fn record(target: &str, seeds: impl IntoIterator<Item = (&'static str, Vec<u8>)>) {
    let folder = folder(target);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    for (name, bytes) in seeds {
        assert!(bytes.len() <= BYTES_MAX, "{name} has {} bytes", bytes.len());
        std::fs::write(folder.join(name), bytes).expect("seeds can be written");
    }
}
