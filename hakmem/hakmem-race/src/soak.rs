//! Runs programs under the library for hours, with an agent beside them; measures everything that
//! should stay flat and checks everything that should be exact.
//!
//! Steady programs run all the time. Short ones come and go, are killed and crash. The agent is
//! scraped at `/metrics` every second, as by a Prometheus, and restarted now and then. A violation
//! is a line of text; the run goes on, so that one night shows all of them.

mod agent;
mod curve;
mod loads;
mod segments;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent::Agent;
use curve::Curves;
use loads::Loads;
use segments::Segments;

/// What to run, and for how long.
#[derive(Clone, Debug)]
pub struct Soak {
    /// Length of the run.
    pub duration: Duration,
    /// How long an agent lives before it is restarted.
    pub agent_life: Duration,
    /// The preload library.
    pub library: PathBuf,
    /// The agent's program.
    pub agent: PathBuf,
    /// The folder of the benchmark programs that serve as loads.
    pub programs: PathBuf,
}

/// Why a soak cannot go on. A violation does not end it, but is added to the [`Findings`].
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// A program is missing or does not start.
    #[error("{program} does not start: {error}; build it with cargo build --release")]
    Start {
        /// The program.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// No folder for segments can be made.
    #[error("cannot make a folder in /dev/shm: {0}")]
    Folder(std::io::Error),
}

/// What a soak found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// One line for each violation, without repetitions.
    pub violations: Vec<String>,
    /// Scrapes that were answered.
    pub scrapes: u64,
    /// Samples of segments that were checked.
    pub samples: u64,
    /// Short programs that ran to their end, were killed or crashed.
    pub programs: u64,
    /// Agents that were started after the first one.
    pub restarts: u64,
}

impl Findings {
    fn add(&mut self, violation: String) {
        if !self.violations.contains(&violation) {
            eprintln!("violation: {violation}");
            self.violations.push(violation);
        }
    }
}

impl Soak {
    /// Runs the soak; calls `progress` once a minute with the time elapsed and the findings so far.
    pub fn run(&self, progress: impl Fn(Duration, &Findings)) -> Result<Findings, SoakError> {
        let folder = tempfile::Builder::new()
            .prefix("hakmem-soak-")
            .tempdir_in("/dev/shm")
            .map_err(SoakError::Folder)?;
        let mut found = Findings::default();
        let mut loads = Loads::start(self, folder.path())?;
        let mut agent = Agent::start(self, folder.path())?;
        let (mut segments, mut curves) = (Segments::default(), Curves::default());
        let begun = Instant::now();
        let mut told = Duration::ZERO;
        while begun.elapsed() < self.duration {
            std::thread::sleep(Duration::from_secs(1));
            loads.turn(self, folder.path(), &mut found)?;
            agent.scrape(&mut found);
            segments.check(folder.path(), &mut found);
            curves.note("files of the directory", files(folder.path()));
            agent.measure(&mut curves);
            loads.measure(&mut curves);
            if agent.age() >= self.agent_life {
                curves.judge(&mut found);
                curves = Curves::default();
                agent.stop(&mut found);
                agent = Agent::start(self, folder.path())?;
                found.restarts += 1;
            }
            if begun.elapsed() - told >= Duration::from_secs(60) {
                told = begun.elapsed();
                progress(told, &found);
            }
        }
        curves.judge(&mut found);
        agent.stop(&mut found);
        loads.stop();
        Ok(found)
    }
}

fn files(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// A field of `/proc/<pid>/status` in KiB; 0 for a process that is gone.
fn status_kib(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
