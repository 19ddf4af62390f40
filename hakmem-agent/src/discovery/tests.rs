use std::time::{Duration, Instant};

use super::*;

fn wait_for_notice(discovery: &mut Discovery) -> Notices {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let told = discovery.notices();
        if !told.appeared.is_empty() || told.list_again {
            return told;
        }
        assert!(Instant::now() < deadline, "the kernel told nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_directory_that_comes_later_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("segments");
    let mut discovery = Discovery::new(vec![directory.clone()], None);
    assert!(discovery.list().is_empty());
    std::fs::create_dir(&directory).unwrap();
    assert!(wait_for_notice(&mut discovery).list_again);
    assert!(discovery.list().is_empty());
    let file = directory.join("1-2-0000000000000003.hakmem");
    std::fs::write(&file, "").unwrap();
    assert_eq!(wait_for_notice(&mut discovery).appeared, std::slice::from_ref(&file));
    assert_eq!(discovery.list(), BTreeSet::from([file]));
}

#[test]
fn a_directory_that_goes_and_comes_back_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("segments");
    std::fs::create_dir(&directory).unwrap();
    let mut discovery = Discovery::new(vec![directory.clone()], None);
    discovery.list();
    std::fs::remove_dir(&directory).unwrap();
    assert!(wait_for_notice(&mut discovery).list_again);
    discovery.list();
    std::fs::create_dir(&directory).unwrap();
    assert!(wait_for_notice(&mut discovery).list_again);
    discovery.list();
    let file = directory.join("1-2-0000000000000003.hakmem");
    std::fs::write(&file, "").unwrap();
    assert_eq!(wait_for_notice(&mut discovery).appeared, [file]);
}

#[test]
fn directories_of_all_users_are_found_but_not_links_to_others() {
    let parent = tempfile::tempdir().unwrap();
    let user = rustix::process::geteuid().as_raw();
    let mine = parent.path().join(format!("hakmem-{user}"));
    std::fs::create_dir(&mine).unwrap();
    std::fs::create_dir(parent.path().join("other")).unwrap();
    std::os::unix::fs::symlink("/", parent.path().join("hakmem-1001")).unwrap();
    let discovery = Discovery::new(Vec::new(), Some(parent.path().to_owned()));
    assert_eq!(discovery.directories(), BTreeSet::from([mine]));
}

#[test]
fn other_files_are_no_segments() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), "").unwrap();
    std::fs::write(directory.path().join("1-2-0000000000000003.hakmem"), "").unwrap();
    let mut discovery = Discovery::new(vec![directory.path().to_owned()], None);
    assert_eq!(
        discovery.list(),
        BTreeSet::from([directory.path().join("1-2-0000000000000003.hakmem")])
    );
}
