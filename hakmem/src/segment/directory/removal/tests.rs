use std::format;
use std::fs::{self, File as StdFile};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::string::String;
use std::time::{Duration, SystemTime};
use std::vec::Vec;

use hakmem_segment::FILE_SUFFIX;

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn a_quarter_of_a_small_file_system_is_left_to_others() {
    let slots = |total, free| slots_within(Space { total, free });
    // Docker's /dev/shm: segments may use 48 MiB, and one process may use a quarter of that.
    let few = slots(64 * MIB, 64 * MIB);
    let most = 12 * MIB / SLOT_STEP;
    assert!((most * 9 / 10..=most).contains(&few), "{few}");
    assert_eq!(slots(64 * MIB, 16 * MIB), 0);
    assert_eq!(slots(64 * MIB, 16 * MIB + HEADER_STEP + SLOT_STEP), 1);
    assert_eq!(slots(64 * MIB, 18 * MIB), SLOTS_FEW);
    // On a large file system only 64 MiB are left to others, and threads have what they need.
    assert_eq!(slots(24 << 30, 24 << 30), SLOTS_MAX);
    assert_eq!(slots(24 << 30, 66 * MIB), SLOTS_FEW);
    assert_eq!(slots(24 << 30, 64 * MIB), 0);
}

/// A directory of segments that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = format!("/dev/shm/test-hakmem-{name}-{}", std::process::id()).into();
        let directory = Self(path);
        fs::create_dir_all(&directory.0).expect("can be made");
        directory
    }

    fn place(&self) -> Place<'static> {
        Place::at(format_args!("{}", self.0.to_str().expect("printable")))
    }

    /// A segment of `bytes` that was last changed `age_s` ago.
    fn segment(&self, name: &str, bytes: usize, age_s: u64) -> StdFile {
        let path = self.0.join(format!("{name}{FILE_SUFFIX}"));
        let file = StdFile::create_new(path).expect("can be made");
        let mut contents = std::vec![1; bytes];
        contents[24..32].copy_from_slice(&READY.to_ne_bytes());
        file.write_all_at(&contents, 0).expect("can be written");
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).expect("own");
        file
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(Path::new(&self.0)).expect("readable");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("printable");
        let mut names: Vec<String> = entries.map(|entry| name(entry.expect("readable"))).collect();
        names.iter_mut().for_each(|name| name.truncate(name.len() - FILE_SUFFIX.len()));
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_oldest_of_the_dead_go_until_there_is_room_and_the_living_stay() {
    let directory = Directory::new("oldest");
    drop(directory.segment("1", 8192, 1000));
    let path = format!("{}/1{FILE_SUFFIX}\0", directory.0.display());
    let path = CStr::from_bytes_with_nul(path.as_bytes()).expect("no other zero");
    let living = File::open_read(path).expect("own");
    assert!(living.try_lock(), "nobody has it");
    for (name, age_s) in [("2", 500), ("3", 900), ("4", 5), ("5", 700)] {
        drop(directory.segment(name, 8192, age_s));
    }
    // A segment in the making: not ready yet, and new.
    let unready = StdFile::create_new(directory.0.join("6.hakmem")).expect("can be made");
    unready.set_len(8192).expect("own");
    assert_eq!(directory.place().remove_dead(12_000, usize::MAX), 2);
    assert_eq!(directory.names(), ["1", "2", "4", "6"]);
    assert_eq!(directory.place().remove_dead(0, usize::MAX), 0);
    assert_eq!(directory.place().remove_dead(1, usize::MAX), 1);
    assert_eq!(directory.names(), ["1", "4", "6"]);
    assert_eq!(directory.place().remove_dead(usize::MAX, usize::MAX), 1);
    assert_eq!(directory.names(), ["1", "6"], "only what is dead can go");
}

#[test]
fn what_is_dead_is_bounded_in_bytes() {
    let directory = Directory::new("bytes");
    for (name, age_s) in [("1", 30), ("2", 20), ("3", 10)] {
        drop(directory.segment(name, 16_384, age_s));
    }
    assert_eq!(directory.place().remove_dead(0, 8 * 64 * 1024), 0);
    // An eighth of this total is two and a half segments.
    assert_eq!(directory.place().remove_dead(0, 8 * 40 * 1024), 1);
    assert_eq!(directory.names(), ["2", "3"]);
}

#[test]
fn what_is_dead_is_bounded_in_number_and_age() {
    let directory = Directory::new("number");
    for number in 0..ENTRIES_TOLERATED {
        drop(directory.segment(&format!("{number:03}"), 4096, 700));
    }
    assert_eq!(directory.place().remove_dead(0, 0), 0);
    drop(directory.segment("new", 4096, 0));
    assert_eq!(directory.place().remove_dead(0, 0), 1, "until few enough are left");
    for number in 0..DEAD_MAX + 20 {
        drop(directory.segment(&format!("many-{number:03}"), 4096, 100));
    }
    // Removes the 64 that are stale, then those beyond 512 in all.
    directory.place().remove_dead(0, 0);
    assert_eq!(directory.names().len(), ENTRIES_MAX);
}

#[test]
fn a_segment_from_the_future_is_old_and_one_of_just_now_is_not() {
    let (now_s, hour_s) = (1_700_000_000, 3600);
    let is_old = |age_s: i64| is_older((now_s - age_s) * NS_PER_S, now_s, STALE_AFTER_S);
    assert!(!is_old(0) && !is_old(STALE_AFTER_S - 1) && is_old(STALE_AFTER_S));
    // Its time comes from another processor's clock, or from before the wall clock was set back.
    assert!(!is_old(-1) && is_old(-hour_s));
    assert!(is_older(i64::MAX, now_s, FRESH_FOR_S) && is_older(i64::MIN, now_s, FRESH_FOR_S));
}
