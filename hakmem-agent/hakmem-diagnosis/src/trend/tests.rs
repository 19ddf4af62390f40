use super::*;
use crate::bootstrap::Random;

fn course(value: impl FnMut(usize) -> f64) -> Vec<(f64, f64)> {
    (0..200).map(value_at(value)).collect()
}

fn value_at(mut value: impl FnMut(usize) -> f64) -> impl FnMut(usize) -> (f64, f64) {
    move |step| (step as f64 * 0.1, value(step))
}

fn is_steady(points: &[(f64, f64)]) -> bool {
    Trend::of(points, 0.99).is_some_and(|trend| trend.is_steady)
}

/// Noise from −0.5 to 0.5.
fn noise(random: &mut Random) -> f64 {
    random.below(1_000_000) as f64 / 1e6 - 0.5
}

#[test]
fn a_leak_is_found_with_its_slope() {
    let mut random = Random::new(1);
    let points = course(|step| 100.0 + step as f64 + 20.0 * noise(&mut random));
    let trend = Trend::of(&points, 0.99).unwrap();
    assert!(trend.is_steady, "{trend:?}");
    assert!((trend.slope - 10.0).abs() < 0.5, "{trend:?}");
}

#[test]
fn what_saturates_or_jumps_or_falls_is_no_leak() {
    assert!(!is_steady(&course(|step| 1.0 - (-(step as f64) / 20.0).exp())));
    assert!(!is_steady(&course(|step| if step < 100 { 0.0 } else { 1.0 })));
    assert!(!is_steady(&course(|step| -(step as f64))));
    assert!(!is_steady(&course(|_| 5.0)));
    assert!(!is_steady(&course(|step| step as f64)[..5]));
}

#[test]
fn the_noise_of_a_course_is_what_its_slope_does_not_explain() {
    let straight = course(|step| 3.0 * step as f64);
    assert!(super::noise(&straight, 30.0) < 1e-9);
    let mut random = Random::new(2);
    let noisy = course(|step| 3.0 * step as f64 + 50.0 * noise(&mut random));
    // An even distribution has this standard deviation.
    let expected = 50.0 / 12.0_f64.sqrt();
    let found = super::noise(&noisy, 30.0);
    assert!((found / expected - 1.0).abs() < 0.3, "{found} instead of {expected}");
}

/// Mann and Kendall's statistic counts rises and falls, wherever the values lie.
#[test]
fn a_course_that_rises_has_a_positive_score_below_and_above_zero() {
    let check = |value: fn(f64) -> f64, expected: f64| {
        let points: Vec<(f64, f64)> = (0..8).map(|it| (it.into(), value(it.into()))).collect();
        let found = score(&points, &[]);
        assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
    };
    // 28 pairs, less one for continuity, by the square root of 8 · 7 · 21 / 18.
    check(|x| x + 1.0, 3.3404);
    check(|x| x - 3.5, 3.3404);
    check(|x| -x, -3.3404);
    check(|_| 1.0, 0.0);
}

/// The values are by the formula of Hamed and Rao (1998).
#[test]
fn neighbours_that_are_alike_inflate_the_variance() {
    let rising: Vec<f64> = (1..=12).map(f64::from).collect();
    assert!((inflation(&rising) - 2.125).abs() < 1e-9, "{}", inflation(&rising));
    assert_eq!(inflation(&[5.0, 1.0, 4.0, 2.0]), 1.0);
    assert_eq!(inflation(&[]), 1.0);
}

#[test]
fn troughs_that_rise_evenly_tell_a_growth_and_others_do_not() {
    let of = |least: [f64; TROUGHS]| {
        let points = course(|step| least[step / 20] + (step % 20) as f64);
        troughs(&points).map(|(_, growth)| growth)
    };
    let evenly = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|it| 100.0 + f64::from(it));
    assert_eq!(of(evenly), Some(9.0));
    let mut with_a_fall = evenly;
    with_a_fall[1] = 99.0;
    assert_eq!(of(with_a_fall), None);
    let mut with_a_jump = evenly;
    with_a_jump[5..].iter_mut().for_each(|it| *it += 50.0);
    assert_eq!(of(with_a_jump), None);
}

#[test]
fn working_sets_that_wander_are_seldom_leaks() {
    let mut random = Random::new(3);
    let mut alarms = 0;
    for _ in 0..400 {
        let mut value = 0.0;
        let points = course(|_| {
            value = 0.95 * value + noise(&mut random);
            value
        });
        alarms += u32::from(is_steady(&points));
    }
    println!("{alarms} of 400 wandering courses look like leaks");
    assert!(alarms <= 2, "{alarms}");
}

#[test]
fn odd_numbers_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e308, -1e308, 1.0, 2.0, 3.0, 4.0];
    let points: Vec<(f64, f64)> = odd.iter().map(|&it| (1.0, it)).collect();
    assert!(Trend::of(&points, 0.99).is_none());
    let points: Vec<(f64, f64)> = (0..10).map(|it| (f64::from(it), odd[it as usize])).collect();
    let _ = Trend::of(&points, 0.99);
}
