use super::*;
use crate::v1::Thread;

fn process(key: usize, threads: usize) -> Process {
    let threads = (0..threads).map(|slot| Thread {
        slot: slot as u32,
        name: "a name of some length".to_owned(),
        ..Thread::default()
    });
    Process { key: key.to_string(), threads: threads.collect(), ..Process::default() }
}

fn bytes(group: &[Process]) -> usize {
    group.iter().map(prost::Message::encoded_len).sum()
}

#[test]
fn an_empty_update_is_one_message() {
    assert_eq!(chunks(Vec::new(), 100), [Vec::new()]);
}

#[test]
fn groups_keep_the_limit_and_the_order() {
    let processes: Vec<_> = (0..100).map(|key| process(key, 2)).collect();
    let groups = chunks(processes.clone(), 300);
    assert!(groups.len() > 10);
    assert!(groups.iter().all(|group| bytes(group) <= 300));
    assert_eq!(groups.concat(), processes);
}

#[test]
fn a_process_above_the_limit_is_cut_between_threads() {
    let groups = chunks(vec![process(1, 200)], 1000);
    assert!(groups.iter().all(|group| bytes(group) <= 1000), "a group is too large");
    let parts = groups.concat();
    assert!(parts.iter().all(|part| part.key == "1"));
    let slots: Vec<u32> =
        parts.iter().flat_map(|part| part.threads.iter().map(|thread| thread.slot)).collect();
    assert_eq!(slots, (0..200).collect::<Vec<u32>>());
}
