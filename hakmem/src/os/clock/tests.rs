use super::*;

/// Readings of a clock that has run for a while, one at its beginning and one about to wrap around.
const STARTS_MS: [u32; 3] = [1_000_000, 0, u32::MAX - 20];

#[test]
fn time_has_passed_when_it_has() {
    for start in STARTS_MS {
        assert!(!have_passed(start, start, 500));
        assert!(!have_passed(start, start.wrapping_add(499), 500));
        assert!(have_passed(start, start.wrapping_add(500), 500));
        assert!(have_passed(start, start.wrapping_add(3_600_000), 500));
    }
}

#[test]
fn what_another_thread_did_just_now_is_not_old() {
    for start in STARTS_MS {
        assert!(!have_passed(start, start.wrapping_sub(1), 500));
        assert!(!have_passed(start, start.wrapping_sub(30_000), 500));
    }
}

#[test]
fn nothing_waits_for_a_monotonic_clock_that_was_set_back() {
    for start in STARTS_MS {
        for back in [120_000, 3_600_000, 86_400_000] {
            assert!(have_passed(start, start.wrapping_sub(back), 500), "{back} ms back");
        }
    }
}

#[test]
fn what_need_not_be_old_is_due_and_what_must_be_for_ever_is_not() {
    for now in [0, 5, 1_000_000, u32::MAX] {
        assert!(have_passed(5, now, 0));
        assert!(!have_passed(5, now, u32::MAX));
    }
}

#[test]
fn ticks_have_passed_when_they_have_and_when_the_counter_was_set_back() {
    let period = 1 << 26;
    for start in [1_u64 << 40, 0, u64::MAX - 5] {
        let is_due =
            |ticks: i64| have_ticks_passed(start, start.wrapping_add_signed(ticks), period);
        assert!(!is_due(0) && !is_due(period as i64 - 1));
        assert!(is_due(period as i64) && is_due(i64::MAX));
        // A stopwatch may have been started just before the reading with which it is compared.
        assert!(!is_due(-1) && !is_due(-(period as i64)));
        assert!(is_due(-(period as i64) - 1) && is_due(-(1 << 50)));
    }
}

#[test]
fn a_duration_that_ended_before_it_began_is_nothing() {
    assert_eq!(ticks_between(1000, 1500), 500);
    assert_eq!(ticks_between(u64::MAX - 9, 10), 20);
    assert_eq!(ticks_between(1000, 1000), 0);
    assert_eq!(ticks_between(1 << 60, 1000), 0);
}

#[test]
fn a_clock_that_stands_still_gives_no_rate() {
    assert_eq!(rate(1_000, 0), None);
    assert_eq!(rate(0, 1_000), None);
    assert_eq!(rate(u64::MAX, 1), None);
    assert_eq!(rate(1_000, 2_000), Some(1 << (FRACTION_BITS - 1)));
}

#[test]
fn a_wall_clock_before_its_beginning_or_at_its_end_is_no_error() {
    assert_eq!(ns_of(-1, 999_999_999), 999_999_999);
    assert_eq!(ns_of(2, 5), 2_000_000_005);
    assert_eq!(ns_of(libc::time_t::MAX, 1), u64::MAX);
}
