//! Contents that `--verify` writes into blocks; a foreign write to a block changes them.

/// The contents of one block, different for every allocation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(u64);

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The block is not aligned as requested or, if no alignment was requested, as C guarantees: to
    /// 16 bytes from 16 bytes on, and below that to the next power of two, at most 8.
    #[error("block {address:#x} of {size} bytes is not aligned as the C library promises")]
    Alignment {
        /// Address of the block.
        address: usize,
        /// Bytes asked for.
        size: usize,
    },
    /// A byte of a new block is not 0 although `calloc` promises that.
    #[error("block {address:#x} of {size} bytes: byte {offset} of calloc is {found:#04x}")]
    NotZero {
        /// Address of the block.
        address: usize,
        /// Bytes asked for.
        size: usize,
        /// First byte that is not 0.
        offset: usize,
        /// What it holds.
        found: u8,
    },
    /// A byte was overwritten.
    #[error("block {address:#x} of {size} bytes: byte {offset} was overwritten with {found:#04x}")]
    Contents {
        /// Address of the block.
        address: usize,
        /// Bytes asked for.
        size: usize,
        /// First byte that differs.
        offset: usize,
        /// What it holds now.
        found: u8,
    },
}

impl Pattern {
    /// The pattern of allocation `number`.
    pub fn of_allocation(number: u64) -> Self {
        // The multiplier is that of Knuth's MMIX generator; any odd number would do.
        Self(number.wrapping_add(1).wrapping_mul(6_364_136_223_846_793_005))
    }

    /// Fills `bytes`.
    pub fn write(self, bytes: &mut [u8]) {
        for (index, chunk) in bytes.chunks_mut(8).enumerate() {
            let length = chunk.len();
            chunk.copy_from_slice(&self.word(index)[..length]);
        }
    }

    /// Index of the first byte that differs from what [`Pattern::write`] would have written.
    pub fn first_difference(self, bytes: &[u8]) -> Option<usize> {
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let word = self.word(index);
            if let Some(at) = (0..chunk.len()).find(|&at| chunk[at] != word[at]) {
                return Some(index * 8 + at);
            }
        }
        None
    }

    fn word(self, index: usize) -> [u8; 8] {
        self.0.wrapping_add((index as u64).wrapping_mul(0x0101_0101_0101_0101)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_is_found_where_it_is() {
        let pattern = Pattern::of_allocation(7);
        for size in 1..40 {
            let mut bytes = vec![0; size];
            pattern.write(&mut bytes);
            assert_eq!(pattern.first_difference(&bytes), None);
            for at in 0..size {
                bytes[at] ^= 0x10;
                assert_eq!(pattern.first_difference(&bytes), Some(at));
                bytes[at] ^= 0x10;
            }
        }
    }

    #[test]
    fn two_allocations_differ() {
        let mut bytes = vec![0; 16];
        Pattern::of_allocation(1).write(&mut bytes);
        assert!(Pattern::of_allocation(2).first_difference(&bytes).is_some());
    }
}
