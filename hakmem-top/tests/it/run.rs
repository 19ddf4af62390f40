//! `run` without a terminal: the program is unaffected, and the counts are correct.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::command::{output, segments, stderr, stdout, top};

fn run(words: &[&str]) -> std::process::Output {
    let segments = segments();
    output(top(segments.path()).args(["run", "--"]).args(words))
}

#[test]
fn output_and_exit_code_are_the_programs() {
    let result = run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(stdout(&result), "out\n");
    assert_eq!(result.status.code(), Some(7));
    let said = stderr(&result);
    assert!(said.starts_with("err\nhakmem-top: sh -c echo out;"), "{said}");
    assert!(said.contains(" exited 7, 1 process\n"), "{said}");
}

#[test]
fn input_is_the_programs() {
    let segments = segments();
    let mut child = top(segments.path())
        .args(["run", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "through\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_killed_program_gives_128_and_the_signal() {
    let result = run(&["sh", "-c", "kill -9 $$"]);
    assert_eq!(result.status.code(), Some(137));
    assert!(stderr(&result).contains("was killed by signal 9"), "{}", stderr(&result));
}

#[test]
fn a_program_that_cannot_run_is_named() {
    let missing = run(&["nonexistent-program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(stderr(&missing).contains("cannot run `nonexistent-program`: no such program"));
    let forbidden = run(&["/etc/passwd"]);
    assert_eq!(forbidden.status.code(), Some(126));
    assert!(stderr(&forbidden).contains("permission denied"));
}

#[test]
fn signals_reach_the_program() {
    for (signal, name) in [("INT", "int"), ("TERM", "term"), ("HUP", "hup"), ("USR1", "usr1")] {
        let segments = segments();
        let script = format!(
            "trap 'echo {name}; exit 40' {signal}; echo ready; while :; do sleep 0.05; done"
        );
        let mut child = top(segments.path())
            .args(["run", "--", "bash", "-c", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert_eq!(lines.next().unwrap().unwrap(), name);
        assert_eq!(child.wait().unwrap().code(), Some(40), "{signal}");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let segments = segments();
    let script = format!(
        "trap '' HUP; HAKMEM_DIR={} HAKMEM_LIBRARY={} {} run -- sh -c 'kill -HUP $$; echo alive'",
        segments.path().display(),
        hakmem_built::preload_library().display(),
        crate::command::TOP,
    );
    let result = output(Command::new("sh").args(["-c", &script]));
    assert_eq!(stdout(&result), "alive\n", "{}", stderr(&result));
}

#[test]
fn the_document_holds_what_the_program_did() {
    let segments = segments();
    let file = segments.path().join("out.json");
    let result = output(
        top(segments.path()).arg("run").arg("--json").arg(&file).args(["--", "sh", "-c", "ls /"]),
    );
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let text = std::fs::read_to_string(&file).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let processes = document["processes"].as_array().unwrap();
    let names: Vec<&str> = processes.iter().map(|it| it["executable"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.ends_with("/ls")), "{names:?}");
    for process in processes {
        assert!(process["pid"].as_u64().unwrap() > 0);
        assert_eq!(process["routing"], "direct");
        assert!(["exited", "replaced"].contains(&process["state"].as_str().unwrap()));
        for class in process["classes"].as_array().unwrap() {
            check_class(class);
        }
    }
}

/// Checks that the class has every documented member, and that its counts are conserved.
fn check_class(class: &serde_json::Value) {
    let number = |name: &str| class[name].as_i64().unwrap_or_else(|| panic!("{name}: {class}"));
    let sum = |name: &str| -> i64 {
        let counts = class[name].as_object().unwrap_or_else(|| panic!("{name}: {class}"));
        counts.values().map(|count| count.as_i64().unwrap()).sum()
    };
    assert!(class["class"].is_string());
    assert_eq!(sum("outcomes"), number("frees"), "{class}");
    assert!(sum("slow_allocations") <= number("allocations"), "{class}");
    assert!(sum("slow_frees") <= number("frees"), "{class}");
    for name in ["depth_blocks", "live_blocks", "live_bytes"] {
        number(name);
    }
}

#[test]
fn children_and_forks_are_counted() {
    let result = run(&["bash", "-c", "(exit 0); ls / >/dev/null; bash -c 'ls /' >/dev/null; :"]);
    let said = stderr(&result);
    assert!(said.contains("  bash -c"), "{said}");
    // Two blanks precede the command: `bash -c ls /` is another process.
    assert_eq!(said.lines().filter(|line| line.ends_with("  ls /")).count(), 2, "{said}");
}

#[test]
fn a_static_program_is_explained() {
    let segments = segments();
    let source = segments.path().join("static.c");
    let program = segments.path().join("static");
    std::fs::write(&source, "int main(void) { return 5; }\n").unwrap();
    let built =
        Command::new("cc").arg("-static").arg(&source).arg("-o").arg(&program).status().unwrap();
    assert!(built.success(), "a C compiler with a static libc is needed (Debian: gcc, libc6-dev)");
    let result = output(top(segments.path()).args(["run", "--"]).arg(&program));
    assert_eq!(result.status.code(), Some(5));
    let said = stderr(&result);
    assert!(said.contains("published nothing"), "{said}");
    assert!(said.contains("is statically linked"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_document_that_cannot_be_written_is_an_error_before_the_program_runs() {
    let segments = segments();
    let result = output(top(segments.path()).args([
        "run",
        "--json",
        "/nonexistent/x.json",
        "--",
        "echo",
        "ran",
    ]));
    assert_eq!(result.status.code(), Some(125));
    assert_eq!(stdout(&result), "");
    assert!(stderr(&result).contains("cannot write /nonexistent/x.json"), "{}", stderr(&result));
}
