//! Flow between two moments: differences of cumulative counters, divided by time.

use hakmem_proto::v1 as proto;
use hakmem_segment::duration::{bucket, bucket_start_ns};

/// Whether numbers are per second or since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Per second, over the last second.
    Rate,
    /// Since the start.
    Total,
}

/// Flow of a whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TotalsFlow {
    /// Successful allocations.
    pub allocations: f64,
    /// Frees.
    pub frees: f64,
    /// Allocations and frees that left the fast path.
    pub slow: f64,
}

/// Flow of one thread slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThreadFlow {
    /// Successful allocations.
    pub allocations: f64,
    /// Frees.
    pub frees: f64,
    /// Allocations and frees that left the fast path.
    pub slow: f64,
}

/// Flow of frees with one outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeFlow {
    /// Word of the outcome.
    pub outcome: String,
    /// All frees with the outcome.
    pub all: f64,
    /// Frees with the outcome on the fast path.
    pub fast: f64,
}

/// Flow of one class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassFlow {
    /// Successful allocations.
    pub allocations: f64,
    /// Allocations on the fast path.
    pub allocations_fast: f64,
    /// Frees.
    pub frees: f64,
    /// Frees on the fast path.
    pub frees_fast: f64,
    /// Slow allocations by reason, most frequent first; failed requests count as `out_of_memory`.
    pub slow_allocations: Vec<(String, f64)>,
    /// Slow frees by reason, most frequent first.
    pub slow_frees: Vec<(String, f64)>,
    /// Frees by outcome, most frequent first.
    pub outcomes: Vec<OutcomeFlow>,
    /// Median of timed slow paths in nanoseconds; 0 without samples.
    pub p50_ns: u64,
    /// 99th percentile of timed slow paths in nanoseconds; 0 without samples.
    pub p99_ns: u64,
}

impl TotalsFlow {
    /// The flow from `start` to `end`, divided by `seconds`.
    pub fn between(start: &proto::Totals, end: &proto::Totals, seconds: f64) -> Self {
        let slow = |it: &proto::Totals| it.slow_allocations.saturating_add(it.slow_frees);
        Self {
            allocations: difference(start.allocations, end.allocations, seconds),
            frees: difference(start.frees, end.frees, seconds),
            slow: difference(slow(start), slow(end), seconds),
        }
    }

    /// Allocations and frees.
    pub fn operations(&self) -> f64 {
        self.allocations + self.frees
    }
}

impl ThreadFlow {
    /// The flow from `start` to `end`, divided by `seconds`.
    pub fn between(start: &proto::Thread, end: &proto::Thread, seconds: f64) -> Self {
        let slow = |it: &proto::Thread| it.slow_allocations.saturating_add(it.slow_frees);
        Self {
            allocations: difference(start.allocations, end.allocations, seconds),
            frees: difference(start.frees, end.frees, seconds),
            slow: difference(slow(start), slow(end), seconds),
        }
    }
}

impl ClassFlow {
    /// The flow from `start` to `end`, divided by `seconds`; the quantiles cover the same time.
    pub fn between(start: &proto::ClassCounters, end: &proto::ClassCounters, seconds: f64) -> Self {
        let mut flow = Self {
            allocations: difference(start.allocations, end.allocations, seconds),
            allocations_fast: difference(start.allocations_fast, end.allocations_fast, seconds),
            frees: difference(start.frees, end.frees, seconds),
            frees_fast: difference(start.frees_fast, end.frees_fast, seconds),
            slow_allocations: reasons(&start.slow_allocations, &end.slow_allocations, seconds),
            slow_frees: reasons(&start.slow_frees, &end.slow_frees, seconds),
            outcomes: outcomes(&start.outcomes, &end.outcomes, seconds),
            p50_ns: 0,
            p99_ns: 0,
        };
        flow.set_quantiles(start, end);
        flow
    }

