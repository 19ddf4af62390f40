//! Distributions of block sizes: types, so that a loop contains only the arithmetic of its own.

use crate::usage::{Arguments, UsageError};

/// Draws sizes.
pub trait Sizes: Copy + Send + Sync {
    /// Size in bytes, at least 1, computed from the random `number`; equal numbers give equal
    /// sizes.
    fn draw(self, number: u64) -> usize;
}

/// 16 to 1039 bytes, uniformly distributed, from the lowest ten bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiny;

/// 16 bytes up to a limit, small sizes far more often, as in most programs: the smaller of two
/// sizes, each of which lies in every doubling with equal probability.
///
/// With a limit of 32 KiB the median is some 100 bytes and the mean 1 KB; with a limit of 4 MiB
/// they are some 600 bytes and 50 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skewed {
    doublings: u64,
}

/// Size of the smallest block in bytes.
const SMALLEST: usize = 16;

/// Removes the option `--largest`, the limit of skewed sizes, from `arguments`.
pub fn read_largest(arguments: &mut Arguments) -> Result<Option<Skewed>, UsageError> {
    let name = "--largest";
    match arguments.option(name, 2 * SMALLEST as u64, 1 << 30)? {
        Some(found) if !found.is_power_of_two() => Err(UsageError::PowerOfTwo { name, found }),
        bytes => Ok(bytes.map(|bytes| Skewed::below(bytes as usize))),
    }
}

impl Sizes for Tiny {
    #[inline(always)]
    fn draw(self, number: u64) -> usize {
        SMALLEST + (number & 0x3ff) as usize
    }
}

impl Skewed {
    /// Sizes from `SMALLEST` to less than `limit`, which is rounded down to a power of two and
    /// must be at least twice the smallest.
    pub fn below(limit: usize) -> Self {
        assert!(limit >= 2 * SMALLEST, "there are no sizes from {SMALLEST} to {limit}");
        Self { doublings: u64::from((limit / SMALLEST).ilog2()) }
    }
}

impl Sizes for Skewed {
    #[inline(always)]
    fn draw(self, number: u64) -> usize {
        // The bits of `number` also choose places and contents. Multiplied by 2^64 divided by the
        // golden ratio, it has a high half that depends on all of them.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let one = ((mixed >> 56) * self.doublings) >> 8;
        let other = (((mixed >> 48) & 0xff) * self.doublings) >> 8;
        let least = SMALLEST << one.min(other);
        let part = ((mixed >> 16) & 0xffff_ffff) as usize;
        least + ((part * least) >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xor_shift::XorShift;

    fn drawn(sizes: impl Sizes) -> Vec<usize> {
        let mut random = XorShift::new(1);
        let mut drawn: Vec<usize> = (0..100_000).map(|_| sizes.draw(random.draw())).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn tiny_sizes_are_all_drawn() {
        let mut sizes = drawn(Tiny);
        sizes.dedup();
        assert!(sizes.into_iter().eq(16..1040));
    }

    #[test]
    fn skewed_sizes_reach_their_limit_and_are_mostly_small() {
        let check = |limit: usize, median: std::ops::Range<usize>, mean: std::ops::Range<usize>| {
            let sizes = drawn(Skewed::below(limit));
            assert_eq!(sizes[0], SMALLEST);
            let largest = sizes[sizes.len() - 1];
            assert!(largest < limit && largest > limit / 10 * 9, "{largest} of {limit}");
            assert!(median.contains(&sizes[sizes.len() / 2]), "{}", sizes[sizes.len() / 2]);
            let average = sizes.iter().sum::<usize>() / sizes.len();
            assert!(mean.contains(&average), "{average}");
        };
        check(32 << 10, 100..250, 800..1400);
        check(4 << 20, 300..1200, 40_000..65_000);
        check(32, 20..28, 20..28);
    }
}
