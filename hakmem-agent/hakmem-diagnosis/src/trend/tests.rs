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
