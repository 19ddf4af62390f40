//! Without a command: one agent, or the directory itself, printed once.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::built::{library, output, segments, stderr, stdout, top};

/// A program under the library that waits until it is killed, and has published by now.
struct Sleeper(Child);

impl Sleeper {
    fn start(segments: &std::path::Path) -> Self {
        let mut child = Command::new("bash")
            .args(["-c", "echo ready; while :; do read -t 10 < /dev/zero; done"])
            .env("LD_PRELOAD", library())
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
    // Its parent has waited for it before anybody else looked.
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
