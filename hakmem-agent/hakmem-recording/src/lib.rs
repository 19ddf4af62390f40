//! Recordings: files of telemetry, written while it happens and readable after any crash.
//!
//! [`RecordingWriter`] writes one, [`Recording`] reads it. The agent's history in memory consists
//! of the same compressed pieces ([`block`]); the changes in them have the form that
//! [`hakmem_proto::delta`] gives them.
//!
//! # Layers, bottom to top
//!
//! - `format`, [`window`], [`machine`]: headers of files and blocks, spans of time, this computer;
//!   no file is known
//! - `source`: bytes of a file by their place
//! - [`mod@weight`]: the memory of an entry before it is decoded
//! - [`block`], `scan`: one block, and the search for intact ones; what entries mean is not known
//! - [`writer`]: writes files
//! - [`replay`]: whole processes from entries; it knows no file
//! - [`series`]: the samples of each process
//! - [`reader`]: reads files
//! - `fuzz`: the bodies of the fuzz targets
//! - `sample`: synthetic entries for tests
//!
//! # The format, version 1
//!
//! All numbers are little-endian. A file (`.hakrec`) is a header and blocks, with nothing between
//! them. The header is 16 bytes:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic, `89 48 41 4b 52 45 43 0a` (`\x89HAKREC\n`) |
//! | 8 | 4 | version of the format; a reader refuses newer ones |
//! | 12 | 4 | CRC-32 of the 12 bytes before |
//!
//! A block is a header of 28 bytes and its payload:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | sync marker, `f5 68 6b 1a 62 6c 6b 9e` |
//! | 8 | 4 | number of the block, from 0 |
//! | 12 | 4 | flags: bit 0, a key frame begins with this block; readers ignore others |
//! | 16 | 4 | bytes of the payload |
//! | 20 | 4 | bytes of the payload once it is decompressed, at most 8 MiB |
//! | 24 | 4 | CRC-32 of bytes 8 to 23 and the payload |
//! | 28 | … | payload, one zstd frame |
//!
//! CRC-32 is that of IEEE 802.3, as in zip and gzip. A decompressed payload is a sequence of
//! `hakmem.v1.RecordingEntry` messages, each after its length as a varint.
//!
//! An update of processes holds changes, as `WatchProcesses` sends them: a process with `identity`
//! is whole; without it, only the entries that differ from the last update are present. One moment
//! may come in several messages, of which the last has `complete`. A process that an update does
//! not mention did not change. A *key frame* is the entry `start` again, followed by an update with
//! every known process whole; writers make one a minute. Writers write a block at least once a
//! second, in one piece.
//!
//! # How readers handle damage
//!
//! A block is damaged if it is cut off, has another checksum, or does not decompress and decode to
//! exactly the content that its header announces. Readers report the bytes up to the next intact
//! block, found by its sync marker, and go on there. The changes in the gap are unknown, so readers
//! forget every process and ignore updates of it until they see it whole again, in the next key
//! frame: they lose at most a minute, and never show a mixture of before and after.
//!
//! A killed writer leaves at most a last block that is cut off; a file whose writer ended normally
//! ends with the entry `end`.
//!
//! Every length is checked against a bound before memory is allocated for it, and [`mod@weight`]
//! bounds the memory of an entry before it is decoded: a file may come from anyone.

#![forbid(unsafe_code)]

pub mod block;
mod format;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod machine;
pub mod reader;
pub mod replay;
mod scan;
pub mod series;
mod source;
pub mod weight;
pub mod window;
pub mod writer;

pub use format::VERSION;
pub use reader::{OpenError, Recording, Summary};
pub use scan::{Damage, DamageKind};
pub use series::RecordedSeries;
pub use window::Window;
pub use writer::{RecordingWriter, WriteError};

/// The suffix of recordings' file names.
pub const FILE_SUFFIX: &str = ".hakrec";

#[cfg(test)]
mod sample;
