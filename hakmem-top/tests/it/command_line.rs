//! Messages and exit codes of commands that run no program.

use std::process::Command;

use crate::command::{TOP, output, segments, stderr, stdout, top};

fn check_error(arguments: &[&str], code: i32, expected: &str) {
    let segments = segments();
    let result = output(top(segments.path()).args(arguments));
    let said = stderr(&result);
    assert_eq!(result.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(expected), "{arguments:?}: {said}");
    assert_eq!(stdout(&result), "", "{arguments:?}");
}

#[test]
fn the_help_names_commands_and_options() {
    let help = stdout(&output(Command::new(TOP).arg("--help")));
    let commands =
        ["run", "demo", "ls", "show", "env", "record", "info", "cut", "export", "diff", "check"];
    let options = ["--once", "--json", "--connect", "--directory"];
    for word in commands.into_iter().chain(options) {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    assert!(!help.contains("demo-workload"), "{help}");
    let run = stdout(&output(Command::new(TOP).args(["run", "--help"])));
    for word in ["--plain", "--json", "128 + N", "/dev/null", "--library"] {
        let word = if word == "/dev/null" { "input is empty" } else { word };
        assert!(run.replace('\n', " ").contains(word), "{word} is missing:\n{run}");
    }
}

#[test]
fn the_help_of_commands_with_verdicts_tells_their_exit_codes() {
    for command in ["diff", "check"] {
        let help = stdout(&output(Command::new(TOP).args([command, "--help"])));
        for word in ["exit code", "--html", "--threshold", "[default: 10]", "Examples:"] {
            assert!(help.to_lowercase().contains(&word.to_lowercase()), "{word}:\n{help}");
        }
    }
    check_error(&["diff", "a"], 64, "AFTER is missing");
    check_error(&["diff", "finding:x"], 64, "is not a finding");
    check_error(&["diff", "finding:1", "b"], 64, "leave AFTER out");
    check_error(&["check", "--baseline", "x"], 64, "<PROGRAM ARGS>");
    check_error(&["--json", "diff", "a", "b"], 64, "cannot be combined with a command");
    check_error(
        &["--connect", "/a/b", "check", "--baseline", "x", "--", "true"],
        64,
        "combined with check",
    );
}

#[test]
fn bad_arguments_are_named_in_one_line() {
    check_error(&["--interval", "soon", "ls"], 2, "give 20ms to 60s");
    check_error(&["run"], 2, "PROGRAM ARGS");
    check_error(&["demo", "--seconds", "0"], 2, "--seconds");
    check_error(&["--once", "ls"], 2, "--once and --json cannot be combined with a command");
    check_error(&["--connect", "nowhere", "ls"], 1, "give http://HOST:PORT");
    check_error(&["--connect", "/nonexistent.sock", "ls"], 1, "is hakmem-agent running?");
    check_error(&["--connect", "http://127.0.0.1:1", "ls"], 1, "Connection refused");
    check_error(
        &["--connect", "/a/b", "run", "--", "true"],
        2,
        "--connect cannot be combined with run",
    );
    check_error(&["--connect", "/a/b", "show"], 2, "--connect cannot be combined with show");
    check_error(&["show"], 1, "no ended process has left a segment in");
    check_error(&["show", "4242"], 1, "no segment of process 4242 in");
    check_error(&["show", "/nonexistent"], 1, "/nonexistent: the segment is gone");
    check_error(&["show", "/proc/self/exe"], 1, "/proc/self/exe: not a hakmem segment");
    check_error(&["--directory", "/nonexistent", "show"], 1, "/nonexistent does not exist");
    check_error(&["--json", "show"], 2, "cannot be combined with a command");
}

#[test]
fn a_missing_library_says_where_it_was_looked_for() {
    let missing = ["--library", "/nonexistent/lib.so"];
    for command in [&["run", "--", "true"][..], &["demo"], &["env"]] {
        let code = if command[0] == "run" { 125 } else { 1 };
        let arguments = [&missing[..], command].concat();
        check_error(&arguments, code, "no allocator library at /nonexistent/lib.so");
    }
    let segments = segments();
    let copy = segments.path().join("hakmem-top");
    // Not copied by this process: a child of another test could hold the copy open for writing, and
    // then it cannot be executed.
    assert!(Command::new("cp").arg(TOP).arg(&copy).status().unwrap().success());
    let mut command = Command::new(&copy);
    let result = output(command.args(["run", "--", "true"]).env_remove("HAKMEM_LIBRARY"));
    let said = stderr(&result);
    let directory = segments.path().display();
    assert!(said.contains(&format!("looked for {directory}/libhakmem_preload.so")), "{said}");
    assert!(said.contains("run `cargo build --release`"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn env_prints_an_assignment_that_keeps_what_was_preloaded() {
    let segments = segments();
    let library = hakmem_built::preload_library();
    let alone = stdout(&output(top(segments.path()).arg("env")));
    assert_eq!(alone, format!("LD_PRELOAD={}\n", library.display()));
    let both = stdout(&output(top(segments.path()).arg("env").env("LD_PRELOAD", "libm.so.6")));
    assert_eq!(both, format!("LD_PRELOAD={}:libm.so.6\n", library.display()));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let segments = segments();
    let script = format!("{TOP} ls | true; exit ${{PIPESTATUS[0]}}");
    let mut command = Command::new("bash");
    let result = output(command.args(["-c", &script]).env("HAKMEM_DIR", segments.path()));
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
}
