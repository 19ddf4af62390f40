//! Conditions that limit an answer or forbid one. "Not measured" is never "no change".

use std::collections::BTreeMap;

use hakmem_proto::v1::Process;
use hakmem_segment::vocabulary::ProcessState;

use crate::bootstrap::RUNS_MIN;
use crate::causes::{Slower, bytes, growth, least_growth, number};
use crate::diagnosis::{Caveat, Estimate};
use crate::differences::{differences, same_machine};
use crate::evidence::Evidence;
use crate::prices::NOMINAL_NS;
use crate::reading::Reading;
use crate::side::Series;
use crate::statistics::per;
use crate::trend::POINTS_MIN;

/// Share of samples that may be missing before nothing can be said.
const LOST_SHARE: f64 = 0.5;
/// Independent values below which a change is believed only if it is larger than the whole cost
/// before: a window no longer than the waves of the load does not show how high they are.
const INDEPENDENT_MIN: f64 = 4.0;
/// Share of threads that may be unpublished before nothing can be said.
const UNPUBLISHED_SHARE: f64 = 0.5;
/// An interval that reaches beyond this multiple of the cost before says nothing, if it also
/// exceeds [`BLIND_THRESHOLDS`].
const BLIND_RATIO: f64 = 1.0;
/// Multiple of the least change that counts beyond which such an interval says nothing.
const BLIND_THRESHOLDS: f64 = 10.0;

const SIDES: [&str; 2] = ["before", "after"];

/// The limits of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// For people; caveats that forbid an answer about paths come first.
    pub(crate) caveats: Vec<Caveat>,
    /// Whether nothing can be said about memory either, which needs samples but no operations.
    pub(crate) forbids_memory: bool,
}

impl Limits {
    /// Whether nothing can be said about paths.
    pub(crate) fn forbids_paths(&self) -> bool {
        self.caveats.iter().any(|caveat| caveat.forbids)
    }
}

/// Collects the caveats that people should know before they believe the answer.
pub(crate) fn limits(evidence: &Evidence, frequency: &Estimate) -> Limits {
    let mut limits = Limits::default();
    let caveats = &mut limits.caveats;
    // Lost samples and unpublished threads are missing from the account of memory too.
    for side in 0..2 {
        lost(evidence, side, caveats);
        unpublished(&evidence.readings[side], side, caveats);
    }
    limits.forbids_memory = limits.forbids_paths();
    let caveats = &mut limits.caveats;
    for side in 0..2 {
        enough(evidence, side, caveats);
        left_out(&evidence.readings[side], side, caveats);
        short(&evidence.readings[side], side, caveats);
    }
    // Where too little was measured, a caveat above has already said so.
    if !caveats.iter().any(|caveat| caveat.forbids) {
        blind(evidence, frequency, caveats);
        wavy(evidence, frequency, caveats);
    }
    held_up(evidence, caveats);
    slowing(evidence, caveats);
    comparable(evidence, caveats);
    // Caveats that forbid an answer come first, or nobody reads them.
    caveats.sort_by_key(|caveat| !caveat.forbids);
    limits
}

fn say(caveats: &mut Vec<Caveat>, forbids: bool, text: String) {
    caveats.push(Caveat { forbids, text });
}

/// Says which data is too little, and how much would be enough.
fn enough(evidence: &Evidence, side: usize, caveats: &mut Vec<Caveat>) {
    let (word, options) = (SIDES[side], &evidence.options);
    let operations = evidence.sums(side).all();
    let reading = &evidence.readings[side];
    let intervals = reading.intervals_count();
    if intervals == 0 {
        let text = format!(
            "{word}: fewer than two samples; {} would be enough, from a longer window or with a \
             shorter --interval",
            options.intervals_min + 1
        );
        return say(caveats, true, text);
    }
    let seconds = reading.seconds();
    if operations < options.operations_min as f64 {
        let least = options.operations_min;
        let times = per(least as f64, operations);
        let enough = longer(times, seconds);
        say(
            caveats,
            true,
            format!(
                "{word}: only {operations} operations, but at least {least} are needed{enough}"
            ),
        );
    }
    if !evidence.by_run && intervals < options.intervals_min {
        let least = options.intervals_min;
        let enough = longer(least as f64 / intervals as f64, seconds);
        let text = format!(
            "{word}: only {intervals} intervals between samples, but at least {least} are \
             needed{enough}, or {RUNS_MIN} whole runs on each side"
        );
        say(caveats, true, text);
    }
}

