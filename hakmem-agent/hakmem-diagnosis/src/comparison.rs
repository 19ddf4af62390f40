//! Puts the answer together.

mod headline;

use crate::causes::Causes;
use crate::caveats::{Limits, limits};
use crate::decomposition::Sums;
use crate::diagnosis::{
    Cause, CauseKind, Change, DOCUMENT_VERSION, Diagnosis, Estimate, Method, ReasonChange,
    SideSummary, Stratum, StratumSide, Unchanged, Verdict,
};
use crate::differences::{differences, same_machine};
use crate::evidence::Evidence;
use crate::layout::{DIRECTIONS, StratumId, is_slow_path};
use crate::options::Options;
use crate::side::Side;
use crate::statistics::per;

const DECOMPOSITION: &str = "mix and frequency split evenly (Kitagawa 1955) at prices of both \
                             sides together; duration is the rest, so that the three sum exactly";

/// Compares two sides. Never panics, whatever the samples are; equal input gives equal answers.
pub fn diagnose(before: &Side, after: &Side, options: &Options) -> Diagnosis {
    let evidence = Evidence::of(before, after, options);
    let change = change(&evidence);
    let differences = differences(before, after);
    let limits = limits(&evidence, &change.frequency);
    let floor = evidence.floor_ns();
    let is_moved = change.frequency.is_change(floor);
    let mut causes = Causes::of(&evidence, is_moved);
    causes.retain(|cause| may_be_told(cause, &limits));
    if !same_machine(&differences) {
        causes.retain(|cause| cause.kind != CauseKind::Duration);
    }
    let verdict = match limits.forbids_paths() {
        // A cause in memory is valid on its own: it needs no more samples than it has.
        true if causes.iter().any(is_of_memory) => Verdict::Regressed,
        true => Verdict::NotEnoughData,
        false => verdict(&evidence, &change.frequency, &causes),
    };
    let caveats = limits.caveats;
    order(&mut causes, verdict);
    let unchanged_because =
        (verdict == Verdict::Unchanged).then(|| unchanged(&evidence, &change, &causes));
    Diagnosis {
        version: DOCUMENT_VERSION,
        verdict,
        unchanged_because,
        headline: headline::of((verdict, unchanged_because), &evidence, &change, &causes, &caveats),
        before: summary(&evidence, 0),
        after: summary(&evidence, 1),
        change,
        causes,
        strata: strata(&evidence),
        differences,
        caveats,
        method: method(&evidence),
    }
}

fn change(evidence: &Evidence) -> Change {
    let at = &evidence.at;
    let strata: Vec<StratumId> = evidence.strata().collect();
    let mixes: Vec<usize> = strata.iter().map(|&it| at.mix(it)).collect();
    let frequencies: Vec<usize> = strata.iter().flat_map(|&it| at.frequency(it)).collect();
    let durations: Vec<usize> = strata.iter().map(|&it| at.duration(it)).collect();
    let paths = [frequencies.clone(), durations.clone()].concat();
    let all = [mixes.clone(), paths.clone()].concat();
    let [mix, frequency, duration] =
        [mixes, frequencies, durations].map(|it| evidence.estimate(&it));
    let mut path = evidence.estimate(&paths);
    let mut total = evidence.estimate(&all);
    // Sums of the same numbers in another order differ in their last digits; these two are exact.
    path.value = frequency.value + duration.value;
    total.value = mix.value + path.value;
    let cost = evidence.cost(0);
    let relative = (cost > 0.0).then(|| total.value / cost);
    Change { total, mix, path, frequency, duration, relative }
}

/// Whether the data suffices for `cause`. A wrong free is one, however few operations there were,
/// and memory that stays is visible without operations. All other causes need enough numbers.
fn may_be_told(cause: &Cause, limits: &Limits) -> bool {
    cause.kind == CauseKind::Anomalies
        || !limits.forbids_paths()
        || (is_of_memory(cause) && !limits.forbids_memory)
}

fn is_of_memory(cause: &Cause) -> bool {
    matches!(cause.kind, CauseKind::Leak | CauseKind::Retention)
}

