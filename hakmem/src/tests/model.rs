//! Tests of the allocator against a model that knows the contents of every live block, checked at
//! each step.

use std::collections::HashMap;
use std::string::String;
use std::sync::mpsc;
use std::thread;
use std::vec::Vec;

use proptest::prelude::*;

use super::{alone, these_tests};
use crate::entry;

/// A block that should be live.
#[derive(Clone, Copy, Debug)]
struct Live {
    address: usize,
    size: usize,
    alignment: usize,
    seed: u8,
}

impl Live {
    fn new(block: *mut u8, size: usize, alignment: usize, seed: u8) -> Self {
        assert!(!block.is_null(), "{size} bytes at {alignment}");
        let address = block as usize;
        let natural = if size <= 8 { 8 } else { 16 };
        assert_eq!(address % alignment.max(natural), 0, "{size} bytes at {alignment}");
        let live = Self { address, size, alignment, seed };
        live.fill();
        live
    }

    fn bytes(&self) -> &'static mut [u8] {
        // SAFETY: the model says that the block is live and of this size, and only one thread has
        // it.
        unsafe { core::slice::from_raw_parts_mut(self.address as *mut u8, self.size) }
    }

    /// Offsets of the bytes that are checked: all of a small block, the ends of a large one.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let size = self.size;
        (0..size.min(300)).chain((300..size).step_by(997)).chain(size.saturating_sub(20)..size)
    }

    fn fill(&self) {
        for at in self.places() {
            self.bytes()[at] = self.content(at);
        }
    }

    /// The expected byte at an offset. Every byte looks like a header, to mislead the routings that
    /// read the byte in front of a block.
    fn content(&self, at: usize) -> u8 {
        0xa0 | (self.seed.wrapping_add(at as u8).wrapping_mul(29) >> 5)
    }

    fn check(&self, up_to: usize) {
        for at in self.places().filter(|&at| at < up_to) {
            assert_eq!(self.bytes()[at], self.content(at), "{self:?} at {at}");
        }
    }

    fn free(&self, how: u8) {
        self.check(self.size);
        let block = self.address as *mut u8;
        match how % 2 {
            // SAFETY: the block is live, and the model forgets it.
            0 => unsafe { entry::free(block) },
            // SAFETY: the block is live, and the model forgets it; size and alignment are those
            // that were requested.
            _ if self.alignment > 1 => unsafe {
                entry::free_aligned_sized(block, self.alignment, self.size);
            },
            // SAFETY: the block is live, and the model forgets it; the size is the one that was
            // requested.
            _ => unsafe { entry::free_sized(block, self.size) },
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate { size: usize },
    AllocateZeroed { size: usize },
    AllocateAligned { size: usize, shift: u32 },
    Reallocate { which: usize, size: usize },
    Free { which: usize, how: u8 },
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0..1100_usize,
        3 => 1000..40_000_usize,
        1 => 200_000..400_000_usize,
        1 => 1_000_000..6_000_000_usize,
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..usize::MAX;
    let step = prop_oneof![
        4 => sizes().prop_map(|size| Step::Allocate { size }),
        1 => sizes().prop_map(|size| Step::AllocateZeroed { size }),
        2 => (sizes(), 0..18_u32).prop_map(|(size, shift)| Step::AllocateAligned { size, shift }),
        2 => (which.clone(), sizes()).prop_map(|(which, size)| Step::Reallocate { which, size }),
        4 => (which, 0..2_u8).prop_map(|(which, how)| Step::Free { which, how }),
    ];
    prop::collection::vec(step, 1..400)
}

/// Blocks that should be live, in no order.
#[derive(Default)]
struct Model {
    live: Vec<Live>,
    next_seed: u8,
}

impl Model {
    fn add(&mut self, block: *mut u8, size: usize, alignment: usize) {
        self.next_seed = self.next_seed.wrapping_add(37);
        let new = Live::new(block, size, alignment, self.next_seed);
        let overlaps = |other: &&Live| {
            let (size, other_size) = (new.size.max(1), other.size.max(1));
            new.address < other.address + other_size && other.address < new.address + size
        };
        assert!(self.live.iter().find(overlaps).is_none(), "{new:?} overlaps another block");
        // SAFETY: the block was just allocated.
        assert!(unsafe { entry::usable_size(block) } >= size);
        self.live.push(new);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Allocate { size } => self.add(entry::malloc(size), size, 1),
            Step::AllocateZeroed { size } => {
                let block = entry::calloc(size, 1);
                // SAFETY: the block was just allocated with that size.
                let bytes = unsafe { core::slice::from_raw_parts(block, size) };
                assert!(bytes.iter().all(|&byte| byte == 0), "{size} bytes of calloc");
                self.add(block, size, 1);
            }
            Step::AllocateAligned { size, shift } => {
                self.add(entry::allocate_aligned(1 << shift, size), size, 1 << shift);
            }
            Step::Reallocate { which, size } => self.reallocate(which, size),
            Step::Free { which, how } => {
                if let Some(old) = self.take(which) {
                    old.free(how);
                }
            }
        }
    }

    fn take(&mut self, which: usize) -> Option<Live> {
        (!self.live.is_empty()).then(|| self.live.swap_remove(which % self.live.len()))
    }

    fn reallocate(&mut self, which: usize, size: usize) {
        let Some(old) = self.take(which) else { return };
        old.check(old.size);
        // SAFETY: the block is live, and the model forgets it.
        let block = unsafe { entry::realloc(old.address as *mut u8, size) };
        if size == 0 {
            assert!(block.is_null(), "realloc to 0 frees");
            return;
        }
        let kept = old.size.min(size);
        Live { address: block as usize, size: kept, ..old }.check_prefix(old.size);
        self.add(block, size, 1);
    }

    fn free_all(&mut self) {
        for (index, block) in self.live.drain(..).enumerate() {
            block.free(index as u8);
        }
    }
}

