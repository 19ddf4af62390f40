#![allow(unsafe_code)]

use std::format;
use std::fs;
use std::string::String;

use super::*;
use crate::os::memory::faults;
use crate::segment::directory::Place;

/// A directory on tmpfs that is removed at the end.
struct Directory(String);

impl Directory {
    fn new(name: &str) -> Self {
        let directory = Self(format!("/dev/shm/test-hakmem-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory.0).expect("can be made");
        directory
    }

    /// A new file of two groups, opened twice.
    fn file(&self) -> [File; 2] {
        let place = Place::at(format_args!("{}", self.0));
        let file = place.create(c"file").unwrap_or_else(|errno| panic!("{errno:?}"));
        assert!(file.set_length(HEADER_STEP + 2 * GROUP_BYTES));
        let again = place.open(c"file").unwrap_or_else(|errno| panic!("{errno:?}"));
        [file, again]
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SLOTS: usize = 2 * GROUP_SLOTS;

#[test]
fn a_file_that_somebody_exchanged_is_not_mapped() {
    let [first, second] = ["exchanged-a", "exchanged-b"].map(Directory::new);
    let ([file, _], [_, other]) = (first.file(), second.file());
    assert_eq!(map(&file, &other, SLOTS).err(), Some(Errno(libc::ESTALE)));
}

#[test]
fn a_mapping_that_is_refused_leaves_nothing_mapped() {
    let directory = Directory::new("refused");
    let [file, again] = directory.file();
    let kinds = [(libc::SYS_mmap, 3), (libc::SYS_madvise, 1)];
    for (number, calls) in kinds {
        for passed in 0..calls {
            let mapped =
                faults::with(number, passed, usize::MAX, || map(&file, &again, SLOTS).err());
            assert_eq!(mapped, Some(Errno(libc::ENOMEM)), "call {number} after {passed}");
        }
    }
}

#[test]
fn a_group_that_is_refused_can_be_mapped_later() {
    let directory = Directory::new("groups");
    let [file, again] = directory.file();
    let Ok((_, mapping)) = map(&file, &again, SLOTS) else { panic!("it can be mapped") };
    let space = || memory::reserve(GROUP_BYTES, PAGE).expect("there are addresses");
    let group = |number, space| {
        // SAFETY: the space is the test's own, and nothing is in it.
        unsafe { mapping.map_group(space, number) }
    };
    for passed in 0..2 {
        // The second call moves the part that the first one has grown; the code then shrinks it
        // again.
        let refused = faults::with(libc::SYS_mremap, passed, 1, || group(0, space()));
        assert!(!refused, "after {passed} calls");
    }
    let first = space();
    assert!(group(0, first) && group(1, space()) && !group(2, space()));
    let is_reserved = || mapping.reserve_slot(first, 0);
    assert!(is_reserved() && !faults::with(libc::SYS_madvise, 0, 1, is_reserved), "no space");
    // SAFETY: mapped, and has memory behind it.
    unsafe { first.write(1) };
    // SAFETY: nobody uses the header or the seed.
    unsafe { mapping.forget() };
}
