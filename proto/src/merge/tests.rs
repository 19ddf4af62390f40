use proptest::prelude::*;

use super::*;
use crate::delta::{Detail, changed, whole};
use crate::fixture::history;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_taken_apart_is_put_together_again(seed in any::<u64>(), length in 1usize..40) {
        let states = history(seed, "1-2-3", length);
        let mut merged = Merged::default();
        prop_assert_eq!(merged.merge(whole(&states[0], Detail::ALL)), Merge::Done);
        for pair in states.windows(2) {
            let Some(delta) = changed(&pair[0], &pair[1], Detail::ALL) else { continue };
            prop_assert!(delta.identity.is_none());
            prop_assert_eq!(merged.merge(delta), Merge::Done);
            prop_assert_eq!(merged.get("1-2-3").unwrap(), &pair[1]);
        }
    }
}

#[test]
fn a_part_of_an_unknown_process_is_left_out() {
    let mut merged = Merged::default();
    let states = history(1, "a", 2);
    let part = Process { identity: None, ..states[1].clone() };
    assert_eq!(merged.merge(part.clone()), Merge::Unknown);
    assert_eq!(merged.get("a"), None);
    merged.merge(states[0].clone());
    assert_eq!(merged.merge(part.clone()), Merge::Done);
    merged.clear();
    assert_eq!(merged.merge(part), Merge::Unknown);
}

#[test]
fn the_same_again_is_no_news() {
    let mut merged = Merged::default();
    let mut process = history(1, "a", 1).remove(0);
    assert_eq!(merged.merge(process.clone()), Merge::Done);
    process.sampled_at = Some(prost_types::Timestamp { seconds: 99, nanos: 0 });
    assert_eq!(merged.merge(process), Merge::Same);
}

#[test]
fn more_processes_than_can_be_real_are_refused() {
    let mut merged = Merged::default();
    let identity =
        crate::v1::Identity { executable: "x".repeat(1 << 20), ..crate::v1::Identity::default() };
    let mut refused = false;
    for key in 0..200 {
        let part = Process {
            key: key.to_string(),
            identity: Some(identity.clone()),
            ..Process::default()
        };
        refused |= merged.merge(part) == Merge::TooMany;
    }
    assert!(refused);
}
