//! What the person looks at: tab, selection, sorting, filter, theme. Input changes it through
//! [`Action`]s; whatever reaches beyond it comes back as an [`Effect`].

mod action;
mod tab;
mod theme;

use crate::comparison::Comparison;
use crate::model::{Measure, Model, Process};

pub use action::{Action, Effect};
pub use tab::{SortColumn, Tab};
pub use theme::{Theme, ThemeName};

/// Intervals that `+` and `-` step through, in milliseconds.
const INTERVALS_MS: [u32; 7] = [50, 100, 200, 500, 1000, 2000, 5000];
/// The interval at the start, in milliseconds.
pub const INTERVAL_MS_DEFAULT: u32 = 100;

/// Everything that decides how a model is shown.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// The screen shown.
    pub tab: Tab,
    /// Key of the process that was chosen; without a choice, [`ViewState::focused`] decides.
    pub focus: Option<String>,
    /// Selected row of each tab whose rows have no name.
    pub rows: [usize; Tab::ALL.len()],
    /// The selected class.
    pub class: String,
    /// How processes are sorted.
    pub sort: SortColumn,
    /// Whether the order is inverted.
    pub inverted: bool,
    /// Text that rows must contain.
    pub filter: String,
    /// Whether keys go to the filter.
    pub editing_filter: bool,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether the program's output is shown.
    pub output: bool,
    /// The last minute of the process against the one before, while that is looked at.
    pub compared: Option<Compared>,
    /// Whether the picture stands still.
    pub paused: bool,
    /// Whether the person is asked what shall become of the running program.
    pub asking: bool,
    /// Whether ending asks first: only `run` has a program worth asking for.
    pub asks_before_quit: bool,
    /// Whether ended processes are hidden.
    pub hide_ended: bool,
    /// Chosen measure; without a choice, rates while the process runs and totals after.
    pub measure: Option<Measure>,
    /// Milliseconds between updates.
    pub interval_ms: u32,
    /// Colours.
    pub theme: Theme,
}

/// A comparison on its way to the screen.
#[derive(Clone, Debug)]
pub enum Compared {
    /// It was asked for.
    Pending,
    /// It is here.
    Ready(Box<Comparison>),
    /// It cannot be made, because of this.
    Failed(String),
}

impl ViewState {
    /// The view at the start.
    pub fn new(tab: Tab, interval_ms: u32, theme: ThemeName) -> Self {
        Self {
            tab,
            focus: None,
            rows: [0; Tab::ALL.len()],
            class: "C7".into(),
            sort: SortColumn::Allocations,
            inverted: false,
            filter: String::new(),
            editing_filter: false,
            help: false,
            output: false,
            compared: None,
            paused: false,
            asking: false,
            asks_before_quit: false,
            hide_ended: false,
            measure: None,
            interval_ms,
            theme: Theme::new(theme),
        }
    }

    /// Does what input asks for.
    pub fn apply(&mut self, action: Action, model: &Model) -> Option<Effect> {
        let row = self.selected_row(model);
        match action {
            Action::Tab(tab) => self.tab = tab,
            Action::TabStep(forward) => self.tab = self.tab.step(forward),
            Action::Move(by) => self.select(row.saturating_add_signed(by as isize), model),
            Action::First => self.select(0, model),
            Action::Last => self.select(usize::MAX, model),
            Action::Row(row) => self.select(row, model),
            Action::Open => self.open(model),
            Action::Back => self.back(),
            Action::Help => self.help = !self.help,
            Action::FilterBegin => self.editing_filter = true,
            Action::FilterPush(character) => self.filter.push(character),
            Action::FilterPop => _ = self.filter.pop(),
            Action::FilterKeep => self.editing_filter = false,
            Action::SortNext => self.sort = self.sort.next(),
            Action::SortInvert => self.inverted = !self.inverted,
            Action::Pause => self.paused = !self.paused,
            Action::Interval(shorter) => return Some(self.step_interval(shorter)),
            Action::ThemeNext => self.theme = Theme::new(self.theme.name.next()),
            Action::Measure => self.toggle_measure(model),
            Action::Ended => self.hide_ended = !self.hide_ended,
            Action::Output => self.output = !self.output && model.program.is_some(),
            Action::Compare if self.compared.is_some() => self.compared = None,
            Action::Compare => {
                self.focused(model)?;
                self.compared = Some(Compared::Pending);
                return Some(Effect::Compare);
            }
            Action::Suspend => return Some(Effect::Suspend),
            Action::Leave => return Some(Effect::Leave),
            Action::Quit => {
                let asks = self.asks_before_quit && !model.program_ended() && !self.asking;
                if !asks {
                    return Some(Effect::Quit);
                }
                self.asking = true;
            }
        }
        None
    }

