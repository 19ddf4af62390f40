//! The process in focus. It stays the same, whatever other processes do, until the user chooses
//! another one: also after its end, and when the agent has forgotten it.

use hakmem_segment::vocabulary::ProcessState;

use super::{Tab, ViewState};
use crate::model::{Measure, Model, Process};

/// A reference to the process in focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus {
    /// Its key.
    pub key: String,
    /// The name by which users know it, for the time after it is gone.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Whether the user chose it; if not, the started program may replace it.
    pub chosen: bool,
}

impl Focus {
    fn on(process: &Process, chosen: bool) -> Self {
        let (key, name) = (process.key.clone(), process.name().to_owned());
        Self { key, name, pid: process.identity.pid, chosen }
    }
}

impl ViewState {
    /// Puts the focus on a process that the user chose.
    pub fn choose(&mut self, process: &Process) {
        self.focus = Some(Focus::on(process, true));
    }

    /// Keeps the focus, or sets it for the first time: to the program that was started, else to the
    /// first row, once there are rates by which to sort. After an `exec`, the focus moves to the
    /// successor of the process.
    pub fn settle_focus(&mut self, model: &Model) {
        if let Some(focus) = &self.focus
            && let Some(process) = model.processes.get(&focus.key)
            && process.state == ProcessState::Replaced.name()
            && let Some(successor) = model.successor(process)
        {
            self.focus = Some(Focus::on(successor, focus.chosen));
        }
        if self.focus.as_ref().is_some_and(|it| it.chosen) {
            return;
        }
        let program = model.program_key().and_then(|key| model.processes.get(key));
        let first = || {
            let first = self.processes(model).first().copied();
            let is_sorted =
                |it: &&Process| !it.is_running() || it.totals_flow(Measure::Rate).is_some();
            first.filter(|it| self.tab != Tab::Processes || is_sorted(it))
        };
        match (program, &self.focus) {
            (Some(program), _) => self.focus = Some(Focus::on(program, false)),
            (None, Some(_)) => {}
            (None, None) => self.focus = first().map(|it| Focus::on(it, false)),
        }
    }

    /// The process in focus. Without a focus, the program that was started, else the first row;
    /// `None` if it is gone.
    pub fn focused<'a>(&self, model: &'a Model) -> Option<&'a Process> {
        if let Some(focus) = &self.focus {
            return model.processes.get(&focus.key);
        }
        let program = model.program_key().and_then(|key| model.processes.get(key));
        program.or_else(|| self.processes(model).first().copied())
    }

    /// Whether the process in focus is one of the rows of the list.
    pub fn is_focus_listed(&self, model: &Model) -> bool {
        let focused = self.focused(model).map(|it| &it.key);
        focused.is_some() && self.processes(model).iter().any(|it| Some(&it.key) == focused)
    }
}
