//! The program to which a side belongs.

use std::collections::BTreeSet;

use hakmem_diagnosis::Side;
use hakmem_proto::v1::Identity;

use super::SideError;

/// Programs that run scripts: the script is the program of a side.
const INTERPRETERS: [&str; 10] =
    ["bash", "dash", "java", "lua", "node", "perl", "php", "python", "ruby", "sh"];

/// Refuses two sides of different programs, because their differences are not a change.
///
/// # Errors
///
/// [`SideError::OtherProgram`].
pub fn same_program(before: &Side, after: &Side) -> Result<(), SideError> {
    let [before, after] = [before, after].map(|side| {
        side.series.iter().map(|it| program(&it.identity)).collect::<BTreeSet<String>>()
    });
    // A process without a name may be any program.
    let is_known = |side: &BTreeSet<String>| side.iter().any(|it| !it.is_empty());
    if !is_known(&before) || !is_known(&after) || !before.is_disjoint(&after) {
        return Ok(());
    }
    let [before, after] =
        [before, after].map(|side| side.into_iter().collect::<Vec<_>>().join(", "));
    Err(SideError::OtherProgram { before, after })
}

/// The name by which users know the program, or the script that an interpreter runs. It has no
/// folders, because another build of the program may lie in another folder.
fn program(identity: &Identity) -> String {
    let executable = file_name(&identity.executable);
    let stem = executable.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.');
    if !INTERPRETERS.contains(&stem) {
        return file_name(identity.program_name()).to_owned();
    }
    let script = identity.arguments.iter().skip(1).find(|it| !it.starts_with('-'));
    // A new version of an interpreter is a change like any other.
    script.map_or(stem.to_owned(), |script| format!("{stem} {}", file_name(script)))
}

fn file_name(path: &str) -> &str {
    // The kernel marks executables that were replaced after the process started.
    path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hakmem_diagnosis::Series;

    fn side(executable: &str, arguments: &[&str]) -> Side {
        let identity = Identity {
            executable: executable.to_owned(),
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            ..Identity::default()
        };
        Side { series: vec![Series { identity, ..Series::default() }], ..Side::default() }
    }

    #[test]
    fn builds_of_a_program_are_one_and_two_scripts_are_two() {
        let is_same = |before: &Side, after: &Side| same_program(before, after).is_ok();
        let server = side("/usr/bin/server", &["server", "--fast"]);
        assert!(is_same(&server, &side("/build/b/server (deleted)", &["server"])));
        assert!(is_same(&server, &side("", &[])));
        assert!(!is_same(&server, &side("/usr/bin/client", &["server"])));
        // Debian's `redis-server` is a link to `redis-check-rdb`.
        let known = |name: &str| {
            let mut side = side("/usr/bin/redis-check-rdb", &[]);
            side.series[0].identity.command_name = name.to_owned();
            side
        };
        assert!(is_same(&known("redis-server"), &known("redis-server")));
        assert!(!is_same(&known("redis-server"), &known("redis-check-rdb")));
        let script = |version: &str, name: &str| side(version, &["python3", "-u", name]);
        let old = script("/usr/bin/python3.11", "/srv/a.py");
        assert!(is_same(&old, &script("/usr/bin/python3.12", "a.py")));
        assert!(!is_same(&old, &script("/usr/bin/python3.11", "b.py")));
        let error = same_program(&old, &server).unwrap_err().to_string();
        assert!(error.contains("python a.py and server; --different-programs"), "{error}");
    }
}
