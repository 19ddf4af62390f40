//! Causes that cost memory: live blocks that only become more, and memory that is held for nothing.

use super::wording::{bytes, number};
use super::{Causes, Item, Words, is_refill};
use crate::diagnosis::{Cause, CauseKind};
use crate::layout::StratumId;
use crate::reading::{Moment, Reading, Run};
use crate::statistics::{median, per, quantile};
use crate::trend::Trend;

/// Where the program does so much more in the second half of the window, for each part by which
/// live memory grew, it holds more because it has more to do.
const LOAD_SHARE: f64 = 0.5;
/// The side before leaks less than this share of what the side after does.
const LEAK_BEFORE: f64 = 0.5;
/// Rise of what is held beyond what is live, as a share of what is live.
const RETENTION_SHARE: f64 = 0.5;

/// Growth of live memory on one side.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    per_second: f64,
    per_operation: f64,
    bytes: f64,
    live: f64,
    is_steady: bool,
}

impl Causes<'_> {
    /// Live memory grows surely and steadily, and did not before.
    pub(super) fn find_leak(&mut self) {
        let options = &self.evidence.options;
        let confidence = options.confidence;
        let [before, after] = [0, 1].map(|side| growth(&self.evidence.readings[side], confidence));
        let (Some(before), Some(after)) = (before, after) else { return };
        let least = (after.live * options.leak_share_min).max(options.leak_bytes_min as f64);
        if !after.is_steady || after.bytes < least {
            return;
        }
        if before.per_operation > after.per_operation * LEAK_BEFORE
            && before.per_second > after.per_second * LEAK_BEFORE
        {
            return;
        }
        let class = self.growing_class();
        let text = format!(
            "live memory grows steadily: {} bytes an operation, {} a second, {} in this window; \
             before it was {} a second{}",
            number(after.per_operation),
            bytes(after.per_second),
            bytes(after.bytes),
            bytes(before.per_second),
            class.map_or_else(String::new, |class| {
                format!("; most blocks that stay are of {}", self.evidence.layout.classes[class])
            })
        );
        let advice = "look for what is allocated and never freed: a cache without a limit, a queue \
                      that nobody empties, a missing free";
        // What stays must be replaced by new blocks: the refills behind that are the leak's.
        let items = self.items(|_, it, reason| {
            Some(it.class) == class && it.direction == 0 && is_refill(reason)
        });
        let items: Vec<Item> = self.risen(items);
        let words = Words::new(text, advice);
        let cause = match (self.most(&items), class) {
            (Some(shown), _) => self.cause(CauseKind::Leak, &items, shown, words),
            (None, class) => Cause {
                class: class.map(|class| self.evidence.layout.classes[class].clone()),
                ..Cause::of_program(CauseKind::Leak, words)
            },
        };
        self.claim(&self.places(&items));
        self.found.push(cause);
    }

    /// Much more is held than is live, surely, and was not before.
    pub(super) fn find_retention(&mut self) {
        let idle = [0, 1].map(|side| idle_bytes(&self.evidence.readings[side]));
        let [Some(before), Some(after)] = idle else { return };
        let live = self.evidence.readings[1].median(|moment| Some(moment.live_bytes));
        let least = self.evidence.options.retention_bytes_min as f64;
        let least = least.max(live.unwrap_or(0.0) * RETENTION_SHARE);
        // The low end after against the high end before: the two do not even touch.
        if after.low - before.high < least {
            return;
        }
        let text = format!(
            "{} are held beyond what is live, instead of {}; {} are live",
            bytes(after.middle),
            bytes(before.middle),
            bytes(live.unwrap_or(0.0)),
        );
        let advice = "look at which classes have many free blocks in slabs: long-lived blocks \
                      between short-lived ones keep slabs from being given back";
        let words = Words::new(text, advice);
        self.found.push(Cause::of_program(CauseKind::Retention, words));
    }

    /// The class whose blocks gain most, in number.
    fn growing_class(&self) -> Option<usize> {
        let sums = self.evidence.sums(1);
        let stays = |class: usize| {
            let [allocated, freed] =
                [0, 1].map(|direction| sums.operations(StratumId { class, direction }));
            allocated - freed
        };
        let classes = 0..self.evidence.layout.classes.len();
        classes.filter(|&it| stays(it) > 0.0).max_by(|&a, &b| stays(a).total_cmp(&stays(b)))
    }
}

/// The median of all runs that are long enough; steady if most of them are.
fn growth(reading: &Reading, confidence: f64) -> Option<Growth> {
    let runs: Vec<Growth> =
        reading.runs.iter().filter_map(|it| growth_of(it, confidence)).collect();
    let steady = runs.iter().filter(|run| run.is_steady).count();
    let middle = |of: fn(&Growth) -> f64| median(&mut runs.iter().map(of).collect::<Vec<f64>>());
    Some(Growth {
        per_second: middle(|it| it.per_second)?,
        per_operation: middle(|it| it.per_operation)?,
        bytes: middle(|it| it.bytes)?,
        live: middle(|it| it.live)?,
        is_steady: steady * 2 > runs.len(),
    })
}

fn growth_of(run: &Run, confidence: f64) -> Option<Growth> {
    let points: Vec<(f64, f64)> = run.moments.iter().map(|it| (it.at, it.live_bytes)).collect();
    let trend = Trend::of(&points, confidence)?;
    let operations = run.moments.last()?.operations;
    Some(Growth {
        per_second: trend.slope,
        per_operation: per(trend.growth, operations),
        bytes: trend.growth,
        live: median(&mut points.iter().map(|it| it.1).collect::<Vec<f64>>())?,
        is_steady: trend.is_steady && !grows_with_load(run, trend.growth),
    })
}

/// Whether the program became busier as fast as its live memory grew.
fn grows_with_load(run: &Run, growth: f64) -> bool {
    let [first, .., last] = run.moments.as_slice() else { return false };
    let middle = &run.moments[run.moments.len() / 2];
    let rate = |from: &Moment, to: &Moment| per(to.operations - from.operations, to.at - from.at);
    // From the middle of one half to that of the other is half of the window.
    let busier = 2.0 * (per(rate(middle, last), rate(first, middle)) - 1.0);
    busier >= LOAD_SHARE * per(growth, first.live_bytes) && busier > 0.0
}

/// Bytes held and not live.
struct Idle {
    low: f64,
    middle: f64,
    high: f64,
}

fn idle_bytes(reading: &Reading) -> Option<Idle> {
    let moments = reading.runs.iter().flat_map(|run| &run.moments);
    let mut idle: Vec<f64> = moments
        .filter_map(|moment| Some(moment.held_bytes? - moment.live_bytes.max(0.0)))
        .collect();
    Some(Idle {
        low: quantile(&mut idle, 0.1)?,
        middle: quantile(&mut idle, 0.5)?,
        high: quantile(&mut idle, 0.9)?,
    })
}
