//! A part of a recording's time, and moments as numbers.

use prost_types::Timestamp;

/// From one moment to another, both included, in seconds of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// `None` means from the beginning.
    pub from: Option<f64>,
    /// `None` means to the end.
    pub to: Option<f64>,
}

impl Window {
    /// All of it.
    pub const ALL: Self = Self { from: None, to: None };

    /// Whether a moment is before the window.
    pub fn is_after(&self, at: f64) -> bool {
        self.from.is_some_and(|from| at < from)
    }

    /// Whether a moment is behind the window.
    pub fn is_before(&self, at: f64) -> bool {
        self.to.is_some_and(|to| at > to)
    }

    /// Whether a moment lies in the window.
    pub fn contains(&self, at: f64) -> bool {
        !self.is_after(at) && !self.is_before(at)
    }
}

/// Seconds of Unix time. Good to a microsecond for the next centuries.
pub fn seconds(timestamp: &Timestamp) -> f64 {
    timestamp.seconds as f64 + f64::from(timestamp.nanos) / 1e9
}
