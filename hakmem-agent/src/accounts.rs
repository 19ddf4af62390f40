//! What each owner of segments has used of the sampler.
//!
//! Time is a bucket that fills at a share of one processor: whatever an owner's files cost beyond
//! that waits, and nobody else does. Of a round of samples each owner gets a slice, so that what one
//! has saved up does not come between two samples of another's. It is the thread's own processor time, with the time it slept
//! for a writer in a slow path, so that a machine that is busy otherwise counts against nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::config::OwnerBudget;

/// Time after which an owner may cause lines of the log again.
const LOG_PERIOD: Duration = Duration::from_secs(3600);

/// One owner's use.
#[derive(Debug)]
pub(crate) struct Account {
    /// Segments followed.
    pub(crate) processes: usize,
    /// Those of them that are open.
    pub(crate) open: usize,
    /// Bytes of memory of their newest samples.
    pub(crate) sample_bytes: usize,
    /// Files that are not to be opened again.
    pub(crate) refused: usize,
    /// Files that are still being made.
    pub(crate) unready: usize,
    /// Time that may be spent; negative after something that took more than was left.
    left: f64,
    filled_at: Instant,
    /// Time that samples have taken in the round under way.
    in_round: Duration,
    lines: u32,
    lines_since: Instant,
}

/// Whether a line may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Yes,
    /// It may, and it is the last one for a while.
    Last,
    No,
}

/// All owners' use.
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

    /// Gives each owner the time of a round.
    pub(crate) fn begin_round(&mut self) {
        self.owners.values_mut().for_each(|account| account.in_round = Duration::ZERO);
    }

    /// Time that the owner's samples may still take in this round; `None` if it is spent.
    pub(crate) fn slice(&mut self, owner: u32) -> Option<Duration> {
        let slice = self.budget.round.saturating_sub(self.of(owner).in_round);
        (slice > Duration::ZERO).then_some(slice)
    }

    /// Takes time of a sample from the owner.
    pub(crate) fn charge_sample(&mut self, owner: u32, time: Duration) {
        self.of(owner).in_round += time;
        self.charge(owner, time);
    }

    /// Takes time from the owner.
    pub(crate) fn charge(&mut self, owner: u32, time: Duration) {
        self.of(owner).left -= time.as_secs_f64();
    }

    /// Whether the owner may cause a line of the log; if so, it counts.
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

    /// Segments that are open, of all owners.
    pub(crate) fn open(&self) -> usize {
        self.owners.values().map(|account| account.open).sum()
    }

    /// The owner with most open segments.
    pub(crate) fn greediest(&self) -> Option<(u32, usize)> {
        let most = self.owners.iter().max_by_key(|(_, account)| account.open);
        most.map(|(owner, account)| (*owner, account.open))
    }
}

/// Measures what a piece of work costs.
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
