//! What limits an answer, and what forbids one. "Not measured" is never "no change".

use crate::bootstrap::RUNS_MIN;
use crate::causes::{Slower, number, values};
use crate::diagnosis::{Caveat, Difference, Estimate};
use crate::evidence::Evidence;
use crate::prices::NOMINAL_NS;
use crate::reading::Reading;
use crate::side::{Series, Side};
use crate::statistics::per;
use crate::trend::POINTS_MIN;

/// Share of samples that may be missing before nothing can be said.
const LOST_SHARE: f64 = 0.5;
/// Independent values below which a change is only believed if it is larger than the whole cost
/// before: a window that is no longer than the waves in it does not show how high they are.
const INDEPENDENT_MIN: f64 = 4.0;
/// Share of threads that may be unpublished before nothing can be said.
const UNPUBLISHED_SHARE: f64 = 0.5;
/// An interval that reaches beyond this multiple of the cost before says nothing.
const BLIND_RATIO: f64 = 1.0;
/// And beyond this multiple of the least change that counts.
const BLIND_THRESHOLDS: f64 = 10.0;

const SIDES: [&str; 2] = ["before", "after"];

/// Everything that people should know before they believe the answer.
pub(crate) fn caveats(evidence: &Evidence, frequency: &Estimate) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    for side in 0..2 {
        enough(evidence, side, &mut caveats);
        lost(evidence, side, &mut caveats);
        left_out(&evidence.readings[side], side, &mut caveats);
        unpublished(&evidence.readings[side], side, &mut caveats);
        short(&evidence.readings[side], side, &mut caveats);
    }
    // Where little was measured, that is the reason, and said above.
    if !caveats.iter().any(|caveat| caveat.forbids) {
        blind(evidence, frequency, &mut caveats);
        wavy(evidence, frequency, &mut caveats);
    }
    held_up(evidence, &mut caveats);
    comparable(evidence, &mut caveats);
    // What forbids comes first, or it is not read.
    caveats.sort_by_key(|caveat| !caveat.forbids);
    caveats
}

fn say(caveats: &mut Vec<Caveat>, forbids: bool, text: String) {
    caveats.push(Caveat { forbids, text });
}

fn enough(evidence: &Evidence, side: usize, caveats: &mut Vec<Caveat>) {
    let (word, options) = (SIDES[side], &evidence.options);
    let operations = evidence.sums(side).all();
    let intervals = evidence.readings[side].intervals_count();
    if intervals == 0 {
        let text = format!("{word}: no two samples to compare; measure for longer");
        return say(caveats, true, text);
    }
    if operations < options.operations_min as f64 {
        let least = options.operations_min;
        say(caveats, true, format!("{word}: {operations} operations, of at least {least}"));
    }
    if !evidence.by_run && intervals < options.intervals_min {
        let least = options.intervals_min;
        say(
            caveats,
            true,
            format!("{word}: {intervals} intervals between samples, of at least {least}"),
        );
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
            "{}: {samples} samples are missing; counters lose nothing by that, but the intervals \
             between samples are fewer and longer",
            SIDES[side]
        );
        say(caveats, forbids, text);
    }
    if events > 0 {
        let text = format!("{}: {events} events were lost; no number here needs them", SIDES[side]);
        say(caveats, false, text);
    }
}

fn left_out(reading: &Reading, side: usize, caveats: &mut Vec<Caveat>) {
    let word = SIDES[side];
    let kinds = [
        (
            reading.unread,
            "processes have no two samples to compare, and are not in any number here",
        ),
        (reading.torn, "samples are torn and were left out"),
        (reading.misplaced, "samples have no time or one that does not rise, and were left out"),
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
        "{}: up to {most} threads at a time do not publish their counts; what they did is not in \
         any number here",
        SIDES[side]
    );
    say(caveats, share >= UNPUBLISHED_SHARE, text);
}

