//! An existing file stays until its successor is whole, even if writing fails.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hakmem_recording::Recording;

use crate::command::{TOP, output, stderr, unique};
use crate::place::Place;

impl Place {
    /// A place with a recording `a.hakrec`.
    fn with_recording() -> Self {
        let place = Self::new();
        let made = place.run(&["record", "-o", "a.hakrec", "--", "sh", "-c", "ls /; sleep 0.3"]);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        place
    }

    /// Runs the command with a limit of one kibibyte for files, as on a disk that is nearly full.
    fn run_on_full_disk(&self, arguments: &[&str]) -> Output {
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
        let mut command = Command::new("bash");
        command.args(["-c", script, "bash", TOP]).args(arguments);
        output(command.current_dir(self.files.path()))
    }

    /// The names of the files in the place, sorted.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.files.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn a_recording_that_cannot_be_made_leaves_the_old_one() {
    let place = Place::with_recording();
    let old = std::fs::read(place.file("a.hakrec")).unwrap();
    let directory = place.segments.path().display().to_string();
    let force = ["record", "--force", "-o", "a.hakrec"];
    let missing: &[&str] = &["--", "no-such-program"];
    let nobody: &[&str] = &["--directory", &directory, "--seconds", "1", "--name", "nobody-has-it"];
    let no_pid: &[&str] = &["--directory", &directory, "--seconds", "1", "--pid", "4194999"];
    for (arguments, code) in [(missing, 127), (nobody, 66), (no_pid, 66)] {
        let result = place.run(&[&force[..], arguments].concat());
        assert_eq!(result.status.code(), Some(code), "{arguments:?}: {}", stderr(&result));
        assert_eq!(std::fs::read(place.file("a.hakrec")).unwrap(), old, "{arguments:?}");
        assert_eq!(place.names(), ["a.hakrec"], "{arguments:?}");
    }
    let forced = place.run(&[&force[..], &["--", "true"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert_ne!(std::fs::read(place.file("a.hakrec")).unwrap(), old);
    assert_eq!(place.names(), ["a.hakrec"]);
}

#[test]
fn kill_9_of_the_recorder_leaves_the_old_recording_and_what_there_is_of_the_new_one() {
    let place = Place::with_recording();
    let old = std::fs::read(place.file("a.hakrec")).unwrap();
    let mut recorder = place
        .top(&["record", "--force", "-o", "a.hakrec", "--"])
        .args(["bash", "-c", "while :; do x=$(seq 200); done", &unique("killed")])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let partial = || place.names().into_iter().find(|it| it.ends_with(".partial"));
    let updates = |path: &Path| Recording::open(path).map_or(0, |it| it.summary().updates);
    let begin = Instant::now();
    while partial().is_none_or(|name| updates(&place.file(&name)) < 5) {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is recorded");
        std::thread::sleep(Duration::from_millis(50));
    }
    let beside = place.file(&partial().unwrap());
    let recording = Recording::open(&beside).unwrap();
    let program = recording.summary().processes[0].identity.pid.to_string();
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    Command::new("kill").args(["-s", "KILL", &program]).status().unwrap();
    assert_eq!(std::fs::read(place.file("a.hakrec")).unwrap(), old);
    assert!(updates(&beside) >= 5);
}

#[test]
fn a_full_disk_leaves_the_old_file_of_cut_and_export() {
    let place = Place::with_recording();
    let cut = ["cut", "a.hakrec", "-o", "part.hakrec"];
    let export = ["export", "a.hakrec", "--format", "csv", "-o", "table.csv"];
    for (arguments, name) in [(&cut[..], "part.hakrec"), (&export[..], "table.csv")] {
        let failed = place.run_on_full_disk(arguments);
        assert_eq!(failed.status.code(), Some(74), "{}", stderr(&failed));
        assert_eq!(place.names(), ["a.hakrec"], "half a file is none");
        std::fs::write(place.file(name), "old").unwrap();
        let failed = place.run_on_full_disk(&[arguments, &["--force"]].concat());
        assert_eq!(failed.status.code(), Some(74), "{}", stderr(&failed));
        let said = format!("hakmem-top: cannot write {name}: File too large (os error 27)\n");
        assert_eq!(stderr(&failed), said);
        assert_eq!(std::fs::read_to_string(place.file(name)).unwrap(), "old");
        let forced = place.run(&[arguments, &["--force"]].concat());
        assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
        assert!(std::fs::metadata(place.file(name)).unwrap().len() > 1024);
        std::fs::remove_file(place.file(name)).unwrap();
    }
}

#[test]
fn a_document_of_a_program_that_does_not_run_is_not_made() {
    let place = Place::with_recording();
    let failed = place.run(&["run", "--json", "out.json", "--", "no-such-program"]);
    assert_eq!(failed.status.code(), Some(127), "{}", stderr(&failed));
    assert_eq!(place.names(), ["a.hakrec"]);
}
