//! Causes that cost memory: live blocks that only accumulate, and memory held without being live.

use super::wording::{bytes, number};
use super::{Causes, Item, Words, is_refill};
use crate::diagnosis::{Cause, CauseKind};
use crate::layout::StratumId;
use crate::options::Options;
use crate::reading::{Moment, Reading, Run};
use crate::statistics::{median, per, quantile};
use crate::trend::Trend;

/// Live memory that grew by some share is explained by load if the program's rate of operations
/// grew by at least this multiple of that share in the second half of the window.
const LOAD_SHARE: f64 = 0.5;
/// A leak is new if the side before leaks at most this share of the rate of the side after.
const LEAK_BEFORE: f64 = 0.5;
/// Rise of the held bytes that are not live, as a share of the live bytes.
const RETENTION_SHARE: f64 = 0.5;
/// Share of the moments, those with the least live memory, from which idle memory is computed: at
/// the peak of a burst the program uses the memory it holds.
const TROUGH_SHARE: f64 = 0.4;
/// Quantiles that bound the idle memory and give its middle. A program that starts holds little
/// yet.
const IDLE_RANGE: [f64; 3] = [0.3, 0.5, 0.7];

/// Growth of live memory on one side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    per_second: f64,
    per_operation: f64,
    pub(crate) bytes: f64,
    live: f64,
    is_steady: bool,
    /// Whether live memory surely grows, but ever more slowly, as a cache that fills.
    pub(crate) is_slowing: bool,
}

impl Causes<'_> {
    /// Live memory that grows surely and steadily, and did not before.
    pub(super) fn find_leak(&mut self) {
        let options = &self.evidence.options;
        let confidence = options.confidence;
        let [before, after] = [0, 1].map(|side| growth(&self.evidence.readings[side], confidence));
        let (Some(before), Some(after)) = (before, after) else { return };
        if !after.is_steady || after.bytes < least_growth(&after, options) {
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
                format!(
                    "; most of the bytes that stay belong to {}",
                    self.evidence.layout.classes[class]
                )
            })
        );
        let advice = "look for memory that is allocated and never freed: a cache without a limit, \
                      a queue that is never drained, a missing free";
        // New blocks must replace the leaked ones, so the leak causes the refills behind them.
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

    /// Memory that is surely held far beyond the live bytes, and was not before: in all, or in
    /// slabs that a few live blocks keep. An empty slab may serve the next burst, and is given back
    /// without one.
    pub(super) fn find_retention(&mut self) {
        type Of = fn(&Moment) -> Option<f64>;
        let kinds: [(Of, &str); 2] = [
            (|it| it.held_bytes, "are held in addition to live memory"),
            (|it| it.in_use_bytes, "are free in slabs that live blocks keep in use"),
        ];
        for (of, what) in kinds {
            let idle = [0, 1].map(|side| idle_bytes(&self.evidence.readings[side], of));
            let [Some(before), Some(after)] = idle else { return };
            let least = self.evidence.options.retention_bytes_min as f64;
            let least = least.max(after.live * RETENTION_SHARE);
            // The low quantile after against the high quantile before: the two ranges must not even
            // touch.
            if after.low - before.high < least {
                continue;
            }
            let text = format!(
                "{} {what} when live memory is lowest, instead of {} before; {} are live then",
                bytes(after.middle),
                bytes(before.middle),
                bytes(after.live),
            );
            let advice = "find the classes with many free blocks in slabs: long-lived blocks \
                          between short-lived ones keep slabs from being returned";
            let words = Words::new(text, advice);
            return self.found.push(Cause::of_program(CauseKind::Retention, words));
        }
    }

    /// The class whose live bytes grow most while the program works. Where samples do not tell live
    /// bytes by class, the class whose number of blocks grows most.
    fn growing_class(&self) -> Option<usize> {
        let sums = self.evidence.sums(1);
        let runs = &self.evidence.readings[1].runs;
        let bytes = |class: usize| runs.iter().map(|run| gained_bytes(run.working(), class)).sum();
        let blocks = |class: usize| {
            let [allocated, freed] =
                [0, 1].map(|direction| sums.operations(StratumId { class, direction }));
            allocated - freed
        };
        let most = |gain: &dyn Fn(usize) -> f64| {
            let classes = 0..self.evidence.layout.classes.len();
            let gains = classes.map(|class| (class, gain(class))).filter(|(_, gain)| *gain > 0.0);
            gains.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(class, _)| class)
        };
        most(&bytes).or_else(|| most(&blocks))
    }
}

