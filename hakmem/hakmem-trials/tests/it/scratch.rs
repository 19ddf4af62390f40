//! Folders of a single test, and the segments that programs leave in them.

use std::path::PathBuf;

use hakmem_reader::{ClassTotals, Segment};

/// A folder on the shared-memory file system, removed at the end of the test.
pub(crate) fn segments_directory() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("hakmem-test-")
        .tempdir_in("/dev/shm")
        .expect("/dev/shm can be written to")
}

/// The segments of a folder.
pub(crate) fn segments(directory: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.path()).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "hakmem")).collect()
}

/// Counts in the only segment of a folder, by class.
pub(crate) fn only_segment(directory: &tempfile::TempDir) -> Vec<ClassTotals> {
    let paths = segments(directory);
    let [path] = paths.as_slice() else { panic!("one segment expected, not {paths:?}") };
    let mut segment = Segment::open(path).expect("the segment is valid");
    let sample = segment.sample().expect("the segment can be sampled");
    assert!(!sample.is_torn(), "the program ended in the middle of a slow path");
    sample.check_identity().expect("the identity holds");
    sample.check_conservation().expect("conservation holds");
    sample.classes().to_vec()
}
