//! Draws a model and a view state, and changes neither.
//!
//! The screen has a title, tabs, a body and a line of hints. [`Areas`] decides where they are, for
//! drawing and for the mouse alike.

mod areas;
mod bar;
mod charts;
mod chrome;
mod classes;
mod events;
mod findings;
mod overlay;
mod processes;
mod routing;
mod slow_paths;
mod table;
mod threads;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::model::{Model, Process};
use crate::view_state::{Tab, ViewState};

pub use areas::Areas;

/// What lies under a position of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A tab.
    Tab(Tab),
    /// The row with this index, of the tab shown.
    Row(usize),
}

/// Draws everything.
pub fn draw(frame: &mut Frame, model: &Model, state: &ViewState) {
    let areas = Areas::of(frame.area(), model, state);
    chrome::draw_title(frame, areas.title, model, state);
    chrome::draw_tabs(frame, areas.tabs, model, state);
    chrome::draw_footer(frame, areas.footer, model, state);
    if state.tab == Tab::Processes {
        processes::draw(frame, &areas, model, state);
    } else if state.tab == Tab::Findings {
        findings::draw(frame, &areas, model, state);
    } else if let Some(process) = state.focused(model) {
        match state.tab {
            Tab::Processes | Tab::Findings => {}
            Tab::Classes => classes::draw(frame, &areas, model, process, state),
            Tab::Routing => routing::draw(frame, areas.body, model, process, state),
            Tab::Threads => threads::draw(frame, &areas, process, state),
            Tab::Events => events::draw(frame, &areas, model, process, state),
        }
    } else {
        draw_nothing(frame, areas.body, model, state);
    }
    overlay::draw(frame, areas.body, model, state);
}

/// What lies at a column and row of a screen of size `area`.
pub fn hit(area: Rect, column: u16, row: u16, state: &ViewState, model: &Model) -> Option<Hit> {
    let areas = Areas::of(area, model, state);
    let position = Position::new(column, row);
    if areas.tabs.contains(position) {
        return chrome::tab_at(areas.tabs, column, model, state).map(Hit::Tab);
    }
    if !areas.rows.contains(position) {
        return None;
    }
    let count = state.row_count(model);
    let height = usize::from(areas.rows.height);
    let first = table::first_row(state.selected_row(model), count, height);
    let index = first + usize::from(row - areas.rows.y);
    (index < count).then_some(Hit::Row(index))
}

/// What the body says while there is no process to show.
fn draw_nothing(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    let directory = model.agent.as_ref().map_or("", |agent| agent.directory.as_str());
    let mut lines = vec![Line::raw("")];
    if model.program.is_some() {
        lines.push(Line::styled("  waiting for the program to publish …", theme.text));
    } else if model.agent.is_some() && model.processes.is_empty() {
        lines.push(Line::styled(format!("  no process publishes in {directory}"), theme.text));
        lines.push(Line::raw(""));
        lines.push(Line::styled("  start one:  hakmem-top run -- PROGRAM ARGS", theme.dim));
        lines.push(Line::styled("  or see it:  hakmem-top demo", theme.dim));
    } else if model.agent.is_some() {
        lines.push(Line::styled("  no process passes the filter", theme.text));
    } else {
        lines.push(Line::styled("  waiting for the agent …", theme.text));
    }
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
}

/// Whether numbers of this process are incomplete in a way that a person must know.
fn is_lossy(process: &Process) -> bool {
    let loss = &process.loss;
    loss.unpublished_threads > 0 || loss.unpublished_threads_total > 0 || loss.torn
}

#[cfg(test)]
mod tests;
