//! Actions that input requests, and effects beyond the view.

use super::Tab;

/// A request of the user.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show a tab.
    Tab(Tab),
    /// Show the next tab, or the one before.
    TabStep(bool),
    /// Move the selection by rows.
    Move(i64),
    /// Scroll the topmost overlay to a line.
    ScrollTo(usize),
    /// Select the first row.
    First,
    /// Select the last row.
    Last,
    /// Select the row with this index.
    Row(usize),
    /// Open the selected row.
    Open,
    /// Close the topmost overlay, or go back to the processes.
    Back,
    /// Show or hide the help.
    Help,
    /// Begin to edit the filter.
    FilterBegin,
    /// Add a character to the filter.
    FilterPush(char),
    /// Remove the filter's last character.
    FilterPop,
    /// Keep the filter and stop editing.
    FilterKeep,
    /// Sort by the next column.
    SortNext,
    /// Sort the other way round.
    SortInvert,
    /// Pause or resume the view.
    Pause,
    /// Use a shorter interval, or a longer one.
    Interval(bool),
    /// Use the next theme.
    ThemeNext,
    /// Show rates or totals.
    Measure,
    /// Show or hide ended processes.
    Ended,
    /// Compare the last minute of the process with the minute before, or close the comparison.
    Compare,
    /// Show or hide the program's output.
    Output,
    /// Redraw the screen.
    Redraw,
    /// Stop this program until the shell continues it.
    Suspend,
    /// Leave the screen while the started program continues.
    Leave,
    /// Quit.
    Quit,
}

/// An effect beyond the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Request this interval from the agent.
    SetInterval(u32),
    /// Request the comparison of the process in focus with its past.
    Compare,
    /// Redraw the screen.
    Redraw,
    /// Stop this program until the shell continues it.
    Suspend,
    /// Leave the screen while the program continues.
    Leave,
    /// Quit, and end the program.
    Quit,
}