/// Says if leaks were not looked for.
fn short(reading: &Reading, side: usize, caveats: &mut Vec<Caveat>) {
    let longest = reading.runs.iter().map(|run| run.moments.len()).max().unwrap_or(0);
    if (1..POINTS_MIN).contains(&longest) {
        let text = format!(
            "{}: no run has {POINTS_MIN} samples: whether memory grows was not looked at",
            SIDES[side]
        );
        say(caveats, false, text);
    }
}

/// Says if a change that matters would not have been seen.
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
    let text = format!(
        "what was measured varies so much that a rise of up to {} ns an operation would not be \
         told from chance, of {} ns before; measure for longer",
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
            "neighbouring intervals depend so much on each other that they are worth {} \
             independent ones: a change of {} ns an operation, of {} ns before, may be a wave that \
             is longer than the window; measure for longer",
            number(evidence.independent),
            number(frequency.value),
            number(evidence.cost(0))
        );
        say(caveats, true, text);
    }
}

/// Says if durations changed on average and not typically.
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
            "intervals come from within {} and {} runs: how much whole runs differ is not in \
             them; {RUNS_MIN} runs or more on each side would show that",
            runs[0], runs[1]
        );
        say(caveats, false, text);
    }
    if evidence.prices.is_nominal {
        let text = format!("no slow path was timed: each counts as {NOMINAL_NS} ns");
        say(caveats, false, text);
    }
    let differ = differences(evidence.sides[0], evidence.sides[1]);
    let find = |what: &str| differ.iter().find(|it| it.what == what);
    if let Some(it) = find("executable") {
        let text = format!("the executables differ: {} and {}", it.before, it.after);
        say(caveats, false, text);
    }
    if !same_machine(&differ) {
        let text = "the machines differ: how long slow paths take cannot be compared, only how \
                    often they are taken";
        say(caveats, false, text.to_owned());
    }
}

/// Whether durations of both sides come from the same kind of machine.
pub(crate) fn same_machine(differences: &[Difference]) -> bool {
    let of_machine = ["processor", "processors", "architecture", "host"];
    !differences.iter().any(|difference| of_machine.contains(&difference.what.as_str()))
}

/// What the sides are, where both say it and they differ.
pub(crate) fn differences(before: &Side, after: &Side) -> Vec<Difference> {
    type Of = fn(&Series) -> String;
    let kinds: [(&str, Of); 13] = [
        ("executable", |it| it.identity.executable.clone()),
        ("build_id", |it| it.identity.build_id.clone()),
        ("arguments", |it| it.identity.arguments.get(1..).unwrap_or_default().join(" ")),
        ("labels", labels),
        ("routing", |it| it.identity.routing.clone()),
        ("check", |it| it.identity.check.clone()),
        ("push", |it| it.identity.push.clone()),
        ("list_bytes_max", |it| known(it.identity.list_bytes_max)),
        ("library_version", |it| it.identity.library_version.clone()),
        ("host", |it| of_machine(it, |machine| machine.host.clone())),
        ("architecture", |it| of_machine(it, |machine| machine.architecture.clone())),
        ("processor", |it| of_machine(it, |machine| machine.processor.clone())),
        ("processors", |it| of_machine(it, |machine| known(machine.processors))),
    ];
    let difference = |(what, of): (&str, Of)| {
        let [before, after] = [before, after].map(|side| values(side, of));
        let differ = !before.is_empty() && !after.is_empty() && before != after;
        differ.then(|| Difference { what: what.to_owned(), before, after })
    };
    kinds.into_iter().filter_map(difference).collect()
}

fn known(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn of_machine(series: &Series, of: fn(&hakmem_proto::v1::Machine) -> String) -> String {
    series.machine.as_ref().map(of).unwrap_or_default()
}

fn labels(series: &Series) -> String {
    let mut labels: Vec<String> =
        series.identity.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    labels.join(",")
}
