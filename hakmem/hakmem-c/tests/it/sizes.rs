//! Structures of other versions.

use std::process::Command;

use crate::installed::{program, run};

#[test]
fn structures_of_later_versions_are_filled_and_wrong_ones_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&mut Command::new(program(folder.path(), "sizes.c")), "gcc");
}
