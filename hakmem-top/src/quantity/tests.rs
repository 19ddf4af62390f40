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
