use super::*;
use crate::Segment;
use crate::fixture::{FixtureProcess, SegmentWriter};

/// The test's own process, as a segment would name it.
fn this_process() -> FixtureProcess {
    let host = Host::current();
    let stat = fs::read("/proc/self/stat").unwrap();
    FixtureProcess {
        pid: std::process::id(),
        start_time_ticks: parse_stat(&stat).unwrap().start,
        pid_namespace: host.pid_namespace.unwrap(),
        boot_id: host.boot_id.unwrap(),
        ..FixtureProcess::new("/bin/self")
    }
}

/// Writes the process's segment, ends it as `end` does, and tells what became of it.
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
    effective_state(segment.identity(), alive, &sample.process, others, &Host::current())
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
    assert_eq!(state_after(&gone, &[], |_| None), ProcessState::Crashed);
    let this = this_process();
    assert_eq!(state_after(&this, &[], |_| None), ProcessState::Replaced);
    assert_eq!(state_after(&this, &[], exit), ProcessState::Exited);
    let reused = FixtureProcess { start_time_ticks: 1, ..this.clone() };
    assert_eq!(state_after(&reused, &[], |_| None), ProcessState::Crashed);
    let elsewhere = FixtureProcess { pid_namespace: 1, ..this.clone() };
    assert_eq!(state_after(&elsewhere, &[], |_| None), ProcessState::Crashed);
    let earlier_boot = FixtureProcess { boot_id: [1; 16], ..this };
    assert_eq!(state_after(&earlier_boot, &[], |_| None), ProcessState::Crashed);
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
    assert_eq!(state_after(&first, &[&earlier], |_| None), ProcessState::Crashed);
    let other = identity(&FixtureProcess::new("/bin/other"));
    assert_eq!(state_after(&first, &[&other], |_| None), ProcessState::Crashed);
}

#[test]
fn an_ending_process_does_not_live() {
    let line = |state: &str, flags: u64| {
        format!("7 (a) b (c) {state} 1 2 3 4 5 {flags} 7 8 9 10 11 12 13 14 15 16 17 18 777 20")
    };
    let check = |state: &str, flags: u64, lives: bool| {
        let process = parse_stat(line(state, flags).as_bytes()).unwrap();
        assert_eq!((process.lives, process.start), (lives, 777), "{state} {flags}");
    };
    check("S", 0x40_0000, true);
    check("R", 0x40_0004, false);
    check("Z", 0x40_0000, false);
    assert!(parse_stat(b"garbage").is_none());
    assert!(parse_stat(b"1 (x) R").is_none());
}

#[test]
fn a_killed_child_is_not_taken_for_one_that_did_exec() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let stat = fs::read(format!("/proc/{}/stat", child.id())).unwrap();
    let start = parse_stat(&stat).unwrap().start;
    let process = FixtureProcess { pid: child.id(), start_time_ticks: start, ..this_process() };
    assert_eq!(state_after(&process, &[], |_| None), ProcessState::Replaced);
    child.kill().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    // Not waited for: it stays a zombie, which still has its line in `/proc`.
    while state_after(&process, &[], |_| None) != ProcessState::Crashed {
        assert!(std::time::Instant::now() < deadline, "the killed child passes for living");
    }
    child.wait().unwrap();
}
