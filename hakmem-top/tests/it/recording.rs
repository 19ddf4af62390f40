//! `record`, `info`, `cut` and `export`, on real programs and on damaged files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hakmem_recording::{Recording, Window};

use crate::command::{stderr, stdout, unique};
use crate::place::Place;

/// A program that allocates for about a second.
const PROGRAM: [&str; 5] = [
    "bash",
    "-c",
    "for i in $(seq 10); do x=$(printf '%0.s-' $(seq 300)); sleep 0.1; done; exit 7",
    "recorded",
    "by-a-test",
];

impl Place {
    /// A recording of the program.
    fn recorded(&self) -> PathBuf {
        let result = self.run(&[&["record", "-o", "a.hakrec", "--"][..], &PROGRAM[..]].concat());
        assert_eq!(result.status.code(), Some(7), "{}", stderr(&result));
        self.file("a.hakrec")
    }
}

fn operations(recording: &Recording, name: &str) -> u64 {
    let named = |process: &&hakmem_recording::reader::ProcessSummary| {
        process.identity.arguments.iter().any(|word| word == name)
    };
    recording.summary().processes.iter().filter(named).map(|process| process.operations).sum()
}

#[test]
fn a_program_is_recorded_from_its_start_to_its_end() {
    let place = Place::new();
    let path = place.recorded();
    let recording = Recording::open(&path).unwrap();
    assert!(recording.is_complete());
    assert_eq!(recording.damage(), []);
    assert!(operations(&recording, "by-a-test") > 1000);
    let summary = recording.summary();
    assert!(summary.processes.len() > 10, "its children are there: {summary:?}");
    assert!(summary.processes.iter().all(|it| it.state != "running"), "all have ended");
    let bash = |identity: &hakmem_proto::v1::Identity| {
        identity.arguments.iter().any(|word| word == "by-a-test") && !identity.forked
    };
    let [series] = <[_; 1]>::try_from(recording.series(Window::ALL, bash)).unwrap();
    assert_eq!(series.samples[0].totals.unwrap().allocations, 0, "it began with nothing");
    let last = series.samples.last().unwrap();
    assert_eq!((last.state.as_str(), last.exit_code), ("exited", Some(7)));
    assert!(recording.start().command.contains("record -o a.hakrec -- bash -c"));
}

