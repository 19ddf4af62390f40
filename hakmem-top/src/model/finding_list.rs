//! The agent's findings: paths that became slower than in the process's own past.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hakmem_proto::v1 as proto;

use super::seconds;

/// Findings that are kept: an agent keeps fewer.
const CAPACITY: usize = 1000;

/// Findings by number, each in its latest version.
#[derive(Clone, Debug, Default)]
pub struct FindingList {
    findings: BTreeMap<u64, proto::Finding>,
    is_watched: bool,
    dropped_earlier: u64,
    dropped: u64,
}

impl FindingList {
    /// Begins a new stream. It repeats all findings, and their numbers may be those of another
    /// agent.
    pub fn begin_stream(&mut self) {
        self.findings.clear();
        self.is_watched = true;
        self.dropped_earlier =
            self.dropped_earlier.saturating_add(std::mem::take(&mut self.dropped));
    }

    /// Adds the findings of a message, and replaces known ones with the same number.
    pub fn merge(&mut self, update: proto::WatchFindingsResponse) {
        self.is_watched = true;
        self.dropped = self.dropped.max(update.dropped_findings);
        for finding in update.findings {
            self.findings.insert(finding.id, finding);
        }
        while self.findings.len() > CAPACITY {
            // The lowest numbers are the oldest.
            self.findings.pop_first();
        }
    }

    /// All findings: ongoing ones first, each kind newest first.
    pub fn ordered(&self) -> Vec<&proto::Finding> {
        let mut findings: Vec<&proto::Finding> = self.findings.values().collect();
        let since = |it: &proto::Finding| it.since.as_ref().map_or(0.0, seconds);
        findings.sort_by(|a, b| {
            let order = is_ongoing(b).cmp(&is_ongoing(a)).then(since(b).total_cmp(&since(a)));
            order.then(Reverse(a.id).cmp(&Reverse(b.id)))
        });
        findings
    }

    /// The number of ongoing findings.
    pub fn ongoing(&self) -> usize {
        self.findings.values().filter(|it| is_ongoing(it)).count()
    }

    /// Whether the agent is known to look for findings at all.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Findings that were dropped on the way.
    pub fn missing(&self) -> u64 {
        self.dropped_earlier.saturating_add(self.dropped)
    }
}

/// Whether a finding is not over yet.
pub fn is_ongoing(finding: &proto::Finding) -> bool {
    finding.until.is_none()
}