impl Live {
    /// Checks the bytes that a block of `size` bytes had written, as far as they were kept.
    fn check_prefix(&self, size: usize) {
        let written = Self { size, ..*self };
        for at in written.places().filter(|&at| at < self.size) {
            assert_eq!(self.bytes()[at], self.content(at), "{self:?} at {at}");
        }
    }
}

/// Runs of the property: fewer in each of the many processes below.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

/// Blocks are disjoint, aligned, as large as requested, and keep their contents.
#[test]
fn one_thread_agrees_with_the_model() {
    alone!();
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    proptest!(config, |(steps in steps())| {
        let mut model = Model::default();
        for step in &steps {
            model.step(step);
        }
        model.free_all();
    });
}

/// A generator that needs no crate: xorshift64* (S. Vigna, 2016).
fn random(state: &mut u64) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as usize
}

#[test]
fn threads_that_free_each_others_blocks_agree_with_the_model() {
    const THREADS: usize = 4;
    const STEPS: usize = 20_000;
    alone!();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<Live>()).unzip();
    thread::scope(|scope| {
        for (number, receiver) in receivers.into_iter().enumerate() {
            let neighbour = senders[(number + 1) % THREADS].clone();
            scope.spawn(move || {
                let mut state = number as u64 + 1;
                let mut own: HashMap<usize, Live> = HashMap::new();
                for _ in 0..STEPS {
                    let key = random(&mut state) % 500;
                    let size = match random(&mut state) % 40 {
                        0 => 3000 + random(&mut state) % 60_000,
                        1 => 300_000,
                        _ => random(&mut state) % 1100,
                    };
                    let block = Live::new(entry::malloc(size), size, 1, state as u8);
                    if let Some(old) = own.insert(key, block) {
                        old.check(old.size);
                        // If the neighbour has ended, the block is freed here.
                        if let Err(unsent) = neighbour.send(old) {
                            unsent.0.free(1);
                        }
                    }
                    receiver.try_iter().for_each(|block| block.free(key as u8));
                }
                own.into_values().for_each(|block| block.free(0));
                drop(neighbour);
                // Any block still under way was sent before its sender ended.
                receiver.try_iter().for_each(|block| block.free(0));
            });
        }
    });
}

/// Runs the two tests above in a process of their own, because a process has one routing.
fn agree_under(routing: &str, push: &str, check: &str) {
    let output = these_tests()
        .args(["one_thread_agrees", "threads_that_free"])
        .env("HAKMEM_ROUTING", routing)
        .env("HAKMEM_PUSH", push)
        .env("HAKMEM_CHECK", check)
        .env("HAKMEM_ON_ERROR", "abort")
        .env("PROPTEST_CASES", "12")
        .output()
        .expect("the tests run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{routing} {push} {check}:\n{out}\n{err}");
    assert!(out.contains("2 passed"), "{routing} {push} {check}: {out}");
    assert!(!err.contains("hakmem:"), "{routing} {push} {check}: {err}");
}

#[test]
fn every_routing_agrees_with_the_model() {
    for check in ["off", "sample", "full"] {
        agree_under("direct", "direct", check);
        for routing in ["registry", "exclude", "uniform", "hybrid"] {
            agree_under(routing, "boxed", check);
            if check == "sample" {
                agree_under(routing, "direct", check);
            }
        }
    }
}
