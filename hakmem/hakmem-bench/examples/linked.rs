//! A program whose global allocator is hakmem, which makes a known number of calls in the class
//! `mid`, and starts an ordinary program.

use std::hint::black_box;
use std::process::{Command, ExitCode};

use hakmem::{Class, Hakmem};
use hakmem_bench::usage;

#[global_allocator]
static ALLOCATOR: Hakmem = Hakmem;

const HELP: &str = "\
linked COUNT

Allocates and frees COUNT blocks of 100 000 bytes, counts them itself, and runs `ls /`.";

fn main() -> ExitCode {
    usage::run(
        "linked",
        HELP,
        |arguments| arguments.number("COUNT", 0, u64::MAX),
        |count| {
            (0..count).for_each(|_| drop(black_box(Vec::<u8>::with_capacity(100_000))));
            let counts = hakmem::process_counts().class(Class::Mid);
            assert_eq!((counts.allocations, counts.frees), (count, count));
            let status = Command::new("ls").arg("/").status().map_err(|error| error.to_string())?;
            assert!(status.success(), "ls: {status}");
            Ok(())
        },
    )
}
