//! `run`: runs a program under the allocator, with an agent inside this process.
//!
//! With a screen, the program's output is kept and shown on demand. Without one, the program keeps
//! its streams, and the loop only forwards signals. Both end with a last snapshot, the summary on
//! standard error, the document on request, and the program's exit code.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hakmem_proto::v1 as proto;
use tokio::sync::mpsc;

use super::cli::{GlobalOptions, RunOptions};
use super::watch::Watch;
use super::{CommandError, document, file_error};
use crate::model::ProgramEnd;
use crate::output::replacement::{Readers, Replacement};
use crate::screen::session::{EVENTS_WAITING, Ended};
use crate::screen::view_state::Tab;
use crate::source::endpoint::Endpoint;
use crate::source::event::Event;
use crate::source::event::Received;
use crate::source::snapshot::{self, Snapshot};
use crate::start::program::{self, ProgramSpec, RunningProgram, StandardStreams};
use crate::start::{library, signals};
use crate::tell::report;

/// How long a program may take to end after it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Runs a program and returns its exit code.
pub(super) async fn run(options: &RunOptions, global: &GlobalOptions) -> Result<u8, CommandError> {
    if global.connect.is_some() {
        let remedy = "--connect cannot be combined with run, which has an agent of its own";
        return Err(CommandError::Usage(remedy.into()));
    }
    let with_screen = !options.plain && crate::screen::terminal::is_available();
    let spec = ProgramSpec {
        words: options.words.clone(),
        library: library::find(global.library.as_deref())?,
        directory: global.segment_directory(),
        streams: if with_screen { captured() } else { StandardStreams::default() },
        says_phases: false,
    };
    // The file is created before the program runs: a wrong name must not cost a result.
    let json = match &options.json {
        None => None,
        Some(path) => {
            let begun = Replacement::begin(path, Readers::Usual);
            Some((path, begun.map_err(|error| file_error(path, error))?))
        }
    };
    let endpoint = Endpoint::embedded(spec.directory.clone(), global.interval).await?;
    let mut run = Run::start(spec, endpoint)?;
    let lost_events = if with_screen { run.show(global).await? } else { run.follow_plain().await };
    let end = run.wait().await;
    let snapshot = run.snapshot().await?;
    run.explain_if_unpublished(&snapshot);
    if !snapshot.processes.is_empty() {
        let summary = report::summary(&run.command(), end, &snapshot.processes, lost_events);
        say!("{summary}");
    }
    if let Some((path, replacement)) = json {
        let text = document(&snapshot.processes);
        let written = replacement.file().write_all(text.as_bytes());
        let written = written.and_then(|()| replacement.commit());
        written.map_err(|error| file_error(path, error))?;
    }
    Ok(end.exit_code())
}

/// Captures those streams of the program that are the terminal, which the screen needs.
fn captured() -> StandardStreams {
    StandardStreams {
        empty_input: std::io::stdin().is_terminal(),
        captured_output: std::io::stdout().is_terminal(),
        captured_error: std::io::stderr().is_terminal(),
        ..StandardStreams::default()
    }
}

/// A program that this command started, and the agent that watches it.
pub(super) struct Run {
    spec: ProgramSpec,
    endpoint: Arc<Endpoint>,
    pid: u32,
    since: f64,
    end: Option<ProgramEnd>,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

impl Run {
    /// Starts the program, and handles signals from then on.
    pub(super) fn start(spec: ProgramSpec, endpoint: Endpoint) -> Result<Self, CommandError> {
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        signals::listen(sender.clone()).map_err(CommandError::system("cannot handle signals"))?;
        let since = unix_seconds();
        let program: RunningProgram = program::start(&spec, &sender)?;
        let pid = program.pid;
        tokio::spawn(program.report_end(sender.clone()));
        let endpoint = Arc::new(endpoint);
        Ok(Self { spec, endpoint, pid, since, end: None, sender, events })
    }

