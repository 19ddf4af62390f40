//! The answer, as data. `hakmem-top diff --json` prints it as JSON.
//!
//! An *operation* is one successful allocation or one free. Costs are nanoseconds in slow paths
//! per operation of the program, unless a name says otherwise.

use serde::Serialize;

/// Version of the JSON document; raised when a field changes its meaning or is removed.
pub const DOCUMENT_VERSION: u32 = 1;

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// The answer in a word.
    pub verdict: Verdict,
    /// The meaning of `unchanged`; `None` for every other verdict.
    pub unchanged_because: Option<Unchanged>,
    /// The answer in a sentence, with the first cause if there is one.
    pub headline: String,
    /// The side that was named first.
    pub before: SideSummary,
    /// The side that was named second.
    pub after: SideSummary,
    /// The change of the cost, split exactly.
    pub change: Change,
    /// The causes, the most expensive first. Empty if nothing of note changed.
    pub causes: Vec<Cause>,
    /// One row for each class and direction that either side used.
    pub strata: Vec<Stratum>,
    /// Properties in which the sides differ: build, routing, check, settings, machine.
    pub differences: Vec<Difference>,
    /// The limits of the answer.
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
    /// Neither; the change is smaller than the threshold, or only the mix of sizes changed.
    Unchanged,
    /// Too few operations or samples, or too much was lost, for any of the other verdicts.
    NotEnoughData,
}

/// The sense in which nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unchanged {
    /// The measured change is below the threshold.
    BelowThreshold,
    /// The measured change is above the threshold, but may be chance.
    NotSure,
    /// Only the durations of slow paths changed, which other load on the machine can cause.
    OnlyDurations,
    /// The program asks for other sizes, and takes the same paths for them.
    OtherSizes,
    /// Slow calls cost more, but fewer calls are slow.
    FewerSlow,
}

/// One side, summed up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SideSummary {
    /// The name that the person gave it.
    pub name: String,
    /// Names by which people know the programs, each once.
    pub programs: Vec<String>,
    /// Executables, each once.
    pub executables: Vec<String>,
    /// The build-ids of the executables, each once.
    pub build_ids: Vec<String>,
    /// Number of processes or runs.
    pub processes: usize,
    /// Samples of all processes.
    pub samples: usize,
    /// Seconds that the samples span, summed over processes.
    pub seconds: f64,
    /// Operations in that time.
    pub operations: u64,
    /// Operations a second, for orientation: it depends on the load and does not affect the
    /// verdict.
    pub operations_per_second: f64,
    /// Slow paths per operation.
    pub slow_share: f64,
    /// Nanoseconds in slow paths per operation, at the prices that are common to both sides.
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
    /// Ends of the interval, at the confidence in [`Method::confidence`].
    pub low: f64,
    /// See `low`.
    pub high: f64,
}

/// The change of the cost, after less before, in nanoseconds per operation. `total` is exactly
/// `mix + frequency + duration`, and `path` exactly `frequency + duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// The whole change.
    pub total: Estimate,
    /// The part due to other classes, at each class's own cost.
    pub mix: Estimate,
    /// The part due to the same classes costing more.
    pub path: Estimate,
    /// The part of `path` due to slow paths taken more often.
    pub frequency: Estimate,
    /// The part of `path` due to slow paths that take longer.
    pub duration: Estimate,
    /// `total` as a share of the cost before; `None` if that was 0.
    pub relative: Option<f64>,
}

/// Kind of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// Another routing: the frees of the class take another path.
    Routing,
    /// Another check: a different share of frees is compared.
    Check,
    /// Smaller or larger lists.
    Capacity,
    /// Blocks are freed by other threads than the ones that allocated them.
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
    /// Free memory is not returned.
    Retention,
    /// Wrong frees.
    Anomalies,
    /// A slow path of a class is taken more or less often, and none of the causes above explains
    /// it.
    Reason,
    /// Each slow path takes longer.
    Duration,
}

/// The direction of a call.
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
    /// The kind.
    pub kind: CauseKind,
    /// The class in which it shows most; `None` if it concerns no single class.
    pub class: Option<String>,
    /// The direction of calls in which it shows most.
    pub direction: Option<Direction>,
    /// The reason in which it shows most, a word of the vocabulary.
    pub reason: Option<String>,
    /// The cost that it adds per operation; 0 for causes that cost memory and not time.
    pub cost_ns: Estimate,
    /// The slow paths that it adds per operation of the class and direction.
    pub slow_share: Estimate,
    /// Operations on which this rests, before and after.
    pub operations: [u64; 2],
    /// One sentence for people: the values that changed, before and after.
    pub text: String,
    /// One sentence on what to do or look at next.
    pub advice: String,
}

/// One class and direction on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stratum {
    /// The class.
    pub class: String,
    /// The direction of the calls.
    pub direction: Direction,
    /// Before and after.
    pub sides: [StratumSide; 2],
    /// Its parts of the total, by mix, frequency and duration, in nanoseconds per operation.
    pub mix_ns: f64,
    /// See `mix_ns`.
    pub frequency_ns: f64,
    /// See `mix_ns`.
    pub duration_ns: f64,
    /// Its slow paths by reason; the `frequency_ns` of all reasons sum to that of the stratum.
    pub reasons: Vec<ReasonChange>,
}

/// One class and direction on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StratumSide {
    /// Operations.
    pub operations: u64,
    /// Share of all operations.
    pub share: f64,
    /// Slow operations as a share of the stratum's own.
    pub slow_share: f64,
    /// Mean duration of a timed slow path of the class; `None` if none was timed.
    pub slow_ns: Option<f64>,
}

/// One reason in one stratum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonChange {
    /// The reason, or for anomalous frees the outcome.
    pub reason: String,
    /// Occurrences before and after.
    pub count: [u64; 2],
    /// Occurrences per operation of the stratum.
    pub per_operation: [f64; 2],
    /// The cost that its frequency adds, in nanoseconds per operation of the program.
    pub frequency_ns: f64,
}

/// A property in which the sides differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `build_id`, `routing`, `check`, `push`, `list_bytes_max`, `library_version`, `processor`, ….
    pub what: String,
    /// Before.
    pub before: String,
    /// After.
    pub after: String,
}

/// A limit of the answer.
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
    /// The method behind the confidence intervals, with its source.
    pub intervals: String,
    /// The method that separates mix and path, with its source.
    pub decomposition: String,
}
