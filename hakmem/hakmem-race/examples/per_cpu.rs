//! Per-CPU instead of per-thread lists: what a pop and a push would cost.
//!
//! Both kinds of list are reduced to what decides their cost, with one bin and no class map:
//!
//! - **per thread**, as in `hakmem::heap`: the top is a pointer, the word that counts lies beside
//!   it, and both are read and written at plain addresses.
//! - **per CPU**, as in google/tcmalloc ("Restartable Sequence Mechanism for TCMalloc"): a
//!   restartable sequence (`rseq(2)`), which the kernel aborts if the thread leaves its processor.
//!   Only one store can commit a sequence, its last. So the word holds the list's depth and the
//!   count of fast frees at once, and entries are reached by an index.
//!
//! `cargo run --release -p hakmem-race --example per_cpu` prints cycles per pair by the number of
//! blocks held; this crate's `README.md` draws the conclusion.
//!
//! # Safety
//! Sequences store into the memory of [`Lists`] only, which has room for each processor and entry.
#![allow(unsafe_code)]
// A pop and a push are a handful of accesses to one list, for one and the same reason.
#![allow(clippy::multiple_unsafe_ops_per_block)]

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn main() {
    measured::main();
}

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
fn main() {
    eprintln!("per_cpu: needs x86-64 and the GNU C library: the sequences are written in assembly");
    std::process::exit(1);
}

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod measured {
    use std::arch::asm;
    use std::hint::black_box;
    use std::time::Instant;

    use hakmem_race::core_clock::CoreClock;

    /// Blocks on a list at most.
    const ENTRIES: usize = 511;
    /// Processors that there may be.
    const CPUS_MAX: usize = 512;
    /// What a fast free adds to a word of a per-CPU list: one to its depth, one to the count.
    const PUSH: u64 = 1 + (1 << 16);
    const PAIRS: usize = 4096;
    const SLICES: usize = 301;

    unsafe extern "C" {
        /// From the thread pointer to the thread's `struct rseq`, which the C library registers.
        static __rseq_offset: isize;
        static __rseq_size: u32;
    }

    /// The list of one processor or thread: a line that has top and word, then entries.
    #[repr(C, align(4096))]
    struct List {
        word: u64,
        top: *mut u64,
        entries: [u64; ENTRIES - 1],
    }

    struct Lists(Vec<List>);

    impl Lists {
        /// Lists of `count` processors, each with `depth` blocks, which are mere numbers from 1 on.
        fn new(count: usize, depth: usize) -> Self {
            let mut lists: Vec<List> = Vec::with_capacity(count);
            for _ in 0..count {
                let mut entries = [0; ENTRIES - 1];
                for (block, entry) in entries.iter_mut().enumerate().take(depth + 1) {
                    *entry = block as u64;
                }
                lists.push(List { word: depth as u64, top: std::ptr::null_mut(), entries });
            }
            for list in &mut lists {
                list.top = &raw mut list.entries[depth];
            }
            Self(lists)
        }
    }

    /// Pops a block: 0 if the list is empty.
    #[inline(always)]
    fn pop_of_thread(list: *mut List) -> u64 {
        // SAFETY: `list` is alive, and its top points to one of its entries; the first is 0.
        unsafe {
            let top = (*list).top;
            let block = *top;
            if block != 0 {
                (*list).top = top.sub(1);
                (*list).word = (*list).word.wrapping_sub(1);
            }
            block
        }
    }

    #[inline(always)]
    fn push_of_thread(list: *mut List, block: u64) -> bool {
        // SAFETY: as in `pop_of_thread`; the test of the word keeps a place for the entry.
        unsafe {
            if (*list).word & 0x100 != 0 {
                return false;
            }
            let entry = (*list).top.add(1);
            *entry = block;
            (*list).word = (*list).word.wrapping_add(PUSH);
            (*list).top = entry;
            true
        }
    }

    /// The address of this thread's `struct rseq`.
    fn rseq_area() -> *mut u8 {
        let thread: *mut u8;
        // SAFETY: the x86-64 ABI keeps the thread pointer at `fs:0`.
        unsafe { asm!("mov {}, fs:0", out(reg) thread, options(nostack, pure, readonly)) };
        // SAFETY: a constant of the C library since 2.35.
        thread.wrapping_offset(unsafe { __rseq_offset })
    }

    /// A restartable sequence around `$body`, which finds the processor's list in `{list}`. Its
    /// last instruction is the store that commits.
    macro_rules! sequence {
        ($($body:literal),+ ; $($operands:tt)+) => {
            asm!(
                ".pushsection __rseq_cs, \"aw\"",
                ".balign 32",
                "91:",
                ".long 0, 0",
                ".quad 92f, 93f - 92f, 94f",
                ".popsection",
                ".pushsection __rseq_failure, \"ax\"",
                // The kernel demands this signature in front of the address that it continues at.
                ".byte 0x0f, 0xb9, 0x3d",
                ".long 0x53053053",
                "94: jmp 90f",
                ".popsection",
                "90:",
                "lea {list}, [rip + 91b]",
                "mov [{area} + 8], {list}",
                "92:",
                "mov {list:e}, [{area} + 4]",
                "shl {list}, 12",
                "add {list}, {lists}",
                $($body),+,
                "93:",
                $($operands)+
            )
        };
    }

    #[inline(always)]
    fn pop_of_cpu(area: *mut u8, lists: *mut List) -> u64 {
        let block: u64;
        // SAFETY: entries 0 to the word's depth are written, and the first is 0; a list of depth 0
        // stays as it is.
        unsafe {
            sequence!(
                "mov {word}, [{list}]",
                "movzx {depth:e}, {word:x}",
                "mov {block}, [{list} + 16 + {depth} * 8]",
                "test {block}, {block}",
                "jz 93f",
                "dec {word}",
                "mov [{list}], {word}";
                area = in(reg) area,
                lists = in(reg) lists,
                list = out(reg) _,
                word = out(reg) _,
                depth = out(reg) _,
                block = out(reg) block,
                options(nostack)
            );
        }
        block
    }

    #[inline(always)]
    fn push_of_cpu(area: *mut u8, lists: *mut List, block: u64) -> bool {
        let pushed: u64;
        // SAFETY: the test of the word keeps a place for the entry.
        unsafe {
            sequence!(
                "mov {word}, [{list}]",
                "xor {pushed:e}, {pushed:e}",
                "test {word:e}, 0x100",
                "jnz 93f",
                "movzx {pushed:e}, {word:x}",
                "mov [{list} + 24 + {pushed} * 8], {block}",
                "add {word}, {push}",
                "mov {pushed:e}, 1",
                "mov [{list}], {word}";
                area = in(reg) area,
                lists = in(reg) lists,
                block = in(reg) block,
                push = const PUSH,
                list = out(reg) _,
                word = out(reg) _,
                pushed = out(reg) pushed,
                options(nostack)
            );
        }
        pushed != 0
    }

    /// Least nanoseconds of a pair that pushes the oldest of `held` blocks and pops another.
    #[inline(always)]
    fn least_ns(held: usize, pop: impl Fn() -> u64, push: impl Fn(u64) -> bool) -> f64 {
        let mut blocks: Vec<u64> = (0..held).map(|_| pop()).collect();
        let mut least = f64::INFINITY;
        for _ in 0..SLICES {
            let start = Instant::now();
            for at in 0..PAIRS {
                let place = &mut blocks[at & (held - 1)];
                assert!(push(*place), "the list is full");
                *place = black_box(pop());
            }
            least = least.min(start.elapsed().as_nanos() as f64);
        }
        assert!(blocks.iter().all(|block| *block != 0), "the list was empty");
        least / PAIRS as f64
    }

    pub(super) fn main() {
        // SAFETY: a constant of the C library since 2.35.
        if unsafe { __rseq_size } == 0 {
            eprintln!(
                "per_cpu: the C library has not registered rseq; GLIBC_TUNABLES may forbid it"
            );
            std::process::exit(1);
        }
        let Some(clock) = CoreClock::measure() else { return };
        let mut of_thread = Lists::new(1, 64);
        let mut of_cpus = Lists::new(CPUS_MAX, 64);
        let (list, lists, area) = (of_thread.0.as_mut_ptr(), of_cpus.0.as_mut_ptr(), rseq_area());
        println!("{:<12}{:>8}{:>8}{:>8}{:>8}", "cycles", "ws 1", "ws 2", "ws 4", "ws 16");
        let sets = [1, 2, 4, 16];
        let thread = sets.map(|held| {
            least_ns(held, || pop_of_thread(list), |block| push_of_thread(list, block))
        });
        let cpu = sets.map(|held| {
            least_ns(held, || pop_of_cpu(area, lists), |block| push_of_cpu(area, lists, block))
        });
        for (name, row) in [("per thread", thread), ("per CPU", cpu)] {
            print!("{name:<12}");
            row.iter().for_each(|ns| print!("{:>8.1}", clock.cycles(*ns)));
            println!();
        }
    }
}
