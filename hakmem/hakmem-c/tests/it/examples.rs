//! The examples, built by Make, CMake and meson, count what they did themselves.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installed::{PACKAGE, output, run};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn sources() -> PathBuf {
    Path::new(PACKAGE).join("examples")
}

/// Runs a built `counts` with one thread and with many.
fn check_counts(program: &Path) {
    for threads in ["1", "64"] {
        let said = run(Command::new(program).arg(threads), "gcc");
        assert!(said.starts_with(&format!("{threads} threads: all counts agree")), "{said}");
    }
}

fn check_operators(program: &Path) {
    assert_eq!(
        run(&mut Command::new(program), "g++"),
        "all forms of new and delete are hakmem's\n"
    );
}

#[test]
fn make_links_shared_static_and_position_independent_programs() {
    let (folder, sources) = (folder(), sources());
    let makefile = sources.join("Makefile");
    let mut make = Command::new("make");
    make.current_dir(folder.path()).args(["-s", "all", "static", "pie"]);
    make.arg(format!("VPATH={}", sources.display())).arg("-f").arg(makefile);
    run(make.env("CFLAGS", "-Werror").env("CXXFLAGS", "-Werror"), "make");
    for program in ["counts", "counts_static", "counts_pie"] {
        check_counts(&folder.path().join(program));
    }
    for program in ["operators", "operators_static"] {
        check_operators(&folder.path().join(program));
    }
}

#[test]
fn cmake_finds_the_package() {
    let folder = folder();
    let build = folder.path().to_str().expect("a path in UTF-8");
    let mut cmake = Command::new("cmake");
    cmake.args(["-G", "Ninja", "-B", build, "-S"]).arg(sources());
    run(&mut cmake, "cmake");
    run(Command::new("cmake").args(["--build", build]), "ninja-build");
    check_counts(&folder.path().join("counts"));
    check_operators(&folder.path().join("operators"));
}

#[test]
fn meson_finds_the_package() {
    let folder = folder();
    run(Command::new("meson").arg("setup").arg(folder.path()).arg(sources()), "meson");
    run(Command::new("ninja").arg("-C").arg(folder.path()), "ninja-build");
    check_counts(&folder.path().join("counts"));
    check_operators(&folder.path().join("operators"));
}

#[test]
fn a_package_may_be_put_together_elsewhere_with_another_folder_for_libraries() {
    let folder = folder();
    let mut install = Command::new(Path::new(PACKAGE).join("install"));
    install.arg("/usr").env("DESTDIR", folder.path()).env("LIBDIR", "lib/machine");
    run(install.env("CARGO_TARGET_DIR", hakmem_built::target_directory()), "binutils");
    let root = folder.path().join("usr");
    let pkg = std::fs::read_to_string(root.join("lib/machine/pkgconfig/hakmem.pc")).expect("text");
    assert!(pkg.contains("prefix=/usr\nlibdir=${prefix}/lib/machine\n"), "{pkg}");
    let build = folder.path().join("build");
    let mut cmake = Command::new("cmake");
    cmake.args(["-G", "Ninja", "-B"]).arg(&build).arg("-S").arg(sources());
    cmake.arg(format!("-Dhakmem_DIR={}", root.join("lib/machine/cmake/hakmem").display()));
    run(&mut cmake, "cmake");
    run(Command::new("cmake").arg("--build").arg(&build), "ninja-build");
    check_counts(&build.join("counts"));
}

#[test]
fn behind_another_allocator_counts_are_refused_and_not_wrong() {
    let folder = folder();
    let program = crate::installed::program(folder.path(), "children.c");
    let mut command = Command::new("sh");
    command.args(["-c", "LD_PRELOAD=libjemalloc.so.2 exec $0 1"]).arg(&program);
    let output = output(&mut command, "libjemalloc2");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another allocator serves the program's malloc"), "{said}");
}

#[test]
fn the_environment_wins_over_the_programs_settings() {
    let folder = folder();
    let mut make = Command::new("make");
    make.current_dir(folder.path()).args(["-s", "counts"]);
    make.arg(format!("VPATH={}", sources().display())).arg("-f").arg(sources().join("Makefile"));
    run(&mut make, "make");
    let segments = tempfile::tempdir_in("/dev/shm").expect("/dev/shm takes a folder");
    for (labels, expected) in [(None, "example=counts"), (Some("a=b,threads=few"), "a=b")] {
        let mut command = Command::new(folder.path().join("counts"));
        command.env("HAKMEM_DIR", segments.path()).env_remove("HAKMEM_LABELS");
        let said = run(command.envs(labels.map(|labels| ("HAKMEM_LABELS", labels))), "gcc");
        let key = said.trim_end().rsplit(' ').next().expect("the segment's key");
        let file = segments.path().join(format!("{key}.hakmem"));
        let segment = hakmem_reader::Segment::open(&file).expect("the segment is valid");
        let labels: Vec<String> =
            segment.identity().labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let threads = if expected == "a=b" { "threads=few" } else { "threads=one" };
        assert_eq!(labels, [expected, threads]);
    }
}
