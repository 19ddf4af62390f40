//! The word that a thread keeps for each list: how much room is left, and the number of fast frees.
//!
//! ```text
//!  63                             27 26 25             16 15 14                          0
//! +---------------------------------+--+-----------------+--+----------------------------+
//! |  fast frees / CHECK_PERIOD      |C |  ... % period   |F |  depth + 0x8000 - capacity |
//! +---------------------------------+--+-----------------+--+----------------------------+
//! ```
//!
//! `F` is the carry out of the lowest field: set exactly while depth >= capacity, the list is
//! *full*. `C` is the carry out of the field above it: set after [`CHECK_PERIOD`] fast frees, when
//! the next free is *due* for a check. So one `test` of two bits, which the capacity needs anyway,
//! bounds the list and counts down to the next check, and both cost the fast path nothing more.
//! The slow path that finds `C` set carries it over into the field above, which leaves the number
//! of fast frees what it was.

/// Fast frees of one list from one check to the next.
pub const CHECK_PERIOD: u64 = 1 << 10;
/// Largest capacity of a list.
pub const CAPACITY_MAX: u16 = 1 << 14;

const FULL: u64 = 1 << 15;
const DEPTH_MASK: u64 = (1 << 16) - 1;
const FREES_SHIFT: u32 = 16;
const CHECK_DUE: u64 = CHECK_PERIOD << FREES_SHIFT;
/// Shift from the field below `C`, over `C`, into the one above.
const PERIODS_SHIFT: u32 = FREES_SHIFT + CHECK_PERIOD.ilog2() + 1;

/// The highest bit of the word.
const CARRY: u64 = 1 << 63;

/// Room and fast frees of one thread list; see the module.
///
/// The fast path of `malloc` subtracts [`ListWord::POP`], that of `free` adds [`ListWord::PUSH`]
/// unless one of [`ListWord::GUARDS`] is set; so no borrow or carry leaves a field for more than
/// its guard. The highest field ends with the word, and 2^47 frees last a week at the speed of the
/// fast path: long before that, a slow path carries half of them into the bin's record
/// ([`ListWord::without_carry`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct ListWord(pub u64);

impl ListWord {
    /// Added by a fast free: one more block in the list, one more fast free.
    pub const PUSH: u64 = 0x1_0001;
    /// Subtracted by a fast allocation: one block fewer in the list.
    pub const POP: u64 = 1;
    /// Either of these bits sends a free to the slow path.
    pub const GUARDS: u64 = FULL | CHECK_DUE;
    /// A closed list: empty, with capacity 0.
    pub const CLOSED: Self = Self(FULL);

    /// Blocks in a list of this capacity. A word that no writer leaves behind gives 0 where it
    /// would be negative.
    pub const fn depth(self, capacity: u16) -> u16 {
        let room = (FULL as u16).saturating_sub(capacity);
        ((self.0 & DEPTH_MASK) as u16).saturating_sub(room)
    }

    /// Frees that took the fast path since the slot was first used, without those that were carried
    /// into the bin's record.
    pub const fn freed_fast(self) -> u64 {
        let since = (self.0 >> FREES_SHIFT) & (2 * CHECK_PERIOD - 1);
        (self.0 >> PERIODS_SHIFT) * CHECK_PERIOD + since
    }

    /// This word with another depth and capacity, at most [`CAPACITY_MAX`], and the same number of
    /// fast frees.
    pub const fn with_depth(self, depth: u16, capacity: u16) -> Self {
        let room = FULL - capacity as u64;
        Self((self.0 & !DEPTH_MASK) | (room + depth as u64))
    }

    /// Whether the list holds as many blocks as it may.
    pub const fn is_full(self) -> bool {
        self.0 & FULL != 0
    }

    /// Whether [`CHECK_PERIOD`] fast frees have passed since the last check.
    pub const fn is_check_due(self) -> bool {
        self.0 & CHECK_DUE != 0
    }

    /// The fast frees that leave the word at once, for the bin's record.
    pub const CARRY: u64 = (CARRY >> PERIODS_SHIFT) * CHECK_PERIOD;

