//! Medians, quantiles and Student's t.

/// The median; `None` if `values` is empty. Sorts `values`.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The quantile `share`, interpolated between its neighbours; `None` if `values` is empty. Sorts
/// `values`.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    Some(values[low] + (values[high] - values[low]) * (place - low as f64))
}

/// The quotient of `value` and `of`; 0 if `of` is not positive.
pub(crate) fn per(value: f64, of: f64) -> f64 {
    if of > 0.0 { value / of } else { 0.0 }
}

/// The quantile of the standard normal distribution for `share` from 0.5 to below 1: Hastings'
/// rational approximation (Abramowitz & Stegun 26.2.23), whose error is below 0.00045.
pub(crate) fn normal_quantile(share: f64) -> f64 {
    let tail = (1.0 - share).clamp(1e-12, 0.5);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - above / below).max(0.0)
}

/// The quantile of Student's t for `share` from 0.5 to below 1: exact for 1 and 2 degrees of
/// freedom; from 3 on the expansion in 1/ν (Abramowitz & Stegun 26.7.5), within 1 % at 0.995;
/// between those, interpolated in the logarithm. Fewer than 1 degree of freedom count as 1.
pub(crate) fn student_quantile(share: f64, degrees: f64) -> f64 {
    let share = share.clamp(0.5, 1.0 - 1e-12);
    let at = |whole: u8| match whole {
        1 => (std::f64::consts::PI * (share - 0.5)).tan(),
        2 => (2.0 * share - 1.0) * (0.5 / (share * (1.0 - share))).sqrt(),
        _ => expanded(share, 3.0),
    };
    let between = |low: u8| {
        let low_degrees = f64::from(low);
        // From 0 at the lower to 1 at the upper end, linear in 1/ν.
        let part = (1.0 / low_degrees - 1.0 / degrees) * low_degrees * (low_degrees + 1.0);
        let [low, high] = [at(low), at(low + 1)].map(|it| it.max(1e-12).ln());
        (low + (high - low) * part).exp()
    };
    match degrees {
        v if v >= 3.0 => expanded(share, v),
        v if v >= 2.0 => between(2),
        v if v > 1.0 => between(1),
        _ => at(1),
    }
}

fn expanded(share: f64, degrees: f64) -> f64 {
    let z = normal_quantile(share);
    let square = z * z;
    let g1 = z * (square + 1.0) / 4.0;
    let g2 = z * (3.0 + square * (16.0 + square * 5.0)) / 96.0;
    let g3 = z * (-15.0 + square * (17.0 + square * (19.0 + square * 3.0))) / 384.0;
    let g4 = -945.0 + square * (-1920.0 + square * (1482.0 + square * (776.0 + square * 79.0)));
    let [v, v2, v3, v4] = [1, 2, 3, 4].map(|power| degrees.powi(power));
    z + g1 / v + g2 / v2 + g3 / v3 + z * g4 / 92_160.0 / v4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let check = |found: f64, table: f64| {
            assert!((found / table - 1.0).abs() < 0.012, "{found} is not {table}");
        };
        check(normal_quantile(0.975), 1.959_96);
        check(normal_quantile(0.995), 2.575_83);
        check(normal_quantile(0.9995), 3.290_53);
        check(student_quantile(0.995, 1.0), 63.657);
        check(student_quantile(0.995, 2.0), 9.9248);
        check(student_quantile(0.995, 2.0 - 1e-9), 9.9248);
        check(student_quantile(0.995, 3.0 - 1e-9), 5.8409);
        check(student_quantile(0.995, 3.0), 5.8409);
        check(student_quantile(0.995, 4.0), 4.6041);
        check(student_quantile(0.995, 10.0), 3.1693);
        check(student_quantile(0.995, 1e6), 2.575_83);
        assert_eq!(normal_quantile(0.5).round(), 0.0);
    }

    /// Hastings states the bound for every share.
    #[test]
    fn the_error_of_the_normal_quantile_is_below_its_bound_everywhere() {
        let table = [
            (0.5, 0.0),
            (0.6, 0.253_347),
            (0.7, 0.524_401),
            (0.8, 0.841_621),
            (0.9, 1.281_552),
            (0.95, 1.644_854),
            (0.975, 1.959_964),
            (0.99, 2.326_348),
            (0.995, 2.575_829),
            (0.999, 3.090_232),
            (0.9999, 3.719_016),
        ];
        for (share, exact) in table {
            let found = normal_quantile(share);
            assert!((found - exact).abs() < 0.000_45, "{share}: {found} is not {exact}");
        }
    }

    #[test]
    fn the_expansion_of_students_quantile_is_as_near_as_its_terms_allow() {
        let check = |share: f64, degrees: f64, table: f64, error: f64| {
            let found = student_quantile(share, degrees);
            assert!((found / table - 1.0).abs() < error, "{share} {degrees}: {found}, not {table}");
        };
        check(0.9, 3.0, 1.637_74, 0.000_3);
        check(0.95, 3.0, 2.353_36, 0.000_3);
        check(0.975, 3.0, 3.182_45, 0.001);
        check(0.995, 4.0, 4.604_09, 0.002);
        check(0.975, 4.0, 2.776_45, 0.000_3);
        check(0.995, 5.0, 4.032_14, 0.000_7);
        check(0.975, 7.0, 2.364_62, 0.000_4);
        check(0.995, 10.0, 3.169_27, 0.000_3);
        // The series itself, where the last of its terms is large.
        check(0.9999, 3.0, 20.221_29, 0.000_1);
        check(0.9999, 6.0, 7.979_15, 0.000_1);
        // Interpolated.
        check(0.995, 1.5, 17.820_31, 0.04);
        check(0.995, 2.5, 7.163_73, 0.004);
        check(0.995, 0.5, 63.657, 0.000_1);
    }

    #[test]
    fn a_quotient_by_nothing_is_nothing() {
        assert_eq!([per(6.0, 3.0), per(1.0, 0.0), per(1.0, -1.0)], [2.0, 0.0, 0.0]);
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0]), Some(2.0));
        assert_eq!(quantile(&mut [5.0, 1.0, 3.0], 1.0), Some(5.0));
        assert_eq!(quantile(&mut [f64::NAN, 1.0], 0.0), Some(1.0));
        assert_eq!(quantile(&mut [30.0, 10.0, 50.0, 20.0], 0.75), Some(35.0));
        assert_eq!(quantile(&mut [30.0, 10.0, 50.0, 20.0], 0.1), Some(13.0));
    }
}
