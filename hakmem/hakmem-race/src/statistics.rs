//! What figures are condensed to: medians, quantiles and geometric means.

/// The middle value, or the mean of the two middle ones; 0 of no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value below which the share `part` of `values` lies, interpolated if need be; 0 without
/// values.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = part * last as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - below)
}

/// The geometric mean of `values`; 1 without values.
pub(crate) fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, logarithms) =
        values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value.ln()));
    if count == 0 { 1.0 } else { (logarithms / f64::from(count)).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_number_of_laps_has_a_median_too() {
        assert_eq!(median(&[1.0, 9.0, 3.0, 5.0]), 4.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn quantiles_lie_between_values() {
        let check = |part, expected: f64| {
            let found = quantile(&[4.0, 1.0, 2.0, 3.0], part);
            assert!((found - expected).abs() < 1e-9, "{found}");
        };
        check(0.0, 1.0);
        check(0.25, 1.75);
        check(0.5, 2.5);
        check(1.0, 4.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