    /// Sets the quantiles to those of the slow paths between two moments.
    pub(super) fn set_quantiles(
        &mut self,
        start: &proto::ClassCounters,
        end: &proto::ClassCounters,
    ) {
        let histogram = durations(start, end);
        self.p50_ns = quantile_ns(&histogram, 0.50);
        self.p99_ns = quantile_ns(&histogram, 0.99);
    }

    /// Allocations and frees.
    pub fn operations(&self) -> f64 {
        self.allocations + self.frees
    }

    /// Operations on the fast path.
    pub fn fast(&self) -> f64 {
        self.allocations_fast + self.frees_fast
    }

    /// Operations on the slow path.
    pub fn slow(&self) -> f64 {
        (self.operations() - self.fast()).max(0.0)
    }

    /// Slow allocations and frees by reason, most frequent first.
    pub fn slow_reasons(&self) -> Vec<(&str, f64)> {
        let both = self.slow_allocations.iter().chain(&self.slow_frees);
        let mut reasons: Vec<(&str, f64)> =
            both.map(|(reason, flow)| (reason.as_str(), *flow)).collect();
        reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
        reasons
    }
}

fn difference(start: u64, end: u64, seconds: f64) -> f64 {
    end.saturating_sub(start) as f64 / seconds
}

fn reasons(
    start: &[proto::ReasonCount],
    end: &[proto::ReasonCount],
    seconds: f64,
) -> Vec<(String, f64)> {
    let before =
        |reason: &str| start.iter().find(|it| it.reason == reason).map_or(0, |it| it.count);
    let mut flows: Vec<(String, f64)> = end
        .iter()
        .map(|it| (it.reason.clone(), difference(before(&it.reason), it.count, seconds)))
        .collect();
    flows.sort_by(|a, b| b.1.total_cmp(&a.1));
    flows
}

fn outcomes(
    start: &[proto::OutcomeCount],
    end: &[proto::OutcomeCount],
    seconds: f64,
) -> Vec<OutcomeFlow> {
    let before = |outcome: &str| {
        start.iter().find(|it| it.outcome == outcome).map_or((0, 0), |it| (it.count, it.fast))
    };
    let mut flows: Vec<OutcomeFlow> = end
        .iter()
        .map(|it| {
            let (all, fast) = before(&it.outcome);
            OutcomeFlow {
                outcome: it.outcome.clone(),
                all: difference(all, it.count, seconds),
                fast: difference(fast, it.fast, seconds),
            }
        })
        .collect();
    flows.sort_by(|a, b| b.all.total_cmp(&a.all));
    flows
}

/// Timed slow paths between two moments, by the start of their bucket.
fn durations(start: &proto::ClassCounters, end: &proto::ClassCounters) -> Vec<(u64, u64)> {
    let buckets = |it: &proto::ClassCounters| {
        it.slow_durations.as_ref().map(|it| it.buckets.clone()).unwrap_or_default()
    };
    let before = buckets(start);
    let count_before =
        |start_ns: u64| before.iter().find(|it| it.start_ns == start_ns).map_or(0, |it| it.count);
    let mut samples: Vec<(u64, u64)> = buckets(end)
        .iter()
        .map(|it| (it.start_ns, it.count.saturating_sub(count_before(it.start_ns))))
        .filter(|(_, count)| *count > 0)
        .collect();
    samples.sort_unstable();
    samples
}

/// The middle of the bucket that contains the quantile; 0 without samples.
fn quantile_ns(samples: &[(u64, u64)], quantile: f64) -> u64 {
    let count = samples.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    let rank = ((count as f64 * quantile).ceil() as u64).max(1);
    let mut seen = 0u64;
    for (start_ns, in_bucket) in samples {
        seen = seen.saturating_add(*in_bucket);
        if seen >= rank {
            return start_ns.midpoint(bucket_start_ns(bucket(*start_ns) + 1)).max(1);
        }
    }
    0
}
