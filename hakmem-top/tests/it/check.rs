//! `check`: baselines are written and kept, and regressions against them are found.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::command::{output, segments, stderr, stdout, top};
use crate::load::{ROUNDS, load};

/// The command with a baseline in the folder of the segments.
fn check(folder: &Path, options: &[&str], words: &[&str]) -> Command {
    let mut command = top(folder);
    command.args(["check", "--baseline"]).arg(folder.join("base.hakrec"));
    command.args(options).arg("--").arg(load()).args(words);
    command
}

fn run(folder: &Path, options: &[&str]) -> Output {
    output(&mut check(folder, &[&["--runs", "3"], options].concat(), &[ROUNDS]))
}

fn document(output: &Output) -> serde_json::Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

#[test]
fn a_baseline_holds_until_something_is_worse() {
    let segments = segments();
    let folder = segments.path();
    let written = run(folder, &["--update"]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    assert_eq!(stdout(&written), "");
    assert!(stderr(&written).contains("base.hakrec: 3 runs, 2.4"), "{}", stderr(&written));

    let same = run(folder, &[]);
    // A busy machine may yield too little data for "unchanged", but no worse verdict.
    assert!(matches!(same.status.code(), Some(0 | 2)), "{}{}", stdout(&same), stderr(&same));
    assert!(stdout(&same).contains("3 runs"), "{}", stdout(&same));
    // The program's output is kept apart from the answer.
    assert_eq!(stderr(&same).matches("working\n").count(), 3, "{}", stderr(&same));

    let page = folder.join("why.html");
    let mut worse = check(folder, &["--json", "--html", page.to_str().unwrap()], &[ROUNDS]);
    let worse = output(worse.env("HAKMEM_CHECK", "full"));
    assert_eq!(worse.status.code(), Some(1), "{}", stderr(&worse));
    let document = document(&worse);
    assert_eq!(document["verdict"], "regressed");
    assert_eq!(document["causes"][0]["kind"], "check");
    assert_eq!(document["after"]["processes"], 5, "five runs are the default");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

#[test]
fn every_operation_of_a_short_program_is_compared() {
    let segments = segments();
    let folder = segments.path();
    // The runs take a few milliseconds, less than the interval between two samples.
    let written = output(&mut check(folder, &["--update"], &["20000"]));
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let result = output(&mut check(folder, &["--json"], &["20000"]));
    let document = document(&result);
    for side in ["before", "after"] {
        let operations = document[side]["operations"].as_u64().unwrap();
        // 20 000 allocations and their frees in each of 5 runs, and a few by the C library.
        assert!((200_000..202_000).contains(&operations), "{side}: {operations}");
    }
    assert_ne!(document["verdict"], "regressed", "{document}");
}

#[test]
fn processes_of_one_run_are_one_unit() {
    let segments = segments();
    let folder = segments.path();
    let script = format!("{0} 20000; {0} 20000", load().display());
    let run = |option: &str| {
        let mut command = top(folder);
        command.args(["check", "--baseline"]).arg(folder.join("base.hakrec"));
        output(command.args(["--runs", "3", option, "--", "sh", "-c", &script]))
    };
    assert_eq!(run("--update").status.code(), Some(0));
    let result = run("--json");
    let document = document(&result);
    assert_eq!(document["before"]["processes"], 3, "{document}");
    assert_eq!(document["after"]["processes"], 3, "{document}");
    let executables = document["after"]["executables"].as_array().unwrap();
    assert!(executables[0].as_str().unwrap().ends_with("/load"), "{executables:?}");
}

#[test]
fn a_program_that_fails_is_not_compared() {
    let segments = segments();
    let folder = segments.path();
    for options in [&["--update"][..], &[]] {
        if options.is_empty() {
            assert_eq!(run(folder, &["--update"]).status.code(), Some(0));
        }
        let failed = output(&mut check(folder, options, &["1000", "7"]));
        assert_eq!(failed.status.code(), Some(125), "{}", stderr(&failed));
        assert_eq!(stdout(&failed), "");
        let said = stderr(&failed);
        assert!(said.contains("run 1 of 5: `") && said.contains("` exited 7; nothing"), "{said}");
        let kept = folder.join("base.hakrec").exists();
        assert_eq!(kept, options.is_empty(), "a failed run neither writes nor removes");
    }
    let mut missing = top(folder);
    missing.args(["check", "--update", "--baseline", "x", "--", "nonexistent-program"]);
    assert_eq!(output(&mut missing).status.code(), Some(127));
}

#[test]
fn what_cannot_be_read_or_written_is_said_before_anything_runs() {
    let segments = segments();
    let folder = segments.path();
    let missing = run(folder, &[]);
    assert_eq!(missing.status.code(), Some(66));
    let said = stderr(&missing);
    assert!(said.contains("base.hakrec") && said.contains("`check --update` writes"), "{said}");
    std::fs::write(folder.join("base.hakrec"), "not a recording").unwrap();
    let foreign = run(folder, &[]);
    assert_eq!(foreign.status.code(), Some(66));
    assert!(stderr(&foreign).contains("is not a recording"), "{}", stderr(&foreign));
    assert_eq!(run(folder, &["--update"]).status.code(), Some(0));
    let unwritable = run(folder, &["--html", "/nonexistent/why.html"]);
    assert_eq!(unwritable.status.code(), Some(74));
    let said = stderr(&unwritable);
    assert!(said.contains("cannot write /nonexistent/why.html"), "{said}");
    assert!([&missing, &foreign, &unwritable].iter().all(|it| !stderr(it).contains("working")));
    assert_eq!(run(folder, &["--update", "--json"]).status.code(), Some(64));
}

#[test]
fn a_signal_ends_the_program_and_the_command() {
    let segments = segments();
    let mut command = top(segments.path());
    command.args(["check", "--update", "--baseline", "x", "--", "sleep", "60"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.status.signal()), (Some(143), None));
    assert!(stderr(&ended).contains("interrupted by signal 15"), "{}", stderr(&ended));
}
