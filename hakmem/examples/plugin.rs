//! A library with an allocator of its own, which any program may load and close again and again.
//!
//! The allocator keeps the library mapped: it has given the C library functions to call when a
//! thread or the process ends or forks.

#![allow(unsafe_code)]

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

/// Allocates and frees blocks of many sizes; the sum of what it wrote to them.
// SAFETY: no other symbol of a program that loads this has the name.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_work(rounds: u32) -> u64 {
    let mut sum = 0;
    for round in 0..rounds as usize {
        let blocks: Vec<Vec<u8>> =
            (0..64).map(|at| vec![1; 1 + (round + at) * 37 % 5000]).collect();
        sum += blocks.iter().map(|block| u64::from(block[block.len() / 2])).sum::<u64>();
    }
    sum
}