/// "; 12 s like these would be enough", for a window `times` times as long as `seconds`.
fn longer(times: f64, seconds: f64) -> String {
    let enough = (times * seconds).ceil();
    match times > 0.0 && (1.0..1e6).contains(&enough) {
        true => format!("; {enough} s like these would be enough"),
        false => String::new(),
    }
}

fn lost(evidence: &Evidence, side: usize, caveats: &mut Vec<Caveat>) {
    let series = &evidence.sides[side].series;
    let sum = |of: fn(&Series) -> u64| series.iter().map(of).fold(0, u64::saturating_add);
    let (samples, events) = (sum(|it| it.lost_samples), sum(|it| it.lost_events));
    if samples > 0 {
        let all = samples as f64 + evidence.readings[side].samples as f64;
        let forbids = samples as f64 > all * LOST_SHARE;
        let text = format!(
            "{}: {samples} samples are missing; the counters are complete, but the intervals \
             between samples are fewer and longer{}",
            SIDES[side],
            if forbids { "; half of them would be enough" } else { "" }
        );
        say(caveats, forbids, text);
    }
    if events > 0 {
        let text =
            format!("{}: {events} events were lost; no figure here depends on them", SIDES[side]);
        say(caveats, false, text);
    }
}

fn left_out(reading: &Reading, side: usize, caveats: &mut Vec<Caveat>) {
    let word = SIDES[side];
    let kinds = [
        (
            reading.unread,
            "processes have fewer than two samples, and are missing from all figures here",
        ),
        (reading.torn, "samples are torn and were left out"),
        (
            reading.misplaced,
            "samples have no time, or a time that does not increase, and were left out",
        ),
        (reading.resets, "intervals were left out because counters fell in them"),
    ];
    for (count, what) in kinds.into_iter().filter(|(count, _)| *count > 0) {
        say(caveats, false, format!("{word}: {count} {what}"));
    }
}

fn unpublished(reading: &Reading, side: usize, caveats: &mut Vec<Caveat>) {
    let moments = || reading.runs.iter().flat_map(|run| &run.moments);
    let most = moments().map(|moment| moment.threads[1]).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    let share = reading.median(|it| Some(per(it.threads[1], it.threads[0]))).unwrap_or(0.0);
    let text = format!(
        "{}: up to {most} threads at a time do not publish their counts; their operations are \
         missing from all figures here{}",
        SIDES[side],
        if share >= UNPUBLISHED_SHARE { "; it is enough if more than half publish" } else { "" }
    );
    say(caveats, share >= UNPUBLISHED_SHARE, text);
}

/// Says if leaks were not looked for.
fn short(reading: &Reading, side: usize, caveats: &mut Vec<Caveat>) {
    let longest = reading.runs.iter().map(|run| run.moments.len()).max().unwrap_or(0);
    if (1..POINTS_MIN).contains(&longest) {
        let text = format!(
            "{}: memory growth was not examined, because no run has the {POINTS_MIN} samples that \
             it needs",
            SIDES[side]
        );
        say(caveats, false, text);
    }
}

/// Says if a change that matters would have gone unnoticed.
fn blind(evidence: &Evidence, frequency: &Estimate, caveats: &mut Vec<Caveat>) {
    if frequency.low > 0.0 || frequency.high < 0.0 {
        return;
    }
    let (cost, floor) = (evidence.cost(0), evidence.floor_ns());
    if frequency.high <= floor {
        return;
    }
    let (high, options) = (frequency.high, &evidence.options);
    let hides = high > cost * BLIND_RATIO && high > options.threshold_ns * BLIND_THRESHOLDS;
    // The width of an interval falls with the square root of the amount of data.
    let visible = (cost * BLIND_RATIO).max(options.threshold_ns * BLIND_THRESHOLDS);
    let times = (high / visible).powi(2);
    let enough = match (hides, evidence.by_run) {
        (false, _) => "; measure for longer".to_owned(),
        (true, false) => longer(times, evidence.seconds()),
        (true, true) => {
            let runs = evidence.readings.iter().map(|it| it.runs.len()).min().unwrap_or(0);
            format!("; {} runs like these would be enough", (runs as f64 * times).ceil())
        }
    };
    let text = format!(
        "the measurements vary so much that a rise of up to {} ns per operation, from {} ns \
         before, cannot be told from chance{enough}",
        number(high),
        number(cost)
    );
    say(caveats, hides, text);
}

