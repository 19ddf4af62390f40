use super::*;
use crate::Segment;
use crate::fixture::{FixtureProcess, SegmentWriter};

/// The test's own process, as a segment would name it.
fn this_process() -> FixtureProcess {
    FixtureProcess::new("/bin/self").of_process(std::process::id())
}

/// Writes the segment of `process`, ends it with `end`, and returns the resulting state.
fn state_after(
    process: &FixtureProcess,
    others: &[&Identity],
    end: impl FnOnce(SegmentWriter) -> Option<SegmentWriter>,
) -> ProcessState {
    let directory = tempfile::tempdir().unwrap();
    let writer = SegmentWriter::create(directory.path(), process);
    let path = writer.path().to_owned();
    let _kept = end(writer);
    let mut segment = Segment::open(&path).unwrap();
    let alive = segment.is_writer_alive();
    let sample = segment.sample().unwrap();
    let others = others.iter().copied();
    effective_state(segment.identity(), alive, &sample.process, None, others, &Host::current())
}

fn exit(writer: SegmentWriter) -> Option<SegmentWriter> {
    writer.exit(3);
    None
}

fn identity(process: &FixtureProcess) -> Identity {
    let directory = tempfile::tempdir().unwrap();
    let writer = SegmentWriter::create(directory.path(), process);
    Segment::open(writer.path()).unwrap().identity().clone()
}

#[test]
fn the_lock_the_state_and_the_process_tell_what_became_of_it() {
    let gone = FixtureProcess::new("/bin/gone");
    assert_eq!(state_after(&gone, &[], Some), ProcessState::Running);
    assert_eq!(state_after(&gone, &[], exit), ProcessState::Exited);
    assert_eq!(state_after(&gone, &[], |_| None), ProcessState::Ended);
    let this = this_process();
    assert_eq!(state_after(&this, &[], |_| None), ProcessState::Replaced);
    assert_eq!(state_after(&this, &[], exit), ProcessState::Exited);
    let reused = FixtureProcess { start_time_ticks: 1, ..this.clone() };
    assert_eq!(state_after(&reused, &[], |_| None), ProcessState::Ended);
    let elsewhere = FixtureProcess { pid_namespace: 1, ..this.clone() };
    assert_eq!(state_after(&elsewhere, &[], |_| None), ProcessState::Ended);
    let earlier_boot = FixtureProcess { boot_id: [1; 16], ..this };
    assert_eq!(state_after(&earlier_boot, &[], |_| None), ProcessState::Ended);
}

#[test]
fn a_later_segment_of_the_same_process_proves_an_exec() {
    let first = FixtureProcess::new("/bin/first");
    let later = FixtureProcess {
        nonce: first.nonce + 1,
        created_monotonic_ns: first.created_monotonic_ns + 1,
        ..first.clone()
    };
    let (later, earlier) = (identity(&later), identity(&first));
    assert_eq!(state_after(&first, &[&later], |_| None), ProcessState::Replaced);
    assert_eq!(state_after(&first, &[&earlier], |_| None), ProcessState::Ended);
    let other = identity(&FixtureProcess::new("/bin/other"));
    assert_eq!(state_after(&first, &[&other], |_| None), ProcessState::Ended);
}

#[test]
fn a_killed_child_is_not_taken_for_one_that_did_exec() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let process = FixtureProcess::new("/bin/sleep").of_process(child.id());
    assert_eq!(state_after(&process, &[], |_| None), ProcessState::Replaced);
    child.kill().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    // The child is not waited for, so it stays a zombie, which still has its line in `/proc`.
    while state_after(&process, &[], |_| None) != ProcessState::Ended {
        assert!(std::time::Instant::now() < deadline, "the killed child passes for living");
    }
    child.wait().unwrap();
}

#[test]
fn a_pid_that_a_strangers_file_claims_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let writer = SegmentWriter::create(directory.path(), &this_process());
    let host = Host::current();
    let user = rustix::process::geteuid().as_raw();
    let claimed_by = |owner: u32| Identity {
        owner_user_id: owner,
        ..Segment::open(writer.path()).unwrap().identity().clone()
    };
    assert!(host.process_lives(&claimed_by(user)));
    assert!(host.witness(&claimed_by(user)).is_some());
    const STRANGER: u32 = 54_321;
    assert!(!host.process_lives(&claimed_by(STRANGER)));
    assert!(host.witness(&claimed_by(STRANGER)).is_none());
}
