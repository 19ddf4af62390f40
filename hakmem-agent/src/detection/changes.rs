//! Merges symptoms that begin together into one change, which is one finding.
//!
//! A change of a program shows in several classes, in both directions, in the program and in each
//! of its processes, and the smaller effects become sure later than the larger ones. All symptoms
//! that begin soon after the first belong to its finding, which reports the most expensive of them.
//! A symptom that begins later, while the baseline is still held, is another change.

use hakmem_diagnosis::{Finding, FindingKey, Turn};

use super::comparison::Symptom;

/// The comparison that shows a symptom: 0 and 1 are those of the whole program, with its past and
/// with a recording; the others are those of its processes.
pub(super) type Source = u64;

/// Maximum number of ongoing findings of one program; further symptoms join the last finding.
const OPEN_MAX: usize = 8;

/// The change of a finding's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Began,
    Changed,
    Ended,
}

/// A finding with its number, described by its most expensive symptom.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) id: u64,
    pub(super) news: News,
    pub(super) finding: Finding,
    pub(super) symptom: Symptom,
    /// Number of other symptoms that began with it.
    pub(super) others: usize,
}

/// The findings of one program.
#[derive(Debug)]
pub(super) struct Changes {
    open: Vec<Change>,
    /// Seconds within which symptoms count as beginning together.
    together: f64,
}

#[derive(Debug)]
struct Change {
    id: u64,
    /// Time of the first report, in seconds of Unix time.
    told_at: f64,
    /// Time at which its first symptom was first seen.
    since: f64,
    members: Vec<Member>,
    /// Index of the reported member.
    head: usize,
}

#[derive(Debug)]
struct Member {
    at: (Source, FindingKey),
    is_ongoing: bool,
    finding: Finding,
    symptom: Symptom,
}

impl Changes {
    pub(super) fn new(together: f64) -> Self {
        Self { open: Vec::new(), together }
    }

    /// Takes the symptoms of all comparisons of the program at one time, and returns the findings
    /// to report.
    pub(super) fn take(
        &mut self,
        symptoms: Vec<(Source, Symptom)>,
        now: f64,
        next_id: &mut u64,
    ) -> Vec<Told> {
        let mut began = Vec::new();
        let mut touched = Vec::new();
        for (source, symptom) in symptoms {
            let (Turn::Began(finding) | Turn::Changed(finding) | Turn::Ended(finding)) =
                symptom.turn.clone();
            let is_ongoing = !matches!(symptom.turn, Turn::Ended(_));
            let at = (source, finding.key());
            let member = Member { at, is_ongoing, finding, symptom };
            if let Some(id) = self.place(member, now, &mut began, next_id) {
                touched.push(id);
            }
        }
        let mut told = Vec::new();
        for change in &mut self.open {
            if touched.contains(&change.id) {
                told.extend(change.tell(began.contains(&change.id), now, self.together));
            }
        }
        self.open.retain(Change::is_ongoing);
        told
    }

    /// Adds a symptom to its finding; returns the finding's number.
    fn place(
        &mut self,
        member: Member,
        now: f64,
        began: &mut Vec<u64>,
        next_id: &mut u64,
    ) -> Option<u64> {
        let known = |change: &Change| change.members.iter().any(|it| it.at == member.at);
        let known = self.open.iter().position(known);
        let recent = |change: &Change| now - change.told_at <= self.together;
        let near = || self.open.iter().rposition(recent);
        let full = || (self.open.len() >= OPEN_MAX).then(|| self.open.len() - 1);
        let index = match known {
            Some(index) => index,
            // Every symptom begins before it ends, so an unknown one does not end.
            None if !member.is_ongoing => return None,
            None => near().or_else(full).unwrap_or_else(|| {
                *next_id += 1;
                began.push(*next_id);
                let since = member.finding.since;
                let members = Vec::new();
                self.open.push(Change { id: *next_id, told_at: now, since, members, head: 0 });
                self.open.len() - 1
            }),
        };
        let change = &mut self.open[index];
        match change.members.iter_mut().find(|it| it.at == member.at) {
            // The compared sides stay with the reported symptom.
            Some(known) if !member.is_ongoing => {
                known.is_ongoing = false;
                known.finding = member.finding;
            }
            Some(known) => *known = member,
            None => change.members.push(member),
        }
        Some(change.id)
    }
}

impl Change {
    fn is_ongoing(&self) -> bool {
        self.members.iter().any(|it| it.is_ongoing)
    }

    fn tell(&mut self, is_new: bool, now: f64, together: f64) -> Option<Told> {
        let is_young = now - self.told_at <= together;
        if is_young || !self.members[self.head].is_ongoing {
            self.head = self.costliest().unwrap_or(self.head);
        }
        let news = match (is_new, self.is_ongoing()) {
            (true, true) => News::Began,
            // It began and ended between two evaluations.
            (true, false) => return None,
            (false, true) => News::Changed,
            (false, false) => News::Ended,
        };
        let head = &self.members[self.head];
        let finding = Finding { since: self.since, ..head.finding.clone() };
        let others = self.members.len() - 1;
        Some(Told { id: self.id, news, finding, symptom: head.symptom.clone(), others })
    }

    /// The most expensive symptom that goes on.
    fn costliest(&self) -> Option<usize> {
        let cost = |index: &usize| self.members[*index].finding.cause.cost_ns.value;
        let ongoing = (0..self.members.len()).filter(|index| self.members[*index].is_ongoing);
        // Among equal ones, the first wins, so that the report does not change without need.
        ongoing.rev().max_by(|a, b| cost(a).total_cmp(&cost(b)))
    }
}

#[cfg(test)]
mod tests;
