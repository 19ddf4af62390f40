//! The command line.

mod comparing;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub use comparing::{CheckOptions, DiffOptions, OutputOptions};

/// Watch, live, which path every allocation and free of a program takes.
///
/// Without a command, hakmem-top attaches to your agent or, if you run none, to the system's;
/// without any agent, it reads the segment directory itself. If standard output is not a terminal,
/// it prints once and exits.
#[derive(Debug, Parser)]
#[command(name = "hakmem-top", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The command; without one, hakmem-top attaches to an agent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Print the counts of every process once, as text, and exit.
    #[arg(long)]
    pub once: bool,
    /// Print the snapshot document (JSON) once and exit.
    #[arg(long)]
    pub json: bool,
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalOptions,
}

const EXAMPLES: &str = "Examples:
  hakmem-top demo                          see it, with a built-in workload
  hakmem-top run -- python3 script.py      watch a program
  hakmem-top run --json out.json -- make   run it, keep the final counts
  env $(hakmem-top env) redis-server &     put a program under hakmem …
  hakmem-top                               … and attach
  hakmem-top --once --json | jq .          for scripts
  hakmem-top show                          why did it crash?
  hakmem-top record -o a.hakrec -- make    keep what it does, for later
  hakmem-top diff a.hakrec b.hakrec        which path became slower?

In the screen, ? shows the keys.";

/// Exit code of `sysexits.h` for wrong options.
pub const EX_USAGE: u8 = 64;

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct GlobalOptions {
    /// Agent to attach to: http://HOST:PORT (its --listen), unix:PATH or a path [default: your
    /// agent's socket, else the system's].
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub connect: Option<String>,
    /// Directory of the telemetry segments [default: $HAKMEM_DIR, else /dev/shm/hakmem-UID].
    #[arg(long, global = true, value_name = "PATH")]
    pub directory: Option<PathBuf>,
    /// Time between updates: milliseconds, or with a unit (250ms, 2s).
    #[arg(long, global = true, value_name = "TIME", default_value = "100ms",
          value_parser = parse_interval)]
    pub interval: Duration,
    /// The allocator library [default: $HAKMEM_LIBRARY, else beside this program].
    #[arg(long, global = true, value_name = "PATH")]
    pub library: Option<PathBuf>,
    /// No colours, as with NO_COLOR.
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program under hakmem and watch it.
    ///
    /// If standard output is a terminal, the screen takes it: the program's output there is kept
    /// (key `o`, the last 256 KiB) and printed after the screen is left, and its standard input is
    /// empty unless redirected. Run a program that needs the terminal with `--plain`. Otherwise the
    /// program's input and output are left alone, and a summary goes to standard error at the end.
    /// The exit code is the program's, 128 + N if signal N killed it, 125 if hakmem-top itself
    /// failed, 126 or 127 if the program cannot be run or found.
    Run(RunOptions),
    /// Watch a built-in workload whose phases repeat until you quit.
    Demo(DemoOptions),
    /// List the processes that publish, one per line.
    Ls,
    /// Tell the story of one process from its segment, whether it crashed or still runs.
    ///
    /// Prints the process's identity, the outcomes of C7's frees, anomalies by class, the last
    /// events in words and, if it crashed, the most likely cause, as far as the events show one. No
    /// agent is needed, and nothing is changed.
    Show(ShowOptions),
    /// Compare two recordings, windows or processes, and name the path that regressed.
    ///
    /// A side is FILE (a recording), FILE@WINDOW, PID (sampled from now on), PID@WINDOW or
    /// agent@WINDOW (the agent's history). A window is FROM..TO, either of which may be left out,
    /// or `last 5m`; times are `HH:MM[:SS]`, RFC 3339, or +SECONDS from the beginning.
    ///
    /// The exit code is 0 if nothing became slower, 1 if a path did, 2 if there is too little data
    /// to tell; 64 for wrong options, 66 if a side cannot be read, 69 if the agent cannot be
    /// reached, 74 if the page cannot be written.
    Diff(DiffOptions),
    /// Run a program several times and compare it with its baseline; for CI.
    ///
    /// The program's output goes to standard error, so that standard output contains only the
    /// answer; its standard input is empty. Exit codes are those of `diff`, and 125 if a run of the
    /// program fails, 126 or 127 if it cannot be run or found.
    Check(CheckOptions),
    /// Print the LD_PRELOAD assignment for a shell.
    Env,
    /// Record processes into a file, for `info`, `cut`, `export` and `diff`.
    ///
    /// With a program, runs it as `run --plain` does, with an agent of its own, and records it and
    /// its descendants to their end; the exit code is the program's. Without one, records the
    /// running processes until Ctrl-C or for the given time. The file can be read while it is
    /// written; one that replaces another (--force) lies beside it, as FILE.PID.N.partial, until it
    /// is complete. Exit codes: 64 for a wrong command line, 66 if nothing can be recorded (no such
    /// process, or a directory that cannot be read), 74 if the file cannot be written.
    Record(RecordOptions),
    /// Show what a recording contains, and its losses.
    ///
    /// Exit codes of info, cut and export: 64 for a wrong command line, 66 if the recording cannot
    /// be read, 74 if a file cannot be written. Damaged parts are reported and skipped.
    Info(InfoOptions),
    /// Copy a part of a recording into another one.
    Cut(CutOptions),
    /// Write a recording as JSON lines or CSV.
    ///
    /// JSON: one object per line. The first one has the `type` `recording`; those of `type`
    /// `sample` have the members of a process in `hakmem-top --json`, with cumulative counts; those
    /// of `type` `event` are events. CSV: one row per sample and class, with cumulative counts, and
    /// a column for each reason and outcome that occurs.
    Export(ExportOptions),
    /// The demo's workload; it ends when its standard input is closed.
    #[command(hide = true)]
    DemoWorkload(WorkloadOptions),
}

