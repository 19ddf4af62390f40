use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;
use crate::Segment;
use crate::fixture::{FixtureProcess, SegmentWriter};

#[test]
fn a_scan_lists_segments_only_and_says_what_is_wrong_with_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    fs::write(directory.path().join("other"), "x").unwrap();
    assert_eq!(scan(directory.path()).unwrap().paths, [writer.path()]);
    let missing = scan(&directory.path().join("missing")).unwrap_err();
    assert!(matches!(missing, ScanError::Missing(_)), "{missing}");
    let file = scan(&directory.path().join("other")).unwrap_err();
    assert!(matches!(file, ScanError::NotADirectory(_)), "{file}");
}

fn names(directory: &Path) -> Vec<PathBuf> {
    scan(directory).unwrap().paths
}

/// Pretends that the segment was found dead `age` ago.
fn set_age(path: &Path, age: Duration) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
}

const HOUR: Duration = Duration::from_secs(3600);

fn dead(directory: &Path) -> PathBuf {
    SegmentWriter::create(directory, &FixtureProcess::new("/bin/dead")).path().to_owned()
}

#[test]
fn dead_segments_go_by_number_and_age_and_live_ones_never() {
    let directory = tempfile::tempdir().unwrap();
    let live = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/live"));
    let [young, middle, old] = [0, 1, 2].map(|_| dead(directory.path()));
    // A file that has not changed for long has not been dead for long.
    let removal = remove_dead(directory.path(), 10, HOUR).unwrap();
    assert_eq!((removal.removed.len(), removal.kept), (0, 3));
    set_age(&young, HOUR / 4);
    set_age(&middle, HOUR / 2);
    set_age(&old, HOUR * 2);
    assert_eq!(remove_dead(directory.path(), 10, HOUR).unwrap().removed, [old]);
    assert_eq!(remove_dead(directory.path(), 1, HOUR).unwrap().removed, [middle]);
    assert_eq!(remove_dead(directory.path(), 0, HOUR).unwrap().removed, [young]);
    assert_eq!(names(directory.path()), [live.path()]);
    assert!(Segment::open(live.path()).unwrap().is_writer_alive());
}

#[test]
fn crashed_segments_outrank_others_where_the_number_is_limited() {
    let directory = tempfile::tempdir().unwrap();
    let before_exec = FixtureProcess::new("/bin/sh");
    let after_exec = FixtureProcess {
        nonce: before_exec.nonce + 1,
        created_monotonic_ns: before_exec.created_monotonic_ns + 1,
        executable: "/bin/next".to_owned(),
        ..before_exec.clone()
    };
    let crashed = [0, 1].map(|_| dead(directory.path()));
    let replaced = SegmentWriter::create(directory.path(), &before_exec).path().to_owned();
    let exited = SegmentWriter::create(directory.path(), &after_exec);
    let exited_path = exited.path().to_owned();
    exited.exit(0);
    remove_dead(directory.path(), 10, HOUR).unwrap();
    // The crashes are the oldest.
    let ages = [(&crashed[0], 40), (&crashed[1], 30), (&replaced, 20), (&exited_path, 10)];
    for (path, minutes) in ages {
        set_age(path, HOUR / 60 * minutes);
    }
    let removed = |keep| remove_dead(directory.path(), keep, HOUR).unwrap().removed;
    assert_eq!(removed(3), [replaced]);
    assert_eq!(removed(2), [exited_path]);
    assert_eq!(removed(1), [crashed[0].clone()]);
    assert_eq!(remove_dead(directory.path(), 1, HOUR / 4).unwrap().removed, [crashed[1].clone()]);
}

#[test]
fn the_dead_of_one_user_do_not_push_out_those_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let theirs = [0, 1, 2].map(|_| dead(directory.path()));
    let own = dead(directory.path());
    for path in &theirs {
        let roots = "run this test as root: it changes owners";
        std::os::unix::fs::chown(path, Some(65534), None).expect(roots);
    }
    remove_dead(directory.path(), 10, HOUR).unwrap();
    // The other user's segments are younger.
    set_age(&own, HOUR / 2);
    let removal = remove_dead(directory.path(), 1, HOUR).unwrap();
    assert_eq!((removal.removed.len(), removal.kept), (2, 2));
    assert!(own.exists());
}

#[test]
fn a_dead_segments_age_counts_from_when_it_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = dead(directory.path());
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - HOUR * 48).unwrap();
    assert_eq!(remove_dead(directory.path(), 10, HOUR).unwrap().kept, 1);
    assert_eq!(remove_dead(directory.path(), 10, HOUR).unwrap().kept, 1);
    assert!(path.exists());
    assert!(!Segment::open(&path).unwrap().is_writer_alive());
}

#[test]
fn what_is_no_segment_stays_and_what_never_became_ready_goes() {
    let directory = tempfile::tempdir().unwrap();
    let name = |pid: u32| SegmentName { pid, start_time_ticks: 1, nonce: 1 }.file_name();
    let stranger = directory.path().join(name(1));
    fs::write(&stranger, [b'x'; 9000]).unwrap();
    let target = directory.path().join("target");
    fs::write(&target, "").unwrap();
    let link = directory.path().join(name(2));
    symlink(&target, &link).unwrap();
    let fresh = directory.path().join(name(3));
    fs::write(&fresh, "").unwrap();
    let abandoned = directory.path().join(name(4));
    fs::write(&abandoned, "").unwrap();
    let file = fs::File::options().write(true).open(&abandoned).unwrap();
    file.set_modified(SystemTime::now() - HOUR).unwrap();
    let being_made = SegmentWriter::create_unready(directory.path(), &FixtureProcess::new("/a"));
    let file = fs::File::options().write(true).open(being_made.path()).unwrap();
    file.set_modified(SystemTime::now() - HOUR).unwrap();
    assert_eq!(remove_dead(directory.path(), 0, HOUR).unwrap().removed, [abandoned]);
    for path in [&stranger, &link, &fresh, &target] {
        assert!(path.symlink_metadata().is_ok(), "{}", path.display());
    }
    assert!(being_made.path().exists());
}

#[test]
fn a_link_in_place_of_the_directory_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real");
    fs::create_dir(&real).unwrap();
    let path = dead(&real);
    let link = directory.path().join("link");
    symlink(&real, &link).unwrap();
    assert!(remove_dead(&link, 0, HOUR).is_err());
    assert!(path.exists());
}

#[test]
fn the_name_of_a_directory_counts_only_beside_those_of_all_users() {
    let directory = tempfile::tempdir().unwrap();
    let named = directory.path().join("hakmem-54321");
    fs::create_dir(&named).unwrap();
    let owner = rustix::process::geteuid().as_raw();
    assert_eq!(files_of_directory(&named), files_of(None, owner));
    assert_eq!(files_of_directory(&directory.path().join("absent")), None);
}
