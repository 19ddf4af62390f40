//! Counts how processes ended.
//!
//! The number of kept segments of ended processes is limited, so in a crash loop it stays at its
//! maximum and shows nothing. Ends are therefore counted when they are seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hakmem_reader::ProcessState;

use super::counters::EXECUTABLES_MAX;

/// States of a process that has ended.
pub(crate) const END_STATES: [ProcessState; 5] = [
    ProcessState::Exited,
    ProcessState::Killed,
    ProcessState::Crashed,
    ProcessState::Replaced,
    ProcessState::Ended,
];

/// Time within which a process whose end nobody saw may turn out to have called `exec`.
const DOUBT: Duration = Duration::from_secs(5);

/// An owner and the name under which the executable is summed.
type Executable = (u32, Arc<str>);

/// Ends by owner, name under which an executable is summed, and state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    counts: BTreeMap<Executable, Count>,
    /// Processes whose end nobody saw, by key: the time of discovery and the executable.
    doubtful: BTreeMap<Arc<str>, (Instant, Executable)>,
    /// Number of all ends so far.
    total: u64,
}

/// The ends of one executable.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    by_state: [u64; END_STATES.len()],
    /// [`Ends::total`] at its last end.
    last: u64,
}

impl Ends {
    /// Counts a process that was seen to have ended.
    pub(crate) fn add(&mut self, key: &Arc<str>, of: (u32, &Arc<str>), state: ProcessState) {
        let of = (of.0, Arc::clone(of.1));
        if state == ProcessState::Ended {
            self.doubtful.insert(Arc::clone(key), (Instant::now(), of));
        } else {
            self.count_one(of, state);
        }
    }

    /// Counts a process that turned out to have called `exec`.
    pub(crate) fn was_replaced(&mut self, key: &str) {
        if let Some((_, of)) = self.doubtful.remove(key) {
            self.count_one(of, ProcessState::Replaced);
        }
    }

    /// Whether a doubtful end is old enough to be settled.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.values().any(|(since, _)| since.elapsed() >= DOUBT)
    }

    /// Counts as ended the processes about which nothing more can become known.
    pub(crate) fn settle(&mut self) {
        let (settled, doubtful) = std::mem::take(&mut self.doubtful)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, (since, _))| since.elapsed() >= DOUBT);
        self.doubtful = doubtful;
        for (_, of) in settled.into_values() {
            self.count_one(of, ProcessState::Ended);
        }
    }

    /// Owners and executables with at least one end.
    pub(crate) fn executables(&self) -> impl Iterator<Item = (u32, &str)> {
        self.counts.keys().map(|(owner, executable)| (*owner, &**executable))
    }

    /// Number of processes of an owner's executable that ended in `state`.
    pub(crate) fn count(&self, owner: u32, executable: &str, state: ProcessState) -> u64 {
        let at = END_STATES.iter().position(|&known| known == state);
        let count = self.counts.get(&(owner, executable.into()));
        at.zip(count).map_or(0, |(at, count)| count.by_state[at])
    }

    fn count_one(&mut self, of: Executable, state: ProcessState) {
        let Some(at) = END_STATES.iter().position(|&known| known == state) else { return };
        if !self.counts.contains_key(&of) {
            self.make_room(of.0);
        }
        self.total += 1;
        let count = self.counts.entry(of).or_default();
        count.by_state[at] += 1;
        count.last = self.total;
    }

    /// Forgets the owner's executable whose last end is the oldest, if there are too many.
    fn make_room(&mut self, owner: u32) {
        let of_owner = || self.counts.iter().filter(|((of, _), _)| *of == owner);
        if of_owner().count() < EXECUTABLES_MAX {
            return;
        }
        let oldest = of_owner().min_by_key(|(_, count)| count.last);
        if let Some(oldest) = oldest.map(|(of, _)| of.clone()) {
            self.counts.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_nobody_saw_counts_once_and_as_what_it_turns_out_to_be() {
        let mut ends = Ends::default();
        let sh: Arc<str> = "sh".into();
        ends.add(&"1".into(), (7, &sh), ProcessState::Ended);
        ends.add(&"2".into(), (7, &sh), ProcessState::Ended);
        ends.add(&"3".into(), (7, &sh), ProcessState::Crashed);
        ends.add(&"4".into(), (8, &sh), ProcessState::Crashed);
        ends.was_replaced("1");
        ends.was_replaced("3");
        let counts = |ends: &Ends| END_STATES.map(|state| ends.count(7, "sh", state));
        assert_eq!(counts(&ends), [0, 0, 1, 1, 0]);
        ends.settle();
        assert!(!ends.is_doubtful());
        assert_eq!(counts(&ends), [0, 0, 1, 1, 0], "it may still turn out");
        let Some(long_ago) = Instant::now().checked_sub(DOUBT) else { return };
        ends.doubtful.values_mut().for_each(|(since, _)| *since = long_ago);
        assert!(ends.is_doubtful());
        ends.settle();
        assert_eq!(counts(&ends), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn executables_are_bounded_for_each_owner() {
        let mut ends = Ends::default();
        for number in 0..2 * EXECUTABLES_MAX {
            let name = number.to_string().into();
            ends.add(&"key".into(), (7, &name), ProcessState::Exited);
        }
        ends.add(&"key".into(), (8, &"0".into()), ProcessState::Exited);
        assert_eq!(ends.executables().count(), EXECUTABLES_MAX + 1);
        assert_eq!(ends.count(7, "0", ProcessState::Exited), 0);
        assert_eq!(ends.count(7, &EXECUTABLES_MAX.to_string(), ProcessState::Exited), 1);
    }
}
