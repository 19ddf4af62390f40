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

/// The exit code of a wrong command line.
fn code(words: &str) -> u8 {
    let words = std::iter::once("hakmem-top").chain(words.split(' ')).map(OsString::from);
    Cli::read(words).map(|cli| panic!("{cli:?}")).unwrap_err().1
}

#[test]
fn wrong_options_have_the_code_of_their_command() {
    for words in [
        "diff",
        "diff a b c",
        "diff --unknown a b",
        "--interval soon diff a b",
        "diff a b --threshold much",
        "diff a b --threshold -1",
        "diff a b --json --text",
        "diff a b --seconds 0",
        "check -- true",
        "check --baseline x",
        "check --baseline x --runs 2 -- true",
        "--directory diff check",
        "record --seconds x",
        "info",
        "cut",
        "export a --format xml",
    ] {
        assert_eq!(code(words), 64, "{words}");
    }
    for words in ["run", "demo --seconds 0", "--unknown", "nothing", "show --diff"] {
        assert_eq!(code(words), 2, "{words}");
    }
    for words in ["--help", "--version", "diff --help", "check --help"] {
        assert_eq!(code(words), 0, "{words}");
    }
}

#[test]
fn thresholds_are_percentages() {
    let threshold = |text: &str| {
        let words = ["hakmem-top", "diff", "a", "b", "--threshold", text].map(OsString::from);
        match Cli::read(words).unwrap().command {
            Some(Command::Diff(options)) => options.output.threshold,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(["0", "10", "2.5%", "300 %"].map(threshold), [0.0, 10.0, 2.5, 300.0]);
}
