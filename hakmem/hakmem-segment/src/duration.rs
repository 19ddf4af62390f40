//! The log-linear histogram of slow-path durations.
//!
//! Four buckets to each doubling, from 32 ns; below that, four buckets of 8 ns. A bucket's bounds
//! are bounds of an HdrHistogram of one significant digit and unit 1 ns too (its sub-buckets are
//! finer), so recording each bucket's lowest value there loses nothing.

/// Buckets of one histogram; the last one also takes everything longer.
pub const BUCKETS: usize = 116;

const LINEAR_LIMIT_NS: u64 = 32;
const LINEAR_EXPONENT: u32 = 5;

/// The bucket of `duration_ns`.
pub const fn bucket(duration_ns: u64) -> usize {
    if duration_ns < LINEAR_LIMIT_NS {
        return (duration_ns / 8) as usize;
    }
    let exponent = duration_ns.ilog2();
    let quarter = (duration_ns >> (exponent - 2)) & 3;
    let index = 4 + (exponent - LINEAR_EXPONENT) as usize * 4 + quarter as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The shortest duration of a bucket, in nanoseconds; `index` may be [`BUCKETS`], for the end.
pub const fn bucket_start_ns(index: usize) -> u64 {
    if index < 4 {
        return index as u64 * 8;
    }
    let exponent = LINEAR_EXPONENT + ((index - 4) / 4) as u32;
    (4 + ((index - 4) % 4) as u64) << (exponent - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_starts_where_the_one_before_ends() {
        for index in 0..BUCKETS {
            assert_eq!(bucket(bucket_start_ns(index)), index);
            if index + 1 < BUCKETS {
                assert_eq!(bucket(bucket_start_ns(index + 1) - 1), index);
            }
        }
    }

    #[test]
    fn a_duration_of_any_length_has_a_bucket() {
        assert_eq!(bucket(bucket_start_ns(BUCKETS)), BUCKETS - 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_bounds_are_those_that_other_readers_know() {
        let check = |duration_ns: u64, expected: usize| {
            assert_eq!(bucket(duration_ns), expected, "{duration_ns} ns");
        };
        check(0, 0);
        check(7, 0);
        check(8, 1);
        check(31, 3);
        check(32, 4);
        check(39, 4);
        check(40, 5);
        check(63, 7);
        check(64, 8);
        check(1000, 23);
        check(1 << 30, 104);
    }
}
