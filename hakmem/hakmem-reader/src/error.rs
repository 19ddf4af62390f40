//! Why a segment cannot be read: one value for each thing that the caller can do about it.

use std::io;

use hakmem_segment::LAYOUT_MAJOR;

/// Why a file could not be opened as a segment.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The writer is still making it: try again in a moment.
    #[error("the segment is still being made; try again in a moment")]
    NotReady,
    /// Some other file: leave it alone.
    #[error("not a hakmem segment: {reason}")]
    NotASegment {
        /// How one sees that.
        reason: &'static str,
    },
    /// A segment whose header contradicts itself: leave it alone.
    #[error("not a valid hakmem segment: its {what} is impossible")]
    Malformed {
        /// The field that is wrong.
        what: &'static str,
    },
    /// Written by a version of hakmem with another layout: read it with that version.
    #[error(
        "segment layout {major} is not known to this version, which reads layout {LAYOUT_MAJOR}; \
         use the same version for program and reader"
    )]
    UnknownVersion {
        /// Major version of the segment's layout.
        major: u16,
    },
    /// The file is not there (any more).
    #[error("the segment is gone")]
    Gone,
    /// The file belongs to somebody else.
    #[error("no permission to read the segment; run as its owner or as root")]
    Denied,
    /// The file's owner is not the one whose segments the directory holds: leave it alone.
    #[error(
        "it belongs to user {owner}, and its directory is another user's; programs of several \
         users share only a directory of root's"
    )]
    WrongOwner {
        /// Owner of the file.
        owner: u32,
    },
    /// The system refused otherwise.
    #[error("the segment cannot be read: {0}")]
    Io(#[source] io::Error),
}

/// Why a segment could not be sampled, or its events read.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Somebody cut the file off; it will not recover.
    #[error("the segment was truncated; nothing more can be read from it")]
    Truncated,
    /// The file contradicts itself.
    #[error("not a valid hakmem segment: its {what} is impossible")]
    Malformed {
        /// The field that is wrong.
        what: &'static str,
    },
    /// It takes more than the caller allows.
    #[error("the segment takes more {what} than the reader may spend on it")]
    TooMuch {
        /// What it takes too much of: `memory` or `time`.
        what: &'static str,
    },
    /// The system refused.
    #[error("the segment cannot be read: {0}")]
    Io(#[source] io::Error),
}