/// Options of `run`.
#[derive(Args, Debug)]
pub struct RunOptions {
    /// Write the final snapshot document to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// No screen: the program keeps the terminal, the summary comes at the end.
    #[arg(long)]
    pub plain: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    pub words: Vec<OsString>,
}

/// Options of `record`.
#[derive(Args, Debug)]
pub struct RecordOptions {
    /// The file [default: hakmem-DATE-TIME.hakrec].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// End after this many seconds; the program continues.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub seconds: Option<u64>,
    /// Only this process and its descendants; may be given several times.
    #[arg(long, value_name = "N", conflicts_with = "words")]
    pub pid: Vec<u32>,
    /// Only processes with this text in their executable or command line.
    #[arg(long, value_name = "TEXT", conflicts_with = "words")]
    pub name: Option<String>,
    /// The program and its arguments.
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    pub words: Vec<OsString>,
}

/// Options of `info`.
#[derive(Args, Debug)]
pub struct InfoOptions {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// List every process, in the order in which they started, and not only the busiest.
    #[arg(long)]
    pub all: bool,
}

/// A part of a recording.
#[derive(Args, Clone, Debug)]
pub struct PartOptions {
    /// Leave out everything before this time: HH:MM, HH:MM:SS, RFC 3339, or +SECONDS from the
    /// recording's start.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Leave out everything after this time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Only this process; may be given several times.
    #[arg(long, value_name = "N")]
    pub pid: Vec<u32>,
    /// Only processes with this text in their executable or command line.
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
}

/// Options of `cut`.
#[derive(Args, Debug)]
pub struct CutOptions {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Replace that file if it exists.
    #[arg(long)]
    pub force: bool,
    /// Which part.
    #[command(flatten)]
    pub part: PartOptions,
}

/// Options of `export`.
#[derive(Args, Debug)]
pub struct ExportOptions {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The file to write [default: standard output].
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Replace that file if it exists.
    #[arg(long)]
    pub force: bool,
    /// Which part.
    #[command(flatten)]
    pub part: PartOptions,
}

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// JSON lines.
    Json,
    /// Comma-separated values (RFC 4180).
    Csv,
}

/// Options of `show`.
#[derive(Args, Debug)]
pub struct ShowOptions {
    /// A process id or a segment file [default: the process that was the last to end].
    #[arg(value_name = "PID|FILE")]
    pub subject: Option<PathBuf>,
    /// Print a JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct DemoOptions {
    /// End after this many seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
}

/// Options of the demo's workload.
#[derive(Args, Debug)]
pub struct WorkloadOptions {
    /// Seconds that each phase lasts.
    #[arg(long, default_value_t = 5.0)]
    pub phase_seconds: f64,
}

/// Commands with the exit codes of `sysexits.h`, because their small codes are answers.
const SYSEXITS_COMMANDS: [&str; 6] = ["check", "cut", "diff", "export", "info", "record"];

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// The error or the help text that was asked for, to be printed, and the exit code.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, (clap::Error, u8)> {
        let words: Vec<OsString> = words.into_iter().collect();
        Self::try_parse_from(&words).map_err(|error| {
            let code = match error.exit_code() {
                2 if has_sysexits(&words) => EX_USAGE,
                code => u8::try_from(code).unwrap_or(u8::MAX),
            };
            (error, code)
        })
    }
}

/// Whether `words` invoke one of [`SYSEXITS_COMMANDS`], even if they are wrong otherwise.
fn has_sysexits(words: &[OsString]) -> bool {
    use clap::CommandFactory as _;
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(words);
    let name = matches.as_ref().ok().and_then(|it| it.subcommand_name());
    name.is_some_and(|name| SYSEXITS_COMMANDS.contains(&name))
}

/// Shortest and longest interval, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 20..=60_000;

fn parse_interval(text: &str) -> Result<Duration, String> {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => match text.strip_suffix('s') {
            Some(number) => (number, 1000.0),
            None => (text, 1.0),
        },
    };
    let milliseconds = number.trim().parse::<f64>().map(|value| value * scale);
    match milliseconds {
        Ok(value) if value.is_finite() && INTERVAL_MS.contains(&(value.round() as u64)) => {
            Ok(Duration::from_millis(value.round() as u64))
        }
        _ => Err("give 20ms to 60s, for example 100ms or 2s".into()),
    }
}

impl GlobalOptions {
    /// The segment directory.
    pub fn segment_directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(hakmem_agent::default_directory)
    }

    /// The interval in milliseconds.
    pub fn interval_ms(&self) -> u32 {
        u32::try_from(self.interval.as_millis()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
