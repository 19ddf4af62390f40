//! A linear scale from values to coordinates, and round numbers for its ticks.

/// A linear scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    values: [f64; 2],
    places: [f64; 2],
}

impl Scale {
    /// A scale that maps `low..high`, or 0 to 1 if that is not a range, to `places`.
    pub(super) fn new([low, high]: [f64; 2], places: [f64; 2]) -> Self {
        let is_range = low.is_finite() && high.is_finite() && high > low;
        Self { values: if is_range { [low, high] } else { [0.0, 1.0] }, places }
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        let [first, last] = self.places;
        let part = ((value - low) / (high - low)).clamp(0.0, 1.0);
        if part.is_nan() { first } else { first + part * (last - first) }
    }

    /// Round numbers within the range, about `count` of them.
    pub(super) fn ticks(&self, count: f64) -> Vec<f64> {
        let [low, high] = self.values;
        let step = round_up((high - low) / count);
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last.min(first + 20)).map(|it| it as f64 * step).collect()
    }
}

/// A round number without trailing zeros.
pub(super) fn tick(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6).replace('-', "−")
}

/// The least 1, 2 or 5 times a power of ten that is not below `value`.
pub(super) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    steps.into_iter().find(|it| *it >= value * 0.999_999).unwrap_or(steps[3])
}
