//! A program to be linked statically, whose allocator starts without a dynamic loader.

use std::thread;

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

fn work(seed: usize) -> usize {
    let blocks: Vec<Vec<u8>> = (0..5000).map(|at| vec![1; 1 + (seed + at) * 37 % 9000]).collect();
    blocks.iter().map(|block| usize::from(block[block.len() / 2])).sum()
}

fn main() {
    let threads: Vec<_> = (0..20).map(|seed| thread::spawn(move || work(seed))).collect();
    let sum: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    println!("{sum}");
}
