//! A recording as a table of comma-separated values (RFC 4180): one row per sample and class.
//!
//! Counts are cumulative since the process started. Every reason and outcome that occurs anywhere
//! has a column, which is 0 in rows without it.

use std::collections::BTreeSet;

use hakmem_agent::text::clean_text;
use hakmem_proto::v1 as proto;
use hakmem_recording::replay::Sample;
use hakmem_recording::window::seconds;

use crate::words::time_window::rfc3339;

/// The columns of every table.
const FIXED: [&str; 22] = [
    "time",
    "unix_seconds",
    "key",
    "pid",
    "executable",
    "build_id",
    "routing",
    "state",
    "class",
    "allocations",
    "frees",
    "allocations_fast",
    "frees_fast",
    "depth_blocks",
    "capacity_blocks",
    "central_blocks",
    "live_blocks",
    "live_bytes",
    "timed_slow_paths",
    "p50_ns",
    "p99_ns",
    "p999_ns",
];

/// The reasons and outcomes that occur in a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    slow_allocations: BTreeSet<String>,
    slow_frees: BTreeSet<String>,
    outcomes: BTreeSet<String>,
}

impl Columns {
    /// Adds the reasons and outcomes of a sample.
    pub fn see(&mut self, process: &proto::Process) {
        for class in &process.classes {
            see_all(&mut self.slow_allocations, class.slow_allocations.iter().map(|it| &it.reason));
            see_all(&mut self.slow_frees, class.slow_frees.iter().map(|it| &it.reason));
            see_all(&mut self.outcomes, class.outcomes.iter().map(|it| &it.outcome));
        }
    }

    /// The first line of the table.
    pub fn header(&self) -> String {
        let fixed = FIXED.iter().map(ToString::to_string);
        let allocations = self.slow_allocations.iter().map(|it| format!("slow_allocations_{it}"));
        let frees = self.slow_frees.iter().map(|it| format!("slow_frees_{it}"));
        let outcomes = self.outcomes.iter().map(|it| format!("frees_{it}"));
        let outcomes_fast = self.outcomes.iter().map(|it| format!("frees_{it}_fast"));
        row(fixed.chain(allocations).chain(frees).chain(outcomes).chain(outcomes_fast))
    }
}

fn see_all<'a>(words: &mut BTreeSet<String>, seen: impl Iterator<Item = &'a String>) {
    for word in seen {
        if !words.contains(word) {
            words.insert(word.clone());
        }
    }
}

/// One row for each class of a sample.
pub fn rows(columns: &Columns, sample: &Sample<'_>) -> String {
    let at = seconds(&sample.at);
    let identity = sample.identity;
    let mut text = String::new();
    for class in &sample.process.classes {
        let who = [
            rfc3339(at),
            format!("{at:.6}"),
            sample.process.key.clone(),
            identity.pid.to_string(),
            identity.executable.clone(),
            identity.build_id.clone(),
            identity.routing.clone(),
            sample.process.state.clone(),
            class.class.clone(),
        ];
        let cells = who.into_iter().chain(counts(class)).chain(words(columns, class));
        text.push_str(&row(cells));
    }
    text
}

fn counts(class: &proto::ClassCounters) -> impl Iterator<Item = String> {
    let durations = class.slow_durations.as_ref();
    let duration = |get: fn(&proto::DurationHistogram) -> u64| durations.map_or(0, get).to_string();
    [
        class.allocations.to_string(),
        class.frees.to_string(),
        class.allocations_fast.to_string(),
        class.frees_fast.to_string(),
        class.depth_blocks.to_string(),
        class.capacity_blocks.to_string(),
        class.central_blocks.to_string(),
        class.live_blocks.to_string(),
        class.live_bytes.to_string(),
        duration(|it| it.count),
        duration(|it| it.p50_ns),
        duration(|it| it.p99_ns),
        duration(|it| it.p999_ns),
    ]
    .into_iter()
}

fn words(columns: &Columns, class: &proto::ClassCounters) -> Vec<String> {
    let reason = |counts: &[proto::ReasonCount], word: &str| {
        counts.iter().find(|it| it.reason == word).map_or(0, |it| it.count)
    };
    let outcome = |word: &str| class.outcomes.iter().find(|it| it.outcome == word);
    let allocations = columns.slow_allocations.iter();
    let allocations = allocations.map(|word| reason(&class.slow_allocations, word));
    let frees = columns.slow_frees.iter().map(|word| reason(&class.slow_frees, word));
    let all = columns.outcomes.iter().map(|word| outcome(word).map_or(0, |it| it.count));
    let fast = columns.outcomes.iter().map(|word| outcome(word).map_or(0, |it| it.fast));
    allocations.chain(frees).chain(all).chain(fast).map(|count| count.to_string()).collect()
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&clean_text(&cell))).collect();
    cells.join(",") + "\n"
}

/// A cell, quoted if necessary. Programs choose their own names, and a spreadsheet would evaluate
/// one that looks like a formula.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '@', '+']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_need_it() {
        let check = |cell: &str, expected: &str| assert_eq!(quoted(cell), expected);
        check("/usr/bin/redis", "/usr/bin/redis");
        check("-5", "-5");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
        check("=cmd()", "'=cmd()");
    }
}
