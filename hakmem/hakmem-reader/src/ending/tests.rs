use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_wait_status_tells_code_or_signal() {
    let check = |status, expected| assert_eq!(Ending::from_wait_status(status), expected);
    check(0, Some(Ending::Exited(0)));
    check(7 << 8, Some(Ending::Exited(7)));
    check(15, Some(Ending::Signal(15)));
    check(11 | 0x80, Some(Ending::Signal(11)));
    check(0x137f, None);
    check(0xffff, None);
}

#[test]
fn an_ending_has_a_code_or_a_signal() {
    let check =
        |ending: Ending, expected| assert_eq!((ending.exit_code(), ending.signal()), expected);
    check(Ending::Exited(0), (Some(0), None));
    check(Ending::Exited(3), (Some(3), None));
    check(Ending::Signal(9), (None, Some(9)));
}

#[test]
fn faults_are_told_from_signals_that_somebody_sent() {
    for fault in [4, 5, 6, 7, 8, 11, 31] {
        assert!(Ending::Signal(fault).is_fault(), "{fault}");
    }
    for sent in [1, 2, 3, 9, 13, 14, 15, 24] {
        assert!(!Ending::Signal(sent).is_fault(), "{sent}");
    }
    assert!(!Ending::Exited(11).is_fault());
}

/// A child that waits for its input to end and then runs `script`, and its witness.
fn watched(script: &str) -> (Child, Witness) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("read line; {script}")]).stdin(Stdio::piped());
    let child = command.spawn().unwrap();
    let stat = ProcStat::of(child.id()).unwrap();
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    let witness = Witness { pid: child.id(), start_time_ticks: stat.start_time_ticks, pidfd };
    (child, witness)
}

fn testimony_after_its_end(child: &mut Child, witness: &Witness) -> Testimony {
    assert_eq!(witness.testimony(), Testimony::Pending);
    drop(child.stdin.take());
    let deadline = Instant::now() + Duration::from_secs(10);
    while witness.testimony() == Testimony::Pending {
        assert!(Instant::now() < deadline, "the end is never told");
    }
    witness.testimony()
}

#[test]
fn a_zombie_tells_how_it_ended() {
    for (script, expected) in [("exit 3", Ending::Exited(3)), ("kill -TERM $$", Ending::Signal(15))]
    {
        let (mut child, witness) = watched(script);
        assert_eq!(testimony_after_its_end(&mut child, &witness), Testimony::Known(expected));
        assert_eq!(of_zombie(witness.pid, witness.start_time_ticks), Some(expected));
        assert_eq!(of_zombie(witness.pid, witness.start_time_ticks + 1), None, "another process");
        child.wait().unwrap();
    }
}

#[test]
fn a_pidfd_tells_it_after_the_parent_has_waited() {
    let (mut child, witness) = watched("kill -SEGV $$");
    drop(child.stdin.take());
    child.wait().unwrap();
    let expected = match has_exit_information() {
        true => Testimony::Known(Ending::Signal(11)),
        false => Testimony::Unknown,
    };
    assert_eq!(witness.testimony(), expected);
    let without = Witness { pidfd: None, ..witness };
    assert_eq!(without.testimony(), Testimony::Unknown);
}

/// Whether this kernel is Linux 6.15 or newer.
fn has_exit_information() -> bool {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}
