//! The metrics for Prometheus: counters, gauges and one histogram per class, of running processes,
//! and the anomalies of crashed ones for as long as their segments are kept.
//!
//! Reasons and anomalies are written from the start, at 0, for each class that a process uses,
//! because `rate()` cannot see the step from "absent" to 1. Other outcomes are left out while they
//! are 0, because a class only ever has two or three of them.

mod agent;
mod ends;
pub mod exposition;
mod families;
mod group;
mod regressions;

use hakmem_reader::{AllocReason, Class, FreeReason, Histogram, Outcome};
use hakmem_segment::duration::{BUCKETS, bucket_start_ns};

use crate::shared::Shared;
use crate::state::counters::ClassSums;
use exposition::{Exposition, Family, Format};
use group::{ClassGauges, Gauges, Group, Place, crashed, groups};

/// Upper bounds of the duration histogram, in nanoseconds: starts of the segment's own buckets.
const DURATION_BOUNDS_NS: [u64; 16] = [
    1 << 8,
    1 << 9,
    1 << 10,
    1 << 11,
    1 << 12,
    1 << 13,
    1 << 14,
    1 << 15,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
    1 << 26,
    1 << 28,
    1 << 30,
];

/// The document in the given format, as of the newest samples.
pub(crate) fn render(shared: &Shared, format: Format) -> String {
    let view = shared.current();
    let users = &shared.users;
    let groups = groups(&view, users);
    let crashed = crashed(&view, &groups, users);
    let mut page = Page { out: Exposition::new(format), groups: &groups, crashed: &crashed };
    page.counters();
    page.process_counters();
    page.identity();
    page.gauges();
    page.durations();
    ends::write(&mut page.out, &view, users);
    agent::write(&mut page.out, &view, shared);
    regressions::write(&mut page.out, &view, &shared.findings, users);
    page.out.finish()
}

struct Page<'a> {
    out: Exposition,
    groups: &'a [Group],
    /// Crashed processes with anomalies.
    crashed: &'a [Group],
}

impl Page<'_> {
    fn counters(&mut self) {
        self.each_class(&families::ALLOCATIONS, |class| class.allocations);
        self.each_word(&families::SLOW_ALLOCATIONS, "reason", |class| {
            let reasons = AllocReason::ALL.iter().filter(|&&r| r != AllocReason::OutOfMemory);
            reasons.map(|&r| (r.name(), class.alloc_reasons[r as usize])).collect()
        });
        self.each_class(&families::FAILED_ALLOCATIONS, ClassSums::failed_allocations);
        self.each_class(&families::FREES, |class| class.frees);
        self.each_word(&families::SLOW_FREES, "reason", |class| {
            let reasons = FreeReason::ALL.iter();
            reasons.map(|&r| (r.name(), class.free_reasons[r as usize])).collect()
        });
        self.classified_frees();
    }

    fn classified_frees(&mut self) {
        self.outcomes(self.groups, |outcome, is_fast, count| {
            count > 0 || !is_fast && outcome.is_anomaly()
        });
        // The program may have crashed before a scrape saw the anomalies that led to the crash.
        self.outcomes(self.crashed, |outcome, _, count| count > 0 && outcome.is_anomaly());
    }

    fn outcomes(&mut self, groups: &[Group], is_told: impl Fn(Outcome, bool, u64) -> bool) {
        for (group, class, sums) in used_classes(groups) {
            for &outcome in Outcome::ALL {
                let fast = sums.outcomes_fast[outcome as usize];
                let slow = sums.outcomes[outcome as usize].saturating_sub(fast);
                for (path, is_fast, count) in [("fast", true, fast), ("slow", false, slow)] {
                    if !is_told(outcome, is_fast, count) {
                        continue;
                    }
                    let [executable, pid, class, user, process] = group.class_labels(class);
                    let (outcome, path) = (("outcome", outcome.name()), ("path", path));
                    let labels = [executable, pid, class, outcome, path, user, process];
                    self.out.number(&families::CLASSIFIED_FREES, &labels, count.into());
                }
            }
        }
    }

    fn process_counters(&mut self) {
        self.each_group(&families::SLAB_RETURNED_BYTES, |g| g.counters.slab_returned_bytes);
        self.each_group(&families::LOST_EVENTS, |g| g.counters.lost_events);
        self.each_group(&families::SUPPRESSED_EVENTS, |g| g.counters.suppressed_events);
        self.each_group(&families::UNPUBLISHED_THREADS_CREATED, |g| {
            g.counters.unpublished_threads_created
        });
        self.each_group(&families::REFUSED_UNMAPS, |g| g.counters.refused_unmaps);
        self.each_group(&families::REFUSED_PURGES, |g| g.counters.refused_purges);
        self.each_group(&families::REFUSED_ADVICE, |g| g.counters.refused_advice);
    }

    fn identity(&mut self) {
        for group in self.groups {
            for build in &group.builds {
                let [executable, pid, user, process] = group.labels();
                let labels = [
                    executable,
                    pid,
                    user,
                    process,
                    ("command", build.command.as_str()),
                    ("routing", build.routing.as_str()),
                    ("check", build.check.as_str()),
                    ("push", build.push.as_str()),
                    ("build_id", build.build_id.as_str()),
                    ("library_version", build.library_version.as_str()),
                ];
                self.out.number(&families::PROCESS_INFO, &labels, 1);
            }
        }
        for group in self.groups {
            if let Some(started) = group.gauges.started_unix_ns {
                let labels = group.labels();
                self.out.float(&families::PROCESS_START_TIME, &labels, started as f64 / 1e9);
            }
        }
    }

    fn gauges(&mut self) {
        type Get = fn(&Gauges) -> u64;
        let all: [(&Family, Get); 9] = [
            (&families::THREADS, |g| g.threads),
            (&families::UNPUBLISHED_THREADS, |g| g.unpublished_threads),
            (&families::ARENA_RESERVED, |g| g.arena_reserved_bytes),
            (&families::ARENA_COMMITTED, |g| g.arena_committed_bytes),
            (&families::SLAB, |g| g.slab_bytes),
            (&families::SLAB_CACHED, |g| g.slab_cached_bytes),
            (&families::LARGE, |g| g.large_bytes),
            (&families::LARGE_CACHED, |g| g.large_cached_bytes),
            (&families::LARGE_PURGED, |g| g.large_purged_bytes),
        ];
        for (family, get) in all {
            self.each_group(family, |group| get(&group.gauges));
        }
        type GetOfClass = fn(&ClassGauges) -> i128;
        let of_classes: [(&Family, GetOfClass); 5] = [
            (&families::LIST_DEPTH, |class| class.depth_blocks.into()),
            (&families::LIST_CAPACITY, |class| class.capacity_blocks.into()),
            (&families::CENTRAL, |class| class.central_blocks.into()),
            (&families::LIVE_BLOCKS, |class| class.live_blocks.into()),
            (&families::LIVE_BYTES, |class| class.live_bytes.into()),
        ];
        for (family, get) in of_classes {
            for (group, class, _) in used_classes(self.groups) {
                let value = get(&group.gauges.classes[class as usize]);
                self.out.number(family, &group.class_labels(class), value);
            }
        }
    }

    fn durations(&mut self) {
        for (group, class, sums) in used_classes(self.groups) {
            let (buckets, above, sum) = seconds(&sums.durations);
            let labels = group.class_labels(class);
            self.out.histogram(&families::SLOW_PATH_DURATION, &labels, &buckets, above, sum);
        }
    }

    fn each_group(&mut self, family: &Family, get: impl Fn(&Group) -> u64) {
        for group in self.groups {
            self.out.number(family, &group.labels(), get(group).into());
        }
    }

    fn each_class(&mut self, family: &Family, get: impl Fn(&ClassSums) -> u64) {
        for (group, class, sums) in used_classes(self.groups) {
            self.out.number(family, &group.class_labels(class), get(sums).into());
        }
    }

    fn each_word(
        &mut self,
        family: &Family,
        label: &'static str,
        get: impl Fn(&ClassSums) -> Vec<(&'static str, u64)>,
    ) {
        for (group, class, sums) in used_classes(self.groups) {
            let [executable, pid, class, user, process] = group.class_labels(class);
            for (word, count) in get(sums) {
                let labels = [executable, pid, class, (label, word), user, process];
                self.out.number(family, &labels, count.into());
            }
        }
    }
}

