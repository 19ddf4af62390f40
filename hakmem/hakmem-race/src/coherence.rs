//! A model of processor caches, which counts the cache lines that processors pass to each other.
//!
//! Contention on more processors than a machine has cannot be timed on it, but its cause can be
//! counted. Each processor has a private cache of unlimited size. An access to a line that another
//! cache holds modified, and a store to a line that another cache holds at all, is one transfer
//! (the protocol MSI; M. Papamarcos and J. Patel, "A Low-Overhead Coherence Solution for
//! Multiprocessors with Private Cache Memories", 1984). The first access to a line is not a
//! transfer.

use std::collections::HashMap;

use hakmem_bench::xor_shift::XorShift;

/// Largest number of caches.
pub const CACHES_MAX: usize = 512;
const LINE_SHIFT: u32 = 6;

/// The caches that hold a line: more than one only if no cache has written it since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holders([u64; CACHES_MAX / 64]);

impl Holders {
    fn only(cache: usize) -> Self {
        let mut holders = Self::default();
        holders.add(cache);
        holders
    }

    fn has(&self, cache: usize) -> bool {
        self.0[cache / 64] & (1 << (cache % 64)) != 0
    }

    fn add(&mut self, cache: usize) {
        self.0[cache / 64] |= 1 << (cache % 64);
    }
}

/// All caches: the holders of each line.
#[derive(Debug, Default)]
pub struct Caches(HashMap<u64, Holders>);

impl Caches {
    /// Accesses `bytes` bytes, at least 1, at `address` through cache number `cache`, and returns
    /// the number of transfers that this takes, at most one for each line.
    ///
    /// # Panics
    /// If `cache` is not below [`CACHES_MAX`].
    pub fn access(&mut self, cache: usize, address: u64, bytes: u64, is_store: bool) -> u64 {
        let lines = address >> LINE_SHIFT..=(address + bytes - 1) >> LINE_SHIFT;
        lines.map(|line| u64::from(self.touch(cache, line, is_store))).sum()
    }

    /// Accesses `line` and tells whether that takes a transfer.
    fn touch(&mut self, cache: usize, line: u64, is_store: bool) -> bool {
        let holders = self.0.entry(line).or_default();
        let is_new = *holders == Holders::default();
        let is_here = if is_store { *holders == Holders::only(cache) } else { holders.has(cache) };
        if is_store {
            *holders = Holders::only(cache);
        } else {
            holders.add(cache);
        }
        !is_new && !is_here
    }
}

/// Scheduling quanta of random length, counted in steps.
#[derive(Debug)]
pub struct Quanta {
    random: XorShift,
    mean: u32,
    left: u32,
}

impl Quanta {
    /// Quanta of at least 1 step and of `mean` steps on average; equal seeds give equal quanta.
    pub fn new(mean: u32, seed: u64) -> Self {
        Self { random: XorShift::new(seed), mean, left: mean }
    }

    /// Makes a step and tells whether the quantum ends with it.
    pub fn step(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        self.left = (self.random.draw() % (2 * u64::from(self.mean))) as u32;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_passes_from_its_writer_to_each_reader_once() {
        let mut caches = Caches::default();
        assert_eq!(caches.access(0, 64, 8, true), 0, "nobody had it");
        assert_eq!(caches.access(0, 72, 8, false), 0, "it is here");
        for reader in [1, 2, CACHES_MAX - 1] {
            assert_eq!(caches.access(reader, 64, 1, false), 1);
            assert_eq!(caches.access(reader, 64, 64, false), 0);
        }
        assert_eq!(caches.access(0, 64, 8, false), 0, "a reader takes it from nobody");
    }

    #[test]
    fn a_writer_takes_a_line_from_all_others() {
        let mut caches = Caches::default();
        caches.access(0, 0, 8, false);
        assert_eq!(caches.access(0, 0, 8, true), 0, "it was alone");
        caches.access(1, 0, 8, false);
        assert_eq!(caches.access(1, 0, 8, true), 1, "0 has it, too");
        assert_eq!(caches.access(0, 0, 8, true), 1);
        assert_eq!(caches.access(0, 0, 8, true), 0);
    }

    #[test]
    fn an_access_across_two_lines_touches_both() {
        let mut caches = Caches::default();
        caches.access(0, 0, 128, true);
        assert_eq!(caches.access(1, 60, 8, false), 2);
        assert_eq!(caches.access(1, 0, 4, false), 0);
    }
}
