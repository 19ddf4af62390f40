use std::string::{String, ToString as _};
use std::vec::Vec;

use super::*;

fn read(variables: &[&[u8]]) -> Settings {
    read_over(&Given::DEFAULT, variables).0
}

/// The settings after what the program gives itself and the variables, and the messages.
fn read_over(given: &Given, variables: &[&[u8]]) -> (Settings, Vec<String>) {
    let mut settings = Settings::DEFAULT;
    settings.take(given);
    let (mut seen, mut messages) = (Seen::default(), Vec::new());
    for variable in variables {
        settings.apply(variable, &mut seen, |message| messages.push(message.to_string()));
    }
    (settings, messages)
}

#[test]
fn settings_are_taken_from_their_variables() {
    let settings =
        read(&[b"PATH=/bin", b"HAKMEM_DIR=/dev/shm/x", b"HAKMEM_LABELS=a=b,c=d", b"HAKMEM"]);
    assert_eq!(settings.directory.as_bytes(), b"/dev/shm/x");
    assert_eq!(settings.labels.as_bytes(), b"a=b,c=d", "values may hold =");
    assert_eq!(settings.telemetry, Telemetry::On);
}

#[test]
fn a_c_program_gives_itself_lines_of_settings() {
    let mut settings = Settings::DEFAULT;
    let messages = std::cell::RefCell::new(Vec::new());
    let say = |message: Arguments<'_>| messages.borrow_mut().push(message.to_string());
    settings.take_text(b"HAKMEM_CHECK=full\n\n HAKMEM_LABELS=a=b,c=d \nlabels=x\nHAKMEM_Y=1", say);
    assert_eq!(settings.check, Check::Full);
    assert_eq!(settings.labels.as_bytes(), b"a=b,c=d");
    assert_eq!(settings.labels_fixed, 0, "the program may replace its labels");
    let [no_setting, unknown] = &messages.take()[..] else { panic!("two messages") };
    assert!(no_setting.contains("`labels=x` is not HAKMEM_NAME=value"), "{no_setting}");
    assert!(unknown.contains("HAKMEM_Y is not a setting"), "{unknown}");
    settings.apply(b"HAKMEM_CHECK=off", &mut Seen::default(), |_| ());
    assert_eq!(settings.check, Check::Off, "the environment wins");
}

#[test]
fn the_environment_wins_over_what_the_program_gives_itself() {
    let given = Given {
        labels: "service=api",
        telemetry: Telemetry::Off,
        check: Check::Full,
        list_bytes: 4096,
        ..Given::DEFAULT
    };
    let (settings, _) = read_over(&given, &[]);
    assert_eq!(settings.labels.as_bytes(), b"service=api");
    assert_eq!(
        (settings.telemetry, settings.check, settings.list_bytes),
        (Telemetry::Off, Check::Full, 4096)
    );
    let variables = [
        &b"HAKMEM_TELEMETRY=on"[..],
        b"HAKMEM_CHECK=",
        b"HAKMEM_LIST_BYTES=many",
        b"HAKMEM_LABELS=service=web",
    ];
    let (settings, messages) = read_over(&given, &variables);
    assert_eq!(
        (settings.telemetry, settings.check, settings.list_bytes),
        (Telemetry::On, Check::Full, 4096)
    );
    assert_eq!(settings.labels.as_bytes(), b"service=web");
    assert_eq!(messages, ["HAKMEM_LIST_BYTES=many is not 1024 to 131072; using 4096"]);
}

#[test]
fn telemetry_is_on_unless_off_is_said() {
    let (on, off) = (Telemetry::On, Telemetry::Off);
    for (value, expected) in [("on", on), ("", on), ("off", off), ("OFF", on), ("1", on)] {
        let variable = std::format!("HAKMEM_TELEMETRY={value}");
        assert_eq!(read(&[variable.as_bytes()]).telemetry, expected, "{variable}");
    }
}

