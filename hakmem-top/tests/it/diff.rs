//! `diff` of recordings, parts of them, and processes: text, documents, pages and exit codes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hakmem_agent::{AgentConfig, RunningAgent};

use crate::command::{output, segments, stderr, stdout, top};
use crate::load::{ROUNDS, load};

/// A recording of one run under `routing`.
fn recording(folder: &Path, name: &str, routing: &str) {
    let mut command = top(folder);
    command.args(["record", "--interval", "20ms", "-o"]).arg(folder.join(name)).arg("--");
    // About one second in which no operation leaves the fast path; a shorter run may be one wave.
    let calls = "100000000";
    let result = output(command.arg(load()).arg(calls).env("HAKMEM_ROUTING", routing));
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
}

/// A recording of a few shorter runs.
fn runs(folder: &Path, name: &str, routing: &str) {
    let mut command = top(folder);
    command.args(["check", "--update", "--runs", "3", "--baseline"]).arg(folder.join(name));
    let result = output(command.arg("--").arg(load()).arg(ROUNDS).env("HAKMEM_ROUTING", routing));
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
}

fn diff(folder: &Path, arguments: &[&str]) -> Output {
    output(top(folder).arg("diff").args(arguments).current_dir(folder))
}

fn document(output: &Output) -> serde_json::Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

#[test]
fn another_routing_is_a_regression_and_the_first_cause() {
    let segments = segments();
    let folder = segments.path();
    recording(folder, "direct.hakrec", "direct");
    recording(folder, "again.hakrec", "direct");
    recording(folder, "exclude.hakrec", "exclude");

    let worse = diff(folder, &["direct.hakrec", "exclude.hakrec", "--html", "why.html"]);
    let text = stdout(&worse);
    assert_eq!(worse.status.code(), Some(1), "{text}{}", stderr(&worse));
    assert!(text.starts_with("regressed: ") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("\n 1. routing · C7 free routed "), "{text}");
    assert_eq!(stderr(&worse), "hakmem-top: wrote why.html\n");
    let page = std::fs::read_to_string(folder.join("why.html")).unwrap();
    assert!(page.contains("<header class=\"regressed\">") && page.contains("<polyline"));

    let json = diff(folder, &["direct.hakrec", "exclude.hakrec", "--json"]);
    assert_eq!(json.status.code(), Some(1));
    let document = document(&json);
    assert_eq!(document["causes"][0]["kind"], "routing");
    assert_eq!(document["differences"][0]["after"], "exclude", "{document}");

    let better = diff(folder, &["exclude.hakrec", "direct.hakrec"]);
    assert_eq!(better.status.code(), Some(0), "{}", stdout(&better));
    assert!(stdout(&better).starts_with("improved: "), "{}", stdout(&better));

    let same = diff(folder, &["direct.hakrec", "again.hakrec"]);
    assert!(matches!(same.status.code(), Some(0 | 2)), "{}", stdout(&same));
    let tolerated = diff(folder, &["direct.hakrec", "exclude.hakrec", "--threshold", "100000"]);
    assert!(matches!(tolerated.status.code(), Some(0 | 2)), "{}", stdout(&tolerated));
}

#[test]
fn recordings_of_several_runs_are_sides_too() {
    let segments = segments();
    let folder = segments.path();
    runs(folder, "direct.hakrec", "direct");
    runs(folder, "registry.hakrec", "registry");
    let worse = diff(folder, &["direct.hakrec", "registry.hakrec", "--json"]);
    assert_eq!(worse.status.code(), Some(1), "{}", stderr(&worse));
    let document = document(&worse);
    assert_eq!(document["causes"][0]["kind"], "routing", "{document}");
    assert_eq!(document["before"]["processes"], 3, "{document}");
    let labels = document["differences"].as_array().unwrap();
    assert!(labels.iter().all(|it| it["what"] != "labels"), "marks of runs are no difference");
}

