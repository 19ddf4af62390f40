//! Parts of a recording's time, and times as numbers.

use prost_types::Timestamp;

/// From one time to another, both included, in seconds of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// `None` means from the beginning.
    pub from: Option<f64>,
    /// `None` means to the end.
    pub to: Option<f64>,
}

impl Window {
    /// The whole recording.
    pub const ALL: Self = Self { from: None, to: None };

    /// Whether the window begins after `at`.
    pub fn is_after(&self, at: f64) -> bool {
        self.from.is_some_and(|from| at < from)
    }

    /// Whether the window ends before `at`.
    pub fn is_before(&self, at: f64) -> bool {
        self.to.is_some_and(|to| at > to)
    }

    /// Whether `at` lies in the window.
    pub fn contains(&self, at: f64) -> bool {
        !self.is_after(at) && !self.is_before(at)
    }
}

/// Seconds of Unix time, exact to a microsecond for centuries to come.
pub fn seconds(timestamp: &Timestamp) -> f64 {
    timestamp.seconds as f64 + f64::from(timestamp.nanos) / 1e9
}
