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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_includes_both_its_ends() {
        let window = Window { from: Some(2.0), to: Some(3.0) };
        let check = |at: f64, expected: [bool; 3]| {
            let found = [window.is_after(at), window.contains(at), window.is_before(at)];
            assert_eq!(found, expected, "{at}");
        };
        check(1.9, [true, false, false]);
        check(2.0, [false, true, false]);
        check(2.5, [false, true, false]);
        check(3.0, [false, true, false]);
        check(3.1, [false, false, true]);
        assert!(Window::ALL.contains(f64::MIN) && Window::ALL.contains(f64::MAX));
    }

    #[test]
    fn nanoseconds_are_parts_of_seconds() {
        assert_eq!(seconds(&Timestamp { seconds: 7, nanos: 250_000_000 }), 7.25);
    }
}
