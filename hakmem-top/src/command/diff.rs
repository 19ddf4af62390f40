//! `diff`: compares two sides.

use std::time::Duration;

use hakmem_diagnosis::diagnosis::Caveat;
use hakmem_diagnosis::{Options, diagnose};

use super::CommandError;
use super::answer::Answer;
use super::cli::{DiffOptions, GlobalOptions, OutputOptions};
use crate::source::endpoint::Endpoint;
use crate::source::side::{self, FindingName, NamedSide, ReadSide, Sampled, Selection, SideError};
use crate::source::side_spec::SideSource;
use crate::tell::comparison::Comparison;

/// Compares the sides, prints the answer and returns the exit code of the verdict.
pub(super) async fn diff(
    options: &DiffOptions,
    global: &GlobalOptions,
) -> Result<u8, CommandError> {
    let finding = FindingName::parse(&options.before).map_err(SideError::from)?;
    let after = match (finding, &options.after) {
        (Some(finding), None) => return diff_finding(&finding, options, global).await,
        (None, Some(after)) => NamedSide::parse(after).map_err(SideError::from)?,
        (Some(_), Some(_)) => return Err(usage("a finding contains both sides; leave AFTER out")),
        (None, None) => {
            return Err(usage("AFTER is missing; give the side to compare BEFORE with"));
        }
    };
    let before = NamedSide::parse(&options.before).map_err(SideError::from)?;
    let answer = Answer::begin(&options.output, global)?;
    let endpoint = match before.needs_agent() || after.needs_agent() {
        true => Some(super::endpoint(global).await?),
        false => None,
    };
    let sources = Sources {
        selection: Selection { pid: options.pid, name: options.name.clone() },
        endpoint,
        duration: Duration::from_secs(options.seconds),
        interval: global.interval,
    };
    let [before, after] = sources.read(&before, &after).await?;
    refuse_others(&before, &after, &options.output)?;
    answer.give(&compare(before, after, &rules(&options.output)))
}

/// Repeats the comparison behind one of the agent's findings, under the agent's own rules.
async fn diff_finding(
    finding: &FindingName,
    options: &DiffOptions,
    global: &GlobalOptions,
) -> Result<u8, CommandError> {
    let answer = Answer::begin(&options.output, global)?;
    let endpoint = super::endpoint(global).await?;
    let [before, after] = side::read_finding(&endpoint, finding).await?;
    let Options { threshold_relative, threshold_ns, .. } = rules(&options.output);
    let rules = Options { threshold_relative, threshold_ns, ..Options::live() };
    answer.give(&compare(before, after, &rules))
}

fn usage(text: &str) -> CommandError {
    CommandError::Usage(text.to_owned())
}

/// Refuses to compare sides of different programs, unless `output` allows it.
pub(super) fn refuse_others(
    before: &ReadSide,
    after: &ReadSide,
    output: &OutputOptions,
) -> Result<(), SideError> {
    if output.different_programs {
        return Ok(());
    }
    side::same_program(&before.side, &after.side)
}

/// Compares the sides and adds the caveats from reading them.
pub(super) fn compare(before: ReadSide, after: ReadSide, rules: &Options) -> Comparison {
    let mut diagnosis = diagnose(&before.side, &after.side, rules);
    let caveats = before.caveats.into_iter().chain(after.caveats);
    diagnosis.caveats.extend(caveats.map(|text| Caveat { forbids: false, text }));
    let units = before.units.max(after.units);
    Comparison::new(diagnosis, &before.side, &after.side).of(units)
}

/// The rules that `output` sets for what counts as a change.
pub(super) fn rules(output: &OutputOptions) -> Options {
    let default = Options::default();
    Options {
        threshold_relative: output.threshold / 100.0,
        threshold_ns: output.floor.unwrap_or(default.threshold_ns),
        ..default
    }
}

/// What both sides are read with.
struct Sources {
    selection: Selection,
    endpoint: Option<Endpoint>,
    duration: Duration,
    interval: Duration,
}

impl Sources {
    /// Reads both sides. Sides in the past are read first, so that mistakes show at once; two live
    /// processes are sampled during the same seconds.
    async fn read(
        &self,
        before: &NamedSide,
        after: &NamedSide,
    ) -> Result<[ReadSide; 2], CommandError> {
        let past_before = self.past(before).await?;
        let past_after = self.past(after).await?;
        let live_before = self.begin(before).await?;
        let live_after = self.begin(after).await?;
        if live_before.is_some() || live_after.is_some() {
            let seconds = self.duration.as_secs();
            say!("hakmem-top: sampling for {seconds} s …");
        }
        let (live_before, live_after) =
            tokio::join!(self.follow(live_before), self.follow(live_after));
        let sides = [past_before.or(live_before?), past_after.or(live_after?)];
        Ok(sides.map(|side| side.expect("a side is either live or in the past")))
    }

    async fn past(&self, named: &NamedSide) -> Result<Option<ReadSide>, SideError> {
        if named.spec.is_live() {
            return Ok(None);
        }
        side::read(named, &self.selection, self.endpoint.as_ref()).await.map(Some)
    }

    async fn begin(&self, named: &NamedSide) -> Result<Option<Sampled>, SideError> {
        match (&named.spec.source, &self.endpoint) {
            (SideSource::Process(pid), Some(endpoint)) if named.spec.is_live() => {
                Sampled::begin(endpoint, *pid, &named.name).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn follow(&self, sampled: Option<Sampled>) -> Result<Option<ReadSide>, SideError> {
        match sampled {
            Some(sampled) => sampled.follow(self.duration, self.interval).await.map(Some),
            None => Ok(None),
        }
    }
}
