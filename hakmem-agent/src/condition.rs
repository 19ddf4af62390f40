//! The agent's own health, measured and not asserted.
//!
//! The measure is the sampler's last round. An agent whose sampler stands still answers as before,
//! with figures that no longer change, so only the age of that round distinguishes it from an idle
//! machine.

use std::path::Path;
use std::time::Duration;

use hakmem_reader::text::escaped_text;

use crate::config::AgentConfig;
use crate::state::FleetView;

/// Age of the last round that indicates a problem: rounds are a tenth of a second apart, and their
/// duration is bounded.
const ROUND_AGE_MAX: Duration = Duration::from_secs(10);
/// Time limit for the first listing, which opens every existing segment.
const FIRST_LISTING_MAX: Duration = Duration::from_secs(60);
/// Number of rounds that may be missed, if rounds are far apart.
const ROUNDS_MISSED_MAX: u32 = 5;

/// The condition of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The first listing is in progress.
    Starting,
    /// Nothing was sampled for this time.
    Stalled(Duration),
    /// The agent samples, but cannot read a directory that it was told to watch.
    Blind(String),
    /// The agent samples.
    Sampling,
}

impl Condition {
    /// Whether the agent should be left running.
    pub(crate) fn is_healthy(&self) -> bool {
        !matches!(self, Self::Stalled(_))
    }

    /// Whether the agent's answers are complete and current.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Sampling)
    }

    /// The problem, for people.
    pub(crate) fn trouble(&self) -> Option<String> {
        matches!(self, Self::Stalled(_) | Self::Blind(_)).then(|| self.to_string())
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Starting => f.write_str("the first scan for segments is under way"),
            Self::Stalled(age) => {
                write!(f, "nothing was sampled for {} s; restart the agent", age.as_secs())
            }
            Self::Blind(problem) => f.write_str(problem),
            Self::Sampling => f.write_str("sampling"),
        }
    }
}

/// The condition of an agent as of `view`, whose last round of sampling is `age` old.
pub(crate) fn condition(config: &AgentConfig, view: &FleetView, age: Duration) -> Condition {
    let condition = sampling(config, view.health.first_scan_done, age);
    match (condition, view.health.directory_problems.first_key_value()) {
        (Condition::Sampling, Some((directory, problem))) => {
            Condition::Blind(problem_text(directory, problem))
        }
        (condition, _) => condition,
    }
}

/// One line about a directory that cannot be watched properly.
pub(crate) fn problem_text(directory: &Path, problem: &str) -> String {
    let directory = directory.display().to_string();
    format!("{} {problem}; its processes are missing", escaped_text(&directory))
}

fn sampling(config: &AgentConfig, first_scan_done: bool, age: Duration) -> Condition {
    let least = if first_scan_done { ROUND_AGE_MAX } else { FIRST_LISTING_MAX };
    if age > least.max(config.watched_interval.saturating_mul(ROUNDS_MISSED_MAX)) {
        Condition::Stalled(age)
    } else if first_scan_done {
        Condition::Sampling
    } else {
        Condition::Starting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_round_is_a_stall_and_a_long_start_is_none() {
        let check = |interval_s: u64, first_scan_done: bool, age_s: u64, expected: Condition| {
            let watched_interval = Duration::from_secs(interval_s);
            let config = AgentConfig { watched_interval, ..AgentConfig::default() };
            let age = Duration::from_secs(age_s);
            assert_eq!(sampling(&config, first_scan_done, age), expected);
        };
        let stalled = |age_s| Condition::Stalled(Duration::from_secs(age_s));
        check(0, false, 30, Condition::Starting);
        check(0, false, 61, stalled(61));
        check(0, true, 9, Condition::Sampling);
        check(0, true, 11, stalled(11));
        check(60, true, 299, Condition::Sampling);
        check(60, true, 301, stalled(301));
        assert!(Condition::Starting.is_healthy() && !Condition::Starting.is_ready());
        assert!(!stalled(11).is_healthy() && !stalled(11).is_ready());
    }
}
