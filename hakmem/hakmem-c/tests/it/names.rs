//! What the libraries export, and what the header says of it.

use std::collections::BTreeSet;
use std::process::Command;

use hakmem_segment::{AllocReason, Class, FreeReason};

use crate::installed::{PACKAGE, run};

/// Names that the loader's functions have, which only the shared library replaces.
const LOADING: [&str; 2] = ["dlopen", "dlmopen"];
/// Where the preload library leaves its answers.
const INTERNAL: &str = "hakmem_in_front";

fn header() -> String {
    std::fs::read_to_string(format!("{PACKAGE}/include/hakmem.h")).expect("the header is text")
}

/// Names that a library defines for programs.
fn defined(options: &[&str], library: &str) -> BTreeSet<String> {
    let library = hakmem_built::c_library().join("lib").join(library);
    let mut nm = Command::new("nm");
    nm.args(options).args(["--defined-only", "--extern-only", "--format=posix"]).arg(library);
    let text = run(&mut nm, "binutils");
    let symbols = text.lines().filter(|line| !line.ends_with(':'));
    symbols.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn both_libraries_export_what_the_preload_library_does_and_what_the_header_declares() {
    let shared = defined(&["-D"], "libhakmem.so");
    let preload = hakmem_built::preload_library();
    let nm = ["-D", "--defined-only", "--format=posix"];
    let text = run(Command::new("nm").args(nm).arg(preload), "binutils");
    let family: BTreeSet<String> =
        text.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    let own: BTreeSet<String> = shared.difference(&family).cloned().collect();
    assert!(family.is_subset(&shared), "{:?}", family.difference(&shared));
    let header = header();
    let words = header.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let is_declared = |name: &str| words.clone().any(|word| word == name);
    for name in own.iter().filter(|name| *name != INTERNAL) {
        assert!(name.starts_with("hakmem_") && is_declared(name), "{name} is not in the header");
    }
    assert!(own.len() > 6, "{own:?}");
    let mut fixed = defined(&[], "libhakmem.a");
    fixed.extend(LOADING.map(str::to_owned));
    assert_eq!(fixed, shared);
}

#[test]
fn the_header_has_the_vocabulary_and_the_version_of_the_library() {
    let header = header();
    let has = |name: &str, value: usize| {
        let upper = name.to_uppercase();
        assert!(header.contains(&format!("HAKMEM_{upper} = {value}")), "HAKMEM_{upper} = {value}");
    };
    for class in Class::ALL.iter().filter(|class| **class != Class::None) {
        has(class.name(), *class as usize);
    }
    for reason in AllocReason::ALL {
        has(&format!("alloc_{}", reason.name()), *reason as usize);
    }
    for reason in FreeReason::ALL {
        has(&format!("free_{}", reason.name()), *reason as usize);
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(header.contains(&format!("#define HAKMEM_VERSION \"{version}\"")), "{version}");
    let mut parts = version.split('.');
    for name in ["MAJOR", "MINOR", "PATCH"] {
        let define =
            format!("#define HAKMEM_VERSION_{name} {}", parts.next().expect("three parts"));
        assert!(header.contains(&define), "{define}");
    }
}

#[test]
fn the_shared_library_names_its_generation_and_needs_no_other_library() {
    let library = hakmem_built::c_library().join("lib/libhakmem.so");
    let dynamic = run(Command::new("readelf").args(["-d", "-W"]).arg(library), "binutils");
    assert!(dynamic.contains("[libhakmem.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "hooks in libc outlive a dlclose");
    let needed: Vec<&str> = dynamic.lines().filter(|line| line.contains("(NEEDED)")).collect();
    let allowed = ["libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    for line in needed {
        assert!(allowed.iter().any(|name| line.contains(&format!("[{name}]"))), "{line}");
    }
}
