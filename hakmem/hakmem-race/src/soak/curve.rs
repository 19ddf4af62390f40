//! Figures over time that must not grow.

use std::collections::BTreeMap;

use super::Findings;

/// Values that a curve needs before it is judged.
const SAMPLES_MIN: usize = 90;

/// Named curves, one value a second.
#[derive(Debug, Default)]
pub(super) struct Curves(BTreeMap<String, Vec<u64>>);

impl Curves {
    pub(super) fn note(&mut self, name: &str, value: u64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    /// Adds a violation for each curve that grows.
    pub(super) fn judge(&self, found: &mut Findings) {
        for (name, values) in &self.0 {
            if let Some((before, after)) = growth(values) {
                found.add(format!("{name} grows from {before} to {after}"));
            }
        }
    }
}

/// The highest values of the middle third and of the last third, if the last is higher by more than
/// a tenth and a little more. A plateau that was reached once may be reached again, but a leak goes
/// on.
fn growth(values: &[u64]) -> Option<(u64, u64)> {
    if values.len() < SAMPLES_MIN {
        return None;
    }
    let third = values.len() / 3;
    let highest = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let (before, after) = (highest(&values[third..2 * third]), highest(&values[2 * third..]));
    let allowed = before + before / 10 + 8;
    (after > allowed).then_some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_told_from_a_plateau_and_from_noise() {
        let leak: Vec<u64> = (0..300).map(|second| 1000 + 10 * second).collect();
        assert_eq!(growth(&leak), Some((2990, 3990)));
        let plateau: Vec<u64> = (0..300).map(|second| 1000 + 50 * second.min(60)).collect();
        assert_eq!(growth(&plateau), None);
        let noise: Vec<u64> = (0..300).map(|second| 1000 + second % 7 * 10).collect();
        assert_eq!(growth(&noise), None);
        assert_eq!(growth(&leak[..50]), None, "too short to tell");
    }
}
