use super::*;

/// 2026-11-26 10:00:03 UTC.
const START: f64 = 1_795_687_203.0;
const HOUR: f64 = 3600.0;

fn zone() -> TimeZone {
    TimeZone::UTC
}

fn moment(text: &str) -> f64 {
    let parsed: Moment = text.parse().unwrap_or_else(|error| panic!("{error}"));
    parsed.resolve(START, START + HOUR, f64::NEG_INFINITY, &zone()) - START
}

fn window(text: &str) -> Result<(Option<f64>, Option<f64>), String> {
    let parsed: TimeWindow = text.parse().map_err(|error: TimeError| error.to_string())?;
    let window = parsed.resolve(START, START + HOUR, &zone()).map_err(|it| it.to_string())?;
    Ok((window.from.map(|it| it - START), window.to.map(|it| it - START)))
}

#[test]
fn every_way_to_say_a_moment() {
    assert_eq!(moment("+0"), 0.0);
    assert_eq!(moment("+90"), 90.0);
    assert_eq!(moment("+1.5"), 1.5);
    assert_eq!(moment("+2m"), 120.0);
    assert_eq!(moment("10:01"), 57.0);
    assert_eq!(moment("10:00:30"), 27.0);
    assert_eq!(moment("10:00:30.5"), 27.5);
    assert_eq!(moment("2026-11-26T10:00:30Z"), 27.0);
    assert_eq!(moment("2026-11-26T11:00:30+01:00"), 27.0);
    assert_eq!(moment("2026-11-26 10:00:30"), 27.0);
}

#[test]
fn a_clock_time_outside_is_the_nearest_one() {
    assert_eq!(moment("10:00"), -3.0);
    assert_eq!(moment("11:05"), 3897.0);
    assert_eq!(moment("23:00"), (23.0 - 10.0) * HOUR - 3.0 - 24.0 * HOUR);
}

#[test]
fn local_time_is_that_of_the_zone() {
    let berlin = TimeZone::fixed(jiff::tz::offset(1));
    let parsed: Moment = "11:00:30".parse().unwrap();
    let at = parsed.resolve(START, START + HOUR, f64::NEG_INFINITY, &berlin);
    assert_eq!(at - START, 27.0);
    assert_eq!(text(START, &berlin), "2026-11-26 11:00:03");
    assert_eq!(rfc3339(START + 0.25), "2026-11-26T10:00:03.250Z");
}

#[test]
fn nonsense_is_no_moment() {
    for text in ["", "soon", "25:00", "10:60", "10", "10:00:00:00", "+", "+-1", "+NaN", "10:0x"] {
        let error = text.parse::<Moment>().unwrap_err();
        assert!(error.to_string().contains("is not a time; give HH:MM"), "{error}");
    }
}

#[test]
fn windows_have_two_ends_of_which_one_may_be_missing() {
    assert_eq!(window("10:01..10:02"), Ok((Some(57.0), Some(117.0))));
    assert_eq!(window("10:01.."), Ok((Some(57.0), None)));
    assert_eq!(window("..+10"), Ok((None, Some(10.0))));
    assert_eq!(window(".."), Ok((None, None)));
    assert_eq!(window("last 5m"), Ok((Some(HOUR - 300.0), None)));
    assert_eq!(window("+1.5..+2.5"), Ok((Some(1.5), Some(2.5))));
}

#[test]
fn a_window_may_pass_midnight() {
    let start = START + 13.5 * HOUR;
    let parsed: TimeWindow = "23:50..00:10".parse().unwrap();
    let window = parsed.resolve(start, start + HOUR, &zone()).unwrap();
    assert_eq!(window.to.unwrap() - window.from.unwrap(), 1200.0);
}

#[test]
fn what_is_wrong_with_a_window_is_said() {
    let check = |text: &str, expected: &str| {
        let error = window(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("10:00", "`10:00` is not a window; give FROM..TO");
    check("last soon", "`last soon` is not a window");
    check("10:00..later", "`later` is not a time");
    check("+20..+10", "ends at 2026-11-26 10:00:13, before it begins at 2026-11-26 10:00:23");
    check("+2h..", "the recording goes from 2026-11-26 10:00:03 to 2026-11-26 11:00:03");
    check("..2020-01-01T00:00:00Z", "nothing was recorded in that window");
}
