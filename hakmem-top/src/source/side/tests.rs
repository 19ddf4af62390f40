use super::*;
use crate::model::sample;

#[test]
fn selections_look_at_pids_executables_and_arguments() {
    let identity = sample::identity(4000, "redis-server");
    let passes = |pid, name: Option<&str>| {
        Selection { pid, name: name.map(ToOwned::to_owned) }.passes(&identity)
    };
    assert!(passes(None, None) && Selection::default().is_all());
    assert!(passes(Some(4000), None) && !passes(Some(4001), None));
    assert!(passes(None, Some("redis")) && passes(None, Some("server --fast")));
    assert!(!passes(None, Some("valkey")) && !passes(Some(4000), Some("valkey")));
}

#[test]
fn what_there_is_to_choose_from_stays_short() {
    let identities: Vec<_> = (1..=6).map(|pid| sample::identity(pid, "cc1")).collect();
    assert_eq!(known([].into_iter()), "it contains no process");
    assert_eq!(known(identities[..1].iter()), "it contains: 1 cc1 --fast");
    assert_eq!(
        known(identities.iter()),
        "it contains: 1 cc1 --fast, 2 cc1 --fast, 3 cc1 --fast, 4 cc1 --fast and 2 more"
    );
}
