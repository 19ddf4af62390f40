//! A segment says how its process ended.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use hakmem_reader::{Class, ProcessState};

use crate::loaded::{Finished, Loaded, Record, records};

/// Reads the record. Other threads may have been stopped inside a slow path; the reader says which
/// slots those are.
fn record(finished: &Finished) -> Record {
    let record = finished.record();
    if !record.sample.is_torn() {
        record.assert_sound();
    }
    assert!(record.class(Class::C1).allocations >= 10_000, "the last counters are there");
    record
}

#[test]
fn normal_ends_show_as_exited_with_their_code() {
    let codes = [("exit", 11), ("return", 12), ("_exit", 13), ("_Exit", 14), ("thread", 16)];
    for (how, code) in codes {
        let finished = Loaded::new("ending.c").arg(how).run();
        finished.assert_silent(code);
        let record = record(&finished);
        assert_eq!(record.state, ProcessState::Exited, "{how}");
        assert_eq!(record.sample.process.exit_code, Some(code), "{how}");
        assert!(record.sample.process.exited_unix_ns > record.identity.created_unix_ns, "{how}");
    }
}

#[test]
fn quick_exit_shows_as_exited() {
    let finished = Loaded::new("ending.c").arg("quick_exit").run();
    finished.assert_silent(15);
    assert_eq!(record(&finished).state, ProcessState::Exited);
}

#[test]
fn a_main_thread_that_leaves_early_ends_with_the_last_thread() {
    let finished = Loaded::new("ending.c").arg("pthread_exit").run();
    finished.assert_silent(0);
    let record = record(&finished);
    record.assert_sound();
    assert_eq!(record.state, ProcessState::Exited);
    assert_eq!(record.sample.process.exit_code, Some(0));
}

#[test]
fn aborts_and_faults_show_as_crashed() {
    for (how, signal) in [("abort", 6), ("crash", 11)] {
        let finished = Loaded::new("ending.c").arg(how).run();
        assert_eq!(finished.status.signal(), Some(signal), "{how}: {}", finished.stderr);
        let record = record(&finished);
        assert_eq!(record.state, ProcessState::Crashed, "{how}");
        assert_eq!(record.sample.process.exit_code, None, "{how}");
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_its_last_counters() {
    for moment in 0..30 {
        let mut running = Loaded::new("ending.c").arg("wait").start();
        std::thread::sleep(Duration::from_millis(30 + 3 * moment));
        let before = records(running.directory()).pop();
        running.child.kill().expect("it runs");
        let finished = running.finish();
        assert_eq!(finished.status.signal(), Some(9));
        let Some(before) = before else { continue };
        assert_eq!(before.state, ProcessState::Running);
        let after = finished.record();
        assert_eq!(after.state, ProcessState::Killed);
        for (before, after) in before.sample.classes().iter().zip(after.sample.classes()) {
            assert!(before.allocations <= after.allocations, "{moment}: {before:?}, {after:?}");
            assert!(before.frees <= after.frees, "{moment}: {before:?}, {after:?}");
        }
    }
}

#[test]
fn a_killed_parent_is_seen_as_dead_while_its_child_rests() {
    let mut running = Loaded::new("killed_parent.c").with_stdin().start();
    let input = running.child.stdin.take();
    let finished = running.finish();
    assert_eq!(finished.status.signal(), Some(9), "{}", finished.stderr);
    let record = finished.record();
    assert_ne!(record.state, ProcessState::Running, "its child has nothing to do with it");
    drop(input);
}
