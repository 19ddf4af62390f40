//! Selects the processes of a call.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hakmem_proto::v1::{Finding, ProcessFilter};

use super::{FleetView, ProcessRecord, segment_key};
use crate::access::Viewer;

/// A filter with the rights of the viewer.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    viewer: Viewer,
    filter: ProcessFilter,
    keys: HashSet<String>,
    pids: HashSet<u32>,
}

/// A process in its pid namespace, as its owner's files describe it.
type Member = (u32, u64, u32);

impl Selection {
    /// The processes that `filter` selects for `viewer`; without a filter, every running process.
    pub(crate) fn new(viewer: Viewer, filter: Option<ProcessFilter>) -> Self {
        let mut filter = filter.unwrap_or_default();
        // A client may name as many keys and pids as fit into a request.
        let keys = std::mem::take(&mut filter.keys).into_iter().collect();
        let pids = std::mem::take(&mut filter.pids).into_iter().collect();
        Self { viewer, filter, keys, pids }
    }

    /// Every process that `viewer` may see, including ended ones.
    pub(crate) fn everything(viewer: Viewer) -> Self {
        let filter = ProcessFilter { include_ended: true, ..ProcessFilter::default() };
        Self::new(viewer, Some(filter))
    }

    /// The selected processes of `view`, including ended ones: each caller decides with
    /// [`Selection::includes_ended`] whether those count.
    pub(crate) fn of<'a>(
        &'a self,
        view: &'a FleetView,
    ) -> impl Iterator<Item = &'a Arc<ProcessRecord>> + 'a {
        let family = self.family(view);
        view.processes.values().filter(move |record| {
            self.viewer.may_see(record.owner())
                && self.is_named(record, family.as_ref())
                && self.matches_text(record)
        })
    }

    /// Whether a finding about a program of `owner` is selected: by the process in which it shows
    /// most, if that is still known, and otherwise by the finding's own data.
    pub(crate) fn has_finding(&self, view: &FleetView, owner: u32, finding: &Finding) -> bool {
        if !self.viewer.may_see(owner) {
            return false;
        }
        if view.processes.contains_key(finding.process_key.as_str()) {
            return self.of(view).any(|record| *record.key == *finding.process_key);
        }
        let is_named = self.keys.is_empty() && self.pids.is_empty()
            || self.names_key(&finding.process_key)
            || self.pids.contains(&finding.pid);
        is_named && finding.executable.contains(self.filter.contains.as_str())
    }

    /// The viewer.
    pub(crate) fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// Whether ended processes are wanted.
    pub(crate) fn includes_ended(&self) -> bool {
        self.filter.include_ended
    }

    /// The requested processes and their descendants, among those that the viewer may see; `None`
    /// if descendants are not wanted.
    ///
    /// Each owner's files define the parents of that owner's processes only, so chains do not lead
    /// from one owner to another.
    fn family(&self, view: &FleetView) -> Option<HashSet<Member>> {
        if !self.filter.include_children || self.pids.is_empty() {
            return None;
        }
        let mut children: HashMap<Member, Vec<Member>> = HashMap::new();
        let mut family = HashSet::new();
        let mut open = Vec::new();
        let seen = view.processes.values().filter(|record| self.viewer.may_see(record.owner()));
        for record in seen {
            let identity = record.identity();
            let of = |pid: u32| (record.owner(), identity.pid_namespace, pid);
            let member = of(identity.pid);
            children.entry(of(identity.parent_pid)).or_default().push(member);
            let is_asked_for =
                self.pids.contains(&identity.pid) || self.pids.contains(&identity.parent_pid);
            if is_asked_for && family.insert(member) {
                open.push(member);
            }
        }
        // Each process is visited once, even if the files describe a cycle.
        while let Some(parent) = open.pop() {
            for &child in children.get(&parent).into_iter().flatten() {
                if family.insert(child) {
                    open.push(child);
                }
            }
        }
        Some(family)
    }

    fn is_named(&self, record: &ProcessRecord, family: Option<&HashSet<Member>>) -> bool {
        if self.keys.is_empty() && self.pids.is_empty() {
            return true;
        }
        let identity = record.identity();
        let member = (record.owner(), identity.pid_namespace, identity.pid);
        self.names_key(&record.key)
            || self.pids.contains(&identity.pid)
            || family.is_some_and(|family| family.contains(&member))
    }

    /// Whether a process is named by its key, whole or without owner and namespace.
    fn names_key(&self, key: &str) -> bool {
        !self.keys.is_empty() && (self.keys.contains(key) || self.keys.contains(segment_key(key)))
    }

    fn matches_text(&self, record: &ProcessRecord) -> bool {
        let text = &self.filter.contains;
        text.is_empty()
            || record.identity().executable.contains(text.as_str())
            || record.identity().command_name.contains(text.as_str())
            || record.identity().arguments.join(" ").contains(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::{record, sampled};

    /// A chain of processes of two owners, each the parent of the next, in reverse order: an
    /// algorithm in which every pass finds only one more takes minutes.
    #[test]
    fn a_long_chain_of_forged_parents_is_followed_once() {
        const LENGTH: u32 = 30_000;
        let (identity, sample) = sampled(1);
        let mut fleet = FleetView::default();
        for owner in [1000, 1001] {
            for place in 0..LENGTH {
                let mut forged = identity.clone();
                // Keys begin with the pid, so they are in the order of the pids.
                forged.pid = 2_000_000 - place;
                forged.parent_pid = forged.pid + 1;
                forged.owner_user_id = owner;
                let record = record(forged, sample.clone());
                fleet.processes.insert(Arc::clone(&record.key), Arc::new(record));
            }
        }
        let filter = |pid: u32| ProcessFilter {
            pids: vec![pid],
            include_children: true,
            ..ProcessFilter::default()
        };
        let count = |viewer, pid| Selection::new(viewer, Some(filter(pid))).of(&fleet).count();
        assert_eq!(count(Viewer::Everyone, 2_000_000), 2 * LENGTH as usize);
        assert_eq!(count(Viewer::User(1000), 2_000_000), LENGTH as usize);
        assert_eq!(count(Viewer::User(1000), 2_000_000 - LENGTH + 1), 1);
        assert_eq!(count(Viewer::User(1002), 2_000_000), 0);
    }

    #[test]
    fn keys_may_be_named_with_or_without_owner_and_namespace() {
        let (identity, sample) = sampled(1);
        let mut fleet = FleetView::default();
        let whole = fleet.put(record(identity.clone(), sample)).key.to_string();
        for key in [whole, identity.key()] {
            let filter = ProcessFilter { keys: vec![key], ..ProcessFilter::default() };
            assert_eq!(Selection::new(Viewer::Everyone, Some(filter)).of(&fleet).count(), 1);
        }
        let filter = ProcessFilter { keys: vec!["1-2".to_owned()], ..ProcessFilter::default() };
        assert_eq!(Selection::new(Viewer::Everyone, Some(filter)).of(&fleet).count(), 0);
    }
}
