//! What happens to a program when hakmem-top breaks while it runs that program.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{TOP, segments, stderr, top};
use crate::terminal::Terminal;

/// Makes the event loop of every runtime fail as soon as a file exists.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real) real = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    const char *file = getenv("BREAK_WHEN");
    int told = real(epoll, events, most, timeout);
    if (!file || access(file, F_OK)) return told;
    errno = EBADF;
    return -1;
}
"#;

/// Timeout for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn shim(directory: &Path) -> PathBuf {
    let (source, library) = (directory.join("shim.c"), directory.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(command.status().unwrap().success(), "a C compiler is needed (Debian: gcc, libc6-dev)");
    library
}

fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args(["-s", name, pid]).status().unwrap().success());
}

#[test]
fn a_program_runs_on_and_is_waited_for_when_a_part_of_run_breaks() {
    let segments = segments();
    let (broken, over) = (segments.path().join("broken"), segments.path().join("over"));
    let script = format!(
        "trap 'echo usr' USR1; echo $$; while [ ! -e {} ]; do sleep 0.05; done; echo done",
        over.display()
    );
    let mut child = top(segments.path())
        .args(["run", "--", "bash", "-c", &script])
        .env("LD_PRELOAD", shim(segments.path()))
        .env("BREAK_WHEN", &broken)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let program = line();
    std::fs::write(&broken, "").unwrap();
    let pid = child.id().to_string();
    // The signal wakes the loop.
    signal("WINCH", &pid);
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    said.read_line(&mut told).unwrap();
    assert!(told.starts_with("hakmem-top: a part of it broke (panicked at "), "{told}");
    let expected = format!("; bash (process {program}) continues unwatched; waiting for its end\n");
    assert!(told.ends_with(&expected), "{told}");
    assert!(lives(&program));
    signal("USR1", &pid);
    assert_eq!(line(), "usr", "signals are passed on");
    std::fs::write(&over, "").unwrap();
    assert_eq!(line(), "done");
    assert_eq!(child.wait().unwrap().code(), Some(125));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line says it");
    assert!(!lives(&program));
}

#[test]
fn a_program_whose_output_the_screen_takes_ends_when_the_screen_breaks() {
    let segments = segments();
    let (broken, shim) = (segments.path().join("broken"), shim(segments.path()));
    let terminal = Terminal::open(120, 30, segments.path());
    let environment = format!("LD_PRELOAD={} BREAK_WHEN={}", shim.display(), broken.display());
    terminal.type_line(&format!("{environment} {TOP} run -- sleep 4321.5; echo code $?"));
    terminal.wait_for_text("C7 routing direct");
    let asked = || Command::new("pgrep").args(["-x", "-f", "sleep 4321.5"]).output().unwrap();
    let program = String::from_utf8(asked().stdout).unwrap().trim().to_owned();
    assert!(lives(&program), "{}", stderr(&asked()));
    std::fs::write(&broken, "").unwrap();
    let screen = terminal.wait_for_text("code 125");
    assert!(screen.contains("because its output came through hakmem-top"), "{screen}");
    wait_for("the program has ended", || !lives(&program));
    terminal.check_restored();
}
