//! A dead part means a dead agent, and a log that cannot be written kills no part.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use hakmem_reader::Class;
use hakmem_reader::fixture::bin_of;
use rustix::io::ioctl_fionbio;
use rustix::process::Signal;

use crate::fleet::program;
use crate::process::{AgentProcess, wait_for};

/// Python with `grpc`, which Debian installs only for its own Python.
pub(crate) fn python(arguments: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/agent.py");
    let output = Command::new("/usr/bin/python3").arg(script).args(arguments).output();
    let output = output.expect("this test needs Debian's package `python3-grpcio`");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{told}", String::from_utf8_lossy(&output.stdout));
    output
}

/// A full pipe without a reader.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

/// Checks that counters advance and that the agent ends in an orderly way although its log goes
/// nowhere.
fn works_without_a_log(stderr: Stdio, lines_are_lost: bool) {
    let mut agent = AgentProcess::start(&["--log", "debug"], stderr);
    wait_for(|| agent.is_up().then_some(()));
    let mut writer = program(agent.directory.path(), "/bin/loud", 200);
    // A file that the sampler's thread complains about.
    let junk = writer.path().with_file_name("1-2-0000000000000003.hakmem");
    std::fs::write(junk, [7; 9000]).unwrap();
    let unreadable = "hakmem_agent_unreadable_segments_total";
    wait_for(|| (agent.metric(unreadable) > 0.0).then_some(()));
    let series = "hakmem_allocations_total{executable=\"loud\",";
    for blocks in [300.0, 400.0] {
        writer.slot(1).allocate(bin_of(Class::C7), 100);
        wait_for(|| (agent.metric(series) == blocks).then_some(()));
    }
    if lines_are_lost {
        assert!(agent.metric("hakmem_agent_dropped_log_lines_total") > 0.0);
    }
    assert!(agent.is_up());
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait().code(), Some(0));
    assert!(!agent.socket.exists());
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    works_without_a_log(full.into(), true);
}

#[test]
fn a_log_whose_reader_has_gone_stops_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    works_without_a_log(writer.into(), true);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let (mut reader, writer) = full_pipe();
    // The lines wait, so they are not lost.
    works_without_a_log(writer.into(), false);
    let mut told = Vec::new();
    ioctl_fionbio(&reader, true).unwrap();
    let _ = reader.read_to_end(&mut told);
    assert!(told.starts_with(b"xxxx"));
}

#[test]
fn a_line_of_the_log_cannot_be_forged() {
    let parent = tempfile::tempdir().unwrap();
    let forged = parent.path().join("x\n2026-01-01T00:00:00Z  INFO all is well\u{1b}[2J\u{202e}");
    let place = forged.to_str().unwrap();
    let mut agent = AgentProcess::start(&["--directory", place], Stdio::piped());
    wait_for(|| agent.http("/-/ready").map(|_| ()));
    agent.metric("hakmem_agent_unreadable_directories");
    agent.signal(Signal::TERM);
    let mut told = String::new();
    agent.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(
        told.contains("x\\n2026-01-01T00:00:00Z  INFO all is well\\u{1b}[2J\\u{202e}"),
        "{told}"
    );
    assert!(told.lines().all(|line| !line.starts_with("2026-01-01T00")), "{told}");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn an_agent_whose_threads_break_ends_with_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    python(&["break", env!("CARGO_BIN_EXE_hakmem-agent"), place]);
}

#[test]
fn a_sampler_that_stands_still_is_no_health() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    python(&["stall", env!("CARGO_BIN_EXE_hakmem-agent"), place]);
}

#[test]
fn every_ending_signal_removes_the_socket() {
    let signals = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR1, Signal::ALARM];
    // Shells make the programs that they start in the background ignore some of the signals, and
    // these tests may be such programs.
    let start = || AgentProcess::start_by(&["env", "--default-signal"], &[], Stdio::null());
    let agents = signals.map(|signal| (signal, start()));
    for (signal, mut agent) in agents {
        wait_for(|| agent.is_up().then_some(()));
        assert!(agent.socket.exists());
        agent.signal(signal);
        assert_eq!(agent.wait().code(), Some(0), "{signal:?}");
        assert!(!agent.socket.exists(), "{signal:?}");
    }
}

#[test]
fn a_hangup_is_ignored_under_nohup() {
    let mut agent = AgentProcess::start_by(&["nohup"], &[], Stdio::null());
    wait_for(|| agent.is_up().then_some(()));
    agent.signal(Signal::HUP);
    agent.signal(Signal::XFSZ);
    assert!(agent.is_up() && agent.is_up());
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn a_directory_that_is_missing_or_none_is_told_and_is_not_ready() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let missing = parent.path().join("missing");
    let check = |place: &std::path::Path, problem: &str| {
        let arguments = ["--directory", place.to_str().unwrap()];
        let mut agent = AgentProcess::start(&arguments, Stdio::piped());
        let told = wait_for(|| {
            let answer = agent.http("/-/ready")?;
            answer.contains("its processes are missing").then_some(answer)
        });
        assert!(told.starts_with("HTTP/1.1 503") && told.contains(problem), "{told}");
        assert!(agent.http("/-/healthy").unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(agent.metric("hakmem_agent_unreadable_directories"), 1.0);
        if problem == "does not exist" {
            std::fs::create_dir(place).unwrap();
            wait_for(|| agent.is_up().then_some(()));
            assert_eq!(agent.metric("hakmem_agent_unreadable_directories"), 0.0);
        }
        agent.signal(Signal::TERM);
        let mut log = String::new();
        agent.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let lines = log.lines().filter(|line| line.contains(problem));
        assert_eq!(lines.count(), 1, "one clear line: {log}");
    };
    check(&missing, "does not exist");
    check(&file, "cannot be read: Not a directory");
}
