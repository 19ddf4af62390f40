//! Finds out which `malloc` the processes of a program call, from the dynamic linker's debug
//! output.
//!
//! With `LD_DEBUG=bindings,files` the linker writes a file for each process: which programs began
//! in it, and to which file each symbol was bound. This slows the start, so it happens only once
//! for each program and allocator, in a run that is not timed. The timed runs have the same
//! environment otherwise.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the linker reports of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The programs that began in the process; more than one if it calls `exec`.
    pub programs: Vec<String>,
    /// The files that `malloc` was bound to.
    pub libraries: BTreeSet<PathBuf>,
}

const BINDS_MALLOC: &str = ": normal symbol `malloc'";
const BEGINS: &str = "initialize program: ";

/// Makes the linker of `command`'s processes write into `folder`.
pub fn ask(command: &mut Command, folder: &Path) {
    let prefix: OsString = folder.join("process").into();
    command.env("LD_DEBUG", "bindings,files").env("LD_DEBUG_OUTPUT", prefix);
}

/// Reads and removes the files that the linker wrote into `folder`.
pub fn take(folder: &Path) -> std::io::Result<Vec<Bound>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        all.push(Bound::parse(&String::from_utf8_lossy(&std::fs::read(&path)?)));
        std::fs::remove_file(path)?;
    }
    Ok(all)
}

/// Checks that all processes call the `malloc` of `library` and that a process named `name` is
/// among them; returns what is wrong otherwise.
pub fn objection(processes: &[Bound], name: &str, library: &Path) -> Option<String> {
    let is_served = |found: &PathBuf| found.canonicalize().is_ok_and(|found| found == library);
    for process in processes {
        if let Some(other) = process.libraries.iter().find(|found| !is_served(found)) {
            return Some(format!("{:?} calls malloc of {}", process.programs, other.display()));
        }
    }
    let is_it = |process: &&Bound| {
        let named = |program: &String| program.rsplit('/').next() == Some(name);
        process.programs.iter().any(named) && !process.libraries.is_empty()
    };
    match processes.iter().find(is_it) {
        Some(_) => None,
        None => Some(format!("no process {name} was bound to any malloc")),
    }
}

impl Bound {
    fn parse(text: &str) -> Self {
        let mut bound = Self::default();
        for line in text.lines() {
            if let Some((_, program)) = line.split_once(BEGINS) {
                bound.programs.push(program.to_owned());
            }
            bound.libraries.extend(bound_to(line));
        }
        bound
    }
}

/// The second file in ``binding file A [0] to B [0]: normal symbol `malloc'``.
fn bound_to(line: &str) -> Option<PathBuf> {
    let (files, _) = line.split_once(BINDS_MALLOC)?;
    let (file, _namespace) = files.rsplit_once(" [")?;
    Some(PathBuf::from(file.rsplit_once("] to ")?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
      7:\tbinding file gcc [0] to /lib/libc.so.6 [0]: normal symbol `mallopt' [GLIBC_2.2.5]
      7:\tbinding file libc.so [0] to /opt/my lib.so [0]: normal symbol `malloc' [GLIBC_2.2.5]
      7:\tinitialize program: /usr/lib/gcc/12/cc1
";

    #[test]
    fn program_and_library_are_found() {
        let bound = Bound::parse(TEXT);
        assert_eq!(bound.programs, ["/usr/lib/gcc/12/cc1"]);
        assert_eq!(bound.libraries, BTreeSet::from([PathBuf::from("/opt/my lib.so")]));
    }

    #[test]
    fn another_malloc_and_a_missing_process_are_objected_to() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (ours, other) = (folder.path().join("ours.so"), folder.path().join("other.so"));
        for file in [&ours, &other] {
            std::fs::write(file, "").expect("the folder can be written to");
        }
        let ours = ours.canonicalize().expect("it is there");
        let of = |program: &str, library: &PathBuf| Bound {
            programs: vec![format!("/usr/bin/{program}")],
            libraries: BTreeSet::from([library.clone()]),
        };
        let check = |processes: &[Bound], expected: &[&str]| {
            let objection = objection(processes, "cc1", &ours).unwrap_or_default();
            assert!(expected.iter().all(|part| objection.contains(part)), "{objection}");
            assert_eq!(objection.is_empty(), expected.is_empty());
        };
        check(&[of("gcc", &ours), of("cc1", &ours)], &[]);
        check(&[of("gcc", &ours)], &["no process cc1"]);
        check(&[of("gcc", &other), of("cc1", &ours)], &["gcc", "other.so"]);
        check(&[Bound { libraries: BTreeSet::new(), ..of("cc1", &ours) }], &["no process cc1"]);
    }

    #[test]
    fn the_linker_of_this_machine_says_it_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("/bin/sh");
        ask(command.args(["-c", "exit 0"]), folder.path());
        assert!(command.status().expect("sh runs").success());
        let processes = take(folder.path()).expect("the folder can be read");
        let [process] = &processes[..] else { panic!("{processes:?}") };
        assert_eq!(process.programs, ["/bin/sh"]);
        assert_eq!(process.libraries.len(), 1, "{process:?}");
    }
}
