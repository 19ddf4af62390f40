//! The library as a file: its exports, its dependencies, its size.

use std::collections::BTreeSet;
use std::process::Command;

use crate::compiled;

/// Every function that a program can call. Nothing else may be exported: it would replace a
/// function of that name in the program.
const EXPORTED: &str = "
    malloc calloc realloc reallocarray free free_sized free_aligned_sized
    posix_memalign aligned_alloc memalign valloc pvalloc
    malloc_usable_size malloc_trim mallinfo mallinfo2 malloc_stats malloc_info mallopt
    malloc_get_state malloc_set_state
    cfree __libc_malloc __libc_free __libc_calloc __libc_realloc __libc_memalign __libc_valloc
    __libc_pvalloc __libc_mallopt __posix_memalign
    _Znwm _ZnwmRKSt9nothrow_t _Znam _ZnamRKSt9nothrow_t
    _ZnwmSt11align_val_t _ZnwmSt11align_val_tRKSt9nothrow_t
    _ZnamSt11align_val_t _ZnamSt11align_val_tRKSt9nothrow_t
    _ZdlPv _ZdaPv _ZdlPvRKSt9nothrow_t _ZdaPvRKSt9nothrow_t _ZdlPvm _ZdaPvm
    _ZdlPvSt11align_val_t _ZdaPvSt11align_val_t
    _ZdlPvSt11align_val_tRKSt9nothrow_t _ZdaPvSt11align_val_tRKSt9nothrow_t
    _ZdlPvmSt11align_val_t _ZdaPvmSt11align_val_t
    _exit _Exit dlopen dlmopen
";

fn ask(tool: &str, options: &[&str]) -> String {
    let library = hakmem_built::preload_library();
    compiled::run(Command::new(tool).args(options).arg(library), tool, "binutils")
}

#[test]
fn exactly_the_allocation_family_is_exported() {
    let symbols = ask("nm", &["-D", "--defined-only", "--format=posix"]);
    let names = symbols.lines().filter_map(|line| line.split_whitespace().next());
    let exported: BTreeSet<&str> = names.collect();
    let expected: BTreeSet<&str> = EXPORTED.split_whitespace().collect();
    assert_eq!(exported, expected);
}

#[test]
fn nothing_but_the_c_library_is_needed() {
    let dynamic = ask("readelf", &["-d", "-W"]);
    let allowed = ["libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    let mut needed = 0;
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        needed += 1;
        assert!(allowed.iter().any(|name| line.contains(&format!("[{name}]"))), "{line}");
    }
    assert!(needed > 0, "readelf lists what is needed:\n{dynamic}");
    assert!(dynamic.contains("NODELETE"), "hooks in libc outlive a dlclose");
    assert!(dynamic.contains("STATIC_TLS"), "the initial-exec model: two instructions an access");
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
}

/// Recent Intel cores forward a stored value to the next load at once only if the address of both
/// is a register plus a constant. Instruction counts do not show that: a pair took 23 cycles
/// instead of 11.
#[cfg(target_arch = "x86_64")]
#[test]
fn fast_paths_reach_lists_and_words_by_plain_addresses() {
    for function in ["malloc", "free", "calloc", "_Znwm", "_ZdlPv", "_ZdlPvm"] {
        let choice = format!("--disassemble={function}");
        let code = ask("objdump", &["--no-show-raw-insn", "-Mintel", &choice]);
        let instructions = code.lines().filter_map(|line| line.split_once(":\t").map(|two| two.1));
        let mut count = 0;
        for instruction in instructions {
            count += 1;
            let indexed = instruction.split_once('[').is_some_and(|(_, address)| {
                address.split(']').next().is_some_and(|address| address.contains('*'))
            });
            // The tables of sizes and the class map, which are not written.
            let is_table = instruction.starts_with("movzx") || instruction.starts_with("lea");
            assert!(!indexed || is_table, "{function}: {instruction}");
        }
        assert!(count > 10, "{function} has instructions:\n{code}");
    }
}

/// Lists are arrays of pointers, so a pop does not read the block, whose first line the program
/// writes next. Without a hint, batches that exceed the first-level cache took up to 1.6 times as
/// long.
#[cfg(target_arch = "x86_64")]
#[test]
fn each_pop_has_the_line_of_its_block_fetched() {
    for function in ["malloc", "calloc", "_Znwm", "aligned_alloc"] {
        let code = ask("objdump", &["--no-show-raw-insn", &format!("--disassemble={function}")]);
        assert!(code.contains("prefetcht0 ("), "{function}:\n{code}");
    }
}

#[test]
fn no_part_of_the_agent_is_inside() {
    let library = std::fs::read(hakmem_built::preload_library()).expect("readable");
    let size_kib = library.len() / 1024;
    assert!(size_kib <= 1024, "{size_kib} KiB");
    for word in ["tokio", "tonic", "prost", "hyper", "axum", "ratatui", "serde"] {
        let found = library.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!found, "{word} is in the library");
    }
}