#[test]
fn windows_and_selections_say_what_there_is() {
    let segments = segments();
    let folder = segments.path();
    recording(folder, "a.hakrec", "direct");
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let result = diff(folder, arguments);
        let said = stderr(&result);
        assert_eq!(result.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(stdout(&result), "", "{arguments:?}");
    };
    check(&["a.hakrec", "b.hakrec"], 66, "cannot read b.hakrec: No such file");
    check(&["a.hakrec", "a.hakrec@soon.."], 64, "`soon` is not a time");
    check(&["a.hakrec", "a.hakrec@+10..+5"], 66, "swap them");
    check(&["a.hakrec", "a.hakrec@+1h.."], 66, "nothing was recorded in that window");
    check(
        &["a.hakrec", "a.hakrec", "--name", "redis"],
        66,
        "no process is selected; it contains: ",
    );
    check(&["a.hakrec", "4000000"], 66, "no running process 4000000 publishes");
    check(&["a.hakrec", "a.hakrec", "--html", "/nonexistent/x"], 74, "cannot write /nonexistent/x");
    check(&["--connect", "/nonexistent.sock", "a.hakrec", "agent"], 69, "is hakmem-agent running?");

    check(&["a.hakrec", "a.hakrec@+0.00001..+0.00002"], 66, "no sample lies in that window");

    // The same recording twice, and a part of it that is too small for a verdict.
    let twice = diff(folder, &["a.hakrec", "a.hakrec"]);
    assert!(matches!(twice.status.code(), Some(0 | 2)), "{}", stdout(&twice));
    let part = diff(folder, &["a.hakrec", "a.hakrec@+0..+0.05"]);
    assert_eq!(part.status.code(), Some(2), "{}", stdout(&part));
    assert!(stdout(&part).starts_with("not enough data: "), "{}", stdout(&part));
}

#[test]
fn damage_of_a_recording_is_said_with_the_answer() {
    let segments = segments();
    let folder = segments.path();
    runs(folder, "a.hakrec", "direct");
    let mut bytes = std::fs::read(folder.join("a.hakrec")).unwrap();
    std::fs::write(folder.join("b.hakrec"), [&bytes[..], &[0x55; 40]].concat()).unwrap();
    let result = diff(folder, &["a.hakrec", "b.hakrec", "--json"]);
    let document = document(&result);
    let caveats = document["caveats"].to_string();
    assert!(caveats.contains("b.hakrec: a part of it, "), "{caveats}");
    assert!(!caveats.contains("a.hakrec: a part"), "{caveats}");
    // The runs are written at once, so one block contains everything.
    let tail = bytes.len() - 3;
    bytes[tail] ^= 0x55;
    std::fs::write(folder.join("c.hakrec"), &bytes).unwrap();
    let nothing = diff(folder, &["a.hakrec", "c.hakrec"]);
    assert_eq!(nothing.status.code(), Some(66));
    let said = stderr(&nothing);
    assert!(said.contains("contains no process; c.hakrec: a part of it, "), "{said}");
}

/// A program that works until it is killed, and its process id. It runs at low priority, because
/// two of it keep two processors busy.
fn endless(folder: &Path, routing: &str) -> (Child, String) {
    let mut command = Command::new("nice");
    command
        .args(["-n", "19"])
        .arg(load())
        .arg("1000000000000")
        .env("LD_PRELOAD", hakmem_built::preload_library())
        .env("HAKMEM_DIR", folder)
        .env("HAKMEM_ROUTING", routing)
        .stdout(Stdio::null());
    let child = command.spawn().unwrap();
    let pid = child.id().to_string();
    (child, pid)
}

