//! `demo` without a terminal.

use std::time::Instant;

use crate::command::{output, segments, stderr, stdout, top};

#[test]
fn it_prints_a_table_every_second_and_ends_with_the_summary() {
    let segments = segments();
    let began = Instant::now();
    let result = output(top(segments.path()).args(["demo", "--seconds", "3"]));
    let (said, table) = (stderr(&result), stdout(&result));
    assert_eq!(result.status.code(), Some(0), "{said}");
    assert!(began.elapsed().as_secs() < 10, "it took {:?}", began.elapsed());
    let seconds: Vec<&str> = table.lines().filter(|line| line.contains(" s  phase ")).collect();
    assert!((2..=3).contains(&seconds.len()), "{table}");
    assert!(seconds[0].contains("phase steady mix: "), "{table}");
    let c7: Vec<&str> = table.lines().filter(|line| line.starts_with("C7 ")).collect();
    assert_eq!(c7.len(), seconds.len(), "{table}");
    assert!(c7.iter().all(|line| !line.split_whitespace().nth(1).unwrap().starts_with('0')));
    assert!(said.contains("hakmem-top: demo exited 0, 1 process\n"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("C7 ")), "{said}");
}

#[test]
fn its_workload_goes_through_its_phases_and_ends_with_its_input() {
    let segments = segments();
    let mut command = top(segments.path());
    command.args(["demo-workload", "--phase-seconds", "0.05"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    drop(child.stdin.take());
    let result = child.wait_with_output().unwrap();
    assert!(result.status.success());
    let text = stdout(&result);
    let phases: Vec<&str> = text.lines().take(5).collect();
    let expected =
        ["steady mix", "C7-heavy", "producer/consumer", "growth and release", "steady mix"];
    assert_eq!(phases, expected);
}
