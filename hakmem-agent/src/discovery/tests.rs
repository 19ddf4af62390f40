use std::time::{Duration, Instant};

use super::notices::Notices;
use super::*;
use crate::config::OwnerBudget;

/// A discovery and the accounts of owners.
struct Case {
    discovery: Discovery,
    accounts: Accounts,
    refusals: Arc<Refusals>,
}

impl Case {
    fn new(directories: Vec<PathBuf>, all_users: Option<PathBuf>, budget: OwnerBudget) -> Self {
        let refusals = Arc::new(Refusals::default());
        let discovery = Discovery::new(directories, all_users, Arc::clone(&refusals));
        Self { discovery, accounts: Accounts::new(budget), refusals }
    }

    fn of(directory: PathBuf) -> Self {
        Self::new(vec![directory], None, OwnerBudget::default())
    }

    fn list(&mut self) -> BTreeSet<PathBuf> {
        self.discovery.list(&mut self.accounts, true).into_keys().collect()
    }

    fn places(&mut self) -> BTreeSet<PathBuf> {
        self.list();
        self.discovery.places().map(|(path, ..)| path.to_owned()).collect()
    }

    fn refused(&self, refusal: Refusal) -> u64 {
        self.refusals.all().into_iter().find(|(it, _)| *it == refusal).unwrap().1
    }
}

fn paths(told: &Notices) -> Vec<PathBuf> {
    told.appeared.iter().map(|found| found.path.clone()).collect()
}

fn wait_for_notice(case: &mut Case) -> Notices {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let told = case.discovery.notices(&mut case.accounts);
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
    let mut case = Case::of(directory.clone());
    assert!(case.list().is_empty());
    std::fs::create_dir(&directory).unwrap();
    assert!(wait_for_notice(&mut case).list_again);
    assert!(case.list().is_empty());
    let file = directory.join("1-2-0000000000000003.hakmem");
    std::fs::write(&file, "").unwrap();
    assert_eq!(paths(&wait_for_notice(&mut case)), std::slice::from_ref(&file));
    assert_eq!(case.list(), BTreeSet::from([file]));
}

#[test]
fn a_directory_that_goes_and_comes_back_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("segments");
    std::fs::create_dir(&directory).unwrap();
    let mut case = Case::of(directory.clone());
    case.list();
    std::fs::remove_dir(&directory).unwrap();
    assert!(wait_for_notice(&mut case).list_again);
    case.list();
    std::fs::create_dir(&directory).unwrap();
    assert!(wait_for_notice(&mut case).list_again);
    case.list();
    let file = directory.join("1-2-0000000000000003.hakmem");
    std::fs::write(&file, "").unwrap();
    assert_eq!(paths(&wait_for_notice(&mut case)), [file]);
}

#[test]
fn directories_of_all_users_are_found_but_not_links_to_others() {
    let parent = tempfile::tempdir().unwrap();
    let user = rustix::process::geteuid().as_raw();
    let mine = parent.path().join(format!("hakmem-{user}"));
    std::fs::create_dir(&mine).unwrap();
    std::fs::create_dir(parent.path().join("other")).unwrap();
    std::os::unix::fs::symlink("/", parent.path().join("hakmem-1001")).unwrap();
    let parent = parent.path().to_owned();
    let mut case = Case::new(Vec::new(), Some(parent), OwnerBudget::default());
    assert_eq!(case.places(), BTreeSet::from([mine]));
}

#[test]
fn other_files_are_no_segments() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), "").unwrap();
    std::fs::write(directory.path().join("1-2-0000000000000003.hakmem"), "").unwrap();
    let mut case = Case::of(directory.path().to_owned());
    assert_eq!(case.list(), BTreeSet::from([directory.path().join("1-2-0000000000000003.hakmem")]));
}

const ROOTS: &str = "run this test as root: it changes owners";

#[test]
fn a_directory_with_the_name_of_another_user_is_left_alone_and_counted_once() {
    let parent = tempfile::tempdir().unwrap();
    for (name, owner) in [("hakmem-1000", 1000), ("hakmem-1001", 1000), ("hakmem-0", 1000)] {
        let path = parent.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), None).expect(ROOTS);
    }
    let all_users = Some(parent.path().to_owned());
    let mut case = Case::new(Vec::new(), all_users, OwnerBudget::default());
    let expected = BTreeSet::from([parent.path().join("hakmem-1000")]);
    assert_eq!(case.places(), expected);
    assert_eq!(case.places(), expected);
    assert_eq!(case.refused(Refusal::STRANGE_DIRECTORY), 2);
}

#[test]
fn the_directories_of_one_user_are_bounded_and_take_no_watches_from_others() {
    let parent = tempfile::tempdir().unwrap();
    let make = |name: String, owner| {
        let path = parent.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), None).expect(ROOTS);
    };
    (0..1000).for_each(|number| make(format!("hakmem-a{number}"), 1000));
    make("hakmem-1000".to_owned(), 1000);
    make("hakmem-1001".to_owned(), 1001);
    let all_users = Some(parent.path().to_owned());
    let mut case = Case::new(Vec::new(), all_users, OwnerBudget::default());
    let places = case.places();
    assert_eq!(places.len(), OwnerBudget::default().directories + 1);
    for name in ["hakmem-1000", "hakmem-1001"] {
        assert!(places.contains(&parent.path().join(name)), "{name}");
    }
    // All directories of the places, and their parent.
    assert_eq!(case.discovery.watched.len(), places.len() + 1);
    assert!(case.refused(Refusal::DIRECTORIES) > 0);
}

#[test]
fn who_makes_events_without_end_is_no_longer_watched_and_listed_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut case = Case::of(directory.path().to_owned());
    case.list();
    let owner = rustix::process::geteuid().as_raw();
    case.accounts.charge(owner, Duration::from_secs(3600));
    let file = directory.path().join("1-2-0000000000000003.hakmem");
    std::fs::write(&file, "").unwrap();
    assert_eq!(paths(&wait_for_notice(&mut case)), std::slice::from_ref(&file));
    assert!(case.discovery.watched.is_empty());
    assert!(case.list().is_empty(), "the owner has no time");
    assert!(case.refused(Refusal::LATE_LISTING) > 0);
}