#[test]
fn text_that_is_too_long_leaves_the_default() {
    let variable = |length: usize| {
        let mut variable = b"HAKMEM_DIR=".to_vec();
        variable.resize(variable.len() + length, b'x');
        variable
    };
    assert_eq!(read(&[&variable(TEXT_MAX - 1)]).directory.as_bytes().len(), TEXT_MAX - 1);
    assert_eq!(read(&[&variable(TEXT_MAX)]).directory.as_bytes(), b"");
}

#[test]
fn names_that_only_begin_like_settings_change_nothing() {
    let settings = read(&[b"HAKMEM_DIRECTORY=/x", b"HAKMEM_=y", b"HAKMEM_DIR", b"XHAKMEM_DIR=/z"]);
    assert_eq!(settings.directory.as_bytes(), b"");
}

#[test]
fn only_printable_text_reaches_the_terminal() {
    assert_eq!(printable(b"plain"), "plain");
    for text in [&b"\x1b[31m"[..], b"a b", b"\n", b"\xff", "ä".as_bytes()] {
        assert_eq!(printable(text), "(unprintable)");
    }
}

#[test]
fn routing_and_checks_are_words_of_the_vocabulary() {
    let settings = read(&[
        b"HAKMEM_ROUTING=hybrid",
        b"HAKMEM_PUSH=direct",
        b"HAKMEM_CHECK=full",
        b"HAKMEM_ON_ERROR=abort",
    ]);
    assert_eq!((settings.routing, settings.push), (Routing::Hybrid, Push::Direct));
    assert_eq!((settings.check, settings.on_error), (Check::Full, OnError::Abort));
    let settings = read(&[b"HAKMEM_ROUTING=Hybrid", b"HAKMEM_CHECK=", b"HAKMEM_ON_ERROR=die"]);
    assert_eq!((settings.routing, settings.check), (Routing::Direct, Check::Sample));
    assert_eq!(settings.on_error, OnError::Report);
}

#[test]
fn lists_are_bounded_within_what_they_may_be() {
    for (variable, expected) in [
        (&b"HAKMEM_LIST_BYTES=1024"[..], 1024),
        (b"HAKMEM_LIST_BYTES=131072", LIST_BYTES_MAX),
        (b"HAKMEM_LIST_BYTES=1023", LIST_BYTES_MAX),
        (b"HAKMEM_LIST_BYTES=131073", LIST_BYTES_MAX),
        (b"HAKMEM_LIST_BYTES=64k", LIST_BYTES_MAX),
        (b"HAKMEM_LIST_BYTES=", LIST_BYTES_MAX),
    ] {
        assert_eq!(read(&[variable]).list_bytes, expected);
    }
}

#[test]
fn the_bug_must_be_asked_for_twice() {
    for (variables, expected) in [
        (&[&b"HAKMEM_ROUTING=e3"[..]][..], Routing::Direct),
        (&[b"HAKMEM_ROUTING=e3", b"HAKMEM_ALLOW_UNSAFE=0"], Routing::Direct),
        (&[b"HAKMEM_ALLOW_UNSAFE=1", b"HAKMEM_ROUTING=e3"], Routing::E3),
        (&[b"HAKMEM_ALLOW_UNSAFE=1"], Routing::Direct),
    ] {
        let mut settings = read(variables);
        settings.refuse_unsafe(message::print);
        assert_eq!(settings.routing, expected);
    }
}

#[test]
fn unsafe_routings_are_allowed_by_one_and_nothing_else() {
    for (value, expected) in [("1", true), ("0", false), ("", false), ("2", false), ("yes", false)]
    {
        let variable = std::format!("HAKMEM_ALLOW_UNSAFE={value}");
        assert_eq!(read(&[variable.as_bytes()]).allow_unsafe, expected, "{variable}");
    }
    let (settings, messages) = read_over(&Given::DEFAULT, &[b"HAKMEM_LIBRARY=/lib/x.so"]);
    assert!(
        settings == Settings::DEFAULT && messages.is_empty(),
        "it is another program's setting"
    );
}

const TOO_LONG: &str = match core::str::from_utf8(&[b'x'; TEXT_MAX]) {
    Ok(text) => text,
    Err(_) => panic!("it is ASCII"),
};

