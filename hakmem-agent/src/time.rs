//! Moments as the contract writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// A moment; one before 1970 becomes 1970.
pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos() as i32,
    }
}

/// A moment given in nanoseconds of Unix time.
pub(crate) fn timestamp_of_unix_ns(unix_ns: u64) -> Timestamp {
    timestamp(UNIX_EPOCH + Duration::from_nanos(unix_ns))
}
