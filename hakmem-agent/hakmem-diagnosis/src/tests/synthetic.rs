//! Programs that were never run: cumulative samples of a load with known parameters.

use std::collections::BTreeMap;

use hakmem_proto::v1::{
    ClassCounters, DurationBucket, DurationHistogram, Identity, Loss, Memory, OutcomeCount,
    Process, ReasonCount, Thread, Totals,
};

use super::recorded::Recorded;
use crate::bootstrap::Random;
use crate::side::{Series, Side};

/// The average load of one class in one interval.
#[derive(Clone, Debug)]
pub(super) struct ClassLoad {
    pub(super) class: &'static str,
    pub(super) allocations: f64,
    pub(super) frees: f64,
    /// Share of allocations by reason.
    pub(super) slow_allocations: Vec<(&'static str, f64)>,
    /// Share of frees by reason.
    pub(super) slow_frees: Vec<(&'static str, f64)>,
    /// Duration of a slow path.
    pub(super) slow_ns: u64,
    pub(super) block_bytes: f64,
    pub(super) capacity_blocks: u64,
}

/// A program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) identity: Identity,
    pub(super) classes: Vec<ClassLoad>,
    pub(super) intervals: usize,
    pub(super) interval_seconds: f64,
    /// Standard deviation of the slow shares, relative to them, and the part of it that carries
    /// over from one interval to the next.
    pub(super) noise: (f64, f64),
    pub(super) seed: u64,
    pub(super) live_bytes: f64,
    /// Bytes held beyond the live bytes.
    pub(super) idle_bytes: f64,
    /// Share of allocations and of frees by thread.
    pub(super) threads: Vec<(&'static str, f64, f64)>,
    /// Threads that begin in each interval.
    pub(super) starts: f64,
    /// Wrong frees of C7 in the whole time.
    pub(super) double_frees: u64,
}

pub(super) fn class(class: &'static str, operations: f64, slow: f64) -> ClassLoad {
    ClassLoad {
        class,
        allocations: operations / 2.0,
        frees: operations / 2.0,
        slow_allocations: vec![
            ("refill_central", slow * 0.8),
            ("refill_slab", slow * 0.1),
            ("refill_spare", slow * 0.1),
        ],
        slow_frees: vec![("flush_full", slow * 0.9), ("check", 1.0 / 1024.0)],
        slow_ns: 200,
        block_bytes: 64.0,
        capacity_blocks: 512,
    }
}

/// A program of two threads with a usual mix.
pub(super) fn usual() -> Program {
    let classes = [
        ("C2", 60_000.0, 0.01),
        ("C3", 80_000.0, 0.01),
        ("C5", 40_000.0, 0.012),
        ("C7", 40_000.0, 0.007),
        ("mid", 10_000.0, 0.03),
        ("large", 20.0, 0.0),
    ];
    let mut classes: Vec<ClassLoad> = classes.map(|(name, n, slow)| class(name, n, slow)).into();
    let large = classes.last_mut().unwrap();
    large.slow_allocations = vec![("large_map", 1.0)];
    large.slow_frees = vec![("large_unmap", 1.0)];
    large.slow_ns = 5_000;
    Program {
        identity: Identity {
            executable: "/usr/bin/server".to_owned(),
            routing: "direct".to_owned(),
            check: "sample".to_owned(),
            list_bytes_max: 262_144,
            ..Identity::default()
        },
        classes,
        intervals: 40,
        interval_seconds: 0.1,
        noise: (0.05, 0.5),
        seed: 1,
        live_bytes: 10e6,
        idle_bytes: 2e6,
        threads: vec![("reader", 0.5, 0.5), ("writer", 0.5, 0.5)],
        starts: 0.0,
        double_frees: 0,
    }
}

/// A standard normal random number, by Box and Muller's method.
pub(super) fn normal(random: &mut Random) -> f64 {
    let mut share = || (random.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64;
    (-2.0 * share().ln()).sqrt() * (std::f64::consts::TAU * share()).cos()
}

/// A wave that keeps the part `stays` of its value from one step to the next.
#[derive(Clone, Copy, Debug)]
struct Wave {
    value: f64,
    deviation: f64,
    stays: f64,
}

impl Wave {
    fn step(&mut self, random: &mut Random) -> f64 {
        let new = (1.0 - self.stays * self.stays).sqrt() * self.deviation;
        self.value = self.stays * self.value + new * normal(random);
        (1.0 + self.value).max(0.0)
    }
}

impl Program {
    pub(super) fn class(&mut self, name: &str) -> &mut ClassLoad {
        self.classes.iter_mut().find(|class| class.class == name).unwrap()
    }

    /// The side of one run, read back from a recording of it.
    pub(super) fn side(&self) -> Side {
        let side = self.recorded().side(0.0, f64::INFINITY);
        let samples = side.series[0].samples.len();
        // A rest, an interval without operations, has only two samples, its first and its last.
        assert!(samples <= self.intervals + 1, "{samples} of {}", self.intervals + 1);
        Side { name: "run".to_owned(), ..side }
    }

    /// A recording of one run.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded::of(&self.series(), self.interval_seconds)
    }

    pub(super) fn series(&self) -> Series {
        let mut random = Random::new(self.seed);
        let start = Wave { value: 0.0, deviation: self.noise.0, stays: self.noise.1 };
        let mut waves = vec![start; self.classes.len() * 2 + 1];
        // Waves begin at a random phase, as if the load had gone on before the window.
        waves.iter_mut().for_each(|wave| wave.value = self.noise.0 * normal(&mut random));
        let mut counts: BTreeMap<(usize, usize, &'static str), f64> = BTreeMap::new();
        let mut operations = vec![[0.0; 2]; self.classes.len()];
        let mut samples = vec![self.sample(0, &operations, &counts)];
        for interval in 1..=self.intervals {
            let load = waves[self.classes.len() * 2].step(&mut random);
            for (index, class) in self.classes.iter().enumerate() {
                let kinds = [
                    (class.allocations, &class.slow_allocations),
                    (class.frees, &class.slow_frees),
                ];
                for (direction, (number, reasons)) in kinds.into_iter().enumerate() {
                    let wave = waves[index * 2 + direction].step(&mut random);
                    let number = (number * load).round();
                    operations[index][direction] += number;
                    for &(reason, share) in reasons {
                        let expected = number * share * if share < 0.9 { wave } else { 1.0 };
                        // The count of rare events varies by its square root.
                        let count = expected
                            + if share < 0.5 { expected.sqrt() * normal(&mut random) } else { 0.0 };
                        *counts.entry((index, direction, reason)).or_default() +=
                            count.max(0.0).round();
                    }
                }
            }
            samples.push(self.sample(interval, &operations, &counts));
        }
        Series { identity: self.identity.clone(), samples, ..Series::default() }
    }

    fn sample(
        &self,
        interval: usize,
        operations: &[[f64; 2]],
        counts: &BTreeMap<(usize, usize, &'static str), f64>,
    ) -> Process {
        let at = 1_000_000.0 + interval as f64 * self.interval_seconds;
        let classes: Vec<ClassCounters> = (0..self.classes.len())
            .map(|index| self.counters(index, interval, operations[index], counts))
            .collect();
        let stayed = |(class, operations): (&ClassLoad, &[f64; 2])| {
            (operations[0] - operations[1]) * class.block_bytes
        };
        let live = self.live_bytes + self.classes.iter().zip(operations).map(stayed).sum::<f64>();
        let all = [0, 1].map(|it| operations.iter().map(|operations| operations[it]).sum::<f64>());
        let threads =
            self.threads.iter().enumerate().map(|(slot, &(name, allocates, frees))| Thread {
                slot: slot as u32,
                name: name.to_owned(),
                owners: 1 + (self.starts * interval as f64 / self.threads.len() as f64) as u32,
                allocations: (all[0] * allocates) as u64,
                frees: (all[1] * frees) as u64,
                ..Thread::default()
            });
        Process {
            sampled_at: Some(prost_types::Timestamp {
                seconds: at.floor() as i64,
                nanos: (at.fract() * 1e9) as i32,
            }),
            totals: Some(Totals {
                live_bytes: live as i64,
                threads: self.threads.len() as u32,
                ..Totals::default()
            }),
            classes,
            threads: threads.collect(),
            memory: Some(Memory {
                slab_bytes: (live + self.idle_bytes) as u64,
                ..Memory::default()
            }),
            loss: Some(Loss::default()),
            ..Process::default()
        }
    }

    fn counters(
        &self,
        index: usize,
        interval: usize,
        operations: [f64; 2],
        counts: &BTreeMap<(usize, usize, &'static str), f64>,
    ) -> ClassCounters {
        let class = &self.classes[index];
        let of = |direction: usize| {
            let of_stratum =
                counts.iter().filter(move |(key, _)| (key.0, key.1) == (index, direction));
            of_stratum
                .map(|(key, &count)| ReasonCount { reason: key.2.to_owned(), count: count as u64 })
        };
        let timed = (0..2).flat_map(of).filter(|it| !it.reason.ends_with("spare"));
        let timed: u64 = timed.map(|it| it.count).sum();
        let wrong = if class.class == "C7" { self.double_frees } else { 0 };
        let wrong = wrong * interval as u64 / self.intervals as u64;
        ClassCounters {
            class: class.class.to_owned(),
            allocations: operations[0] as u64,
            frees: operations[1] as u64,
            slow_allocations: of(0).collect(),
            slow_frees: of(1).collect(),
            outcomes: vec![OutcomeCount {
                outcome: "double_free".to_owned(),
                count: wrong,
                fast: 0,
            }],
            capacity_blocks: class.capacity_blocks,
            slow_durations: Some(DurationHistogram {
                buckets: vec![DurationBucket { start_ns: class.slow_ns, count: timed }],
                ..DurationHistogram::default()
            }),
            ..ClassCounters::default()
        }
    }
}
