use std::process::Command;

use super::*;

fn kept(pids: &[u32], from: f64) -> Place {
    Place::Kept { pids: pids.to_vec(), from, to: from + 30.0 }
}

#[test]
fn one_process_is_named_by_its_number() {
    let command =
        command("/bin/x", &kept(&[7], 1_795_687_203.25), &kept(&[8], 1_795_687_533.0), None);
    assert_eq!(
        command,
        "hakmem-top diff pid:7@2026-11-26T10:00:03.250Z..2026-11-26T10:00:33.250Z \
         pid:8@2026-11-26T10:05:33Z..2026-11-26T10:06:03Z"
    );
}

#[test]
fn several_processes_and_recordings_need_the_name() {
    let after = kept(&[1, 2], 0.0);
    let window = "agent@1970-01-01T00:00:00Z..1970-01-01T00:00:30Z";
    let several = command("/bin/x", &after, &after, None);
    assert_eq!(several, format!("hakmem-top diff --name=/bin/x {window} {window}"));
    let before = Place::Recording("/var/good ones.hakrec".into());
    let recorded = command("/bin/x", &before, &after, Some(Path::new("/tmp/a b.sock")));
    let expected = "hakmem-top --connect 'unix:/tmp/a b.sock' diff --name=/bin/x \
                    '/var/good ones.hakrec'";
    assert_eq!(recorded, format!("{expected} {window}"));
}

/// The words that a shell makes of a command line.
fn words(line: &str) -> Vec<String> {
    let script = format!("set -- {line}; printf '%s\\0' \"$@\"");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn no_name_gets_out_of_its_word() {
    let place = kept(&[], 0.0);
    for name in
        ["a b", "$(id)", "`id`", "a'b\"c", "; id #", "-rf", "--", "*", "a\\", "!x", "~", "ü€", ""]
    {
        let words = words(&command(name, &place, &place, None));
        assert_eq!(words.len(), 5, "{words:?}");
        assert_eq!(words[2], format!("--name={name}"));
    }
    let command = command("ab\n\u{1b}[2Jcde", &place, &place, None);
    assert!(!command.contains(char::is_control), "{command:?}");
    assert_eq!(words(&command)[2], "--name=[2Jcde");
}
