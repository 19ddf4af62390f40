//! Every path of the allocator has room on the smallest stacks that programs use.

use crate::loaded::Loaded;

/// Bytes that a path may use: half of a coroutine's stack of 8 KiB, and a quarter of the smallest
/// thread's stack.
const BYTES_MAX: usize = 4096;

#[test]
fn no_path_uses_more_than_four_kibibytes_of_stack() {
    check(Loaded::new("stack_use.c"), 4);
}

#[test]
fn nor_does_the_first_call_if_it_has_to_complain() {
    let complaints = Loaded::new("stack_use.c")
        .env("HAKMEM_ROUTING", "nowhere")
        .env("HAKMEM_UNHEARD_OF", "1")
        .env("HAKMEM_LABELS", "service=x,version=y");
    check(complaints, 6);
}

/// Runs `stack_use.c`, whose run prints `lines` lines on standard error.
fn check(loaded: Loaded, lines: usize) {
    // The library as users run it: without optimisation, frames are half as large again. Early
    // binding excludes the stack that the dynamic linker itself uses.
    let finished =
        loaded.env("LD_PRELOAD", hakmem_built::preload_library()).env("LD_BIND_NOW", "1").run();
    finished.assert_lines(0, lines, "");
    assert_eq!(finished.stderr.matches("not a pointer that hakmem returned").count(), 4);
    let used: Vec<(&str, usize)> = finished.stdout.lines().map(parse).collect();
    let of = |path| used.iter().filter(move |it| it.0 == path).map(|it| it.1).max();
    let measured =
        ["process first_call", "child first_call", "child first_large_call", "end thread"];
    for path in measured.into_iter().chain(["thread first_call", "parent trim", "end exit"]) {
        assert!(of(path).is_some_and(|bytes| bytes > 0), "{path} was not measured");
    }
    let over: Vec<_> = used.iter().filter(|it| it.1 > BYTES_MAX).collect();
    assert!(over.is_empty(), "{over:?}");
}

/// A path and its bytes, from a line such as "child first_call 3144".
fn parse(line: &str) -> (&str, usize) {
    let (path, bytes) = line.rsplit_once(' ').expect("a path and its bytes");
    (path, bytes.parse().expect("bytes"))
}
