//! Runs the programs and checks what they print.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Standard output and standard error of `program`, given `input`.
fn run(program: &str, input: &str) -> (String, String) {
    let mut child = Command::new(program)
        .env("HAKMEM_TELEMETRY", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (printed, said) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{program}: {said}");
    (printed, said)
}

#[test]
fn a_command_says_what_its_work_took() {
    let input = "a word\nand a word\n";
    let (printed, said) = run(env!("CARGO_BIN_EXE_word_count"), input);
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["       1 and", "       2 a", "       2 word"]);
    // Input that does not fit the buffers of before costs the same number of allocations more each
    // time, whatever else the standard library does.
    let allocations = |said: &str| -> u64 {
        let (_, rest) = said.split_once("allocations ").expect("the counts");
        rest.split(',').next().unwrap().parse().unwrap()
    };
    let twice = run(env!("CARGO_BIN_EXE_word_count"), &input.repeat(2)).1;
    assert_eq!(allocations(&twice), allocations(&said) + 2 + 5, "two lines and five words more");
}

#[test]
fn a_loop_publishes_its_own_counts() {
    let (page, _) = run(env!("CARGO_BIN_EXE_hot_loop"), "");
    for line in [
        "example_messages_total 1000",
        "example_message_allocations_total 3000",
        "example_message_memory_bytes_total 24000",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{line} is not in {page}");
    }
}

#[test]
fn a_span_has_its_allocations() {
    let (log, _) = run(env!("CARGO_BIN_EXE_spans"), "");
    let check = |request: u64, fields: &str| {
        let start = format!("answer{{request={request} {fields}}}");
        assert!(log.contains(&start), "{start} is not in {log}");
    };
    // The blocks of 100 bytes take 112, the vector of their pointers 16 for each.
    check(1, "allocations=2 allocated_bytes=128");
    check(2, "allocations=3 allocated_bytes=256");
}

#[test]
fn a_program_needs_no_standard_library() {
    let panics = "profile.release.panic='abort'";
    let arguments = ["build", "--release", "-p", "hakmem-no-std", "--features", "without-std"];
    hakmem_built::build(&[&arguments[..], &["--config", panics]].concat());
    let program = hakmem_built::target_directory().join("release/hakmem-no-std");
    let (printed, _) = run(program.to_str().unwrap(), "");
    assert_eq!(printed, "sum 5050, 1 allocation\n");
}
