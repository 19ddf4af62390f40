//! What the agent has found to be slower than in its own past.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hakmem_proto::v1 as proto;

use super::seconds;

/// Findings kept: an agent keeps fewer.
const CAPACITY: usize = 1000;

/// Findings by number, each as the agent told it last.
#[derive(Clone, Debug, Default)]
pub struct FindingList {
    findings: BTreeMap<u64, proto::Finding>,
    is_watched: bool,
    dropped_earlier: u64,
    dropped: u64,
}

impl FindingList {
    /// Says that a new stream begins. It tells everything again, and numbers are those of an agent
    /// that may be another one.
    pub fn begin_stream(&mut self) {
        self.findings.clear();
        self.is_watched = true;
        self.dropped_earlier += std::mem::take(&mut self.dropped);
    }

    /// Adds what the stream brought; what is known under the same number is replaced.
    pub fn merge(&mut self, update: proto::WatchFindingsResponse) {
        self.is_watched = true;
        self.dropped = self.dropped.max(update.dropped_findings);
        for finding in update.findings {
            self.findings.insert(finding.id, finding);
        }
        while self.findings.len() > CAPACITY {
            // The oldest have the lowest numbers.
            self.findings.pop_first();
        }
    }

    /// Those that go on first, each kind newest first.
    pub fn ordered(&self) -> Vec<&proto::Finding> {
        let mut findings: Vec<&proto::Finding> = self.findings.values().collect();
        let since = |it: &proto::Finding| it.since.as_ref().map_or(0.0, seconds);
        findings.sort_by(|a, b| {
            let order = is_ongoing(b).cmp(&is_ongoing(a)).then(since(b).total_cmp(&since(a)));
            order.then(Reverse(a.id).cmp(&Reverse(b.id)))
        });
        findings
    }

    /// How many go on.
    pub fn ongoing(&self) -> usize {
        self.findings.values().filter(|it| is_ongoing(it)).count()
    }

    /// Whether the agent looks for findings at all, as far as is known.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Findings that were dropped on the way.
    pub fn missing(&self) -> u64 {
        self.dropped_earlier + self.dropped
    }
}

/// Whether a finding is not over.
pub fn is_ongoing(finding: &proto::Finding) -> bool {
    finding.until.is_none()
}
