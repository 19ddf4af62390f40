//! Decides which processes are sampled in which round.
//!
//! Time is divided into ticks of the shortest interval. A watched process is sampled in ticks that
//! are multiples of its interval, together with all others of that interval, so that a client sees
//! them as of one moment. Processes that no client watches are spread over their interval by their
//! keys, so that a thousand of them make ten small rounds and not one large one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

/// The grid of ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    begin: Instant,
    tick: Duration,
    idle_ticks: u64,
}

impl Schedule {
    pub(super) fn new(begin: Instant, tick: Duration, idle: Duration) -> Self {
        let tick = tick.max(Duration::from_millis(1));
        Self { begin, tick, idle_ticks: ticks(idle, tick) }
    }

    /// The tick in which `now` lies.
    pub(super) fn tick_at(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.begin).as_nanos() / self.tick.as_nanos()) as u64
    }

    /// The start of a tick.
    pub(super) fn start_of(&self, tick: u64) -> Instant {
        let nanos = self.tick.as_nanos().saturating_mul(u128::from(tick));
        self.begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whether a process is due in the ticks after `last`, up to and including `now`.
    pub(super) fn is_due(&self, key: &str, watched: Option<Duration>, last: u64, now: u64) -> bool {
        let (every, phase) = match watched {
            Some(interval) => (ticks(interval, self.tick), 0),
            None => (self.idle_ticks, phase(key) % self.idle_ticks),
        };
        // The number of due ticks up to a tick grows exactly in those ticks.
        let due_until = |tick: u64| (tick + every - phase) / every;
        due_until(now) > due_until(last)
    }
}

fn ticks(interval: Duration, tick: Duration) -> u64 {
    let ticks = interval.as_secs_f64() / tick.as_secs_f64();
    (ticks.round() as u64).max(1)
}

fn phase(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);
    const SECOND: Duration = Duration::from_secs(1);

    fn due_ticks(key: &str, watched: Option<Duration>, ticks: u64) -> Vec<u64> {
        let schedule = Schedule::new(Instant::now(), TICK, SECOND);
        let due = |tick: &u64| schedule.is_due(key, watched, tick - 1, *tick);
        (1..=ticks).filter(due).collect()
    }

    #[test]
    fn watched_processes_are_sampled_together() {
        assert_eq!(due_ticks("a", Some(TICK), 5), [1, 2, 3, 4, 5]);
        assert_eq!(due_ticks("b", Some(3 * TICK), 10), [3, 6, 9]);
        assert_eq!(due_ticks("c", Some(SECOND), 25), [10, 20]);
    }

    #[test]
    fn idle_processes_are_sampled_once_an_interval_and_spread() {
        let keys: Vec<String> = (0..100).map(|pid| format!("{pid}-1-1")).collect();
        let mut per_tick = [0; 10];
        for key in &keys {
            let due = due_ticks(key, None, 20);
            assert_eq!(due.len(), 2, "{key}");
            assert_eq!(due[1] - due[0], 10, "{key}");
            per_tick[(due[0] % 10) as usize] += 1;
        }
        assert!(per_tick.iter().all(|&processes| processes < 30), "{per_tick:?}");
    }

    #[test]
    fn a_late_round_makes_up_for_what_was_due() {
        let schedule = Schedule::new(Instant::now(), TICK, SECOND);
        assert!(schedule.is_due("a", None, 3, 17));
        assert!(!schedule.is_due("a", Some(TICK), 17, 17));
    }
}
