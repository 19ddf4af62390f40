//! The tabs, and the columns by which processes are sorted.

/// A tab of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// All processes.
    Processes,
    /// The classes of the process in focus.
    Classes,
    /// The routing of its C7 blocks.
    Routing,
    /// Its threads.
    Threads,
    /// Its events.
    Events,
    /// Paths of any process that became slower.
    Findings,
}

impl Tab {
    /// All tabs, in the order of their number keys.
    pub const ALL: [Self; 6] = [
        Self::Processes,
        Self::Classes,
        Self::Routing,
        Self::Threads,
        Self::Events,
        Self::Findings,
    ];

    /// The title of the tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::Classes => "Classes",
            Self::Routing => "C7 routing",
            Self::Threads => "Threads",
            Self::Events => "Events",
            Self::Findings => "Findings",
        }
    }

    /// Whether its rows can be filtered.
    pub fn has_filter(self) -> bool {
        matches!(self, Self::Processes | Self::Threads | Self::Events | Self::Findings)
    }

    pub(super) fn step(self, forward: bool) -> Self {
        let index = self as usize;
        let count = Self::ALL.len();
        Self::ALL[if forward { index + 1 } else { index + count - 1 } % count]
    }
}

/// A column by which processes are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortColumn {
    /// Allocations per second.
    Allocations,
    /// Frees per second.
    Frees,
    /// Slow paths per second.
    Slow,
    /// Live bytes.
    LiveBytes,
    /// Threads.
    Threads,
    /// Process id.
    Pid,
    /// File name of the executable.
    Name,
}

impl SortColumn {
    const ALL: [Self; 7] = [
        Self::Allocations,
        Self::Frees,
        Self::Slow,
        Self::LiveBytes,
        Self::Threads,
        Self::Pid,
        Self::Name,
    ];

    pub(super) fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}