    /// This word with [`ListWord::CARRY`] fewer fast frees; `None` while it has fewer than that.
    pub const fn without_carry(self) -> Option<Self> {
        if self.0 & CARRY != 0 { Some(Self(self.0 & !CARRY)) } else { None }
    }

    /// This word with the countdown started again.
    pub const fn with_check_done(self) -> Self {
        if self.is_check_due() { Self(self.0.wrapping_add(CHECK_DUE)) } else { self }
    }
}

/// The two numbers in a [`ListWord`], decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListState {
    /// Blocks in the list.
    pub depth: u16,
    /// Frees that took the fast path since the slot was first used.
    pub freed_fast: u64,
}

impl ListState {
    /// Decodes the word of a list of this capacity.
    pub const fn new(word: ListWord, capacity: u16) -> Self {
        Self { depth: word.depth(capacity), freed_fast: word.freed_fast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_set_exactly_when_full_or_due() {
        for capacity in [1_u16, 2, 32, 512, CAPACITY_MAX] {
            let mut word = ListWord(0).with_depth(0, capacity);
            let (mut depth, mut freed) = (0_u16, 0_u64);
            let mut since = 0;
            for step in 0_u32..200_000 {
                assert_eq!(word.depth(capacity), depth);
                assert_eq!(word.freed_fast(), freed);
                assert_eq!(word.is_full(), depth == capacity);
                assert_eq!(word.is_check_due(), since == CHECK_PERIOD);
                // A walk up and down that reaches both ends.
                let pushes = (step / 700).is_multiple_of(2);
                if since == CHECK_PERIOD {
                    word = word.with_check_done();
                    since = 0;
                } else if pushes && depth < capacity {
                    assert_eq!(word.0 & ListWord::GUARDS, 0);
                    word.0 += ListWord::PUSH;
                    (depth, freed, since) = (depth + 1, freed + 1, since + 1);
                } else if depth > 0 {
                    word.0 -= ListWord::POP;
                    depth -= 1;
                }
            }
            assert!(freed > 2 * CHECK_PERIOD || capacity < 2);
        }
    }

    #[test]
    fn a_writer_and_a_reader_of_another_version_agree_on_the_bits() {
        assert_eq!((CHECK_PERIOD, CAPACITY_MAX), (1024, 16_384));
        assert_eq!((ListWord::PUSH, ListWord::POP), (0x1_0001, 1));
        assert_eq!((ListWord::GUARDS, ListWord::CLOSED.0), (0x0400_8000, 0x8000));
        // 5 blocks of 32, a check that is due, and 3 periods before it.
        let word = ListWord((3 << 27) | 0x0400_0000 | (0x8000 - 32 + 5));
        let expected = ListState { depth: 5, freed_fast: 3 * 1024 + 1024 };
        assert_eq!(ListState::new(word, 32), expected);
    }

    #[test]
    fn a_carry_takes_what_it_says_and_leaves_everything_else() {
        assert_eq!(ListWord::CARRY, 1 << 46);
        let word = ListWord(u64::MAX << PERIODS_SHIFT).with_depth(5, 32);
        let rest = word.without_carry().expect("the highest bit is set");
        assert_eq!(rest.freed_fast() + ListWord::CARRY, word.freed_fast());
        assert_eq!(rest.depth(32), 5);
        assert_eq!(rest.without_carry(), None);
        let due = ListWord(word.0 | CHECK_DUE);
        assert!(due.without_carry().expect("still set").is_check_due());
    }

    #[test]
    fn a_new_depth_or_capacity_leaves_the_frees() {
        let word = ListWord(0x1234_5678_9abc_0000).with_depth(7, 32);
        let freed = word.freed_fast();
        for (depth, capacity) in [(0, 32), (32, 32), (5, 64), (0, 0), (1, 1)] {
            let changed = word.with_depth(depth, capacity);
            assert_eq!((changed.depth(capacity), changed.freed_fast()), (depth, freed));
            assert_eq!(changed.is_full(), depth == capacity);
        }
        assert_eq!(ListWord::CLOSED.depth(0), 0);
        assert!(ListWord::CLOSED.is_full());
        assert_eq!(ListWord(0).depth(32), 0, "a word that nobody wrote");
    }
}
