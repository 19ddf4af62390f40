//! `record`: writes into a file what a program does, or what running processes do.

mod output;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hakmem_proto::v1 as proto;
use hakmem_recording::machine::{this_machine, this_machine_for_children};
use hakmem_recording::{FILE_SUFFIX, RecordingWriter};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::CommandError;
use super::cli::{GlobalOptions, RecordOptions};
use super::run::Run;
use crate::screen::session::EVENTS_WAITING;
use crate::source::capture::{self, CaptureError, CaptureSpec, Captured, Until};
use crate::source::endpoint::Endpoint;
use crate::source::event::Event;
use crate::source::snapshot;
use crate::start::program::{self, ProgramSpec, StandardStreams};
use crate::start::{library, signals};
use crate::words::quantity;
use output::Output;

/// Exit code if the program succeeded and its recording could not be written, `EX_IOERR`.
const RECORDING_FAILED: u8 = 74;

/// Records, and prints a summary.
pub(super) async fn record(
    options: &RecordOptions,
    global: &GlobalOptions,
) -> Result<u8, CommandError> {
    if options.words.is_empty() {
        return attach(options, global).await;
    }
    if global.connect.is_some() {
        let remedy = "--connect cannot be combined with a program, which gets an agent of its own";
        return Err(CommandError::Usage(remedy.into()));
    }
    run(options, global).await
}

/// Starts the program and records it and its descendants until they end.
async fn run(options: &RecordOptions, global: &GlobalOptions) -> Result<u8, CommandError> {
    let spec = ProgramSpec {
        words: options.words.clone(),
        library: library::find(global.library.as_deref())?,
        directory: global.segment_directory(),
        streams: StandardStreams::default(),
        says_phases: false,
    };
    // The file is created before the program runs: a wrong name must not cost a recording.
    let (output, writer) = create(options, global.interval_ms())?;
    let endpoint = Endpoint::embedded(spec.directory.clone(), global.interval).await?;
    let mut run = Run::start(spec, endpoint)?;
    let subject =
        CaptureSpec { filter: run.filter(), interval_ms: global.interval_ms(), since: run.since() };
    let mut capturing = Capturing::begin(run.endpoint(), subject, writer);
    if let Some(seconds) = options.seconds {
        capturing.end_after(Duration::from_secs(seconds));
    }
    let end = run.wait().await;
    match capturing.end(Until::Ended).await {
        Ok(captured) if captured.processes == 0 => {
            run.explain_unpublished();
            let path = captured.path.display();
            say!("hakmem-top: nothing was recorded, so {path} was not written");
            Ok(end.exit_code())
        }
        Ok(captured) => match output.commit() {
            Ok(()) => {
                say(&captured);
                Ok(end.exit_code())
            }
            Err(error) => {
                say!("hakmem-top: {error}");
                Ok(RECORDING_FAILED)
            }
        },
        Err(error) => {
            say!("hakmem-top: {error}");
            say_kept(output);
            Ok(RECORDING_FAILED)
        }
    }
}

/// Records running processes until a signal or `--seconds` ends it.
async fn attach(options: &RecordOptions, global: &GlobalOptions) -> Result<u8, CommandError> {
    let endpoint = Arc::new(super::endpoint(global).await?);
    // An agent may sample less often than `--interval`; the recording states its interval.
    let interval_ms = global.interval_ms().max(snapshot::interval_ms(&endpoint).await?);
    let (sender, mut events) = mpsc::channel(EVENTS_WAITING);
    signals::listen(sender.clone()).map_err(CommandError::system("cannot handle signals"))?;
    let filter = proto::ProcessFilter {
        pids: options.pid.clone(),
        contains: options.name.clone().unwrap_or_default(),
        include_children: !options.pid.is_empty(),
        ..Default::default()
    };
    check_subject(options, &endpoint, &filter).await?;
    let (output, writer) = create(options, interval_ms)?;
    let subject = CaptureSpec { filter, interval_ms, since: 0.0 };
    if options.seconds.is_none() {
        let path = output.readable_path().display();
        say!("hakmem-top: recording to {path}; Ctrl-C ends it");
    }
    let mut capturing = Capturing::begin(endpoint, subject, writer);
    if let Some(seconds) = options.seconds {
        capturing.end_after(Duration::from_secs(seconds));
    }
    let ended = loop {
        tokio::select! {
            ended = &mut capturing.task => break joined(ended),
            event = events.recv() => match event {
                Some(Event::Signal(received)) if received.is_stop() => signals::stop_self(),
                Some(Event::Signal(received)) if !received.is_fatal() => {}
                Some(Event::Signal(_)) | None => break capturing.end(Until::Now).await,
                Some(_) => {}
            },
        }
    };
    let captured = match ended {
        Ok(captured) => captured,
        Err(error) => {
            say_kept(output);
            return Err(error.into());
        }
    };
    if captured.processes == 0 {
        let subject = said_subject(options);
        return Err(CommandError::NothingRecorded { subject, path: captured.path });
    }
    output.commit()?;
    say(&captured);
    Ok(0)
}

