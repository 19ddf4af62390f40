//! The answer, as data. Its JSON is what `hakmem-top diff --json` prints.
//!
//! An *operation* is one successful allocation or one free. Costs are nanoseconds in slow paths
//! per operation of the program, unless a name says otherwise.

use serde::Serialize;

/// Version of the JSON document; raised when a field changes its meaning or goes.
pub const DOCUMENT_VERSION: u32 = 1;

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// The answer in a word.
    pub verdict: Verdict,
    /// What `unchanged` means; `None` for every other verdict.
    pub unchanged_because: Option<Unchanged>,
    /// The answer in a sentence, with the first cause if there is one.
    pub headline: String,
    /// The side that was named first.
    pub before: SideSummary,
    /// The side that was named second.
    pub after: SideSummary,
    /// What changed, split exactly.
    pub change: Change,
    /// Why, the most expensive first. Empty if nothing of note changed.
    pub causes: Vec<Cause>,
    /// One row for each class and direction that either side used.
    pub strata: Vec<Stratum>,
    /// What the sides are, where they differ: build, routing, check, settings, machine.
    pub differences: Vec<Difference>,
    /// What limits the answer.
    pub caveats: Vec<Caveat>,
    /// How the answer was found.
    pub method: Method,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A path became slower, or memory is no longer returned, by more than the threshold and
    /// surely.
    Regressed,
    /// The slow paths became cheaper by more than the threshold, and surely.
    Improved,
    /// Neither; what changed is smaller than the threshold, or only the mix of sizes did.
    Unchanged,
    /// Too few operations or samples, or too much was lost, to say any of the above.
    NotEnoughData,
}

/// What it means that nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unchanged {
    /// What was measured is less than what counts.
    BelowThreshold,
    /// More than what counts was measured, but chance may have made it.
    NotSure,
    /// Only how long slow paths take changed, which other load on the machine does too.
    OnlyDurations,
    /// The program asks for other sizes, and takes the same paths for them.
    OtherSizes,
    /// Calls that are slow cost more, but fewer are slow.
    FewerSlow,
}

/// One side, summed up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SideSummary {
    /// As the person named it.
    pub name: String,
    /// Names by which people know the programs, each once.
    pub programs: Vec<String>,
    /// Executables, each once.
    pub executables: Vec<String>,
    /// Their build-ids, each once.
    pub build_ids: Vec<String>,
    /// Processes or runs.
    pub processes: usize,
    /// Samples, over all of them.
    pub samples: usize,
    /// Seconds that the samples span, summed over processes.
    pub seconds: f64,
    /// Operations in that time.
    pub operations: u64,
    /// Operations a second, for orientation: it depends on the load and is no part of the verdict.
    pub operations_per_second: f64,
    /// Slow paths per operation.
    pub slow_share: f64,
    /// Nanoseconds in slow paths per operation, at the prices that both sides share.
    pub cost_ns: f64,
    /// Start of the first and end of the last sample, in seconds of Unix time.
    pub from: f64,
    /// See `from`.
    pub to: f64,
}

/// A number with its confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Ends of the interval, at the confidence that [`Method::confidence`] says.
    pub low: f64,
    /// See `low`.
    pub high: f64,
}

/// What changed, in nanoseconds per operation, after less before. `total` is exactly
/// `mix + frequency + duration`, and `path` exactly `frequency + duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// Everything.
    pub total: Estimate,
    /// Because other classes are used, at each class's own cost.
    pub mix: Estimate,
    /// Because the same classes cost more.
    pub path: Estimate,
    /// The part of `path` that is slow paths taken more often.
    pub frequency: Estimate,
    /// The part of `path` that is slow paths that take longer.
    pub duration: Estimate,
    /// `total` as a share of the cost before; `None` if that was 0.
    pub relative: Option<f64>,
}

/// What kind of thing a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// Another routing: the class's frees take another way.
    Routing,
    /// Another check: frees are compared more often.
    Check,
    /// Smaller or larger lists.
    Capacity,
    /// Blocks are freed by other threads than allocate them.
    Handover,
    /// Threads come and go more often.
    ThreadChurn,
    /// The mix of sizes, other than [`CauseKind::SizeCrossing`].
    Mix,
    /// Requests moved from a class to a neighbouring one.
    SizeCrossing,
    /// Large spans are mapped, unmapped or resized more often.
    LargeSpans,
    /// Live memory grows without bound.
    Leak,
    /// Memory that is free is not returned.
    Retention,
    /// Wrong frees.
    Anomalies,
    /// A slow path of a class is taken more or less often, with none of the causes above behind it.
    Reason,
    /// Slow paths take longer each.
    Duration,
}

/// Which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// malloc and its family.
    Allocation,
    /// free and its family.
    Free,
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// What kind of thing it is.
    pub kind: CauseKind,
    /// The class it shows in most; `None` if it is not of a class.
    pub class: Option<String>,
    /// The calls it shows in most.
    pub direction: Option<Direction>,
    /// The reason it shows in most, a word of the vocabulary.
    pub reason: Option<String>,
    /// What it adds per operation; 0 for causes that cost memory and not time.
    pub cost_ns: Estimate,
    /// Slow paths that it adds per operation of the class and direction.
    pub slow_share: Estimate,
    /// Operations behind it, before and after.
    pub operations: [u64; 2],
    /// One sentence for people: what changed, from what to what.
    pub text: String,
    /// What to do or look at next, one sentence.
    pub advice: String,
}

/// One class and direction on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stratum {
    /// The class.
    pub class: String,
    /// Which calls.
    pub direction: Direction,
    /// Before and after.
    pub sides: [StratumSide; 2],
    /// What it adds to the total, by mix, frequency and duration, in nanoseconds per operation.
    pub mix_ns: f64,
    /// See `mix_ns`.
    pub frequency_ns: f64,
    /// See `mix_ns`.
    pub duration_ns: f64,
    /// Its slow paths by reason; the sum of `frequency_ns` is that of the stratum.
    pub reasons: Vec<ReasonChange>,
}

/// One class and direction on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StratumSide {
    /// Operations.
    pub operations: u64,
    /// Share of all operations.
    pub share: f64,
    /// Slow ones as a share of its own.
    pub slow_share: f64,
    /// Mean duration of a timed slow path of the class; `None` if none was timed.
    pub slow_ns: Option<f64>,
}

/// One reason in one stratum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonChange {
    /// The reason, or of frees with anomalies the outcome.
    pub reason: String,
    /// Occurrences before and after.
    pub count: [u64; 2],
    /// Occurrences per operation of the stratum.
    pub per_operation: [f64; 2],
    /// What its frequency adds, in nanoseconds per operation of the program.
    pub frequency_ns: f64,
}

/// Something that the sides are, where they differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `build_id`, `routing`, `check`, `push`, `list_bytes_max`, `library_version`, `processor`, ….
    pub what: String,
    /// Before.
    pub before: String,
    /// After.
    pub after: String,
}

/// What limits the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Caveat {
    /// Whether it forbids a verdict.
    pub forbids: bool,
    /// One sentence for people.
    pub text: String,
}

/// How the answer was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Method {
    /// The interval's confidence, e.g. 0.99.
    pub confidence: f64,
    /// Least relative change of the cost that counts.
    pub threshold_relative: f64,
    /// Least absolute change that counts, in nanoseconds per operation.
    pub threshold_ns: f64,
    /// Least operations on each side.
    pub operations_min: u64,
    /// Least intervals on each side.
    pub intervals_min: usize,
    /// What the confidence intervals come from, with its source.
    pub intervals: String,
    /// How mix and path are told apart, with its source.
    pub decomposition: String,
}