    fn select(&mut self, row: usize, model: &Model) {
        let last = self.row_count(model).saturating_sub(1);
        let row = row.min(last);
        match self.tab {
            Tab::Processes => {
                self.focus = self.processes(model).get(row).map(|it| it.key.clone());
            }
            Tab::Classes => {
                let mut classes = self.focused(model).into_iter().flat_map(Process::classes);
                if let Some((name, _)) = classes.nth(row) {
                    self.class = name.as_str().to_owned();
                }
            }
            Tab::Routing | Tab::Threads | Tab::Events | Tab::Findings => {
                self.rows[self.tab as usize] = row;
            }
        }
    }

    fn open(&mut self, model: &Model) {
        match self.tab {
            Tab::Findings => {
                let findings = self.findings(model);
                let key = findings.get(self.selected_row(model)).map(|it| &it.process_key);
                // The process may be gone since.
                if let Some(key) = key.filter(|it| model.processes.contains_key(*it)) {
                    self.focus = Some(key.clone());
                    self.tab = Tab::Classes;
                }
            }
            Tab::Processes => self.tab = Tab::Classes,
            Tab::Classes => self.tab = Tab::Routing,
            Tab::Routing | Tab::Threads | Tab::Events => {}
        }
    }

    fn back(&mut self) {
        if self.compared.take().is_some() {
            // That was what lay on top.
        } else if self.help || self.asking || self.output {
            (self.help, self.asking, self.output) = (false, false, false);
        } else if self.editing_filter || !self.filter.is_empty() {
            self.editing_filter = false;
            self.filter.clear();
        } else {
            self.tab = Tab::Processes;
        }
    }

    fn step_interval(&mut self, shorter: bool) -> Effect {
        let next = if shorter {
            INTERVALS_MS.iter().rev().find(|it| **it < self.interval_ms)
        } else {
            INTERVALS_MS.iter().find(|it| **it > self.interval_ms)
        };
        self.interval_ms = next.copied().unwrap_or(self.interval_ms);
        Effect::SetInterval(self.interval_ms)
    }

    fn toggle_measure(&mut self, model: &Model) {
        let shown = self.focused(model).map_or(Measure::Rate, |it| self.measure_of(it));
        self.measure = Some(match shown {
            Measure::Rate => Measure::Total,
            Measure::Total => Measure::Rate,
        });
    }

    /// Whether a process shows rates or totals.
    pub fn measure_of(&self, process: &Process) -> Measure {
        let natural = if process.is_running() { Measure::Rate } else { Measure::Total };
        self.measure.unwrap_or(natural)
    }

