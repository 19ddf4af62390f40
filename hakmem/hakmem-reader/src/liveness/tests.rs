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

#[test]
fn an_end_is_normal_sent_or_the_programs_own_fault() {
    let state = |ending: Ending| ProcessState::from(ending);
    assert_eq!(state(Ending::Exited(3)), ProcessState::Exited);
    assert_eq!(state(Ending::Signal(9)), ProcessState::Killed);
    assert_eq!(state(Ending::Signal(11)), ProcessState::Crashed);
    let names = ["running", "exited", "killed", "crashed", "replaced", "ended"];
    let states = names.map(|name| ProcessState::from_name(name).expect("it is a state"));
    assert_eq!(states.as_slice(), ProcessState::ALL);
    assert_eq!(states.map(ProcessState::is_ended), [false, true, true, true, true, true]);
    let abnormal = states.map(ProcessState::is_abnormal_end);
    assert_eq!(abnormal, [false, false, true, true, false, true]);
}

#[test]
fn the_kernels_word_on_an_end_outweighs_the_segments_but_not_an_exec() {
    let directory = tempfile::tempdir().unwrap();
    let process = FixtureProcess::new("/bin/a");
    let writer = SegmentWriter::create(directory.path(), &process);
    let path = writer.path().to_owned();
    writer.exit(0);
    let mut segment = Segment::open(&path).unwrap();
    let sample = segment.sample().unwrap();
    let this = segment.identity().clone();
    let later = Identity {
        nonce: this.nonce + 1,
        created_monotonic_ns: this.created_monotonic_ns + 1,
        ..this.clone()
    };
    let state = |alive, ending, others: &[Identity]| {
        effective_state(&this, alive, &sample.process, ending, others, &Host::current())
    };
    let crash = Some(Ending::Signal(11));
    assert_eq!(state(false, crash, &[]), ProcessState::Crashed);
    assert_eq!(state(false, None, &[]), ProcessState::Exited);
    assert_eq!(state(false, crash, std::slice::from_ref(&later)), ProcessState::Exited);
    assert_eq!(state(true, crash, &[]), ProcessState::Running);
    // Neither of these is a later segment of the same process of the same user.
    let same_moment = Identity { created_monotonic_ns: this.created_monotonic_ns, ..later.clone() };
    let same_file = Identity { nonce: this.nonce, ..later.clone() };
    let strangers = Identity { owner_user_id: this.owner_user_id + 1, ..later };
    for other in [same_moment, same_file, strangers] {
        assert!(!is_successor(&other, &this), "{other:?}");
    }
}

#[test]
fn a_boot_id_is_thirty_two_digits() {
    let text = "00112233-4455-6677-8899-aabbccddeeff";
    let expected = u128::from_str_radix(&text.replace('-', ""), 16).unwrap().to_be_bytes();
    assert_eq!(parse_boot_id(text), Some(expected));
    assert_eq!(parse_boot_id(&text[1..]), None);
    assert_eq!(parse_boot_id("00112233-4455-6677-8899-aabbccddeefg"), None);
    assert_eq!(parse_boot_id(""), None);
}