#[test]
fn what_was_recorded_is_said_and_no_file_is_replaced_silently() {
    let place = Place::new();
    let first = place.run(&["record", "-o", "a.hakrec", "--", "sh", "-c", "echo out; ls /"]);
    let said = stderr(&first);
    assert!(stdout(&first).starts_with("out\n"), "the program's output is its own");
    assert!(said.starts_with("hakmem-top: recorded 2 processes in "), "{said}");
    assert!(said.contains(": a.hakrec, "), "{said}");
    let again = place.run(&["record", "-o", "a.hakrec", "--", "touch", "ran"]);
    assert_eq!(again.status.code(), Some(64));
    assert_eq!(
        stderr(&again),
        "hakmem-top: a.hakrec exists; choose another name, or --force to replace it\n"
    );
    assert!(!place.file("ran").exists(), "the program must not run for nothing");
    let forced = place.run(&["record", "--force", "-o", "a.hakrec", "--", "true"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    // Without a name, the file gets one from the time.
    let unnamed = place.run(&["record", "--", "true"]);
    assert!(stderr(&unnamed).contains(": hakmem-2"), "{}", stderr(&unnamed));
}

#[test]
fn running_processes_are_recorded_until_a_signal() {
    let place = Place::new();
    let name = unique("attached");
    let script = "while :; do x=$(printf '%0.s-' $(seq 300)); done";
    let mut program = place
        .top(&["run", "--plain", "--", "bash", "-c", script, &name])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&place, &name);
    let directory = place.segments.path().display().to_string();
    let recorder = place
        .top(&["--directory", &directory, "record", "--interval", "50ms", "--name", &name])
        .args(["-o", "b.hakrec"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = place.file("b.hakrec");
    let begin = Instant::now();
    while Recording::open(&path).map_or(0, |it| operations(&it, &name)) < 1000 {
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing is recorded");
        std::thread::sleep(Duration::from_millis(100));
    }
    let pid = recorder.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let ended = recorder.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("; Ctrl-C ends it\n"), "{}", stderr(&ended));
    let recording = Recording::open(&path).unwrap();
    assert!(recording.is_complete());
    let pid = program.id().to_string();
    Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap();
    program.wait().unwrap();
}

/// Waits until a process with this word in its command line publishes.
fn wait_for(place: &Place, word: &str) {
    let begin = Instant::now();
    let directory = place.segments.path().display().to_string();
    while !stdout(&place.run(&["--directory", &directory, "ls"])).contains(word) {
        assert!(begin.elapsed() < Duration::from_secs(30), "{word} does not publish");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_time_is_over_when_it_is() {
    let place = Place::new();
    let directory = place.segments.path().display().to_string();
    let begin = Instant::now();
    let result =
        place.run(&["--directory", &directory, "record", "-o", "c.hakrec", "--seconds", "1"]);
    assert_eq!(result.status.code(), Some(66), "{}", stderr(&result));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let said = stderr(&result);
    assert!(said.starts_with("hakmem-top: no process publishes yet; waiting for one\n"), "{said}");
    assert!(said.contains("no process published, so c.hakrec was not written"), "{said}");
    assert!(!place.file("c.hakrec").exists());
    // The program continues, and its exit code is preserved.
    let arguments =
        ["record", "-o", "d.hakrec", "--seconds", "1", "--", "sh", "-c", "sleep 2; exit 9"];
    let result = place.run(&arguments);
    assert_eq!(result.status.code(), Some(9), "{}", stderr(&result));
}

#[test]
fn info_tells_what_is_in_it_and_what_is_missing() {
    let place = Place::new();
    let path = place.recorded();
    let info = stdout(&place.run(&["info", "a.hakrec"]));
    for expected in [
        "a.hakrec, ",
        ", complete\n",
        "machine ",
        "losses     none\n",
        "damage     none\n",
        "direct",
    ] {
        assert!(info.contains(expected), "{expected:?} is missing:\n{info}");
    }
    assert!(info.contains("--all lists them"), "{info}");
    let all = stdout(&place.run(&["info", "--all", "a.hakrec"]));
    assert!(all.lines().count() > info.lines().count());
    // The file looks as if its writer had been killed in the middle of a block.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let info = stdout(&place.run(&["info", "a.hakrec"]));
    assert!(info.contains("incomplete: its writer was killed or is still writing"), "{info}");
    assert!(info.contains(": the last block is not complete\n"), "{info}");
}

#[test]
fn a_cut_holds_the_part_and_nothing_else() {
    let place = Place::new();
    let whole = Recording::open(&place.recorded()).unwrap();
    let cut = ["cut", "a.hakrec", "-o", "b.hakrec", "--from", "+0.3", "--to", "+0.8"];
    let result = place.run(&[&cut[..], &["--name", "by-a-test"]].concat());
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let part = Recording::open(&place.file("b.hakrec")).unwrap();
    assert!(part.is_complete());
    let (from, to) = (part.summary().from.unwrap(), part.summary().to.unwrap());
    let start = whole.summary().from.unwrap();
    assert!(from - start >= 0.3 && to - start <= 0.8, "{} to {}", from - start, to - start);
    let named = part.summary().processes.iter();
    assert!(named.clone().all(|it| it.identity.arguments.contains(&"by-a-test".to_owned())));
    // The samples equal those of the whole recording.
    let window = Window { from: Some(start + 0.3), to: Some(start + 0.8) };
    let selection =
        |it: &hakmem_proto::v1::Identity| it.arguments.contains(&"by-a-test".to_owned());
    let (expected, found) = (whole.series(window, selection), part.series(Window::ALL, |_| true));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected.identity, found.identity);
        assert_eq!(expected.samples, found.samples);
    }
    let into_itself = place.run(&["cut", "a.hakrec", "-o", "./a.hakrec", "--force"]);
    assert_eq!(into_itself.status.code(), Some(64), "{}", stderr(&into_itself));
    assert!(stderr(&into_itself).contains("cannot be cut into itself"));
    let again = place.run(&["cut", "a.hakrec", "-o", "b.hakrec"]);
    assert_eq!(again.status.code(), Some(64), "{}", stderr(&again));
}

#[test]
fn an_export_as_csv_has_a_row_per_sample_and_class() {
    let place = Place::new();
    place.recorded();
    let csv = stdout(&place.run(&["export", "a.hakrec", "--format", "csv", "--name", "by-a-test"]));
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|it| *it == name).unwrap();
    let (class, frees) = (column("class"), column("frees"));
    let outcomes: Vec<usize> = (0..header.len())
        .filter(|it| header[*it].starts_with("frees_") && !header[*it].ends_with("_fast"))
        .filter(|it| header[*it] != "frees_fast")
        .collect();
    let mut rows = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        assert!(cells[class].starts_with(['C', 'm', 'l', 'n']), "{line}");
        let number = |at: usize| cells[at].parse::<u64>().unwrap();
        assert_eq!(number(frees), outcomes.iter().map(|it| number(*it)).sum::<u64>(), "{line}");
        rows += 1;
    }
    assert!(rows > 20, "{csv}");
}

