//! The random numbers of the loops.

/// Marsaglia's xorshift of 64 bits: three shifts, so that it costs the loop little.
#[derive(Clone, Copy, Debug)]
pub struct XorShift(u64);

impl XorShift {
    /// Random numbers that depend on `seed` only.
    pub fn new(seed: u64) -> Self {
        // State 0 would stay 0, and small seeds would begin with small numbers: spread the seed
        // first (the constant is 2^64 divided by the golden ratio).
        let spread = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(spread.max(1))
    }

    /// The next number.
    #[inline(always)]
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