/// Whether `cause` makes a program slower or larger. Other load on the machine can make slow paths
/// longer for a whole run; only where several runs were compared is a longer duration the
/// program's.
fn is_regression(evidence: &Evidence, cause: &Cause) -> bool {
    match cause.kind {
        CauseKind::Anomalies | CauseKind::Leak | CauseKind::Retention => true,
        CauseKind::LargeSpans => cause.cost_ns.low > 0.0,
        CauseKind::Duration => cause.cost_ns.low > 0.0 && evidence.by_run,
        _ => false,
    }
}

/// Whether `cause` means that the program does other things, and not that it does them more slowly.
fn is_of_mix(cause: &Cause) -> bool {
    matches!(cause.kind, CauseKind::Mix | CauseKind::SizeCrossing)
}

/// Whether slow paths are taken more often: surely in total, or surely for one cause while the
/// rest, whose noise makes the total uncertain, does not compensate for it.
fn is_more_frequent(evidence: &Evidence, frequency: &Estimate, causes: &[Cause]) -> bool {
    let floor = evidence.floor_ns();
    let is_sure = |cause: &Cause| {
        !is_of_mix(cause)
            && !is_of_memory(cause)
            && cause.kind != CauseKind::Duration
            && evidence.is_sure_of_many(&cause.cost_ns, floor)
    };
    !is_fewer_slow(evidence, frequency)
        && (frequency.is_rise(floor) || (frequency.value >= floor && causes.iter().any(is_sure)))
}

/// Whether fewer calls are slow and the total of their cost has not at least doubled nevertheless.
fn is_fewer_slow(evidence: &Evidence, frequency: &Estimate) -> bool {
    evidence.has_fewer_slow() && frequency.value < evidence.cost(0)
}

/// Says in which sense nothing changed.
fn unchanged(evidence: &Evidence, change: &Change, causes: &[Cause]) -> Unchanged {
    let floor = evidence.floor_ns();
    if change.frequency.value.abs() >= floor {
        let is_fewer = is_fewer_slow(evidence, &change.frequency);
        return match is_fewer && change.frequency.is_rise(floor) {
            true => Unchanged::FewerSlow,
            false => Unchanged::NotSure,
        };
    }
    match causes.first() {
        Some(cause) if is_of_mix(cause) => Unchanged::OtherSizes,
        Some(cause) if cause.kind == CauseKind::Duration => Unchanged::OnlyDurations,
        _ if change.total.value.abs() < floor => Unchanged::BelowThreshold,
        _ if change.duration.value.abs() >= change.mix.value.abs() => Unchanged::OnlyDurations,
        _ => Unchanged::OtherSizes,
    }
}

fn verdict(evidence: &Evidence, frequency: &Estimate, causes: &[Cause]) -> Verdict {
    let floor = evidence.floor_ns();
    let is_worse = |cause: &Cause| is_regression(evidence, cause);
    if is_more_frequent(evidence, frequency, causes) || causes.iter().any(is_worse) {
        Verdict::Regressed
    } else if frequency.is_fall(floor) {
        Verdict::Improved
    } else {
        Verdict::Unchanged
    }
}

/// Wrong frees come first, then leaks, then the causes behind the verdict, the most expensive
/// first. Durations come after paths even where they cost more: they depend on the machine as much
/// as on the program.
fn order(causes: &mut [Cause], verdict: Verdict) {
    let rank = |cause: &Cause| match (cause.kind, verdict) {
        (CauseKind::Anomalies, _) => 0,
        (CauseKind::Leak, _) => 1,
        (CauseKind::Duration, Verdict::Regressed | Verdict::Improved) => 3,
        (_, Verdict::Regressed) if is_of_mix(cause) || cause.cost_ns.value < 0.0 => 4,
        (_, Verdict::Improved) if is_of_mix(cause) || cause.cost_ns.value > 0.0 => 4,
        (_, Verdict::Unchanged) if !is_of_mix(cause) => 4,
        _ => 2,
    };
    causes.sort_by(|a, b| {
        let (cost_a, cost_b) = (a.cost_ns.value.abs(), b.cost_ns.value.abs());
        rank(a).cmp(&rank(b)).then(cost_b.total_cmp(&cost_a))
    });
}

