//! Where the parts of the screen are.

use ratatui::layout::Rect;

use crate::model::Model;
use crate::view_state::{Tab, ViewState};

/// Rows that panels below the classes need to be worth showing.
const PANEL_ROWS_MIN: u16 = 6;

/// The parts of the screen; any of them may be empty on a small one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Who is shown, and whether the data is live.
    pub title: Rect,
    /// The tabs.
    pub tabs: Rect,
    /// One line on a process that has just ended badly; empty while there is none.
    pub notice: Rect,
    /// Everything between tabs and footer.
    pub body: Rect,
    /// One line of sums above the table; empty where the tab has none.
    pub strip: Rect,
    /// The table's line of titles.
    pub heading: Rect,
    /// The table's rows.
    pub rows: Rect,
    /// What is below the table.
    pub panels: Rect,
    /// Hints, or the filter that is being edited.
    pub footer: Rect,
}

/// Rows that the body needs to give one away.
const NOTICE_ROWS_MIN: u16 = 2;

impl Areas {
    /// Divides a screen.
    pub fn of(screen: Rect, model: &Model, state: &ViewState) -> Self {
        let mut rest = screen;
        let title = take_top(&mut rest, 1);
        let footer = take_bottom(&mut rest, 1);
        let tabs = take_top(&mut rest, 1);
        let is_alarming = model.bad_ends.announced(model.watched_for).next().is_some();
        let notice_rows = u16::from(is_alarming && rest.height >= NOTICE_ROWS_MIN);
        let notice = take_top(&mut rest, notice_rows);
        let body = rest;
        // The events' strip says what is missing, the classes' sums up the process.
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
