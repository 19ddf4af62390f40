use super::*;

#[test]
fn a_change_counts_from_the_floor_on_if_its_interval_excludes_nothing() {
    let check = |[low, value, high]: [f64; 3], rise: bool, fall: bool| {
        let estimate = Estimate { value, low, high };
        let found = [estimate.is_rise(2.0), estimate.is_fall(2.0), estimate.is_change(2.0)];
        assert_eq!(found, [rise, fall, rise || fall], "{estimate:?}");
    };
    check([1.0, 2.0, 3.0], true, false);
    check([0.5, 1.9, 3.0], false, false);
    check([0.0, 5.0, 10.0], false, false);
    check([-1.0, 5.0, 11.0], false, false);
    check([-3.0, -2.0, -1.0], false, true);
    check([-3.0, -1.9, -0.5], false, false);
    check([-10.0, -5.0, 0.0], false, false);
    check([-11.0, -5.0, 1.0], false, false);
}
