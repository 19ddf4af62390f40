//! The rows of each tab that pass its filter.

use hakmem_proto::v1 as proto;

use super::{Tab, ViewState};
use crate::model::{Model, Process};

impl ViewState {
    /// The filter of the tab that is shown.
    pub fn filter(&self) -> &str {
        self.filter_of(self.tab)
    }

    /// The filter of a tab.
    pub fn filter_of(&self, tab: Tab) -> &str {
        &self.filters[tab as usize]
    }

    pub(super) fn filter_mut(&mut self) -> &mut String {
        &mut self.filters[self.tab as usize]
    }

    /// Processes that pass the filter, sorted; running ones first.
    pub fn processes<'a>(&self, model: &'a Model) -> Vec<&'a Process> {
        let mut processes: Vec<&Process> = model
            .processes
            .values()
            .filter(|it| !self.hides(it))
            .filter(|it| {
                self.passes(
                    Tab::Processes,
                    &[
                        it.name(),
                        &it.identity.pid.to_string(),
                        &it.identity.executable,
                        &it.identity.arguments.join(" "),
                        &it.labels(),
                        &it.state,
                    ],
                )
            })
            .collect();
        processes.sort_by(|a, b| {
            let order = self.compare(a, b).then(b.identity.pid.cmp(&a.identity.pid));
            let order = if self.inverted { order.reverse() } else { order };
            b.is_running().cmp(&a.is_running()).then(order)
        });
        processes
    }

    /// Whether a process is hidden because it has ended. Processes that ended badly are never
    /// hidden, and neither is the process in focus.
    pub fn hides(&self, process: &Process) -> bool {
        let is_focus = self.focus.as_ref().is_some_and(|it| it.key == process.key);
        self.hide_ended && !process.is_running() && !process.has_ended_badly() && !is_focus
    }

    /// Threads of a process that pass the filter.
    pub fn threads<'a>(&self, process: &'a Process) -> Vec<&'a proto::Thread> {
        let passes =
            |it: &&proto::Thread| self.passes(Tab::Threads, &[&it.name, &it.thread_id.to_string()]);
        process.threads().filter(passes).collect()
    }

    /// Events that pass the filter, newest first.
    pub fn events<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = &'a proto::Event> {
        let passes = |it: &&proto::Event| {
            self.passes(
                Tab::Events,
                &[
                    &it.kind,
                    &it.class,
                    &it.detail,
                    &it.claimed_class,
                    &it.thread_id.to_string(),
                    &format!("{:#x}", it.address),
                ],
            )
        };
        model.events.newest_first().filter(passes)
    }

    /// Findings that pass the filter, ongoing ones first.
    pub fn findings<'a>(&self, model: &'a Model) -> Vec<&'a proto::Finding> {
        let mut findings = model.findings.ordered();
        findings.retain(|it| {
            let process = model.processes.get(&it.process_key);
            self.passes(
                Tab::Findings,
                &[
                    &it.executable,
                    process.map_or("", Process::name),
                    &process.map(Process::labels).unwrap_or_default(),
                    &it.pid.to_string(),
                    &it.cause,
                    &it.class,
                    &it.reason,
                ],
            )
        });
        findings
    }

    fn passes(&self, tab: Tab, texts: &[&str]) -> bool {
        let wanted = self.filter_of(tab).to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}