#[test]
fn an_export_as_json_has_one_object_per_line() {
    let place = Place::new();
    place.recorded();
    let result = place.run(&["export", "a.hakrec", "--format", "json", "-o", "a.jsonl"]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let text = std::fs::read_to_string(place.file("a.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "recording");
    assert_eq!((&lines[0]["version"], &lines[0]["complete"]), (&1.into(), &true.into()));
    let samples = lines.iter().filter(|line| line["type"] == "sample");
    let samples: Vec<_> = samples.collect();
    assert!(samples.len() > 10);
    assert!(samples.iter().all(|it| it["pid"].as_u64().unwrap() > 0 && it["classes"].is_array()));
    assert!(lines.iter().any(|line| line["type"] == "event"));
    let again = place.run(&["export", "a.hakrec", "--format", "json", "-o", "a.jsonl"]);
    assert_eq!(again.status.code(), Some(64), "{}", stderr(&again));
}

#[test]
fn mistakes_are_named_in_one_line() {
    let place = Place::new();
    place.recorded();
    std::fs::write(place.file("text"), "no recording").unwrap();
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let result = place.run(arguments);
        let said = stderr(&result);
        assert_eq!(result.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["info", "none"], 66, "cannot read none: No such file or directory");
    check(&["info", "text"], 66, "text is not a recording; `hakmem-top record` makes one");
    check(&["info", "/dev"], 66, "/dev is not a recording");
    check(&["info"], 64, "<FILE>");
    check(&["cut", "a.hakrec"], 64, "--output <OUT>");
    check(&["export", "a.hakrec", "--format", "xml"], 64, "possible values: json, csv");
    check(&["export", "a.hakrec"], 64, "--format <FORMAT>");
    check(&["record", "--seconds", "0"], 64, "--seconds");
    check(&["record", "--pid", "1", "--", "true"], 64, "cannot be used with");
    check(&["--connect", "/a/b", "record", "--", "true"], 64, "cannot be combined with a program");
    check(
        &["cut", "a.hakrec", "-o", "x", "--from", "soon"],
        64,
        "`soon` is not a time; give HH:MM",
    );
    check(&["cut", "a.hakrec", "-o", "x", "--from", "+1h"], 64, "the recording goes from ");
    check(&["cut", "a.hakrec", "-o", "x", "--from", "+1", "--to", "+0.5"], 64, "swap them");
    check(&["cut", "a.hakrec", "-o", "/none/x"], 74, "cannot write /none/x: ");
    check(&["export", "a.hakrec", "--format", "csv", "-o", "/none/x"], 74, "cannot write /none/x");
    check(&["record", "-o", "/none/x", "--", "true"], 74, "cannot write /none/x");
    check(&["record", "-o", "y", "--", "no-such-program"], 127, "no such program");
    assert!(!place.file("y").exists() && !place.file("x").exists());
}

#[test]
fn a_damaged_file_is_used_as_far_as_it_goes() {
    let place = Place::new();
    let path = place.recorded();
    let mut bytes = std::fs::read(&path).unwrap();
    // In the last block: the program runs longer than the first block lasts.
    let place_of_damage = bytes.len() - 20;
    bytes[place_of_damage] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
    let result = place.run(&["export", "a.hakrec", "--format", "csv"]);
    assert_eq!(result.status.code(), Some(0));
    assert!(stdout(&result).lines().count() > 1);
    let said = stderr(&result);
    assert!(said.contains("cannot be read, the first at byte ") && said.contains("(corrupted)"));
    let info = stdout(&place.run(&["info", "a.hakrec"]));
    assert!(info.contains(": corrupted\n"), "{info}");
}

#[test]
fn kill_9_of_the_recorder_leaves_a_recording() {
    let place = Place::new();
    let mut recorder = place
        .top(&["record", "-o", "e.hakrec", "--"])
        .args(["bash", "-c", "while :; do x=$(seq 200); done", &unique("killed")])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = place.file("e.hakrec");
    let begin = Instant::now();
    while Recording::open(&path).map_or(0, |it| it.summary().updates) < 15 {
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing is recorded");
        std::thread::sleep(Duration::from_millis(50));
    }
    let program = program_of(&path);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    Command::new("kill").args(["-9", &program.to_string()]).status().unwrap();
    let recording = Recording::open(&path).unwrap();
    assert!(!recording.is_complete());
    assert!(recording.summary().updates >= 15);
}

/// The pid of the recorded program.
fn program_of(path: &Path) -> u32 {
    Recording::open(path).unwrap().summary().processes[0].identity.pid
}