/// Each setting, with a value that is neither the default nor the program's own, and a bad one.
const GOOD_AND_BAD: [(&str, &str, &str); 9] = [
    ("DIR", "/dev/shm/x", TOO_LONG),
    ("LABELS", "service=web", TOO_LONG),
    ("TELEMETRY", "off", "maybe"),
    ("ROUTING", "hybrid", "e4"),
    ("PUSH", "direct", "no"),
    ("CHECK", "off", "nonsense"),
    ("ON_ERROR", "abort", "die"),
    ("LIST_BYTES", "2048", "1"),
    ("ALLOW_UNSAFE", "1", "yes"),
];

/// What a setting is, in the words of its message.
fn in_force(settings: &Settings, name: &str) -> String {
    match name {
        "TELEMETRY" => settings.telemetry.name().into(),
        "ROUTING" => settings.routing.name().into(),
        "PUSH" => settings.push.name().into(),
        "CHECK" => settings.check.name().into(),
        "ON_ERROR" => settings.on_error.name().into(),
        "LIST_BYTES" => settings.list_bytes.to_string(),
        "ALLOW_UNSAFE" => one_or_zero(settings.allow_unsafe).into(),
        _ => panic!("{name} is not a word or a number"),
    }
}

#[test]
fn a_setting_that_is_there_twice_counts_as_the_first_and_says_so() {
    for (name, good, bad) in GOOD_AND_BAD {
        let [good, bad] = [good, bad].map(|value| std::format!("HAKMEM_{name}={value}"));
        let (once, silence) = read_over(&Given::DEFAULT, &[good.as_bytes()]);
        assert!(silence.is_empty(), "{silence:?}");
        let (twice, messages) = read_over(&Given::DEFAULT, &[good.as_bytes(), bad.as_bytes()]);
        assert!(twice == once, "{good} and {bad}");
        assert_eq!(messages, [std::format!("HAKMEM_{name} is set twice; using the first")]);
        let (twice, messages) = read_over(&Given::DEFAULT, &[bad.as_bytes(), good.as_bytes()]);
        assert!(twice == Settings::DEFAULT, "{bad} and {good}");
        assert_eq!(messages.len(), 2, "{messages:?}");
    }
}

#[test]
fn a_message_about_a_bad_value_names_the_value_that_is_in_force() {
    let given = Given {
        directory: "/dev/shm/given",
        labels: "service=api",
        telemetry: Telemetry::Off,
        check: Check::Full,
        on_error: OnError::Abort,
        list_bytes: 4096,
    };
    for given in [Given::DEFAULT, Given { labels: "service=api", ..Given::DEFAULT }, given] {
        for (name, _, bad) in GOOD_AND_BAD {
            let variable = std::format!("HAKMEM_{name}={bad}");
            let (settings, messages) = read_over(&given, &[variable.as_bytes()]);
            let expected = match name {
                "DIR" if given.directory.is_empty() => "its default".into(),
                "LABELS" if given.labels.is_empty() => "its default".into(),
                "DIR" | "LABELS" => "the program's own".into(),
                _ => in_force(&settings, name),
            };
            assert_eq!(messages.len(), 1, "{messages:?}");
            assert!(messages[0].ends_with(&std::format!("; using {expected}")), "{messages:?}");
            let (untouched, _) = read_over(&given, &[]);
            assert!(settings == untouched, "{variable} changes something");
        }
    }
}

#[test]
fn messages_list_the_words_that_a_setting_has() {
    for (variable, expected) in [
        ("CHECK=all", "HAKMEM_CHECK=all is not off, sample or full; using sample"),
        ("PUSH=x", "HAKMEM_PUSH=x is not direct or boxed; using boxed"),
        ("ALLOW_UNSAFE=2", "HAKMEM_ALLOW_UNSAFE=2 is not 1 or 0; using 0"),
    ] {
        let variable = std::format!("HAKMEM_{variable}");
        assert_eq!(read_over(&Given::DEFAULT, &[variable.as_bytes()]).1, [expected]);
    }
}
