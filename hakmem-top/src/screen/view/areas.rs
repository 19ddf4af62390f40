//! The places of the parts of the screen.

use ratatui::layout::Rect;

use crate::model::Model;
use crate::screen::view_state::{Tab, ViewState};

/// Least height of the panels below the classes; lower ones are not worth showing.
const PANEL_ROWS_MIN: u16 = 6;

/// The parts of the screen; on a small screen any of them may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// The process that is shown, and whether the data is live.
    pub title: Rect,
    /// The tabs.
    pub tabs: Rect,
    /// One line on a process that has just ended badly; empty without such a process.
    pub notice: Rect,
    /// The area between tabs and footer.
    pub body: Rect,
    /// One line of sums above the table; empty on tabs without it.
    pub strip: Rect,
    /// The table's line of titles.
    pub heading: Rect,
    /// The table's rows.
    pub rows: Rect,
    /// The area below the table.
    pub panels: Rect,
    /// Hints, or the filter that is being edited.
    pub footer: Rect,
}

/// Least height of the body from which it gives one row to the notice.
const NOTICE_ROWS_MIN: u16 = 2;

impl Areas {
    /// Divides the screen.
    pub fn of(screen: Rect, model: &Model, state: &ViewState) -> Self {
        let mut rest = screen;
        let title = take_top(&mut rest, 1);
        let footer = take_bottom(&mut rest, 1);
        let tabs = take_top(&mut rest, 1);
        let is_alarming = model.bad_ends.announced(model.watched_for).next().is_some();
        let notice_rows = u16::from(is_alarming && rest.height >= NOTICE_ROWS_MIN);
        let notice = take_top(&mut rest, notice_rows);
        let body = rest;
        // The strip shows the losses of events and the sums of classes.
        let has_strip =
            matches!(state.tab, Tab::Classes | Tab::Events | Tab::Threads | Tab::Findings);
        let strip_rows = u16::from(has_strip && rest.height >= 4);
        let strip = take_top(&mut rest, strip_rows);
        let heading = take_top(&mut rest, 1);
        let rows_wanted = match state.tab {
            Tab::Classes | Tab::Processes | Tab::Findings => {
                u16::try_from(state.row_count(model)).unwrap_or(u16::MAX).max(1)
            }
            Tab::Routing | Tab::Threads | Tab::Events => u16::MAX,
        };
        let room_for_panels = rest.height.saturating_sub(rows_wanted) >= PANEL_ROWS_MIN;
        let rows = if room_for_panels {
            take_top(&mut rest, rows_wanted)
        } else {
            let height = rest.height;
            take_top(&mut rest, height)
        };
        Self { title, tabs, notice, body, strip, heading, rows, panels: rest, footer }
    }
}

fn take_top(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let top = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    top
}

fn take_bottom(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    rest.height -= height;
    Rect { y: rest.y + rest.height, height, ..*rest }
}
