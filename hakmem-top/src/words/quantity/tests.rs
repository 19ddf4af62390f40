use super::*;

#[test]
fn counts_keep_three_digits() {
    let shown: Vec<String> =
        [0, 7, 999, 1000, 1234, 99_949, 99_951, 999_499, 999_500, 12_345_678, u64::MAX]
            .map(count)
            .to_vec();
    let expected =
        ["0", "7", "999", "1.00k", "1.23k", "99.9k", "100k", "999k", "1.00M", "12.3M", "18446744T"];
    assert_eq!(shown, expected);
}

#[test]
fn a_negative_count_keeps_its_sign() {
    assert_eq!(signed_count(-1500), "-1.50k");
    assert_eq!(bytes(-2048), "-2.00 KiB");
}

#[test]
fn rates_below_one_are_not_rounded_away() {
    assert_eq!([0.0, 0.004, 0.5, 12.34, 1e6].map(rate), ["0", "0", "0.50", "12.3", "1.00M"]);
}

#[test]
fn bytes_use_binary_units() {
    let shown = [0, 999, 1000, 1536, 1 << 20, 5 << 30].map(bytes);
    assert_eq!(shown, ["0 B", "999 B", "0.98 KiB", "1.50 KiB", "1.00 MiB", "5.00 GiB"]);
}

#[test]
fn durations_name_their_unit() {
    let shown = [0, 480, 1234, 45_600_000, 2_000_000_000].map(duration_ns);
    assert_eq!(shown, ["–", "480 ns", "1.23 µs", "45.6 ms", "2.00 s"]);
}

#[test]
fn only_the_whole_is_a_hundred_percent() {
    assert_eq!(percent(999_999.0, 1_000_000.0), "99.99");
    assert_eq!(percent(5.0, 5.0), "100");
    assert_eq!(percent(1.0, 3.0), "33.3");
    assert_eq!(percent(0.0, 0.0), "–");
}

#[test]
fn spans_show_two_units() {
    assert_eq!([4, 125, 11_220, 187_200].map(span_seconds), ["4s", "2m05s", "3h07m", "2d04h"]);
}

#[test]
fn shares_round_neither_what_is_slow_nor_what_is_fast_away() {
    let shares = [0.0, 0.000_001, 0.000_123, 0.0123, 0.456, 0.994_9, 0.999_999, 1.0];
    let said = shares.map(share_percent).join(" ");
    assert_eq!(said, "0 0.001 0.012 1.23 45.6 99.49 99.99 100");
}

#[test]
fn costs_have_three_digits_and_added_ones_a_sign() {
    let costs = [0.0, -0.0, 0.0004, 0.0123, 0.099, 1.234, 45.67, 99.96, 1234.5, f64::NAN];
    assert_eq!(costs.map(cost_ns).join(" "), "0 0 0 0.012 0.099 1.23 45.7 100 1234 NaN");
    assert_eq!([0.0, 1.5, -1.5, 0.0001, -0.0001].map(added_ns).join(" "), "0 +1.50 -1.50 0 0");
}

#[test]
fn nothing_is_negative_that_cannot_be() {
    assert_eq!(live_bytes(-4096), "0 B");
    assert_eq!(percent(-0.0001, 10.0), "0.0");
    assert_eq!(percent(-0.0, 10.0), "0.0");
    assert_eq!(depth(5, 0), "5");
    assert_eq!(depth(5, 10), "5/10");
    let added: Vec<String> = [-0.0001, 0.0004, -0.001, 0.123].map(added_percent).into();
    assert_eq!(added, ["0", "0", "-0.1", "+12.3"]);
}