/// Waits until the process publishes and has become the program to be watched.
fn wait_for(folder: &Path, pid: &str) {
    let began = Instant::now();
    loop {
        let listed = stdout(&output(top(folder).arg("ls")));
        let is_there = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // `nice` has the same process id, and the program's name among its arguments.
            let is_program = words.contains(&"1000000000000") && !words.contains(&"nice");
            words.contains(&pid) && words.contains(&"running") && is_program
        };
        if listed.lines().any(is_there) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{pid} does not appear: {listed}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn processes_are_compared_while_they_run() {
    let segments = segments();
    let folder = segments.path();
    let (mut direct, direct_pid) = endless(folder, "direct");
    let (mut exclude, exclude_pid) = endless(folder, "exclude");
    for pid in [&direct_pid, &exclude_pid] {
        wait_for(folder, pid);
    }
    let arguments = [&direct_pid, &format!("pid:{exclude_pid}"), "--seconds", "3", "--json"];
    let result = diff(folder, &arguments.map(|it| it as &str));
    for child in [&mut direct, &mut exclude] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(result.status.code(), Some(1), "{}{}", stdout(&result), stderr(&result));
    let document = document(&result);
    assert_eq!(document["causes"][0]["kind"], "routing", "{document}");
    let seconds = document["before"]["seconds"].as_f64().unwrap();
    assert!((2.0..8.0).contains(&seconds), "{seconds}");
    assert_eq!(stderr(&result), "hakmem-top: sampling for 3 s …\n");
}

#[test]
fn a_reader_that_goes_away_costs_no_page() {
    let segments = segments();
    let folder = segments.path();
    recording(folder, "a.hakrec", "direct");
    let mut child = top(folder)
        .args(["diff", "a.hakrec", "a.hakrec", "--html", "page.html"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{line}");
    assert!(folder.join("page.html").exists());
}

/// A thread with an agent that keeps ten samples per second; it ends when the sender is dropped.
fn agent(segments: &Path, socket: &Path) -> std::sync::mpsc::Sender<()> {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let (ready, started) = std::sync::mpsc::channel();
    let mut config = AgentConfig {
        unix_socket: Some(socket.to_owned()),
        ..AgentConfig::for_directory(segments)
    };
    config.idle_interval = Duration::from_millis(100);
    config.history.interval = Duration::from_millis(100);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let agent = runtime.block_on(RunningAgent::start(config)).expect("the agent starts");
        ready.send(()).unwrap();
        // Dropping the sender makes `recv` return an error.
        let _ = stopped.recv();
        drop(agent);
    });
    started.recv().expect("the agent starts");
    stop
}

#[test]
fn the_agents_history_is_compared_with_itself() {
    let segments = segments();
    let folder = segments.path();
    let socket = folder.join("agent.sock");
    let agent = agent(folder, &socket);
    let connect = ["--connect", socket.to_str().unwrap()];
    let (mut direct, direct_pid) = endless(folder, "direct");
    let (mut exclude, exclude_pid) = endless(folder, "exclude");
    std::thread::sleep(Duration::from_secs(4));
    let [before, after] = [&direct_pid, &exclude_pid].map(|pid| format!("pid:{pid}@last 1h"));
    let worse = diff(folder, &[&connect[..], &[&before, &after, "--json"]].concat());
    let same = ["agent@+0.5..+2", "agent@+2..", "--pid", &direct_pid];
    let same = diff(folder, &[&connect[..], &same].concat());
    let early = diff(folder, &[&connect[..], &["agent@..2020-01-01T00:00:00Z", &before]].concat());
    let unknown = diff(folder, &[&connect[..], &["agent", &before, "--name", "redis"]].concat());
    for child in [&mut direct, &mut exclude] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(agent);
    assert_eq!(worse.status.code(), Some(1), "{}{}", stdout(&worse), stderr(&worse));
    let document = document(&worse);
    assert_eq!(document["causes"][0]["kind"], "routing", "{document}");
    assert!(document["before"]["samples"].as_u64().unwrap() >= 3, "{document}");
    assert!(matches!(same.status.code(), Some(0 | 2)), "{}{}", stdout(&same), stderr(&same));
    assert_eq!(early.status.code(), Some(66), "{}", stderr(&early));
    assert!(stderr(&early).contains("nothing was recorded in that window"), "{}", stderr(&early));
    assert_eq!(unknown.status.code(), Some(66));
    assert!(stderr(&unknown).contains("it contains: "), "{}", stderr(&unknown));
}

#[test]
fn without_an_agent_there_is_no_history() {
    let segments = segments();
    let result = diff(segments.path(), &["agent@last 5m", "agent"]);
    assert_eq!(result.status.code(), Some(69));
    assert!(stderr(&result).contains("no agent runs that could have kept"), "{}", stderr(&result));
}
