//! Errors of reading a segment: one variant for each thing that the caller can do about it.

use std::io;

use hakmem_segment::LAYOUT_MAJOR;

/// Why a file could not be opened as a segment.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The writer is still making it: try again in a moment.
    #[error("the segment is still being created; try again in a moment")]
    NotReady,
    /// Not a segment: leave it alone.
    #[error("not a hakmem segment: {reason}")]
    NotASegment {
        /// How the file shows it.
        reason: &'static str,
    },
    /// A segment whose header contradicts itself: leave it alone.
    #[error("not a valid hakmem segment: its {what} is impossible")]
    Malformed {
        /// The field that is wrong.
        what: &'static str,
    },
    /// A version of hakmem with another layout wrote it: read it with that version.
    #[error(
        "segment layout {major} is not known to this version, which reads layout {LAYOUT_MAJOR}; \
         use the same version for program and reader"
    )]
    UnknownVersion {
        /// Major version of the segment's layout.
        major: u16,
    },
    /// The file does not exist, or no longer.
    #[error("the segment is gone")]
    Gone,
    /// The file belongs to another user, who does not let the reader open it.
    #[error("no permission to read the segment; run as its owner or as root")]
    Denied,
    /// The directory does not hold segments of the file's owner: leave the file alone.
    #[error(
        "it belongs to user {owner}, but its directory to another user; programs of several users \
         can share only a directory that root owns"
    )]
    WrongOwner {
        /// Owner of the file.
        owner: u32,
    },
    /// The system refused for another reason.
    #[error("the segment cannot be read: {0}")]
    Io(#[source] io::Error),
}

/// Why a segment could not be sampled, or its events read.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The file was truncated; it will not recover.
    #[error("the segment was truncated; nothing more can be read from it")]
    Truncated,
    /// The file contradicts itself.
    #[error("not a valid hakmem segment: its {what} is impossible")]
    Malformed {
        /// The field that is wrong.
        what: &'static str,
    },
    /// The sample costs more than the caller allows.
    #[error("the segment takes more {what} than the reader may spend on it")]
    TooMuch {
        /// The resource that it exceeds: `memory` or `time`.
        what: &'static str,
    },
    /// The system refused.
    #[error("the segment cannot be read: {0}")]
    Io(#[source] io::Error),
}
