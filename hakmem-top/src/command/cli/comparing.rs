//! What `diff` and `check` take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// Options of `diff`.
#[derive(Args, Debug)]
#[command(after_help = DIFF_EXAMPLES)]
pub struct DiffOptions {
    /// The side before; or a finding of the agent (finding:ID), which contains both sides.
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// The side after.
    #[arg(value_name = "AFTER")]
    pub after: Option<String>,
    /// What to print and write.
    #[command(flatten)]
    pub output: OutputOptions,
    /// Of recordings and the agent's history: only this process.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Of recordings and the agent's history: only processes with this text in their command line.
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// How long a live process is sampled.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
}

const DIFF_EXAMPLES: &str = "Examples:
  hakmem-top diff yesterday.hakrec today.hakrec
  hakmem-top diff day.hakrec@10:00..10:05 day.hakrec@11:00..11:05
  hakmem-top diff --name redis agent@10:00..10:05 'agent@last 5m'
  hakmem-top diff finding:7@2026-11-26T10:00:00Z      as the agent tells with it
  hakmem-top diff --html report.html good.hakrec 4242";

/// Options of `check`.
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckOptions {
    /// The recording to compare with.
    #[arg(long, value_name = "FILE")]
    pub baseline: PathBuf,
    /// Write the baseline instead of comparing with it.
    #[arg(long)]
    pub update: bool,
    /// Number of runs; at least three, so that a change can be told from the noise of the runs.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub runs: u32,
    /// What to print and write.
    #[command(flatten)]
    pub output: OutputOptions,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    pub words: Vec<OsString>,
}

const CHECK_EXAMPLES: &str = "Examples:
  hakmem-top check --baseline base.hakrec --update -- ./benchmark
  hakmem-top check --baseline base.hakrec --html why.html -- ./benchmark";

/// What a comparison prints and writes, and what counts in it.
#[derive(Args, Debug)]
pub struct OutputOptions {
    /// Print the diagnosis as a JSON document.
    #[arg(long, conflicts_with = "text")]
    pub json: bool,
    /// Print the diagnosis as text: the default.
    #[arg(long)]
    pub text: bool,
    /// Also write the diagnosis to this file, as one self-contained page with plots.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Least change of the cost of paths that counts, in percent.
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = parse_percent)]
    pub threshold: f64,
    /// Compare the sides even if they are of different programs.
    #[arg(long)]
    pub different_programs: bool,
    /// Least change of the cost of paths that counts, in nanoseconds per operation [default: 0.5;
    /// with check less, if the runs differ by less].
    #[arg(long, value_name = "NS", value_parser = parse_nanoseconds)]
    pub floor: Option<f64>,
}

fn parse_nanoseconds(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("ns").unwrap_or(text).trim().parse::<f64>();
    match number {
        Ok(value) if value.is_finite() && (0.0..=1e9).contains(&value) => Ok(value),
        _ => Err("give nanoseconds of 0 or more, for example 0.1 or 2ns".into()),
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    match number {
        Ok(value) if value.is_finite() && (0.0..=1e6).contains(&value) => Ok(value),
        _ => Err("give a percentage of 0 or more, for example 10 or 2.5%".into()),
    }
}
