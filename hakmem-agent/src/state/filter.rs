//! Which processes a call concerns.

use std::collections::HashSet;
use std::sync::Arc;

use hakmem_proto::v1::ProcessFilter;

use super::{FleetView, ProcessRecord};
use crate::access::Viewer;
use crate::findings::Known;

/// A filter with the rights of whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    viewer: Viewer,
    filter: ProcessFilter,
}

impl Selection {
    /// What `filter` selects for `viewer`; no filter selects every running process.
    pub(crate) fn new(viewer: Viewer, filter: Option<ProcessFilter>) -> Self {
        Self { viewer, filter: filter.unwrap_or_default() }
    }

    /// Every process that `viewer` may see, ended ones included.
    pub(crate) fn everything(viewer: Viewer) -> Self {
        let filter = ProcessFilter { include_ended: true, ..ProcessFilter::default() };
        Self::new(viewer, Some(filter))
    }

    /// The processes of `view` that are selected, ended ones included: whether those count, each
    /// caller decides with [`Selection::includes_ended`].
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

    /// Whether a finding is selected: by the process where it shows most, if that is still known,
    /// and else by what the finding says of it.
    pub(crate) fn has_finding(&self, view: &FleetView, known: &Known) -> bool {
        let finding = &known.finding;
        if !self.viewer.may_see(known.owner) {
            return false;
        }
        if view.processes.contains_key(finding.process_key.as_str()) {
            return self.of(view).any(|record| *record.key == *finding.process_key);
        }
        let ProcessFilter { keys, pids, contains, .. } = &self.filter;
        let is_named = keys.is_empty() && pids.is_empty()
            || keys.contains(&finding.process_key)
            || pids.contains(&finding.pid);
        is_named && finding.executable.contains(contains.as_str())
    }

    /// Whether processes that have ended are wanted.
    pub(crate) fn includes_ended(&self) -> bool {
        self.filter.include_ended
    }

    /// The ids asked for and those of their descendants; `None` if descendants are not wanted.
    ///
    /// A process id only means something in its namespace, so members are (namespace, pid).
    fn family(&self, view: &FleetView) -> Option<HashSet<(u64, u32)>> {
        if !self.filter.include_children || self.filter.pids.is_empty() {
            return None;
        }
        let mut family = HashSet::new();
        for record in view.processes.values() {
            if self.filter.pids.contains(&record.identity().pid)
                || self.filter.pids.contains(&record.identity().parent_pid)
            {
                family.insert((record.identity().pid_namespace, record.identity().pid));
            }
        }
        // Each pass adds one generation at least, so this ends.
        loop {
            let before = family.len();
            for record in view.processes.values() {
                let identity = record.identity();
                if family.contains(&(identity.pid_namespace, identity.parent_pid)) {
                    family.insert((identity.pid_namespace, identity.pid));
                }
            }
            if family.len() == before {
                return Some(family);
            }
        }
    }

    fn is_named(&self, record: &ProcessRecord, family: Option<&HashSet<(u64, u32)>>) -> bool {
        if self.filter.keys.is_empty() && self.filter.pids.is_empty() {
            return true;
        }
        let identity = record.identity();
        self.filter.keys.iter().any(|key| **key == *record.key)
            || self.filter.pids.contains(&identity.pid)
            || family.is_some_and(|f| f.contains(&(identity.pid_namespace, identity.pid)))
    }

    fn matches_text(&self, record: &ProcessRecord) -> bool {
        let text = &self.filter.contains;
        text.is_empty()
            || record.identity().executable.contains(text.as_str())
            || record.identity().command_name.contains(text.as_str())
            || record.identity().arguments.join(" ").contains(text.as_str())
    }
}
