use super::*;

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

#[test]
fn intervals_have_units() {
    let parsed = ["100", "250ms", "2s", "0.5s", "60s"].map(|text| parse_interval(text).unwrap());
    assert_eq!(parsed.map(|it| it.as_millis()), [100, 250, 2000, 500, 60_000]);
}

#[test]
fn intervals_outside_the_range_are_refused() {
    for text in ["", "0", "19ms", "61s", "-5", "fast", "NaN", "inf"] {
        assert!(parse_interval(text).is_err(), "{text}");
    }
}
