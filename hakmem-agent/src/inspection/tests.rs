use std::time::Duration;

use hakmem_reader::directory::remove_dead;
use hakmem_reader::fixture::{FixtureProcess, NewEvent, SegmentWriter, bin_of};
use hakmem_reader::{Class, EventKind, Outcome};

use super::*;

fn process(pid: u32) -> FixtureProcess {
    FixtureProcess { pid, created_unix_ns: u64::from(pid) << 40, ..FixtureProcess::new("/bin/a") }
}

fn made(directory: &Path, process: &FixtureProcess) -> SegmentWriter {
    let mut writer = SegmentWriter::create(directory, process);
    let slot = writer.take_slot(7, "main");
    writer.slot(slot).allocate(bin_of(Class::C7), 10);
    writer
}

fn anomaly(number: u64) -> NewEvent {
    NewEvent {
        kind: EventKind::Anomaly,
        class: Class::C7,
        bin: bin_of(Class::C7) as u8,
        detail: Outcome::HeaderFalsePositive as u8,
        claimed_class: Class::C3,
        monotonic_ns: number,
        duration_ns: 0,
        value: 0xa3,
        address: 0x7000,
    }
}

#[test]
fn a_crashed_process_is_told_with_its_last_events_and_their_losses() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = made(directory.path(), &process(5_000_001));
    (0..70).for_each(|number| writer.slot(1).event(anomaly(number)));
    let running = inspect_pid(directory.path(), 5_000_001).unwrap();
    assert_eq!((running.process.state.as_str(), running.found_dead_at), ("running", None));
    drop(writer);
    let crashed = inspect_pid(directory.path(), 5_000_001).unwrap();
    assert_eq!(crashed.process.state, "ended");
    assert_eq!((crashed.events.len(), crashed.process.loss.unwrap().lost_events), (64, 6));
    let event = &crashed.events[0];
    assert_eq!((event.value, event.claimed_class.as_str()), (0xa3, "C3"));
    assert_eq!(crashed.process.classes[0].allocations, 10);
    assert_eq!(crashed.found_dead_at, None);
    // Inspection changes nothing; only the removal of dead segments makes a note.
    remove_dead(directory.path(), 10, Duration::from_secs(60)).unwrap();
    let noted = inspect_file(&crashed.path).unwrap();
    assert!(noted.found_dead_at.is_some_and(|at| at.seconds > 1_600_000_000), "{noted:?}");
}

#[test]
fn the_last_to_end_is_found_among_those_that_run_or_ended_before() {
    let directory = tempfile::tempdir().unwrap();
    let none = inspect_last_ended(directory.path()).unwrap_err().to_string();
    assert!(none.starts_with("no ended process has left a segment in "), "{none}");
    let running = made(directory.path(), &process(5_000_009));
    assert!(inspect_last_ended(directory.path()).is_err());
    for pid in [5_000_002, 5_000_004, 5_000_003] {
        drop(made(directory.path(), &process(pid)));
    }
    let pid_of = |inspection: Inspection| inspection.process.identity.unwrap().pid;
    assert_eq!(pid_of(inspect_last_ended(directory.path()).unwrap()), 5_000_004);
    // It continued as another program, which runs.
    let before = process(5_000_006);
    drop(made(directory.path(), &before));
    let after = FixtureProcess {
        nonce: 1,
        created_monotonic_ns: before.created_monotonic_ns + 1,
        ..before
    };
    let after = made(directory.path(), &after);
    assert_eq!(pid_of(inspect_last_ended(directory.path()).unwrap()), 5_000_004);
    // If a process has several segments, the newest is shown.
    assert_eq!(inspect_pid(directory.path(), 5_000_006).unwrap().path, after.path());
    running.exit(0);
    assert_eq!(pid_of(inspect_last_ended(directory.path()).unwrap()), 5_000_004);
}

#[test]
fn what_cannot_be_shown_is_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let unknown = inspect_pid(directory.path(), 42).unwrap_err().to_string();
    assert!(unknown.starts_with("no segment of process 42 in "), "{unknown}");
    let missing = inspect_file(Path::new("/nonexistent")).unwrap_err().to_string();
    assert_eq!(missing, "/nonexistent: the segment is gone");
    let scan = inspect_last_ended(Path::new("/nonexistent")).unwrap_err().to_string();
    assert!(scan.starts_with("/nonexistent does not exist"), "{scan}");
    let name = SegmentName { pid: 43, start_time_ticks: 1, nonce: 1 }.file_name();
    std::fs::write(directory.path().join(name), [7; 9000]).unwrap();
    let stranger = inspect_pid(directory.path(), 43).unwrap_err().to_string();
    assert!(stranger.ends_with("not a hakmem segment: its first bytes are not a segment's"));
}
