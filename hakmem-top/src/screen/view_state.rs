//! What the user looks at: tab, selection, sorting, filter, theme. Input changes it through
//! [`Action`]s; effects beyond it are returned as an [`Effect`].

mod action;
mod filter;
mod focus;
mod tab;
mod theme;

use hakmem_segment::vocabulary::Class;

use crate::model::{Measure, Model, Process};
use crate::tell::comparison::Comparison;

pub use action::{Action, Effect};
pub use focus::Focus;
pub use tab::{SortColumn, Tab};
pub use theme::{Theme, ThemeName};

/// Intervals through which `+` and `-` step, in milliseconds.
const INTERVALS_MS: [u32; 7] = [50, 100, 200, 500, 1000, 2000, 5000];
/// The interval at the start, in milliseconds.
pub const INTERVAL_MS_DEFAULT: u32 = 100;

/// All settings that decide how a model is shown.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// The tab that is shown.
    pub tab: Tab,
    /// The process in focus; `None` before the first process.
    pub focus: Option<Focus>,
    /// The selected row of each tab whose rows have no names.
    pub rows: [usize; Tab::ALL.len()],
    /// The selected class.
    pub class: String,
    /// The column by which processes are sorted.
    pub sort: SortColumn,
    /// Whether the order is inverted.
    pub inverted: bool,
    /// The text that rows must contain, for each tab.
    pub filters: [String; Tab::ALL.len()],
    /// Whether the filter is being edited and receives the keys.
    pub editing_filter: bool,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether the program's output is shown.
    pub output: bool,
    /// The comparison of the process's last minute with the minute before, while it is shown.
    pub compared: Option<Compared>,
    /// Scroll position of the topmost overlay in lines: downwards, or upwards for one that shows
    /// its end first.
    pub scroll: usize,
    /// Whether the view is paused.
    pub paused: bool,
    /// Whether the user is asked what to do with the running program.
    pub asking: bool,
    /// Whether quitting asks first: only `run` has a program for which that is needed.
    pub asks_before_quit: bool,
    /// Whether ended processes are hidden.
    pub hide_ended: bool,
    /// The chosen measure; `None` means rates for running processes and totals for ended ones.
    pub measure: Option<Measure>,
    /// Milliseconds between two updates.
    pub interval_ms: u32,
    /// Colours.
    pub theme: Theme,
}

/// A comparison that the user has requested.
#[derive(Clone, Debug)]
pub enum Compared {
    /// It was requested.
    Pending,
    /// It has arrived.
    Ready(Box<Comparison>),
    /// It failed, for this reason.
    Failed(String),
}

impl ViewState {
    /// The view at the start.
    pub fn new(tab: Tab, interval_ms: u32, theme: ThemeName) -> Self {
        Self {
            tab,
            focus: None,
            rows: [0; Tab::ALL.len()],
            class: Class::C7.name().into(),
            sort: SortColumn::Allocations,
            inverted: false,
            filters: Default::default(),
            editing_filter: false,
            help: false,
            output: false,
            compared: None,
            scroll: 0,
            paused: false,
            asking: false,
            asks_before_quit: false,
            hide_ended: false,
            measure: None,
            interval_ms,
            theme: Theme::new(theme),
        }
    }

    /// Applies an action.
    pub fn apply(&mut self, action: Action, model: &Model) -> Option<Effect> {
        match action {
            Action::Tab(tab) => self.show_tab(tab),
            Action::TabStep(forward) => self.show_tab(self.tab.step(forward)),
            Action::Move(by) => self.move_selection(by, model),
            Action::ScrollTo(line) => self.scroll = line,
            Action::First => self.select(0, model),
            Action::Last => self.select(usize::MAX, model),
            Action::Row(row) => self.select(row, model),
            Action::Open => self.open(model),
            Action::Back => self.back(),
            Action::Help => (self.help, self.scroll) = (!self.help, 0),
            Action::FilterBegin => self.editing_filter = self.tab.has_filter(),
            Action::FilterPush(character) => self.filter_mut().push(character),
            Action::FilterPop => _ = self.filter_mut().pop(),
            Action::FilterKeep => self.editing_filter = false,
            Action::SortNext => self.sort = self.sort.next(),
            Action::SortInvert => self.inverted = !self.inverted,
            Action::Pause => self.paused = !self.paused,
            Action::Interval(shorter) => return Some(self.step_interval(shorter)),
            Action::ThemeNext => self.theme = Theme::new(self.theme.name.next()),
            Action::Measure => self.toggle_measure(model),
            Action::Ended => self.hide_ended = !self.hide_ended,
            Action::Output => {
                (self.output, self.scroll) = (!self.output && model.program.is_some(), 0);
            }
            Action::Compare if self.compared.is_some() => self.compared = None,
            Action::Compare => {
                self.focused(model)?;
                (self.compared, self.scroll) = (Some(Compared::Pending), 0);
                return Some(Effect::Compare);
            }
            Action::Redraw => return Some(Effect::Redraw),
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

    /// Shows a tab, and ends the editing of a filter.
    fn show_tab(&mut self, tab: Tab) {
        (self.tab, self.editing_filter) = (tab, false);
    }

    /// Moves the selection by rows. If the process in focus is not among the rows, the first row is
    /// selected, because the user cannot see where the move starts.
    fn move_selection(&mut self, by: i64, model: &Model) {
        let begins = self.tab == Tab::Processes && !self.is_focus_listed(model);
        let row = self.selected_row(model).saturating_add_signed(by as isize);
        self.select(if begins { 0 } else { row }, model);
    }

    fn select(&mut self, row: usize, model: &Model) {
        let last = self.row_count(model).saturating_sub(1);
        let row = row.min(last);
        match self.tab {
            Tab::Processes => {
                if let Some(process) = self.processes(model).get(row) {
                    self.choose(process);
                }
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
                // The process may be gone.
                if let Some(process) = key.and_then(|it| model.processes.get(it)) {
                    self.choose(process);
                    self.tab = Tab::Classes;
                }
            }
            Tab::Processes => {
                // The marked row is opened, or the first one.
                self.select(self.selected_row(model), model);
                self.tab = Tab::Classes;
            }
            Tab::Classes => self.tab = Tab::Routing,
            Tab::Routing | Tab::Threads | Tab::Events => {}
        }
    }

    fn back(&mut self) {
        // The topmost overlay closes first.
        if self.asking {
            self.asking = false;
        } else if self.help {
            (self.help, self.scroll) = (false, 0);
        } else if self.compared.take().is_some() {
            self.scroll = 0;
        } else if self.output {
            (self.output, self.scroll) = (false, 0);
        } else if self.editing_filter || !self.filter().is_empty() {
            self.editing_filter = false;
            self.filter_mut().clear();
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

    /// The number of rows in the tab that is shown.
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

    /// The selected row in the tab that is shown, limited to its rows.
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

    /// The class of the selected row, see [`ViewState::class_row`].
    pub fn selected_class(&self, process: &Process) -> Option<String> {
        let (name, _) = process.classes().nth(self.class_row(process))?;
        Some(name.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests;
