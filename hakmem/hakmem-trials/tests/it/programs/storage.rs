//! git and sqlite3.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hakmem_race::programs_race::sources;

use super::{Program, summary};

const COMMITS: usize = 1500;

/// A history with many files, for `git fast-import`; the same every time.
fn history() -> String {
    let mut text = String::new();
    for number in 0..COMMITS {
        let time = 1_700_000_000 + number * 600;
        let message = format!("Change {number}\n\nWhy: because of reason {}.\n", number % 13);
        write!(
            text,
            "commit refs/heads/main\ncommitter A Person <a@example.invalid> {time} +0000\n\
             data {}\n{message}",
            message.len()
        )
        .expect("a string can be written to");
        for file in 0..4 {
            let path = (number * 7 + file * 31) % 300;
            let mut content = String::new();
            for line in 0..(number % 40 + 20) {
                writeln!(content, "line {line} of {path} as of {}", number / (line + 1))
                    .expect("a string can be written to");
            }
            write!(
                text,
                "M 100644 inline folder{}/file{path}.txt\ndata {}\n{content}\n",
                path % 20,
                content.len()
            )
            .expect("a string can be written to");
        }
    }
    text
}

fn git(directory: &Path, arguments: &[&str], input: &str) {
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("git: {error}; apt-get install git"));
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("git reads");
    drop(pipe);
    assert!(child.wait().expect("git ends").success(), "git {arguments:?}");
}

#[test]
fn git_with_the_log_of_a_repository() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    git(directory.path(), &["init", "--quiet", "--initial-branch=main"], "");
    git(directory.path(), &["fast-import", "--quiet"], &history());
    let program = Program {
        words: &["git", "log", "--stat", "main"],
        directory: directory.path(),
        environment: &[("GIT_CONFIG_GLOBAL", "/dev/null")],
        package: "git",
    };
    let plain = program.plain();
    let text = String::from_utf8_lossy(&plain.stdout);
    assert_eq!(text.matches("\ncommit ").count() + 1, COMMITS);
    let processes = program.compare();
    summary::busiest(&processes, "git").assert_plausible(50_000);
}

#[test]
fn sqlite_with_an_index_over_200_000_rows() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let statements = sources::sql(200_000);
    let program = Program {
        words: &["sqlite3", ":memory:", &statements],
        directory: directory.path(),
        environment: &[],
        package: "sqlite3",
    };
    let plain = program.plain();
    let text = String::from_utf8_lossy(&plain.stdout);
    assert!(text.starts_with("200000|") && text.ends_with("ok\n"), "{text}");
    let processes = program.compare();
    summary::busiest(&processes, "sqlite3").assert_plausible(10_000);
}
