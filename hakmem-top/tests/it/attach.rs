//! Without a command: attaches to an agent, or reads the directory itself, and prints once.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::command::{output, segments, stderr, stdout, top};

/// A program under the library that has published and waits until it is killed.
struct Sleeper(Child);

impl Sleeper {
    fn start(segments: &std::path::Path) -> Self {
        let mut child = Command::new("bash")
            .args(["-c", "echo ready; while :; do read -t 10 < /dev/zero; done"])
            .env("LD_PRELOAD", hakmem_built::preload_library())
            .env("HAKMEM_DIR", segments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_directory_is_read_without_an_agent() {
    let segments = segments();
    let sleeper = Sleeper::start(segments.path());
    let mut command = top(segments.path());
    let list = output(command.arg("--directory").arg(segments.path()).arg("ls"));
    let text = stdout(&list);
    let row = text.lines().nth(1).unwrap_or_else(|| panic!("{text}{}", stderr(&list)));
    let mut words = row.split_whitespace();
    assert_eq!(words.next(), Some(sleeper.0.id().to_string().as_str()));
    assert_eq!(words.next(), Some("running"));
}

#[test]
fn a_killed_program_is_shown_as_ended_with_its_counts() {
    let segments = segments();
    let mut sleeper = Sleeper::start(segments.path());
    let pid = sleeper.0.id();
    sleeper.0.kill().unwrap();
    sleeper.0.wait().unwrap();
    let mut command = top(segments.path());
    let once = output(command.arg("--directory").arg(segments.path()).args(["--once", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&stdout(&once)).unwrap();
    let process = &document["processes"][0];
    assert_eq!(process["pid"], pid);
    // Its parent waited for it before the agent saw its end.
    assert_eq!(process["state"], "ended");
    let classes = process["classes"].as_array().unwrap();
    assert!(classes.iter().any(|class| class["allocations"].as_u64() > Some(10)), "{process}");
}

#[test]
fn once_prints_the_classes_of_every_process() {
    let segments = segments();
    let _sleeper = Sleeper::start(segments.path());
    let mut command = top(segments.path());
    let once = output(command.arg("--directory").arg(segments.path()).arg("--once"));
    let text = stdout(&once);
    assert!(text.contains(" running direct bash -c"), "{text}");
    assert!(text.contains("\nC2 "), "{text}");
}

#[test]
fn an_empty_directory_is_said_and_no_error() {
    let segments = segments();
    let list = output(top(segments.path()).arg("--directory").arg(segments.path()).arg("ls"));
    assert_eq!(list.status.code(), Some(0));
    assert!(stderr(&list).contains("no process publishes"), "{}", stderr(&list));
}

#[test]
fn a_directory_that_is_missing_or_none_is_an_error_in_one_line() {
    let segments = segments();
    let none = segments.path().join("none");
    let file = segments.path().join("file");
    std::fs::write(&file, "").unwrap();
    let check = |directory: &std::path::Path, words: &[&str], code: i32, expected: &str| {
        let result = output(top(segments.path()).arg("--directory").arg(directory).args(words));
        let said = stderr(&result);
        assert_eq!(result.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{words:?}: {said}");
    };
    for (words, code) in
        [(&["ls"][..], 1), (&["--once"][..], 1), (&["record", "--seconds", "1"][..], 66)]
    {
        check(&none, words, code, "hakmem-top: the directory ");
        check(&file, words, code, "hakmem-top: cannot read the directory ");
    }
    // The default directory was not given: the first program creates it.
    let list = output(top(&none).arg("ls"));
    assert_eq!(list.status.code(), Some(0), "{}", stderr(&list));
    assert!(stderr(&list).contains(" does not exist"), "{}", stderr(&list));
}

#[test]
fn labels_are_listed_and_the_story_tells_them() {
    let segments = segments();
    let mut command = top(segments.path());
    let ran = output(
        command.env("HAKMEM_LABELS", "version=2,service=shop").args(["run", "--", "ls", "/"]),
    );
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let directory = segments.path();
    for words in [["ls"], ["--once"]] {
        let text = stdout(&output(top(directory).arg("--directory").arg(directory).args(words)));
        assert!(text.contains("ls /  [service=shop,version=2]"), "{text}");
    }
    let story = stdout(&output(top(directory).arg("show")));
    assert!(story.contains("\n  labels    service=shop,version=2\n"), "{story}");
}

#[test]
fn a_pid_that_cannot_be_recorded_is_an_error_that_says_why() {
    let segments = segments();
    let check = |pid: u32, expected: &str| {
        let mut command = top(segments.path());
        let file = segments.path().join("a.hakrec");
        command.arg("--directory").arg(segments.path()).args(["record", "--seconds", "1", "-o"]);
        let result = output(command.arg(&file).args(["--pid", &pid.to_string()]));
        let said = stderr(&result);
        assert_eq!(result.status.code(), Some(66), "{said}");
        assert!(
            said.starts_with(&format!("hakmem-top: process {pid} publishes nothing: ")),
            "{said}"
        );
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
        assert!(!file.exists());
    };
    check(4_194_999, "no such process runs");
    check(std::process::id(), "was not started under hakmem");
}
