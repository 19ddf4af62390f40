//! Counts the work that the agent refused, with the reasons, for a metric.
//!
//! Everything that a file, a directory or a client could make the agent do without end has a budget
//! of its owner ([`crate::config::OwnerBudget`]). Work beyond it is not done and counted here,
//! under words that only the program chooses, so that the number of counts is bounded too.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The refused thing, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// Value of the label `what`.
    pub(crate) what: &'static str,
    /// Value of the label `reason`.
    pub(crate) reason: &'static str,
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $name:ident = $what:literal, $reason:literal;)*) => {
        impl Refusal {
            $($(#[doc = $doc])* pub(crate) const $name: Self =
                Self { what: $what, reason: $reason };)*
            /// All refusals, so that each is reported from the start, at 0.
            const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

refusals! {
    /// A file whose owner is not the user whose files its directory holds.
    STRANGE_FILE = "segment", "owner";
    /// A file whose process already has another file of the same owner.
    SECOND_FILE = "segment", "duplicate";
    /// More processes than an owner may have.
    PROCESSES = "segment", "processes";
    /// No descriptor is left, and no owner has more open than the owner of the file.
    DESCRIPTORS = "segment", "descriptors";
    /// A process whose samples take more memory than its owner has left.
    MEMORY = "segment", "memory";
    /// A process for which one sample takes too long.
    SLOW_SAMPLE = "segment", "time";
    /// A sample that was postponed, because the owner's time is used up.
    LATE_SAMPLE = "sample", "time";
    /// A sample that was postponed or continues in a later round, because the owner's time in this
    /// round is used up.
    PART_SAMPLE = "sample", "round";
    /// Names of segments beyond the number that an owner may have in a directory.
    NAMES = "name", "names";
    /// A listing that was postponed, because the owner's time is used up.
    LATE_LISTING = "listing", "time";
    /// A directory whose name belongs to another user.
    STRANGE_DIRECTORY = "directory", "owner";
    /// More directories than an owner may have.
    DIRECTORIES = "directory", "directories";
    /// A directory for which the system has no watch.
    WATCH = "watch", "system";
    /// An executable without a sum of its own, because the owner has used up the number of sums.
    EXECUTABLES = "executable", "executables";
    /// An owner whose processes are not recorded, because those of many other owners are.
    RECORDED_OWNER = "recording", "owners";
    /// A recording that was given up because it alone took more than the available room.
    RECORDED_BYTES = "recording", "bytes";
    /// A line of the log beyond the number that an owner may cause.
    LOG_LINE = "log_line", "lines";
    /// A request of a user who already waits for many others.
    REQUEST = "request", "requests";
    /// A fresh sample that a request did not get, because the time for requests is used up.
    LATE_REQUEST = "request", "time";
    /// A stream of a user who already has many.
    STREAM = "stream", "streams";
}

/// Counts since the agent started.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: Mutex<BTreeMap<Refusal, u64>>,
}

impl Refusals {
    pub(crate) fn count(&self, refusal: Refusal) {
        self.count_many(refusal, 1);
    }

    pub(crate) fn count_many(&self, refusal: Refusal, times: u64) {
        if times > 0 {
            *self.lock().entry(refusal).or_default() += times;
        }
    }

    /// Every refusal with its count.
    pub(crate) fn all(&self) -> Vec<(Refusal, u64)> {
        let counts = self.lock();
        let count = |refusal: &Refusal| counts.get(refusal).copied().unwrap_or(0);
        Refusal::ALL.iter().map(|refusal| (*refusal, count(refusal))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Refusal, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_told_once_and_from_the_start() {
        let refusals = Refusals::default();
        refusals.count(Refusal::NAMES);
        refusals.count_many(Refusal::NAMES, 2);
        let all = refusals.all();
        assert!(all.contains(&(Refusal::NAMES, 3)));
        assert_eq!(all.iter().filter(|(_, count)| *count > 0).count(), 1);
        let mut distinct: Vec<Refusal> = all.into_iter().map(|(refusal, _)| refusal).collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), Refusal::ALL.len());
    }
}
