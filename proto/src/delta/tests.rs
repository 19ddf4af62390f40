use super::*;
use crate::v1::{Identity, Totals};

const ALL: Detail = Detail { threads: true, classes: true };

fn class(class: &str, allocations: u64) -> ClassCounters {
    ClassCounters { class: class.to_owned(), allocations, ..ClassCounters::default() }
}

fn process(classes: Vec<ClassCounters>) -> Process {
    let allocations = classes.iter().map(|class| class.allocations).sum();
    Process {
        key: "1-2-3".to_owned(),
        identity: Some(Identity { pid: 1, ..Identity::default() }),
        state: "running".to_owned(),
        totals: Some(Totals { allocations, ..Totals::default() }),
        classes,
        threads: vec![Thread { slot: 0, ..Thread::default() }],
        ..Process::default()
    }
}

#[test]
fn nothing_is_sent_of_a_process_at_rest() {
    let sent = process(vec![class("C0", 1)]);
    let mut current = sent.clone();
    current.sampled_at = Some(prost_types::Timestamp { seconds: 9, nanos: 0 });
    assert_eq!(changed(&sent, &current, ALL), None);
}

#[test]
fn only_entries_that_changed_are_sent_and_each_whole() {
    let sent = process(vec![class("C0", 1), class("C7", 5)]);
    let current = process(vec![class("C0", 1), class("C3", 2), class("C7", 6)]);
    let delta = changed(&sent, &current, ALL).unwrap();
    assert_eq!(delta.classes, [class("C3", 2), class("C7", 6)]);
    assert_eq!(delta.identity, None);
    assert!(delta.threads.is_empty());
    assert_eq!(delta.totals.unwrap().allocations, 9);
}

#[test]
fn a_change_of_state_alone_is_sent() {
    let sent = process(vec![class("C0", 1)]);
    let current = Process { state: "crashed".to_owned(), ..sent.clone() };
    let delta = changed(&sent, &current, ALL).unwrap();
    assert_eq!((delta.state.as_str(), delta.classes.len()), ("crashed", 0));
}

#[test]
fn details_that_were_not_asked_for_are_left_out() {
    let detail = Detail { threads: false, classes: false };
    let first = whole(&process(vec![class("C0", 1)]), detail);
    assert!(first.identity.is_some() && first.classes.is_empty() && first.threads.is_empty());
    let sent = process(vec![class("C0", 1)]);
    let delta = changed(&sent, &process(vec![class("C0", 2)]), detail).unwrap();
    assert!(delta.classes.is_empty());
}
