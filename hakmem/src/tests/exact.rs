//! The front gate is right about every pointer, whatever the blocks hold, under every routing but
//! `e3`.

use std::process::Output;
use std::string::String;
use std::vec::Vec;

use super::{alone, these_tests};
use crate::entry;
use crate::gate;
use crate::routing::{Choice, Layout};

/// Blocks of every size up to 4096 bytes, at every alignment up to a page; several of each, so that
/// they are neighbours.
fn blocks() -> Vec<(*mut u8, usize, usize)> {
    let mut blocks = Vec::new();
    for size in 1..=4096 {
        for shift in [0, 4, 5, 6, 8, 10, 12] {
            let alignment = 1 << shift;
            let block = match shift {
                0 => entry::malloc(size),
                _ => entry::allocate_aligned(alignment, size),
            };
            assert!(!block.is_null());
            blocks.push((block, size, alignment));
        }
    }
    blocks
}

/// Fills with `byte` all memory that the program may write.
fn fill(blocks: &[(*mut u8, usize, usize)], byte: u8) {
    for &(block, ..) in blocks {
        // SAFETY: the block is live.
        let usable = unsafe { entry::usable_size(block) };
        // SAFETY: the program may write all usable bytes.
        unsafe { block.write_bytes(byte, usable) };
    }
}

/// The number of wrong answers: compares both doors of the gate with the layout, for every block.
fn wrong_answers(blocks: &[(*mut u8, usize, usize)]) -> usize {
    let layout = Layout::current();
    let is_wrong = |&&(block, size, alignment): &&(*mut u8, usize, usize)| {
        let verdict = gate::classify(block);
        let expected = layout.bin_of_aligned(size, alignment);
        let slow_is_wrong = verdict.bin != expected || verdict.outcome.is_anomaly();
        slow_is_wrong || verdict.front.is_some_and(|front| front != expected)
    };
    blocks.iter().filter(is_wrong).count()
}

/// The tests below run this in a process of its own; on its own it runs under `direct`.
#[test]
fn contents_never_mislead_the_gate() {
    alone!();
    let blocks = blocks();
    for number in 0..8 {
        fill(&blocks, 0xa0 | number);
        assert_eq!(wrong_answers(&blocks), 0, "byte {number} under {:?}", Choice::current());
    }
    for &(block, ..) in &blocks {
        // SAFETY: the block is live, and the test forgets it.
        unsafe { entry::free(block) };
    }
}

fn run_under(routing: &str) -> Output {
    these_tests()
        .arg("contents_never_mislead_the_gate")
        .env("HAKMEM_ROUTING", routing)
        .env("HAKMEM_ALLOW_UNSAFE", "1")
        .output()
        .expect("the tests run")
}

#[test]
fn routings_with_headers_are_exact() {
    for routing in ["registry", "exclude", "uniform", "hybrid"] {
        let output = run_under(routing);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{routing}: {text}");
    }
}

#[test]
fn the_bug_is_what_such_contents_find() {
    let output = run_under("e3");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "e3 passed for exact");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        out.contains("under Choice { routing: E3") || text.contains("routing: E3"),
        "{out}{text}"
    );
}
