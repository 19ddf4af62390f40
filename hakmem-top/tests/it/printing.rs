//! Output that cannot be written, and output with control sequences from elsewhere.

use std::process::{Command, Stdio};

use hakmem_agent::text::is_unsafe;
use hakmem_proto::v1::{Identity, Process, WatchProcessesResponse};
use hakmem_proto::v1::{RecordingEntry, RecordingStart, recording_entry::Entry};
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};
use hakmem_recording::RecordingWriter;

use crate::command::{output, segments, stderr, stdout, top};

/// The destination of standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Kept,
    /// A full disk.
    Full,
    /// A pipe whose reader is gone.
    Closed,
}

fn stdio(place: Place) -> Stdio {
    match place {
        Place::Kept => Stdio::piped(),
        Place::Full => std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
        Place::Closed => std::io::pipe().unwrap().1.into(),
    }
}

#[test]
fn streams_that_take_nothing_are_one_line_and_a_code_and_no_panic() {
    let segments = segments();
    let writer = SegmentWriter::create(segments.path(), &FixtureProcess::new("/bin/runs"));
    let file = writer.path().to_str().unwrap();
    let mistakes: [&[&str]; 3] = [&["show", "1"], &["info", "missing"], &["--once", "ls"]];
    let answers: [&[&str]; 5] =
        [&["ls"], &["--once"], &["--json"], &["show", file], &["demo", "--seconds", "1"]];
    let end = |words: &[&str], out: Place, error: Place| {
        let mut command = top(segments.path());
        command.args(words).env("HAKMEM_LIBRARY", hakmem_built::preload_library());
        command.stdout(stdio(out)).stderr(stdio(error));
        let result = command.spawn().unwrap().wait_with_output().unwrap();
        let said = stderr(&result);
        assert!(!said.contains("panicked"), "{words:?}, {out:?}, {error:?}: {said}");
        (result.status.code(), said)
    };
    for words in mistakes {
        let (code, said) = end(words, Place::Kept, Place::Kept);
        assert!(code.is_some_and(|code| code > 0 && code < 100), "{words:?}: {code:?}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for place in [Place::Full, Place::Closed] {
            assert_eq!(end(words, place, place).0, code, "{words:?}");
        }
    }
    for words in answers {
        assert_eq!(end(words, Place::Closed, Place::Closed).0, Some(0), "{words:?}");
        assert_eq!(end(words, Place::Kept, Place::Full).0, Some(0), "{words:?}");
        let (code, said) = end(words, Place::Full, Place::Kept);
        // The demo's lines on standard output are progress and not its answer.
        if words[0] != "demo" {
            assert_eq!(code, Some(1), "{words:?}: {said}");
            assert!(
                said.lines().last().unwrap().starts_with("hakmem-top: cannot print: "),
                "{said}"
            );
        }
    }
}

/// A name that clears the screen, forges a line, hides the text after it, and turns the rest
/// around.
const HOSTILE: &str =
    "/bin/a\u{1b}[2J\u{1b}]0;owned\u{7}\nhakmem-top: all is well\u{9b}8m\u{202e}\u{200b}\u{2028}";

#[test]
fn a_recording_of_somebody_else_does_not_rule_the_terminal() {
    let segments = segments();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.hakrec");
    let mut writer = RecordingWriter::create(&path, RecordingStart::default()).unwrap();
    let identity = Identity {
        pid: 42,
        executable: HOSTILE.to_owned(),
        command_name: HOSTILE.to_owned(),
        arguments: vec![HOSTILE.to_owned()],
        ..Identity::default()
    };
    let process = Process {
        key: HOSTILE.to_owned(),
        identity: Some(identity),
        state: "running".to_owned(),
        sampled_at: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        ..Process::default()
    };
    let update = WatchProcessesResponse {
        sampled_at: process.sampled_at,
        changed: vec![process],
        complete: true,
        ..WatchProcessesResponse::default()
    };
    writer.push(RecordingEntry { entry: Some(Entry::Update(update)) }).unwrap();
    writer.finish(Default::default()).unwrap();
    let file = path.to_str().unwrap();
    let commands: [&[&str]; 5] = [
        &["info", "--all", file],
        &["diff", file, file],
        &["diff", "--json", file, file],
        &["export", "--format", "json", file],
        &["export", "--format", "csv", file],
    ];
    for words in commands {
        let result = output(top(segments.path()).args(words));
        let told = stdout(&result) + &stderr(&result);
        let bad = |it: char| it != '\n' && is_unsafe(it);
        assert!(!told.contains(bad), "{words:?}: {told:?}");
    }
    let info = stdout(&output(top(segments.path()).args(["info", "--all", file])));
    assert!(info.contains("all is well"), "{info}");
    assert!(info.lines().all(|line| !line.starts_with("hakmem-top: all")), "{info}");
}

#[test]
fn a_program_whose_threads_break_ends_with_a_code() {
    let segments = segments();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../hakmem-agent/tests/it/agent.py");
    let result = Command::new("/usr/bin/python3")
        .args([script, "fails", crate::command::TOP, "--directory"])
        .arg(segments.path())
        .arg("ls")
        .output()
        .expect("this test needs Debian's package `python3`");
    assert!(result.status.success(), "{}", stderr(&result));
}
