//! Starts a program under the allocator and waits for it.

mod unfinished;
mod unpublished;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::model::ProgramEnd;
use crate::source::event::Event;
use crate::start::library::preload_value;

pub use unfinished::{is_first_to_leave, outlive};
pub use unpublished::{likely_reason, likely_reason_of_process, reason_at_start};

/// The program to start, and how.
#[derive(Clone, Debug)]
pub struct ProgramSpec {
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// The allocator library.
    pub library: PathBuf,
    /// The directory in which the program publishes.
    pub directory: PathBuf,
    /// Which of the program's streams are redirected.
    pub streams: StandardStreams,
    /// Whether each line of its captured output names a phase, as the demo's workload does.
    pub says_phases: bool,
}

/// How the program's streams are redirected, for example because the screen takes the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandardStreams {
    /// Standard input is empty instead of inherited.
    pub empty_input: bool,
    /// hakmem-top reads standard output.
    pub captured_output: bool,
    /// hakmem-top reads standard error.
    pub captured_error: bool,
    /// Standard output is sent to standard error.
    pub output_to_error: bool,
    /// Standard input is a pipe that hakmem-top keeps open until the program is to end.
    pub kept_input: bool,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No such program exists.
    #[error("cannot run `{0}`: no such program; give its path or install it")]
    NotFound(String),
    /// The program exists but may not be executed.
    #[error("cannot run `{0}`: permission denied; is it executable?")]
    NotExecutable(String),
    /// The system refused for another reason.
    #[error("cannot run `{0}`: {1}")]
    Other(String, io::Error),
}

impl ProgramError {
    /// The exit code that a shell would report.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) | Self::Other(..) => 126,
        }
    }
}

/// A running program.
#[derive(Debug)]
pub struct RunningProgram {
    /// Its process id.
    pub pid: u32,
    /// Its standard input if that is kept; dropping it closes the pipe.
    pub input: Option<ChildStdin>,
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

/// Starts the program. Captured output arrives as [`Event::Output`].
///
/// # Errors
///
/// [`ProgramError`] names the program and the problem.
pub fn start(
    spec: &ProgramSpec,
    events: &mpsc::Sender<Event>,
) -> Result<RunningProgram, ProgramError> {
    let (program, arguments) = spec.words.split_first().expect("the command line requires one");
    let already = std::env::var_os("LD_PRELOAD");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LD_PRELOAD", preload_value(&spec.library, already.as_deref()))
        .env("HAKMEM_DIR", &spec.directory);
    if spec.streams.empty_input {
        command.stdin(Stdio::null());
    }
    if spec.streams.kept_input {
        command.stdin(Stdio::piped());
    }
    if spec.streams.captured_output {
        command.stdout(Stdio::piped());
    }
    if spec.streams.output_to_error {
        command.stdout(io::stderr());
    }
    if spec.streams.captured_error {
        command.stderr(Stdio::piped());
    }
    let named = || program.to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ProgramError::NotFound(named()),
        io::ErrorKind::PermissionDenied => ProgramError::NotExecutable(named()),
        _ => ProgramError::Other(named(), error),
    })?;
    let pid = child.id().expect("a child that was not waited for has a pid");
    let is_captured = spec.streams.captured_output || spec.streams.captured_error;
    unfinished::begin(pid, PathBuf::from(program), is_captured);
    let mut readers = Vec::new();
    match child.stdout.take() {
        Some(stdout) if spec.says_phases => {
            readers.push(tokio::spawn(forward_phases(stdout, events.clone())));
        }
        Some(stdout) => readers.push(tokio::spawn(forward(stdout, events.clone()))),
        None => {}
    }
    if let Some(stderr) = child.stderr.take() {
        readers.push(tokio::spawn(forward(stderr, events.clone())));
    }
    // Waiting for a child closes its standard input first, so the pipe is kept outside of it.
    let input = child.stdin.take();
    Ok(RunningProgram { pid, input, child, readers })
}

impl RunningProgram {
    /// Waits until the program has ended and its output has been read, then sends
    /// [`Event::ProgramEnded`].
    pub async fn report_end(mut self, events: mpsc::Sender<Event>) {
        let end = match self.child.wait().await {
            Ok(status) => end_of(status),
            Err(_) => ProgramEnd::Exited(u8::MAX),
        };
        unfinished::end(self.pid);
        // A child of the program may hold the pipe open indefinitely.
        let patience = std::time::Duration::from_millis(200);
        for reader in self.readers {
            let _ = tokio::time::timeout(patience, reader).await;
        }
        let _ = events.send(Event::ProgramEnded(end)).await;
    }
}

fn end_of(status: ExitStatus) -> ProgramEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => ProgramEnd::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => ProgramEnd::Signalled(signal.unwrap_or(0)),
    }
}

async fn forward(mut stream: impl AsyncRead + Unpin, events: mpsc::Sender<Event>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if events.send(Event::Output(buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn forward_phases(stream: impl AsyncRead + Unpin, events: mpsc::Sender<Event>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(phase)) = lines.next_line().await {
        if events.send(Event::Phase(phase)).await.is_err() {
            return;
        }
    }
}

/// The file that a shell would execute for `program`.
pub fn resolve(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 || program.is_absolute() {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|it| it.join(program)).find(|it| it.is_file())
}