impl Group {
    fn labels(&self) -> [(&'static str, &str); 4] {
        let Place { executable, pid, user, process } = &self.place;
        [("executable", executable), ("pid", pid), ("user", user), ("process", process)]
    }

    fn class_labels(&self, class: Class) -> [(&'static str, &str); 5] {
        let [executable, pid, user, process] = self.labels();
        [executable, pid, ("class", class.name()), user, process]
    }
}

/// Every class that a group uses.
fn used_classes(groups: &[Group]) -> impl Iterator<Item = (&Group, Class, &ClassSums)> {
    groups.iter().flat_map(|group| {
        let classes = Class::ALL.iter().zip(&group.counters.classes);
        classes.filter(|(_, sums)| sums.used).map(move |(&class, sums)| (group, class, sums))
    })
}

/// Buckets by upper bound in seconds, the number of durations above them, and the sum of all
/// durations, each of which is assumed to be the middle of its finer bucket in the segment.
fn seconds(histogram: &Histogram) -> (Vec<(f64, u64)>, u64, f64) {
    let bounds = DURATION_BOUNDS_NS.iter().map(|&bound| bound as f64 / 1e9);
    let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
    let mut above = 0u64;
    let mut sum = 0.0;
    for (index, count) in histogram.buckets() {
        let start = bucket_start_ns(index);
        let middle = (start + bucket_start_ns((index + 1).min(BUCKETS))) as f64 / 2.0;
        sum += middle / 1e9 * count as f64;
        let at = DURATION_BOUNDS_NS.partition_point(|&bound| bound <= start);
        match buckets.get_mut(at) {
            Some(bucket) => bucket.1 = bucket.1.saturating_add(count),
            None => above = count.saturating_add(above),
        }
    }
    (buckets, above, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_on_the_right_side_of_the_bounds() {
        let bucket_of = |duration_ns: u64| {
            let mut counts = [0; BUCKETS];
            counts[hakmem_segment::duration::bucket(duration_ns)] = 1;
            let (buckets, above, sum) = seconds(&Histogram::from_counts(counts));
            assert!(sum > 0.0);
            if above > 0 {
                return f64::INFINITY;
            }
            buckets.iter().find(|(_, count)| *count > 0).unwrap().0
        };
        assert_eq!(bucket_of(1), 256e-9);
        assert_eq!(bucket_of(255), 256e-9);
        assert_eq!(bucket_of(256), 512e-9);
        assert_eq!(bucket_of((1 << 30) - 1), 1.073741824);
        assert_eq!(bucket_of(1 << 30), f64::INFINITY);
    }
}
