//! A program with a known load, for tests that compare its runs.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Replaces blocks of all tiny classes and a mid one in a working set, in an order that is
/// identical on every run; the argument is the number of replacements.
const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#define BLOCKS 1024
static void *held[BLOCKS];
int main(int count, char **words) {
    long rounds = count > 1 ? atol(words[1]) : 0;
    unsigned long long random = 88172645463325252ull;
    puts("working");
    for (long round = 0; round < rounds; round++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **block = &held[random % BLOCKS];
        free(*block);
        *block = malloc(1 + (random >> 20) % 1500);
    }
    for (int index = 0; index < BLOCKS; index++) free(held[index]);
    return count > 2 ? atoi(words[2]) : 0;
}
"#;

/// The program, built once.
pub(crate) fn load() -> PathBuf {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("load.c"), folder.path().join("load"));
        std::fs::write(&source, SOURCE).unwrap();
        let built = Command::new("cc").arg("-O1").arg(&source).arg("-o").arg(&program).status();
        assert!(built.unwrap().success(), "a C compiler is needed (Debian: gcc, libc6-dev)");
        (folder, program)
    });
    program.clone()
}

/// Enough rounds for a verdict, and few enough for a test.
pub(crate) const ROUNDS: &str = "400000";