/// Median of the live bytes of `class` in the last quarter of `moments` less that in the first.
fn gained_bytes(moments: &[Moment], class: usize) -> f64 {
    let quarter = moments.len().div_ceil(4);
    let middle = |part: &[Moment]| {
        median(&mut part.iter().map(|it| it.class_live_bytes[class]).collect::<Vec<f64>>())
    };
    let [first, last] = [&moments[..quarter], &moments[moments.len() - quarter..]].map(middle);
    last.unwrap_or(0.0) - first.unwrap_or(0.0)
}

/// The least growth of live memory, in bytes, that is worth reporting.
pub(crate) fn least_growth(growth: &Growth, options: &Options) -> f64 {
    (growth.live * options.leak_share_min).max(options.leak_bytes_min as f64)
}

/// The median growth over all runs that are long enough; steady if most of them are.
pub(crate) fn growth(reading: &Reading, confidence: f64) -> Option<Growth> {
    let runs: Vec<Growth> =
        reading.runs.iter().filter_map(|it| growth_of(it, confidence)).collect();
    let most = |is: fn(&Growth) -> bool| runs.iter().filter(|it| is(it)).count() * 2 > runs.len();
    let middle = |of: fn(&Growth) -> f64| median(&mut runs.iter().map(of).collect::<Vec<f64>>());
    Some(Growth {
        per_second: middle(|it| it.per_second)?,
        per_operation: middle(|it| it.per_operation)?,
        bytes: middle(|it| it.bytes)?,
        live: middle(|it| it.live)?,
        is_steady: most(|it| it.is_steady),
        is_slowing: most(|it| it.is_slowing),
    })
}

/// Growth as a function of operations: where the program pauses, or does more in one half, a leak
/// does too.
fn growth_of(run: &Run, confidence: f64) -> Option<Growth> {
    let moments = run.working();
    let points: Vec<(f64, f64)> = moments.iter().map(|it| (it.operations, it.live_bytes)).collect();
    let trend = Trend::of(&points, confidence)?;
    let [first, .., last] = moments else { return None };
    let is_of_load = grows_with_load(moments);
    Some(Growth {
        per_second: per(trend.growth, last.at - first.at),
        per_operation: per(trend.growth, last.operations - first.operations),
        bytes: trend.growth,
        live: median(&mut points.iter().map(|it| it.1).collect::<Vec<f64>>())?,
        is_steady: trend.is_steady && !is_of_load,
        is_slowing: trend.is_slowing && !is_of_load,
    })
}

/// Whether the program became busier as its live memory grew. Whole halves are compared, so a start
/// from zero does not count.
fn grows_with_load(moments: &[Moment]) -> bool {
    let (first, second) = moments.split_at(moments.len() / 2);
    let live = |half: &[Moment]| {
        median(&mut half.iter().map(|it| it.live_bytes).collect::<Vec<f64>>()).unwrap_or(0.0)
    };
    let ([from, ..], [middle, .., to]) = (first, second) else { return false };
    let rate = |from: &Moment, to: &Moment| per(to.operations - from.operations, to.at - from.at);
    let busier = per(rate(middle, to), rate(from, middle)) - 1.0;
    let more = live(second) - live(first);
    busier > 0.0 && busier * live(first) >= LOAD_SHARE * more
}

/// Bytes that are held but not live, at moments when little is live.
struct Idle {
    low: f64,
    middle: f64,
    high: f64,
    live: f64,
}

/// Reads the held bytes of a moment with `of`.
fn idle_bytes(reading: &Reading, of: impl Fn(&Moment) -> Option<f64>) -> Option<Idle> {
    let moments = reading.runs.iter().flat_map(Run::working);
    let mut held: Vec<(f64, f64)> = moments
        .filter_map(|it| Some((it.live_bytes.max(0.0), of(it)?)))
        // Before the first real sample, nothing is known to be held.
        .filter(|(_, held)| *held > 0.0)
        .collect();
    held.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = held.len();
    held.truncate((count as f64 * TROUGH_SHARE).ceil() as usize);
    let mut idle: Vec<f64> = held.iter().map(|(live, held)| held - live).collect();
    let [low, middle, high] = IDLE_RANGE.map(|share| quantile(&mut idle, share));
    let live = median(&mut held.iter().map(|it| it.0).collect::<Vec<f64>>());
    Some(Idle { low: low?, middle: middle?, high: high?, live: live? })
}
