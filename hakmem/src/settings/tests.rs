use super::*;

fn read(variables: &[&[u8]]) -> Settings {
    let mut settings = Settings::DEFAULT;
    for variable in variables {
        settings.apply(variable, message::print);
    }
    settings
}

#[test]
fn settings_are_taken_from_their_variables() {
    let settings =
        read(&[b"PATH=/bin", b"HAKMEM_DIR=/dev/shm/x", b"HAKMEM_LABELS=a=b,c=d", b"HAKMEM"]);
    assert_eq!(settings.directory.as_bytes(), b"/dev/shm/x");
    assert_eq!(settings.labels.as_bytes(), b"a=b,c=d", "values may hold =");
    assert!(settings.telemetry);
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
    let mut settings = Settings::DEFAULT;
    settings.take(&given);
    assert_eq!(settings.labels.as_bytes(), b"service=api");
    assert_eq!(
        (settings.telemetry, settings.check, settings.list_bytes),
        (false, Check::Full, 4096)
    );
    for variable in [&b"HAKMEM_TELEMETRY=on"[..], b"HAKMEM_CHECK=", b"HAKMEM_LIST_BYTES=many"] {
        settings.apply(variable, message::print);
    }
    assert_eq!(
        (settings.telemetry, settings.check, settings.list_bytes),
        (true, Check::Full, 4096)
    );
    settings.apply(b"HAKMEM_LABELS=service=web", message::print);
    assert_eq!(settings.labels.as_bytes(), b"service=web");
}

#[test]
fn telemetry_is_on_unless_off_is_said() {
    for (value, expected) in [("on", true), ("", true), ("off", false), ("OFF", true), ("1", true)]
    {
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
    assert!(read(&[b"HAKMEM_LIBRARY=/lib/x.so"]).telemetry, "it is another program's setting");
}
