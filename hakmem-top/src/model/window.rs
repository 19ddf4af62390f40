//! The recent past of a cumulative value: the points from which rates are computed.

use std::collections::VecDeque;

/// How far the points reach back before the newest one, in seconds.
pub(super) const WINDOW_SECONDS: f64 = 10.0;

/// Values with the time of their sample, oldest first; times strictly increase.
#[derive(Clone, Debug)]
pub(super) struct Window<T> {
    points: VecDeque<(f64, T)>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { points: VecDeque::new() }
    }
}

impl<T> Window<T> {
    /// Adds a point. Ignores it and returns `false` if it is not newer than the newest one.
    pub(super) fn push(&mut self, at: f64, value: T) -> bool {
        if self.points.back().is_some_and(|(newest, _)| at <= *newest) {
            return false;
        }
        self.points.push_back((at, value));
        // The first point outside the window stays: it is the start of a slow interval.
        while self.points.len() > 2 && self.points[1].0 <= at - WINDOW_SECONDS {
            self.points.pop_front();
        }
        true
    }

    /// The newest point.
    pub(super) fn newest(&self) -> Option<&(f64, T)> {
        self.points.back()
    }

    /// The newest point, the youngest point at least `seconds` before it (or the oldest one), and
    /// the seconds between the two; `None` with fewer than two points.
    pub(super) fn span(&self, seconds: f64) -> Option<(&T, &T, f64)> {
        let (end_at, end) = self.points.back()?;
        let older = self.points.iter().rev().skip(1);
        // A tenth of tolerance: samples come at the interval, give or take the scheduler.
        let start =
            older.clone().find(|(at, _)| end_at - at >= seconds * 0.9).or_else(|| older.last())?;
        Some((&start.1, end, end_at - start.0))
    }
}
