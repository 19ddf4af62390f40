//! A program that gives itself settings, and asks for its segment.

#![allow(unsafe_code)]

use std::env;
use std::fs;
use std::mem::offset_of;
use std::path::PathBuf;
use std::process::{self, Command};
use std::ptr;

use hakmem::{Check, Hakmem, LabelError, Telemetry};
use hakmem_segment::{SegmentHeader, State};

#[global_allocator]
static GLOBAL: Hakmem =
    Hakmem::new().labels("service=api").check(Check::Full).telemetry(Telemetry::Off);

/// The program that the tests below run.
#[test]
#[ignore = "a part of the tests below"]
fn tell() {
    assert_eq!(hakmem::set_label("service", "main"), Ok(()));
    assert_eq!(hakmem::set_label("phase", "one"), Ok(()));
    assert_eq!(hakmem::set_label("phase", "two"), Ok(()));
    assert_eq!(hakmem::set_label("phase", "x,y"), Err(LabelError::Value));
    if env::var_os("IN_CHILD").is_some() {
        // SAFETY: the other threads of the harness wait, and the parent only waits for the child.
        let child = unsafe { libc::fork() };
        if child != 0 {
            // SAFETY: waits for this process's child; nobody asks for its status.
            unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        assert_eq!(hakmem::set_label("phase", "three"), Ok(()));
    }
    match hakmem::segment_key() {
        Some(key) => println!("key: {key}."),
        None => println!("key: none."),
    }
    hakmem::mark_exit(7);
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) };
}

/// A directory for segments that is removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = format!("/dev/shm/hakmem-given-{name}-{}", process::id());
        fs::DirBuilder::new().mode(0o700).create(&path).expect("a new directory");
        Self(path.into())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("removes what it made");
    }
}

/// The key that the program tells, and its segment, when it ran with these variables.
fn run(name: &str, variables: &[(&str, &str)]) -> (String, Option<Vec<u8>>) {
    let directory = Directory::new(name);
    let output = Command::new(env::current_exe().expect("the tests run"))
        .args(["--ignored", "--exact", "tell", "--nocapture"])
        .env("HAKMEM_DIR", &directory.0)
        .envs(variables.iter().copied())
        .output()
        .expect("the tests run");
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = text.split_once("key: ").unwrap_or_else(|| panic!("no key in {text}"));
    let key = rest.split_once('.').expect("ends with a full stop").0.to_owned();
    let segment = fs::read(directory.0.join(format!("{key}.hakmem"))).ok();
    (key, segment)
}

#[test]
fn what_the_program_gives_itself_is_in_force() {
    assert_eq!(run("none", &[]), ("none".into(), None), "telemetry is off");
}

#[test]
fn the_environment_wins_setting_by_setting() {
    let (key, segment) = run("on", &[("HAKMEM_TELEMETRY", "on")]);
    let segment = segment.unwrap_or_else(|| panic!("there is no segment {key}"));
    let word = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(segment[offset_of!(SegmentHeader, check)], Check::Full as u8);
    // Noted by `mark_exit`, for `_exit` runs no handlers.
    assert_eq!(word(offset_of!(SegmentHeader, state)), State::Exited as u32);
    assert_eq!(word(offset_of!(SegmentHeader, exit_code)), 7);
}

#[test]
fn labels_set_in_the_program_count_and_those_of_the_environment_stay() {
    let check = |name: &str, variables: &[(&str, &str)], expected: &str, changes: u64| {
        let variables = [&[("HAKMEM_TELEMETRY", "on")], variables].concat();
        let segment = run(name, &variables).1.expect("a segment");
        let bytes = |at: usize, count: usize| &segment[at..at + count];
        let length = bytes(offset_of!(SegmentHeader, labels_bytes), 4);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let labels = bytes(offset_of!(SegmentHeader, labels), length);
        assert_eq!(str::from_utf8(labels), Ok(expected));
        let sequence = bytes(offset_of!(SegmentHeader, labels_sequence), 8);
        assert_eq!(sequence, (changes * 2).to_le_bytes());
    };
    check("labels", &[], "service=main,phase=two", 3);
    let environment = [("HAKMEM_LABELS", "service=web")];
    check("fixed", &environment, "service=web,phase=two", 3);
    // The child began with its parent's labels, and changed one.
    let in_child = [("HAKMEM_LABELS", "service=web"), ("IN_CHILD", "yes")];
    check("child", &in_child, "service=web,phase=three", 1);
}