    /// The process in focus: the chosen one, else the program that was started, else the first of
    /// the list.
    pub fn focused<'a>(&self, model: &'a Model) -> Option<&'a Process> {
        let chosen = self.focus.as_deref().and_then(|key| model.processes.get(key));
        chosen
            .or_else(|| model.program_key().and_then(|key| model.processes.get(key)))
            .or_else(|| self.processes(model).first().copied())
    }

    /// Rows of the tab shown.
    pub fn row_count(&self, model: &Model) -> usize {
        match self.tab {
            Tab::Processes => self.processes(model).len(),
            Tab::Classes => self.focused(model).map_or(0, |it| it.classes().count()),
            Tab::Routing => 0,
            Tab::Threads => self.focused(model).map_or(0, |it| self.threads(it).len()),
            Tab::Events => self.events(model).count(),
            Tab::Findings => self.findings(model).len(),
        }
    }

    /// Processes that pass the filter, sorted; running ones first.
    pub fn processes<'a>(&self, model: &'a Model) -> Vec<&'a Process> {
        let mut processes: Vec<&Process> = model
            .processes
            .values()
            .filter(|it| it.is_running() || !self.hide_ended)
            .filter(|it| {
                self.passes(&[
                    it.name(),
                    &it.identity.executable,
                    &it.identity.arguments.join(" "),
                    &it.state,
                ])
            })
            .collect();
        processes.sort_by(|a, b| {
            let order = self.compare(a, b).then(b.identity.pid.cmp(&a.identity.pid));
            let order = if self.inverted { order.reverse() } else { order };
            b.is_running().cmp(&a.is_running()).then(order)
        });
        processes
    }

    fn compare(&self, a: &Process, b: &Process) -> std::cmp::Ordering {
        let flow =
            |process: &Process| process.totals_flow(self.measure_of(process)).unwrap_or_default();
        match self.sort {
            SortColumn::Allocations => flow(b).allocations.total_cmp(&flow(a).allocations),
            SortColumn::Frees => flow(b).frees.total_cmp(&flow(a).frees),
            SortColumn::Slow => flow(b).slow.total_cmp(&flow(a).slow),
            SortColumn::LiveBytes => b.totals.live_bytes.cmp(&a.totals.live_bytes),
            SortColumn::Threads => b.totals.threads.cmp(&a.totals.threads),
            SortColumn::Pid => a.identity.pid.cmp(&b.identity.pid),
            SortColumn::Name => a.name().cmp(b.name()),
        }
    }

    /// Threads of a process that pass the filter.
    pub fn threads<'a>(&self, process: &'a Process) -> Vec<&'a hakmem_proto::v1::Thread> {
        process.threads().filter(|it| self.passes(&[&it.name])).collect()
    }

    /// Events that pass the filter, newest first.
    pub fn events<'a>(
        &'a self,
        model: &'a Model,
    ) -> impl Iterator<Item = &'a hakmem_proto::v1::Event> {
        let passes =
            |it: &&hakmem_proto::v1::Event| self.passes(&[&it.kind, &it.class, &it.detail]);
        model.events.newest_first().filter(passes)
    }

    /// Findings that pass the filter, those that go on first.
    pub fn findings<'a>(&self, model: &'a Model) -> Vec<&'a hakmem_proto::v1::Finding> {
        let mut findings = model.findings.ordered();
        findings.retain(|it| self.passes(&[&it.executable, &it.cause, &it.class, &it.reason]));
        findings
    }

    fn passes(&self, texts: &[&str]) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    /// The selected row of the tab shown, within its rows.
    pub fn selected_row(&self, model: &Model) -> usize {
        match self.tab {
            Tab::Processes => {
                let focused = self.focused(model).map(|process| &process.key);
                let processes = self.processes(model);
                processes.iter().position(|it| Some(&it.key) == focused).unwrap_or(0)
            }
            Tab::Classes => self.focused(model).map_or(0, |it| self.class_row(it)),
            Tab::Routing | Tab::Threads | Tab::Events | Tab::Findings => {
                self.rows[self.tab as usize].min(self.row_count(model).saturating_sub(1))
            }
        }
    }

    /// The row of the selected class; the last one if the process never used that class.
    pub fn class_row(&self, process: &Process) -> usize {
        let mut names = process.classes().map(|(name, _)| name.as_str());
        let row = names.position(|name| name == self.class);
        row.unwrap_or_else(|| process.classes().count().saturating_sub(1))
    }

    /// The selected class, or what stands in for it where the process never used it.
    pub fn selected_class(&self, process: &Process) -> Option<String> {
        let (name, _) = process.classes().nth(self.class_row(process))?;
        Some(name.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests;
