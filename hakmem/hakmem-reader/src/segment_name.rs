//! File names of segments.

use std::ffi::OsStr;

use hakmem_segment::FILE_SUFFIX;

/// The parts of a segment's file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentName {
    /// Process id in its own pid namespace.
    pub pid: u32,
    /// Start of the process: clock ticks since boot.
    pub start_time_ticks: u64,
    /// Random number that the writer drew.
    pub nonce: u64,
}

impl SegmentName {
    /// Parses a file name; `None` if no writer would give it to a segment.
    pub fn parse(name: &OsStr) -> Option<Self> {
        let stem = name.to_str()?.strip_suffix(FILE_SUFFIX)?;
        let mut parts = stem.split('-');
        let (pid, ticks, nonce) = (parts.next()?, parts.next()?, parts.next()?);
        let parsed = Self {
            pid: pid.parse().ok()?,
            start_time_ticks: ticks.parse().ok()?,
            nonce: u64::from_str_radix(nonce, 16).ok()?,
        };
        // Numbers have only one valid spelling, that of `key`.
        (parsed.key() == stem).then_some(parsed)
    }

    /// The name without its suffix, which is the segment's key.
    pub fn key(&self) -> String {
        format!("{}-{}-{:016x}", self.pid, self.start_time_ticks, self.nonce)
    }

    /// The file name.
    pub fn file_name(&self) -> String {
        self.key() + FILE_SUFFIX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_the_writers_spelling_are_segments() {
        let check = |name: &str, expected: Option<(u32, u64, u64)>| {
            let found = SegmentName::parse(OsStr::new(name));
            assert_eq!(found.map(|n| (n.pid, n.start_time_ticks, n.nonce)), expected, "{name}");
        };
        check("12-345-00000000000000ff.hakmem", Some((12, 345, 0xff)));
        check("12-345-ff.hakmem", None);
        check("12-345-00000000000000FF.hakmem", None);
        check("012-345-00000000000000ff.hakmem", None);
        check("+12-345-00000000000000ff.hakmem", None);
        check("12-345-00000000000000ff", None);
        check("12-345-00000000000000ff-1.hakmem", None);
        check("99999999999-1-00000000000000ff.hakmem", None);
        check(".hakmem", None);
        check("x", None);
    }
}
