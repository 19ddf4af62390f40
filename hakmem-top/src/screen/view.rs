//! Draws a model and a view state, and changes neither.
//!
//! The screen has a title, tabs, a body and a line of hints. [`Areas`] computes their places, both
//! for drawing and for the mouse. The layers, from bottom to top; each uses only those above it in
//! this list:
//!
//! - `areas`: the places of the parts of the screen
//! - `line`, `bar`, `figure`: text of one line, bars, figures and their styles
//! - `panel`, `table`: a titled area, a table that fits its columns to the width
//! - `empty`, `charts`: an explanation in place of rows, the recent past of a class
//! - `slow_paths`, `routing`: panels about one class
//! - `classes`, `threads`, `events`, `findings`: the tabs about one process, and the findings
//! - `processes`, `chrome`: the tab about all processes; title, tabs and footer
//! - `overlay`: boxes over all of these

mod areas;
mod bar;
mod charts;
mod chrome;
mod classes;
mod empty;
mod events;
mod figure;
mod findings;
mod line;
mod overlay;
mod panel;
mod processes;
mod routing;
mod slow_paths;
mod table;
mod threads;

use hakmem_agent::text::is_unsafe;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::model::{Model, Process};
use crate::screen::view_state::{Tab, ViewState};

pub use areas::Areas;
pub use overlay::scrolled;

/// The item at a position of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A tab.
    Tab(Tab),
    /// The row with this index in the tab that is shown.
    Row(usize),
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, model: &Model, state: &ViewState) {
    let areas = Areas::of(frame.area(), model, state);
    chrome::draw_title(frame, areas.title, model, state);
    chrome::draw_tabs(frame, areas.tabs, model, state);
    chrome::draw_notice(frame, areas.notice, model, &state.theme);
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
        empty::draw_no_process(frame, areas.body, model, state);
    }
    overlay::draw(frame, areas.body, model, state);
    clean(frame.buffer_mut());
}

/// Replaces what would rule the terminal or reorder a line, whichever text it is from.
fn clean(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().contains(is_unsafe) {
            cell.set_char(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// The item at `column` and `row` of a screen of size `area`.
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

/// Whether the process has losses that the user must know of.
fn is_lossy(process: &Process) -> bool {
    let loss = &process.loss;
    loss.unpublished_threads > 0 || loss.unpublished_threads_total > 0 || loss.torn
}

#[cfg(test)]
mod tests;
