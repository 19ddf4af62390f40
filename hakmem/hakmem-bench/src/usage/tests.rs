use super::*;

const USAGE: &str = "bench N [M]";

fn arguments(words: &[&str]) -> Arguments {
    Arguments::new(USAGE, words.iter().map(OsString::from))
}

#[test]
fn numbers_and_flags_may_stand_in_any_order() {
    let mut given = arguments(&["--verify", "12", "3"]);
    assert_eq!(given.number("N", 0, 100), Ok(12));
    assert_eq!(given.number_or("M", 7, 0, 100), Ok(3));
    assert_eq!(given.number_or("K", 7, 0, 100), Ok(7));
    assert!(given.flag("--verify"));
    assert!(!given.flag("--verify"));
    assert_eq!(given.finish(), Ok(()));
}

#[test]
fn a_wrong_call_names_what_is_wrong() {
    let check = |words: &[&str], expected: &str| {
        let mut given = arguments(words);
        let error = given.number("N", 1, 100).map(drop).and_then(|()| given.finish());
        assert_eq!(error.unwrap_err().to_string(), expected);
    };
    check(&[], "N is missing; usage: bench N [M]");
    check(&["0"], "N must be a whole number from 1 to 100, not `0`");
    check(&["1e3"], "N must be a whole number from 1 to 100, not `1e3`");
    check(&["-3"], "N is missing; usage: bench N [M]");
    check(&["3", "--fast"], "`--fast` is not understood; usage: bench N [M]");
    check(&["3", "4"], "`4` is not understood; usage: bench N [M]");
}

#[test]
fn an_option_takes_the_word_after_it() {
    let mut given = arguments(&["12", "--rate", "3", "--bare", "5"]);
    assert_eq!(given.option("--rate", 0, 100), Ok(Some(3)));
    assert_eq!(given.option("--rate", 0, 100), Ok(None));
    assert_eq!(given.number("N", 0, 100), Ok(12));
    assert_eq!(given.number("M", 0, 100), Ok(5));
    assert!(given.flag("--bare"));
    assert_eq!(given.finish(), Ok(()));

    let check = |words: &[&str], expected: &str| {
        let error = arguments(words).option("--rate", 0, 100).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(&["12", "--rate"], "--rate is missing; usage: bench N [M]");
    check(&["--rate", "-1"], "--rate must be a whole number from 0 to 100, not `-1`");
}
