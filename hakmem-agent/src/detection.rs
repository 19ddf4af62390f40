//! Finds paths that became slower, while programs run.
//!
//! A thread looks at the newest samples every few seconds. For each program, which is one
//! executable in one build with its script, arguments, labels, unit and container, it keeps the
//! last minutes ([`past`]) and compares the current window with a baseline ([`comparison`]): the
//! program's own minutes before; for a new build, the last minutes of the previous build; and a
//! recording, if one was given. Where a program has several processes, each is also compared with
//! itself. The rules are those of `hakmem-top diff`, with a higher confidence because they are
//! applied all day. A symptom begins after several answers in a row and ends after several others
//! ([`hakmem_diagnosis::Watch`]), and symptoms that begin together are one finding ([`changes`]),
//! which keeps its samples.
//!
//! Only this file knows of time, files and threads.
//!
//! # Layers, bottom to top
//!
//! - `past`, `place`, `command`: samples of one process, its place, the command that opens a diff
//! - `comparison`: one program or process against one baseline
//! - `changes`: symptoms that began together
//! - `program`: the processes of a program
//! - `programs`: all programs, and the findings about them

mod changes;
mod command;
mod comparison;
mod past;
mod place;
mod program;
mod programs;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hakmem_diagnosis::{Series, Side};
use hakmem_proto::delta::{Detail, whole};
use hakmem_proto::v1::Process;
use hakmem_recording::series::RecordedSeries;
use hakmem_recording::{OpenError, Recording, Window};
use tokio::sync::watch;

use crate::config::{AgentConfig, DetectionConfig};
use crate::failure::Failure;
use crate::findings::Findings;
use crate::socket_path::default_socket;
use crate::state::FleetView;
use comparison::Baseline;
use programs::{Programs, Rules};

/// Number of samples that are kept of each process in a recording.
const RECORDED_SAMPLES_MAX: usize = 120;

/// Baselines read from a recording, by executable.
#[derive(Debug, Default)]
pub(crate) struct Recorded(BTreeMap<String, Baseline>);

impl Recorded {
    /// Reads the recording that a configuration names, if any.
    pub(crate) fn read(config: &AgentConfig) -> Result<Self, OpenError> {
        let detection = config.detection.as_ref();
        match detection.and_then(|detection| detection.recording.as_deref()) {
            Some(path) => Self::open(path),
            None => Ok(Self::default()),
        }
    }

    fn open(path: &Path) -> Result<Self, OpenError> {
        let recording = Recording::open(path)?;
        let mut sides: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for series in recording.series(Window::ALL, |_| true) {
            let executable = series.identity.executable.clone();
            let series = thinned(series, recording.start().machine.clone());
            sides.entry(executable).or_default().push(series);
        }
        // The command may be pasted in another directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let baseline = |series| Baseline {
            side: Arc::new(Side { name: path.display().to_string(), series }),
            recording: Some(path.clone()),
        };
        Ok(Self(sides.into_iter().map(|(name, series)| (name, baseline(series))).collect()))
    }
}

fn thinned(recorded: RecordedSeries, machine: Option<hakmem_proto::v1::Machine>) -> Series {
    let RecordedSeries { identity, samples, lost_events, lost_samples } = recorded;
    let step = samples.len().div_ceil(RECORDED_SAMPLES_MAX).max(1);
    let last = samples.len().saturating_sub(1);
    let kept = samples.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let detail = Detail { threads: false, classes: true };
    let samples: Vec<Process> = kept.map(|(_, sample)| whole(sample, detail)).collect();
    Series { identity, machine, samples, lost_events, lost_samples }
}

/// The detector's thread. Dropping the handle ends the thread.
#[derive(Debug)]
pub(crate) struct Detector {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Detector {
    /// Starts the thread.
    pub(crate) fn start(
        config: &DetectionConfig,
        agent: &AgentConfig,
        recorded: Recorded,
        view: watch::Receiver<Arc<FleetView>>,
        findings: Arc<Findings>,
        failure: &Arc<Failure>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut rules = Rules::new(config, agent.idle_interval.as_secs_f64());
        rules.recorded = recorded.0;
        rules.asked_at = asked_at(agent);
        let step = Duration::from_secs_f64(rules.habits.pace.step().max(0.01));
        let work = Work {
            view,
            findings,
            programs: Programs::new(rules),
            step,
            interval: config.interval.max(step),
        };
        let thread = failure.thread("hakmem-detector", move || work.run(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends the thread and waits for its end.
    pub(crate) fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether hakmem-top can ask this agent, and at which socket if not at the default one.
fn asked_at(config: &AgentConfig) -> Option<Option<std::path::PathBuf>> {
    let socket = config.unix_socket.as_ref()?;
    let is_usual = *socket == default_socket();
    Some((!is_usual).then(|| std::path::absolute(socket).unwrap_or_else(|_| socket.clone())))
}

/// The state of the thread.
struct Work {
    /// The newest state.
    view: watch::Receiver<Arc<FleetView>>,
    findings: Arc<Findings>,
    programs: Programs,
    step: Duration,
    interval: Duration,
}

impl Work {
    fn run(mut self, stopped: &mpsc::Receiver<()>) {
        let mut evaluated = Instant::now();
        loop {
            let begin = Instant::now();
            let is_due = begin.duration_since(evaluated) >= self.interval;
            if is_due {
                evaluated = begin;
            }
            self.round(is_due);
            let left = self.step.saturating_sub(begin.elapsed());
            if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn round(&mut self, is_due: bool) {
        let view = Arc::clone(&self.view.borrow());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let now = now.as_secs_f64();
        let mut steps = self.programs.observe(&view);
        if is_due {
            steps.extend(self.programs.evaluate(now));
        }
        if is_due || !steps.is_empty() {
            let label = |owner: u32, name: &str| view.retired.name_of(owner, name).to_owned();
            self.findings.take(steps, now, label);
        }
    }
}

#[cfg(test)]
mod tests;
