//! Accounts for the sampler's work, by the owner of the segments.
//!
//! Time is a bucket that fills at a share of one processor: work on an owner's files beyond the
//! bucket waits, and delays nobody else. In each round of samples an owner gets a slice, so that
//! the time that one owner has saved up does not come between two samples of another's. Time is the
//! thread's own processor time, plus the time it slept while it waited for a writer in a slow path,
//! so that other load on the machine is charged to nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::config::OwnerBudget;

/// Period in which an owner may cause a limited number of log lines.
const LOG_PERIOD: Duration = Duration::from_secs(3600);

/// The account of one owner.
#[derive(Debug)]
pub(crate) struct Account {
    /// Number of followed segments.
    pub(crate) processes: usize,
    /// Number of those that are open.
    pub(crate) open: usize,
    /// Memory of their newest samples, in bytes.
    pub(crate) sample_bytes: usize,
    /// Number of files that are not opened again.
    pub(crate) refused: usize,
    /// Number of files whose writer is still creating them.
    pub(crate) unready: usize,
    /// Time that may be spent, in seconds; negative after work that took more than was left.
    left: f64,
    filled_at: Instant,
    /// Time that samples have taken in the current round.
    in_round: Duration,
    lines: u32,
    lines_since: Instant,
}

/// Whether a line may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Yes,
    /// It may be logged, and is the last one for a while.
    Last,
    No,
}

/// The accounts of all owners.
#[derive(Debug)]
pub(crate) struct Accounts {
    budget: OwnerBudget,
    owners: BTreeMap<u32, Account>,
}

impl Account {
    fn new(budget: &OwnerBudget, now: Instant) -> Self {
        Self {
            processes: 0,
            open: 0,
            sample_bytes: 0,
            refused: 0,
            unready: 0,
            left: budget.burst.as_secs_f64(),
            filled_at: now,
            in_round: Duration::ZERO,
            lines: 0,
            lines_since: now,
        }
    }

    fn fill(&mut self, budget: &OwnerBudget, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.left = (self.left + passed * budget.processor_share).min(budget.burst.as_secs_f64());
        self.filled_at = now;
    }
}

impl Accounts {
    pub(crate) fn new(budget: OwnerBudget) -> Self {
        Self { budget, owners: BTreeMap::new() }
    }

    pub(crate) fn budget(&self) -> &OwnerBudget {
        &self.budget
    }

    pub(crate) fn of(&mut self, owner: u32) -> &mut Account {
        let budget = &self.budget;
        self.owners.entry(owner).or_insert_with(|| Account::new(budget, Instant::now()))
    }

    /// Whether the owner has time left.
    pub(crate) fn has_time(&mut self, owner: u32) -> bool {
        let budget = self.budget.clone();
        let account = self.of(owner);
        account.fill(&budget, Instant::now());
        account.left > 0.0
    }

    /// Starts a round, in which each owner has a full slice.
    pub(crate) fn begin_round(&mut self) {
        self.owners.values_mut().for_each(|account| account.in_round = Duration::ZERO);
    }

    /// Time that the owner's samples may still take in this round; `None` if it is used up.
    pub(crate) fn slice(&mut self, owner: u32) -> Option<Duration> {
        let slice = self.budget.round.saturating_sub(self.of(owner).in_round);
        (slice > Duration::ZERO).then_some(slice)
    }

    /// Charges the owner for a sample that took `time`.
    pub(crate) fn charge_sample(&mut self, owner: u32, time: Duration) {
        self.of(owner).in_round += time;
        self.charge(owner, time);
    }

    /// Charges the owner for work that took `time`.
    pub(crate) fn charge(&mut self, owner: u32, time: Duration) {
        self.of(owner).left -= time.as_secs_f64();
    }

    /// Whether the owner may cause a line in the log; if so, the line is counted.
    pub(crate) fn line(&mut self, owner: u32) -> Line {
        let most = self.budget.log_lines;
        let account = self.of(owner);
        if account.lines_since.elapsed() > LOG_PERIOD {
            (account.lines, account.lines_since) = (0, Instant::now());
        }
        account.lines = account.lines.saturating_add(1);
        match account.lines.cmp(&most) {
            std::cmp::Ordering::Less => Line::Yes,
            std::cmp::Ordering::Equal => Line::Last,
            std::cmp::Ordering::Greater => Line::No,
        }
    }

    /// Number of open segments of all owners.
    pub(crate) fn open(&self) -> usize {
        self.owners.values().map(|account| account.open).sum()
    }

    /// The owner with the most open segments, and their number.
    pub(crate) fn greediest(&self) -> Option<(u32, usize)> {
        let most = self.owners.iter().max_by_key(|(_, account)| account.open);
        most.map(|(owner, account)| (*owner, account.open))
    }
}

/// Measures the processor time of a piece of work.
pub(crate) struct Meter {
    begun: Duration,
}

impl Meter {
    pub(crate) fn begin() -> Self {
        Self { begun: processor_time() }
    }

    pub(crate) fn took(&self) -> Duration {
        processor_time().saturating_sub(self.begun)
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_who_spent_all_time_waits_and_others_do_not() {
        let budget = OwnerBudget {
            processor_share: 0.25,
            burst: Duration::from_millis(500),
            ..OwnerBudget::default()
        };
        let mut accounts = Accounts::new(budget.clone());
        assert!(accounts.has_time(1) && accounts.has_time(2));
        accounts.charge(1, Duration::from_secs(1));
        assert!(!accounts.has_time(1) && accounts.has_time(2));
        let account = accounts.of(1);
        let begin = account.filled_at;
        account.fill(&budget, begin + Duration::from_secs(1));
        assert!(account.left <= 0.0, "a second gives a quarter of one, and a half is owed");
        account.fill(&budget, begin + Duration::from_secs(3));
        assert!(account.left > 0.0);
        account.fill(&budget, begin + Duration::from_secs(300));
        assert!((account.left - 0.5).abs() < 1e-9, "no more than the burst is saved");
    }

    #[test]
    fn the_log_is_told_when_an_owner_is_told_of_no_more() {
        let budget = OwnerBudget { log_lines: 3, ..OwnerBudget::default() };
        let mut accounts = Accounts::new(budget);
        let lines: Vec<Line> = (0..5).map(|_| accounts.line(7)).collect();
        assert_eq!(lines, [Line::Yes, Line::Yes, Line::Last, Line::No, Line::No]);
        assert_eq!(accounts.line(8), Line::Yes);
    }
}