fn summary(evidence: &Evidence, side: usize) -> SideSummary {
    let (reading, of) = (&evidence.readings[side], evidence.sides[side]);
    let sums = evidence.sums(side);
    let slow: f64 = evidence.strata().map(|it| sums.slow_where(it, is_slow_path)).sum();
    let (from, to) = reading.span.unwrap_or_default();
    let each = |word: fn(&crate::side::Series) -> String| {
        let words = of.series.iter().map(word).filter(|word| !word.is_empty());
        words.collect::<std::collections::BTreeSet<String>>().into_iter().collect::<Vec<String>>()
    };
    SideSummary {
        name: of.name.clone(),
        programs: each(|it| it.identity.program_name().to_owned()),
        executables: each(|it| it.identity.executable.clone()),
        build_ids: each(|it| it.identity.build_id.clone()),
        processes: of.series.len(),
        samples: reading.samples,
        seconds: reading.seconds(),
        operations: sums.all() as u64,
        operations_per_second: per(sums.all(), reading.seconds()),
        slow_share: per(slow, sums.all()),
        cost_ns: evidence.cost(side),
        from,
        to,
    }
}

fn strata(evidence: &Evidence) -> Vec<Stratum> {
    let sums = [evidence.sums(0), evidence.sums(1)];
    let used = |it: &StratumId| sums.iter().any(|sums| sums.operations(*it) > 0.0);
    evidence.strata().filter(used).map(|it| stratum(evidence, &sums, it)).collect()
}

fn stratum(evidence: &Evidence, sums: &[Sums; 2], id: StratumId) -> Stratum {
    let side = |side: usize| {
        let sums = &sums[side];
        StratumSide {
            operations: sums.operations(id) as u64,
            share: sums.share(id),
            slow_share: per(sums.slow_where(id, is_slow_path), sums.operations(id)),
            slow_ns: sums.price(id.class),
        }
    };
    let at = &evidence.at;
    let reasons = at.frequency(id).enumerate().map(|(reason, place)| ReasonChange {
        reason: evidence.reason(id, reason).to_owned(),
        count: [0, 1].map(|side| sums[side].slow(id, reason) as u64),
        per_operation: [0, 1]
            .map(|side| per(sums[side].slow(id, reason), sums[side].operations(id))),
        frequency_ns: evidence.part(place),
    });
    let mut reasons: Vec<ReasonChange> = reasons.filter(|it| it.count != [0, 0]).collect();
    if id.direction == 1 {
        reasons.extend(anomalies(evidence, sums, id));
    }
    let frequency_ns = at.frequency(id).map(|place| evidence.part(place)).sum();
    Stratum {
        class: evidence.layout.classes[id.class].clone(),
        direction: DIRECTIONS[id.direction],
        sides: [side(0), side(1)],
        mix_ns: evidence.part(at.mix(id)),
        frequency_ns,
        duration_ns: evidence.part(at.duration(id)),
        reasons,
    }
}

/// Wrong frees of a class by outcome. Each of them also has a reason, which carries the cost.
fn anomalies(evidence: &Evidence, sums: &[Sums; 2], id: StratumId) -> Vec<ReasonChange> {
    let class = &evidence.layout.classes[id.class];
    let all = evidence.readings.iter().flat_map(|reading| reading.anomalies.keys());
    let of_class = all.filter(|(of, _)| of == class);
    let outcomes: std::collections::BTreeSet<&String> = of_class.map(|(_, it)| it).collect();
    let change = |outcome: &String| {
        let word = (class.clone(), outcome.clone());
        let count =
            [0, 1].map(|side| evidence.readings[side].anomalies.get(&word).copied().unwrap_or(0));
        ReasonChange {
            reason: outcome.clone(),
            count,
            per_operation: [0, 1].map(|side| per(count[side] as f64, sums[side].operations(id))),
            frequency_ns: 0.0,
        }
    };
    outcomes.into_iter().map(change).collect()
}

fn method(evidence: &Evidence) -> Method {
    let options = &evidence.options;
    let kind = if evidence.by_run {
        "bootstrap of whole runs (Efron 1979)"
    } else {
        "circular moving-block bootstrap (Künsch 1989; Politis & Romano 1992; length: Politis & \
         White 2004)"
    };
    Method {
        confidence: options.confidence,
        threshold_relative: options.threshold_relative,
        threshold_ns: evidence.threshold_ns(),
        operations_min: options.operations_min,
        intervals_min: options.intervals_min,
        intervals: format!(
            "{kind}, {} replicates, Student's t; before: {}; after: {}",
            options.replicates, evidence.drawn[0], evidence.drawn[1]
        ),
        decomposition: DECOMPOSITION.to_owned(),
    }
}

#[cfg(test)]
mod tests;
