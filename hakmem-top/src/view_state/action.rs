//! What input asks for, and what of that reaches beyond the view.

use super::Tab;

/// What input asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show a tab.
    Tab(Tab),
    /// The next tab, or the one before.
    TabStep(bool),
    /// Move the selection by rows.
    Move(i64),
    /// Scroll what lies on top to a line.
    ScrollTo(usize),
    /// Select the first row.
    First,
    /// Select the last row.
    Last,
    /// Select the row with this index.
    Row(usize),
    /// Open the selected row.
    Open,
    /// Close the topmost thing, or go back to the processes.
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
    /// Stop or resume the picture.
    Pause,
    /// A shorter interval, or a longer one.
    Interval(bool),
    /// The next theme.
    ThemeNext,
    /// Rates or totals.
    Measure,
    /// Show or hide ended processes.
    Ended,
    /// Compare the last minute of the process with the one before, or stop looking at that.
    Compare,
    /// Show or hide what the program printed.
    Output,
    /// Draw everything anew.
    Redraw,
    /// Stop this program until the shell continues it.
    Suspend,
    /// Leave the screen; the program that was started goes on.
    Leave,
    /// End.
    Quit,
}

/// What reaches beyond the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the agent for this interval.
    SetInterval(u32),
    /// Fetch what is to be compared.
    Compare,
    /// Draw everything anew.
    Redraw,
    /// Stop this program until the shell continues it.
    Suspend,
    /// Leave the screen, let the program go on.
    Leave,
    /// End, and the program with it.
    Quit,
}
