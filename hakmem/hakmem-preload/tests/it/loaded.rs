//! A program under the library, with a segment directory of its own, and the records that it left.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hakmem_reader::liveness::{Host, effective_state};
use hakmem_reader::{
    Class, ClassTotals, Ending, Event, EventCursor, Identity, OpenError, ProcessState, Sample,
    Segment, directory,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::compiled;

/// A program that takes longer than this hangs: the slowest takes seconds, on two busy cores.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program about to be run under the library.
pub(crate) struct Loaded {
    command: Command,
    directory: TempDir,
}

impl Loaded {
    /// The program compiled from `source`.
    pub(crate) fn new(source: &str) -> Self {
        Self::of(&compiled::program(source))
    }

    /// Any program.
    pub(crate) fn of(program: &Path) -> Self {
        let directory = segments_directory();
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", hakmem_built::preload_library_of_tests())
            .env("HAKMEM_DIR", directory.path());
        command.env("MARK", directory.path().join("mark"));
        for variable in
            ["LABELS", "TELEMETRY", "ROUTING", "PUSH", "CHECK", "ON_ERROR", "ALLOW_UNSAFE"]
        {
            command.env_remove(format!("HAKMEM_{variable}"));
        }
        command.stdin(Stdio::null()).process_group(0);
        Self { command, directory }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Connects a pipe instead of an empty standard input; it ends when the test drops the other
    /// end.
    pub(crate) fn with_stdin(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let program = self.command.get_program().to_owned();
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let stdout = collect(child.stdout.take().expect("was asked for"));
        let stderr = collect(child.stderr.take().expect("was asked for"));
        Running { child, stdout, stderr, directory: self.directory }
    }

    /// Runs the program to its end.
    pub(crate) fn run(self) -> Finished {
        self.start().finish()
    }

    /// Runs the program to its end, which must be a success without output on standard error.
    pub(crate) fn run_well(self) -> Finished {
        let finished = self.run();
        finished.assert_silent(0);
        finished
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // After a failure the text that was read is kept; the tests look at it.
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// A running program, in a process group of its own, which does not outlive the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    directory: TempDir,
}

impl Running {
    /// The program's segment directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until the program says that it has reached the point that the test wants to see.
    pub(crate) fn wait_for_mark(&self) {
        let mark = self.directory.path().join("mark");
        let deadline = Instant::now() + PATIENCE;
        while !mark.exists() {
            assert!(Instant::now() < deadline, "the program did not come so far in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the program's end.
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.child.stdin.take());
        let status = wait(&mut self.child);
        let stdout = self.stdout.join().expect("reading does not panic");
        let stderr = self.stderr.join().expect("reading does not panic");
        let pid = self.child.id();
        Finished { pid, status, stdout, stderr, directory: self.directory }
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return status;
        }
        if Instant::now() > deadline {
            let group = Pid::from_child(child);
            let _ = kill_process_group(group, Signal::KILL);
            panic!("the program did not end within {PATIENCE:?}: a deadlock?");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A program that has ended.
pub(crate) struct Finished {
    pid: u32,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    directory: TempDir,
}

impl Finished {
    /// Fails unless the program exited with `code` and printed nothing on standard error.
    pub(crate) fn assert_silent(&self, code: i32) {
        self.assert_code(code);
        assert_eq!(self.stderr, "", "nothing to complain about");
    }

    /// Fails unless the program exited with `code` and printed one line on standard error, with
    /// `text` in it.
    pub(crate) fn assert_one_line(&self, code: i32, text: &str) {
        self.assert_lines(code, 1, text);
    }

    /// Fails unless the program exited with `code` and printed `count` lines on standard error,
    /// each with `text` in it.
    pub(crate) fn assert_lines(&self, code: i32, count: usize, text: &str) {
        self.assert_code(code);
        assert_eq!(self.stderr.lines().count(), count, "lines of {:?}", self.stderr);
        for line in self.stderr.lines() {
            assert!(line.starts_with("hakmem: "), "{line:?} tells who speaks");
            assert!(line.contains(text), "{line:?} says {text:?}");
        }
    }

    fn assert_code(&self, code: i32) {
        let (status, signal) = (self.status.code(), self.status.signal());
        assert_eq!(status, Some(code), "signal {signal:?}; {}{}", self.stdout, self.stderr);
    }

    /// The records that the processes left, oldest first. The program's own end is known.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.records_with(false)
    }

    /// The records that the processes left where the system may have refused to remove a segment
    /// that could not be made: unfinished segments are skipped if the program said that telemetry
    /// is off.
    pub(crate) fn records_of_refused(&self) -> Vec<Record> {
        self.records_with(self.stderr.contains("telemetry is off"))
    }

    fn records_with(&self, passes_over_unfinished: bool) -> Vec<Record> {
        let ending = Ending::from_wait_status(self.status.into_raw());
        let ending = |pid| ending.filter(|_| pid == self.pid);
        records_with(self.directory.path(), &ending, passes_over_unfinished)
    }

    /// The record that the only process left.
    pub(crate) fn record(&self) -> Record {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "one segment, not {}", records.len());
        records.remove(0)
    }
}

/// The contents of a segment.
pub(crate) struct Record {
    pub(crate) identity: Identity,
    pub(crate) sample: Sample,
    pub(crate) state: ProcessState,
    /// Events that were not overwritten by later ones, in the order of time.
    pub(crate) events: Vec<Event>,
}

impl Record {
    /// The counters of a class.
    pub(crate) fn class(&self, class: Class) -> ClassTotals {
        self.sample.classes()[class as usize].clone()
    }

    /// Fails unless identity and conservation hold and no slot was left in the middle of a slow
    /// path.
    pub(crate) fn assert_sound(&self) {
        assert!(!self.sample.is_torn(), "a slot was left in the middle of a slow path");
        self.sample.check_identity().unwrap_or_else(|error| panic!("{error:?}"));
        self.sample.check_conservation().unwrap_or_else(|error| panic!("{error:?}"));
    }
}

/// The record of each process with a segment in a directory, oldest first.
pub(crate) fn records(path: &Path) -> Vec<Record> {
    records_with(path, &|_| None, false)
}

/// [`records`], where `ending` tells how the process with a pid ended.
fn records_with(
    path: &Path,
    ending: &dyn Fn(u32) -> Option<Ending>,
    passes_over_unfinished: bool,
) -> Vec<Record> {
    let paths = directory::scan(path).map(|scan| scan.paths).unwrap_or_default();
    let mut opened: Vec<(Segment, bool)> = Vec::new();
    for path in &paths {
        let segment = match Segment::open(path) {
            Err(OpenError::NotReady) if passes_over_unfinished => continue,
            opened => opened.unwrap_or_else(|error| panic!("{path:?}: {error}")),
        };
        let alive = segment.is_writer_alive();
        opened.push((segment, alive));
    }
    opened.sort_by_key(|(segment, _)| segment.identity().created_monotonic_ns);
    let identities: Vec<_> = opened.iter().map(|(each, _)| each.identity().clone()).collect();
    let host = Host::current();
    let record = |(mut segment, alive): (Segment, bool)| {
        let sample = segment.sample().expect("the segment can be sampled");
        let identity = segment.identity().clone();
        let ending = ending(identity.pid);
        let state = effective_state(&identity, alive, &sample.process, ending, &identities, &host);
        let mut cursor = EventCursor::from_oldest();
        let events = segment.read_events(&mut cursor).expect("and its events read").events;
        Record { identity, sample, state, events }
    };
    opened.into_iter().map(record).collect()
}

/// A directory in shared memory, removed at the end of the test.
pub(crate) fn segments_directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("hakmem-test-")
        .tempdir_in("/dev/shm")
        .expect("/dev/shm can be written to")
}