    /// The agent that watches it.
    pub(super) fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint)
    }

    /// A moment before the program started, in seconds of Unix time.
    pub(super) fn since(&self) -> f64 {
        self.since
    }

    /// The command as the user would type it.
    fn command(&self) -> String {
        typed(&self.spec.words)
    }

    /// The program and its descendants, including those that have ended.
    pub(super) fn filter(&self) -> proto::ProcessFilter {
        proto::ProcessFilter {
            pids: vec![self.pid],
            include_ended: true,
            include_children: true,
            ..Default::default()
        }
    }

    /// Shows the screen until the user leaves it; returns the number of lost events.
    async fn show(&mut self, global: &GlobalOptions) -> Result<u64, CommandError> {
        let interval_ms = global.interval_ms();
        let mut watch = Watch::begin(
            &self.endpoint,
            self.filter(),
            interval_ms,
            Tab::Classes,
            global,
            &self.sender,
        );
        let obstacle = program::reason_at_start(std::path::Path::new(&self.spec.words[0]));
        watch.set_program(self.command(), self.pid, obstacle);
        watch.session.state.asks_before_quit = true;
        let ended = watch.show(&self.sender, &mut self.events).await?;
        let model = &watch.session.model;
        let program = model.program.clone().unwrap_or_default();
        self.end = program.end;
        replay(&program.output);
        let lost_events = model.events.missing();
        drop(watch);
        if self.end.is_none() {
            match ended {
                Ended::Left => {}
                // The program has received the signal already.
                Ended::Signal(_) => self.expect_end().await,
                Ended::Quit | Ended::TimeOver => {
                    signals::send(self.pid, signal_hook::consts::SIGTERM);
                    self.expect_end().await;
                }
            }
        }
        Ok(lost_events)
    }

    /// Forwards signals until the program ends. Without a screen, lost events are not counted.
    async fn follow_plain(&mut self) -> u64 {
        self.wait().await;
        0
    }

    /// Waits for a program that was asked to end, and kills it after [`END_PATIENCE`].
    async fn expect_end(&mut self) {
        if tokio::time::timeout(END_PATIENCE, self.wait()).await.is_err() {
            say!("hakmem-top: {} ignores SIGTERM, sending SIGKILL", self.pid);
            signals::send(self.pid, signal_hook::consts::SIGKILL);
        }
    }

    /// Waits until the program ends, prints its output and forwards signals to it.
    pub(super) async fn wait(&mut self) -> ProgramEnd {
        loop {
            if let Some(end) = self.end {
                return end;
            }
            match self.events.recv().await {
                Some(Event::ProgramEnded(end)) => self.end = Some(end),
                Some(Event::Signal(received)) => self.forward(received),
                Some(Event::Output(bytes)) => print_bytes(&bytes),
                Some(_) => {}
                None => return ProgramEnd::Exited(u8::MAX),
            }
        }
    }

    fn forward(&self, received: Received) {
        if !received.from_terminal {
            signals::send(self.pid, received.signal);
        }
        if received.is_stop() {
            // A shell that waits for hakmem-top must see it stop with the program.
            signals::stop_self();
        }
    }

    async fn snapshot(&self) -> Result<Snapshot, CommandError> {
        let (filter, pid) = (self.filter(), self.pid);
        let directory = &self.spec.directory;
        Ok(snapshot::fetch_ended(&self.endpoint, filter, pid, self.since, directory).await?)
    }

    fn explain_if_unpublished(&self, snapshot: &Snapshot) {
        if snapshot.processes.is_empty() {
            self.explain_unpublished();
        }
    }

    /// Says why the program published nothing.
    pub(super) fn explain_unpublished(&self) {
        let program = std::path::Path::new(&self.spec.words[0]);
        let reason = program::likely_reason(program, &self.spec.directory);
        say!("hakmem-top: {} published nothing: {reason}", program.display());
    }
}

/// The command as the user would type it.
pub(super) fn typed(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|it| it.to_string_lossy()).collect();
    words.join(" ")
}

/// The time in seconds since the Unix epoch, less some slack for clocks that differ.
pub(super) fn unix_seconds() -> f64 {
    const SLACK_SECONDS: f64 = 0.1;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_secs_f64() - SLACK_SECONDS
}

/// Prints the output that was captured while the screen was shown.
fn replay(output: &crate::model::OutputTail) {
    if output.dropped_bytes > 0 {
        let bytes = output.dropped_bytes;
        say!("hakmem-top: the first {bytes} bytes of the output were not kept");
    }
    print_bytes(&output.bytes());
}

fn print_bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    // If the terminal is gone, there is nobody to report an error to.
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}