/// Says if a change may be a wave that is longer than the window.
fn wavy(evidence: &Evidence, frequency: &Estimate, caveats: &mut Vec<Caveat>) {
    let few = !evidence.by_run && evidence.independent < INDEPENDENT_MIN;
    let is_change = frequency.is_change(evidence.floor_ns());
    if few && is_change && frequency.value.abs() < evidence.cost(0) {
        let text = format!(
            "neighbouring intervals depend on each other so much that they count as only {} \
             independent ones: a change of {} ns per operation, from {} ns before, may be a wave \
             that is longer than the window{}",
            number(evidence.independent),
            number(frequency.value),
            number(evidence.cost(0)),
            longer(INDEPENDENT_MIN / evidence.independent.max(0.1), evidence.seconds())
        );
        say(caveats, true, text);
    }
}

/// Says if live memory grows like a cache that fills.
fn slowing(evidence: &Evidence, caveats: &mut Vec<Caveat>) {
    let options = &evidence.options;
    let Some(after) = growth(&evidence.readings[1], options.confidence) else { return };
    if after.is_slowing && after.bytes >= least_growth(&after, options) {
        let text = format!(
            "after: live memory grew by {}, but ever more slowly, like a cache that fills up: that \
             is not counted as a leak; a longer window would show whether the growth ends",
            bytes(after.bytes)
        );
        say(caveats, false, text);
    }
}

/// Says if the mean duration changed but not the median.
fn held_up(evidence: &Evidence, caveats: &mut Vec<Caveat>) {
    if Slower::of(evidence).is_some_and(|slower| !slower.is_typical) {
        let text = "slow paths take longer or shorter on average, but not at the median: some were \
                    held up on one side, as on a busy machine; that is not counted";
        say(caveats, false, text.to_owned());
    }
}

fn comparable(evidence: &Evidence, caveats: &mut Vec<Caveat>) {
    let runs = [0, 1].map(|side| evidence.readings[side].runs.len());
    if !evidence.by_run && runs.iter().any(|&runs| runs > 0) {
        let text = format!(
            "confidence intervals come from within {} and {} runs, so they do not include the \
             differences between whole runs; {RUNS_MIN} runs or more on each side would show those",
            runs[0], runs[1]
        );
        say(caveats, false, text);
    }
    if evidence.prices.is_nominal {
        let text = format!("no slow path was timed: each counts as {NOMINAL_NS} ns");
        say(caveats, false, text);
    }
    ends(evidence, caveats);
    let differ = differences(evidence.sides[0], evidence.sides[1]);
    let find = |what: &str| differ.iter().find(|it| it.what == what);
    if let Some(it) = find("executable") {
        let text = format!("the executables differ: {} and {}", it.before, it.after);
        say(caveats, false, text);
    }
    if !same_machine(&differ) {
        let text = "the machines differ: the durations of slow paths cannot be compared, only \
                    their frequency";
        say(caveats, false, text.to_owned());
    }
}

/// Says if processes of a side ended abnormally: such a process may have stopped before all its
/// work was done.
fn ends(evidence: &Evidence, caveats: &mut Vec<Caveat>) {
    for (side, word) in SIDES.into_iter().enumerate() {
        let last = evidence.sides[side].series.iter().filter_map(|it| it.samples.last());
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for end in last.filter_map(bad_end) {
            *ends.entry(end).or_default() += 1;
        }
        for (end, count) in ends {
            let all = evidence.sides[side].series.len();
            let who = if all == 1 { "it".to_owned() } else { format!("{count} of {all}") };
            let text = format!("{word}: {who} {end}, so it may not have done all of its work");
            say(caveats, false, text);
        }
    }
}

/// Describes an abnormal end; `None` for a normal one.
fn bad_end(last: &Process) -> Option<String> {
    let signal = last.end_signal.map_or_else(String::new, |it| format!(" by signal {it}"));
    match (last.known_state()?, last.exit_code) {
        (ProcessState::Crashed, _) => Some(format!("crashed{signal}")),
        (ProcessState::Killed, _) => Some(format!("was killed{signal}")),
        (ProcessState::Exited, Some(code)) if code != 0 => Some(format!("exited with {code}")),
        _ => None,
    }
}
