use super::*;

#[test]
fn the_old_file_stays_until_the_new_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "old").unwrap();
    let replacement = Replacement::begin(&path).unwrap();
    std::fs::write(replacement.path(), "ne").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    drop(replacement);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    let replacement = Replacement::begin(&path).unwrap();
    std::fs::write(replacement.path(), "new").unwrap();
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
    let replacement = Replacement::begin(&link).unwrap();
    std::fs::write(replacement.path(), "new").unwrap();
    replacement.commit().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let device = Replacement::begin(Path::new("/dev/null")).unwrap();
    assert_eq!(device.path(), Path::new("/dev/null"));
    device.commit().unwrap();
}

#[test]
fn a_folder_or_a_missing_one_is_an_error_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Replacement::begin(folder.path()).is_err());
    assert!(Replacement::begin(&folder.path().join("missing/report.html")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
