//! Runs of a program that are sampled from start to end.

use std::ffi::OsString;
use std::time::Duration;

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;
use hakmem_recording::machine::this_machine_for_children;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::CommandError;
use super::cli::GlobalOptions;
use super::run::unix_seconds;
use crate::model::ProgramEnd;
use crate::screen::session::EVENTS_WAITING;
use crate::source::endpoint::Endpoint;
use crate::source::event::{Event, Received};
use crate::source::sampling::{self, Sampling};
use crate::source::snapshot;
use crate::start::program::{self, ProgramSpec, StandardStreams};
use crate::start::{library, signals};

/// How long a program may take to end after it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Runs a program again and again.
pub(super) struct Measurer {
    spec: ProgramSpec,
    endpoint: Endpoint,
    interval: Duration,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

/// The result of a run.
#[derive(Debug)]
pub(super) enum MeasuredRun {
    /// The program succeeded; its processes, each sampled from start to end.
    Measured(Vec<Series>),
    /// The program failed.
    Failed(ProgramEnd),
    /// This signal asked hakmem-top to end.
    Interrupted(i32),
}

impl Measurer {
    /// Starts an agent that samples all runs.
    pub(super) async fn begin(
        words: &[OsString],
        global: &GlobalOptions,
    ) -> Result<Self, CommandError> {
        let spec = ProgramSpec {
            words: words.to_vec(),
            library: library::find(global.library.as_deref())?,
            directory: global.segment_directory(),
            // Standard output is reserved for the answer.
            streams: StandardStreams {
                empty_input: true,
                output_to_error: true,
                ..StandardStreams::default()
            },
            says_phases: false,
        };
        let endpoint = Endpoint::embedded(spec.directory.clone(), global.interval).await?;
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        signals::listen(sender.clone()).map_err(CommandError::system("cannot handle signals"))?;
        Ok(Self { spec, endpoint, interval: global.interval, sender, events })
    }

    /// Runs the program once.
    pub(super) async fn run(&mut self) -> Result<MeasuredRun, CommandError> {
        let since = unix_seconds();
        let program = program::start(&self.spec, &self.sender)?;
        let pid = program.pid;
        tokio::spawn(program.report_end(self.sender.clone()));
        // The program and its descendants, including those that have ended.
        let filter = proto::ProcessFilter {
            pids: vec![pid],
            include_ended: true,
            include_children: true,
            ..Default::default()
        };
        let mut sampling = Sampling::begin(&self.endpoint, filter.clone(), since).await?;
        let end = match self.follow(pid, &mut sampling).await? {
            Ok(end) => end,
            Err(signal) => return Ok(MeasuredRun::Interrupted(signal)),
        };
        if end != ProgramEnd::Exited(0) {
            return Ok(MeasuredRun::Failed(end));
        }
        let directory = &self.spec.directory;
        let last = snapshot::fetch_ended(&self.endpoint, filter, pid, since, directory).await?;
        last.processes.into_iter().for_each(|process| sampling.take(process));
        let mut series = sampling.into_series();
        if series.is_empty() {
            let program = std::path::Path::new(&self.spec.words[0]);
            let reason = program::likely_reason(program, directory);
            let program = program.display().to_string();
            return Err(CommandError::Unpublished { program, reason });
        }
        for it in &mut series {
            sampling::complete_start(it);
            it.machine = Some(this_machine_for_children());
        }
        Ok(MeasuredRun::Measured(series))
    }

    /// Samples until the program ends, by itself or by a signal.
    async fn follow(
        &mut self,
        pid: u32,
        sampling: &mut Sampling,
    ) -> Result<Result<ProgramEnd, i32>, CommandError> {
        let mut due = tokio::time::interval(self.interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupted: Option<(i32, Instant)> = None;
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::ProgramEnded(end)) => {
                        return Ok(interrupted.map_or(Ok(end), |(signal, _)| Err(signal)));
                    }
                    Some(Event::Signal(received)) => {
                        forward(pid, received);
                        if received.is_fatal() && interrupted.is_none() {
                            interrupted = Some((received.signal, Instant::now() + END_PATIENCE));
                        }
                    }
                    Some(_) => {}
                    None => return Ok(Ok(ProgramEnd::Exited(u8::MAX))),
                },
                _ = due.tick() => match interrupted {
                    Some((_, until)) if Instant::now() >= until => {
                        signals::send(pid, signal_hook::consts::SIGKILL);
                    }
                    Some(_) => {}
                    None => sampling.look().await?,
                },
            }
        }
    }
}

fn forward(pid: u32, received: Received) {
    if !received.from_terminal {
        signals::send(pid, received.signal);
    }
    if received.is_stop() {
        // A shell that waits for hakmem-top must see it stop with the program.
        signals::stop_self();
    }
}