/// Makes sure, before the file is created, that each process of `--pid` publishes. A process that
/// `--name` selects may start later.
async fn check_subject(
    options: &RecordOptions,
    endpoint: &Endpoint,
    filter: &proto::ProcessFilter,
) -> Result<(), CommandError> {
    for pid in &options.pid {
        let one = proto::ProcessFilter { pids: vec![*pid], ..filter.clone() };
        if snapshot::list(endpoint, one).await?.processes.is_empty() {
            let reason = match endpoint {
                Endpoint::Tcp(address) => format!("the agent at {address} does not know it"),
                _ => program::likely_reason_of_process(*pid),
            };
            return Err(CommandError::NoSuchProcess { pid: *pid, reason });
        }
    }
    if options.pid.is_empty()
        && snapshot::list(endpoint, filter.clone()).await?.processes.is_empty()
    {
        say!("hakmem-top: no {} publishes yet; waiting for one", said_subject(options));
    }
    Ok(())
}

/// The processes to record, as a phrase for a message.
fn said_subject(options: &RecordOptions) -> String {
    match &options.name {
        Some(text) => format!("process with `{text}` in its command line"),
        None => "process".into(),
    }
}

/// Says where the unfinished part of a recording is. The file that it should have replaced is
/// unchanged.
fn say_kept(output: Output) {
    if let Some(kept) = output.keep() {
        say!("hakmem-top: what was recorded until then is in {}", kept.display());
    }
}

/// A capture that runs in a task of its own.
struct Capturing {
    until: Arc<watch::Sender<Until>>,
    task: JoinHandle<Result<Captured, CaptureError>>,
}

impl Capturing {
    fn begin(endpoint: Arc<Endpoint>, subject: CaptureSpec, writer: RecordingWriter) -> Self {
        let (until, wished) = watch::channel(Until::Further);
        let task = tokio::spawn(capture::capture(endpoint, subject, writer, wished));
        Self { until: Arc::new(until), task }
    }

    fn end_after(&mut self, time: Duration) {
        let until = Arc::clone(&self.until);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            until.send_replace(Until::Now);
        });
    }

    async fn end(&mut self, how: Until) -> Result<Captured, CaptureError> {
        self.until.send_if_modified(|until| {
            let is_longer = *until != Until::Now;
            if is_longer {
                *until = how;
            }
            is_longer
        });
        joined((&mut self.task).await)
    }
}

fn joined(
    ended: Result<Result<Captured, CaptureError>, tokio::task::JoinError>,
) -> Result<Captured, CaptureError> {
    // Nobody aborts the task, so an error is always a panic.
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Creates the file and writes the recording's head.
fn create(
    options: &RecordOptions,
    interval_ms: u32,
) -> Result<(Output, RecordingWriter), CommandError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let words: Vec<_> = std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect();
    // A program that is started here inherits the limits and variables of this process.
    let machine =
        if options.words.is_empty() { this_machine() } else { this_machine_for_children() };
    let start = proto::RecordingStart {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: Some(prost_types::Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanos: now.subsec_nanos() as i32,
        }),
        interval_ms,
        machine: Some(machine),
        command: words.join(" "),
    };
    let path = options.output.clone().unwrap_or_else(default_name);
    Output::begin(path, options.force, start)
}

/// `hakmem-20261126-100003.hakrec`, in local time.
fn default_name() -> PathBuf {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    PathBuf::from(format!("hakmem-{}{FILE_SUFFIX}", now.strftime("%Y%m%d-%H%M%S")))
}

/// Prints one line on what was recorded, and one for each kind of loss.
fn say(captured: &Captured) {
    let plural = |count: u64, what: &str| {
        let s = match (count, what.ends_with('s')) {
            (1, _) => "",
            (_, true) => "es",
            (_, false) => "s",
        };
        format!("{} {what}{s}", quantity::count(count))
    };
    say!(
        "hakmem-top: recorded {} in {} with {}: {}, {}",
        plural(captured.processes as u64, "process"),
        plural(captured.updates, "update"),
        plural(captured.events, "event"),
        captured.path.display(),
        quantity::bytes(i64::try_from(captured.bytes).unwrap_or(i64::MAX)),
    );
    let losses = [
        (captured.skipped_updates, "update", "skipped because this program was slow"),
        (captured.lost_events, "event", "lost before it could be recorded"),
        (captured.interruptions, "interruption", "in which the agent was away"),
    ];
    for (count, what, why) in losses.into_iter().filter(|(count, ..)| *count > 0) {
        say!("hakmem-top: {} {why}", plural(count, what));
    }
}
