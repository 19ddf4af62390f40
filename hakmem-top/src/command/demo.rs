//! `demo`: a workload with repeating phases, started from this very executable.
//!
//! The workload prints the name of each phase as it begins. It ends when its standard input is
//! closed, so it does not outlive this command.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1 as proto;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::cli::{DemoOptions, GlobalOptions};
use super::watch::Watch;
use super::{CommandError, workload};
use crate::model::ProgramEnd;
use crate::screen::session::{EVENTS_WAITING, Ended};
use crate::screen::view_state::Tab;
use crate::source::endpoint::Endpoint;
use crate::source::event::Event;
use crate::source::snapshot;
use crate::start::program::{self, ProgramSpec, StandardStreams};
use crate::start::{library, signals};
use crate::tell::report;

/// How long the workload may take to end.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Runs the demo until the user quits or its time is over.
pub(super) async fn demo(
    options: &DemoOptions,
    global: &GlobalOptions,
) -> Result<u8, CommandError> {
    if global.connect.is_some() {
        let remedy = "--connect cannot be combined with demo, which has an agent of its own";
        return Err(CommandError::Usage(remedy.into()));
    }
    let spec = spec(global)?;
    let endpoint = Endpoint::embedded(spec.directory.clone(), global.interval).await?;
    let endpoint = Arc::new(endpoint);
    let (sender, mut events) = mpsc::channel(EVENTS_WAITING);
    signals::listen(sender.clone()).map_err(CommandError::system("cannot handle signals"))?;
    let mut workload = program::start(&spec, &sender)?;
    let pid = workload.pid;
    let input = workload.input.take();
    tokio::spawn(workload.report_end(sender.clone()));

    let filter =
        proto::ProcessFilter { pids: vec![pid], include_ended: true, ..Default::default() };
    let mut watch = Watch::begin(
        &endpoint,
        filter.clone(),
        global.interval_ms(),
        Tab::Classes,
        global,
        &sender,
    );
    watch.set_program("demo".into(), pid, None);
    let with_screen = crate::screen::terminal::is_available();
    // Without a user to quit, the demo ends after one round of the phases.
    let round = workload::PHASES.len() as u64 * workload::PHASE_SECONDS;
    let seconds = options.seconds.or((!with_screen).then_some(round));
    if let Some(seconds) = seconds {
        tokio::spawn(end_after(seconds, sender.clone()));
    }
    let ended = if with_screen {
        watch.show(&sender, &mut events).await?
    } else {
        print_every_second(&mut watch, &mut events).await
    };
    let lost_events = watch.session.model.events.missing();
    let end = match watch.session.model.program.as_ref().and_then(|it| it.end) {
        Some(end) => end,
        None => end_workload(pid, input, &mut events).await,
    };
    drop(watch);
    let snapshot = snapshot::fetch_ended(&endpoint, filter, pid, 0.0, &spec.directory).await?;
    say!("{}", report::summary("demo", end, &snapshot.processes, lost_events));
    Ok(match (ended, end) {
        (Ended::Signal(signal), _) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        (_, end) => end.exit_code(),
    })
}

fn spec(global: &GlobalOptions) -> Result<ProgramSpec, CommandError> {
    let executable =
        std::env::current_exe().map_err(CommandError::system("cannot find this executable"))?;
    Ok(ProgramSpec {
        words: vec![executable.into_os_string(), OsString::from("demo-workload")],
        library: library::find(global.library.as_deref())?,
        directory: global.segment_directory(),
        streams: StandardStreams {
            kept_input: true,
            captured_output: true,
            ..StandardStreams::default()
        },
        says_phases: true,
    })
}

async fn end_after(seconds: u64, events: mpsc::Sender<Event>) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // A closed channel means that the demo is over already.
    let _ = events.send(Event::TimeOver).await;
}

/// Prints a table every second until the time is over.
async fn print_every_second(watch: &mut Watch, events: &mut mpsc::Receiver<Event>) -> Ended {
    let began = Instant::now();
    let mut every_second = tokio::time::interval_at(began + SECOND, SECOND);
    loop {
        watch.session.update_wish();
        tokio::select! {
            event = events.recv() => match event {
                None | Some(Event::TimeOver) => return Ended::TimeOver,
                Some(Event::Signal(received)) if received.is_stop() => signals::stop_self(),
                Some(Event::Signal(received)) if received.is_fatal() => {
                    return Ended::Signal(received.signal);
                }
                Some(Event::ProgramEnded(end)) => {
                    watch.session.take_in(Event::ProgramEnded(end));
                    return Ended::TimeOver;
                }
                Some(event) => watch.session.take_in(event),
            },
            _ = every_second.tick() => {
                let second = began.elapsed().as_secs_f64().round() as u64;
                if print_table(watch, second).is_err() {
                    return Ended::Quit;
                }
            }
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn print_table(watch: &Watch, second: u64) -> Result<(), CommandError> {
    let model = &watch.session.model;
    let phase = model.program.as_ref().and_then(|it| it.phase.as_deref()).unwrap_or("–");
    match watch.session.state.focused(model) {
        Some(process) => super::print(&format!("{}\n", report::rates(process, phase, second))),
        None => super::print(&format!("{second:>3} s  waiting for the workload\n")),
    }
}

/// Ends the workload by closing its standard input, and kills it if it does not end.
async fn end_workload(
    pid: u32,
    input: Option<ChildStdin>,
    events: &mut mpsc::Receiver<Event>,
) -> ProgramEnd {
    drop(input);
    let ended = async {
        loop {
            match events.recv().await {
                Some(Event::ProgramEnded(end)) => return end,
                Some(_) => {}
                None => return ProgramEnd::Exited(u8::MAX),
            }
        }
    };
    match tokio::time::timeout(END_PATIENCE, ended).await {
        Ok(end) => end,
        Err(_) => {
            signals::send(pid, signal_hook::consts::SIGKILL);
            ProgramEnd::Signalled(signal_hook::consts::SIGKILL)
        }
    }
}
