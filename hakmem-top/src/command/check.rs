//! `check`: runs a program several times and compares it with its baseline.
//!
//! Each run is one unit of the comparison, from its first to its last operation, so that the noise
//! between runs counts as noise. The runs follow each other, because two at once would disturb each
//! other.

use hakmem_diagnosis::{Options, Series, Side};

use super::CommandError;
use super::answer::Answer;
use super::cli::{CheckOptions, GlobalOptions};
use super::diff::{compare, refuse_others, rules};
use super::measured_run::{MeasuredRun, Measurer};
use crate::source::runs;
use crate::source::side::{self, ReadSide};
use crate::start::baseline_file::BaselineFile;

/// Runs the program; returns the exit code of the verdict.
pub(super) async fn check(
    options: &CheckOptions,
    global: &GlobalOptions,
) -> Result<u8, CommandError> {
    if global.connect.is_some() {
        let remedy = "--connect cannot be combined with check, which has an agent of its own";
        return Err(CommandError::Usage(remedy.into()));
    }
    if options.update {
        return update(options, global).await;
    }
    let before = side::read_file(&options.baseline).map_err(|error| {
        let path = options.baseline.clone();
        CommandError::Baseline { path, error: Box::new(error) }
    })?;
    let answer = Answer::begin(&options.output, global)?;
    let mut series = Vec::new();
    for (index, mut processes) in measure(options, global).await?.into_iter().enumerate() {
        let run = u32::try_from(index + 1).unwrap_or(u32::MAX);
        processes.iter_mut().for_each(|it| runs::mark(it, run));
        series.extend(processes);
    }
    let after = ReadSide::join("now", series);
    let rules = check_rules(options, &before.side);
    refuse_others(&before, &after, &options.output)?;
    answer.give_briefly(&compare(before, after, &rules))
}

/// The rules of any comparison, except that a run may be as short as a single interval and that,
/// unless `--floor` is given, the differences between runs determine the least change that counts.
fn check_rules(options: &CheckOptions, before: &Side) -> Options {
    let runs = (options.runs as usize).min(before.series.len());
    let rules = rules(&options.output);
    Options {
        intervals_min: rules.intervals_min.min(runs.max(3)),
        is_threshold_derived: options.output.floor.is_none(),
        ..rules
    }
}

async fn update(options: &CheckOptions, global: &GlobalOptions) -> Result<u8, CommandError> {
    if options.output.html.is_some() || options.output.json {
        let remedy = "--update cannot be combined with --html or --json: it compares nothing";
        return Err(CommandError::Usage(remedy.into()));
    }
    let baseline = BaselineFile::begin(&options.baseline)?;
    let runs = measure(options, global).await?;
    let operations: u64 = runs.iter().flatten().map(operations).sum();
    let command = format!("hakmem-top check --update -- {}", super::run::typed(&options.words));
    let bytes = baseline.write(runs, global.interval_ms(), command)?;
    let operations = crate::words::quantity::count(operations);
    let bytes = crate::words::quantity::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    let (path, runs) = (options.baseline.display(), options.runs);
    say!("hakmem-top: wrote {path}: {runs} runs, {operations} operations, {bytes}");
    Ok(0)
}

fn operations(series: &Series) -> u64 {
    let totals = series.samples.last().and_then(|it| it.totals).unwrap_or_default();
    totals.allocations.saturating_add(totals.frees)
}

/// Runs the program `--runs` times; returns the processes of each run.
async fn measure(
    options: &CheckOptions,
    global: &GlobalOptions,
) -> Result<Vec<Vec<Series>>, CommandError> {
    let mut measurer = Measurer::begin(&options.words, global).await?;
    let mut all = Vec::new();
    for run in 1..=options.runs {
        say!("hakmem-top: run {run} of {}", options.runs);
        match measurer.run().await? {
            MeasuredRun::Measured(series) => all.push(series),
            MeasuredRun::Failed(end) => {
                let command = super::run::typed(&options.words);
                return Err(CommandError::Failed { command, run, of: options.runs, end });
            }
            MeasuredRun::Interrupted(signal) => return Err(CommandError::Interrupted(signal)),
        }
    }
    Ok(all)
}
