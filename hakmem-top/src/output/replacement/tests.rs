use std::io::Write as _;

use super::*;

fn begin(path: &Path) -> io::Result<Replacement> {
    Replacement::begin(path, Readers::Usual)
}

fn write(replacement: &Replacement, text: &str) {
    replacement.file().write_all(text.as_bytes()).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_old_file_stays_until_the_new_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "old").unwrap();
    let replacement = begin(&path).unwrap();
    write(&replacement, "ne");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    drop(replacement);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    let replacement = begin(&path).unwrap();
    write(&replacement, "new");
    replacement.commit().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn links_stay_links_and_what_is_no_file_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::write(&path, "old").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let replacement = begin(&link).unwrap();
    write(&replacement, "new");
    replacement.commit().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let device = begin(Path::new("/dev/null")).unwrap();
    assert_eq!(device.path(), Path::new("/dev/null"));
    device.commit().unwrap();
}

#[test]
fn a_folder_or_a_missing_one_is_an_error_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(begin(folder.path()).is_err());
    assert!(begin(&folder.path().join("missing/report.html")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_link_to_nothing_gets_its_file_and_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a"), folder.path().join("b"));
    std::os::unix::fs::symlink("a", &link).unwrap();
    let replacement = begin(&link).unwrap();
    write(&replacement, "new");
    replacement.commit().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
    assert!(begin(&folder.path().join("loop")).is_err());
}

#[test]
fn a_file_keeps_its_permissions_and_a_new_one_is_as_private_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    std::fs::write(&old, "old").unwrap();
    std::fs::set_permissions(&old, Permissions::from_mode(0o640)).unwrap();
    for path in [&old, &new] {
        let replacement = Replacement::begin(path, Readers::Owner).unwrap();
        assert!(mode(replacement.path()) & 0o007 == 0, "not even for a moment");
        replacement.commit().unwrap();
    }
    assert_eq!((mode(&old), mode(&new)), (0o640, 0o600));
}

#[test]
fn what_lies_beside_under_the_same_name_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let other = folder.path().join("other");
    std::fs::write(&other, "another's").unwrap();
    let first = begin(&path).unwrap();
    let name = first.path().to_owned();
    drop(first);
    std::os::unix::fs::symlink(&other, &name).unwrap();
    let replacement = begin(&path).unwrap();
    write(&replacement, "new");
    assert_ne!(replacement.path(), name);
    replacement.commit().unwrap();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "another's");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
}

#[test]
fn a_new_file_never_replaces_one_that_came_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    let replacement = Replacement::begin_new(&path, Readers::Usual).unwrap();
    write(&replacement, "ours");
    std::fs::write(&path, "first").unwrap();
    let error = replacement.commit().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
    let error = Replacement::begin_new(&path, Readers::Usual).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn what_is_to_be_kept_stays_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, "old").unwrap();
    let replacement = begin(&path).unwrap();
    write(&replacement, "half");
    let kept = replacement.keep();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "half");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
}
