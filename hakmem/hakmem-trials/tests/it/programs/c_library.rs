//! C programs that link `libhakmem`, under `hakmem-top run`: one process each, with the counts that
//! the program reads itself, and children that publish as ever.

use std::path::Path;
use std::process::Command;

use super::{Program, summary};

/// Compiles a program of `hakmem-c`, linked as `options` say, and compares what it counted with
/// the document.
fn check(options: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let prefix = hakmem_built::c_library();
    let path = directory.path().join("children");
    let mut compiler = Command::new("cc");
    compiler
        .arg("-o")
        .arg(&path)
        .arg(hakmem_built::repository("hakmem/hakmem-c/tests/programs/children.c"))
        .arg(format!("-I{}", prefix.join("include").display()));
    let placed = options.iter().map(|it| it.replace("PREFIX", &prefix.display().to_string()));
    assert!(compiler.args(placed).status().expect("a C compiler").success(), "{options:?}");
    let processes = run(directory.path(), &path);
    let mut names: Vec<&str> = processes.1.iter().map(summary::Process::name).collect();
    names.sort_unstable();
    assert_eq!(names, ["children", "children", "ls"], "{options:?}");
    let mid = summary::busiest(&processes.1, "children").class("mid");
    assert_eq!(format!("{} {}", mid.allocations, mid.frees), processes.0, "{options:?}");
    assert!(mid.frees == 5000, "{options:?}: {mid:?}");
    let of_children = processes.1.iter().filter(|process| process.name() == "children");
    let child = of_children.min_by_key(|process| process.allocations()).expect("two").class("mid");
    assert_eq!((child.allocations, child.frees), (7, 7), "{options:?}");
}

/// What the program counted, and the document.
fn run(directory: &Path, path: &Path) -> (String, Vec<summary::Process>) {
    let program = Program {
        words: &[path.to_str().expect("a path in UTF-8"), "5000"],
        directory,
        environment: &[],
        package: "gcc",
    };
    let (output, processes) = program.under_hakmem();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    (said.lines().next().unwrap_or_default().to_owned(), processes)
}

#[test]
fn a_program_linked_with_the_shared_library_is_one_process() {
    check(&["-LPREFIX/lib", "-Wl,-rpath,PREFIX/lib", "-lhakmem"]);
}

#[test]
fn a_program_with_the_allocator_within_is_one_process() {
    check(&["PREFIX/lib/libhakmem.a"]);
}

#[test]
fn a_static_program_is_one_process() {
    check(&["-static", "PREFIX/lib/libhakmem.a"]);
}
