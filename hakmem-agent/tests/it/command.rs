//! The command itself: its output and its end.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn agent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hakmem-agent"))
}

#[test]
fn mistakes_are_named_in_one_line() {
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = agent().args(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.lines().next().unwrap().contains(expected), "{told}");
    };
    check(&["--listen", "10.0.0.1:1"], 1, "10.0.0.1:1 is not a loopback address");
    check(&["--http", "everywhere"], 2, "give \"off\" or an address with a port");
    check(&["--interval", "1"], 2, "'1' for '--interval <MS>'");
    for (option, most) in [
        ("--user-processes", "1000000"),
        ("--user-directories", "10000"),
        ("--user-executables", "100000"),
        ("--user-cpu", "100"),
        ("--user-round", "10000"),
        ("--user-mib", "65536"),
        ("--user-requests", "1000000"),
        ("--user-streams", "100000"),
        ("--user-log-lines", "1000000"),
    ] {
        for wrong in ["0", "99999999", "-1", "many"] {
            let words = format!("{option}={wrong}");
            let expected = format!("'{wrong}' for '{option} <");
            check(&[&words, "--http", "off"], 2, &expected);
        }
        check(&[&format!("{option}=0")], 2, &format!("0 is not in 1..={most}"));
    }
    check(&["--socket", "/proc/none/agent.sock", "--http", "off"], 1, "choose another path");
}

#[test]
fn it_does_not_show_up_among_what_it_shows_and_takes_no_setting_of_theirs() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let output = agent()
        .arg("--version")
        .env("HAKMEM_DIR", directory.path())
        .env("HAKMEM_CHECK", "everything")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn sigterm_ends_it_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    let mut child = agent()
        .arg("--directory")
        .arg(directory.path())
        .arg("--socket")
        .arg(&socket)
        .args(["--http", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let up = lines.find(|line| line.as_ref().unwrap().contains("metrics on http://127.0.0.1:"));
    assert!(up.is_some() && socket.exists());
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!socket.exists());
}
