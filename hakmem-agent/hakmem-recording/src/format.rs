//! The headers' bytes, in the layout that the crate's documentation specifies.

/// Version of the format that this crate writes, and the newest it reads.
pub const VERSION: u32 = 1;

pub(crate) const MAGIC: [u8; 8] = *b"\x89HAKREC\n";
/// The sync marker in front of every block. Its first and last bytes make sure that it is neither
/// ASCII nor UTF-8 text, nor zstd's magic.
pub(crate) const SYNC: [u8; 8] = *b"\xf5hk\x1ablk\x9e";
pub(crate) const FILE_HEADER_BYTES: usize = 16;
pub(crate) const BLOCK_HEADER_BYTES: usize = 28;
/// Bit of the flags: a key frame begins with this block.
pub(crate) const FLAG_KEY: u32 = 1;
/// Maximum length of a decompressed payload.
pub(crate) const RAW_BYTES_MAX: usize = 8 << 20;
/// Maximum length of a payload: incompressible data becomes a little longer.
pub(crate) const PAYLOAD_BYTES_MAX: usize = RAW_BYTES_MAX + (64 << 10);

/// The header of a file of this version.
pub(crate) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = [0; FILE_HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The result of parsing the first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileHeader {
    /// A recording of a version that this crate reads.
    Good,
    /// A recording whose header was changed.
    Damaged,
    /// A recording of a newer version.
    Newer(u32),
    /// Not a recording.
    Foreign,
}

pub(crate) fn parse_file_header(bytes: &[u8]) -> FileHeader {
    if !bytes.starts_with(&MAGIC) {
        return FileHeader::Foreign;
    }
    let (Some(version), Some(checksum)) = (word(bytes, 8), word(bytes, 12)) else {
        return FileHeader::Damaged;
    };
    if crc32fast::hash(&bytes[..12]) != checksum {
        return FileHeader::Damaged;
    }
    if version > VERSION { FileHeader::Newer(version) } else { FileHeader::Good }
}

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) number: u32,
    pub(crate) flags: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) checksum: u32,
}

impl BlockHeader {
    /// A header for `payload`, including the checksum.
    pub(crate) fn new(number: u32, flags: u32, raw_bytes: usize, payload: &[u8]) -> Self {
        let length = |bytes: usize| u32::try_from(bytes).expect("blocks are bounded");
        let (payload_bytes, raw_bytes) = (length(payload.len()), length(raw_bytes));
        let header = Self { number, flags, payload_bytes, raw_bytes, checksum: 0 };
        Self { checksum: header.checksum_of(payload), ..header }
    }

    pub(crate) fn bytes(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SYNC);
        bytes[8..24].copy_from_slice(&self.checked_bytes());
        bytes[24..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// `None` if `bytes` is not a block header, or announces more than any writer writes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&SYNC) {
            return None;
        }
        let header = Self {
            number: word(bytes, 8)?,
            flags: word(bytes, 12)?,
            payload_bytes: word(bytes, 16)?,
            raw_bytes: word(bytes, 20)?,
            checksum: word(bytes, 24)?,
        };
        let is_bounded = header.payload_bytes as usize <= PAYLOAD_BYTES_MAX
            && header.raw_bytes as usize <= RAW_BYTES_MAX;
        is_bounded.then_some(header)
    }

    pub(crate) fn checksum_of(&self, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.checked_bytes());
        hasher.update(payload);
        hasher.finalize()
    }

    fn checked_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let words = [self.number, self.flags, self.payload_bytes, self.raw_bytes];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_as_the_documentation_says() {
        let mut expected = b"\x89HAKREC\n\x01\0\0\0".to_vec();
        expected.extend(crc32fast::hash(&expected).to_le_bytes());
        assert_eq!(file_header().as_slice(), expected);
    }

    #[test]
    fn a_block_begins_as_the_documentation_says() {
        let header = BlockHeader::new(5, FLAG_KEY, 0x1234, b"payload");
        let mut expected = b"\xf5\x68\x6b\x1a\x62\x6c\x6b\x9e".to_vec();
        expected.extend(b"\x05\0\0\0\x01\0\0\0\x07\0\0\0\x34\x12\0\0");
        let checked = [&expected[8..], b"payload"].concat();
        expected.extend(crc32fast::hash(&checked).to_le_bytes());
        assert_eq!(header.bytes().as_slice(), expected);
        assert_eq!(BlockHeader::parse(&expected), Some(header));
    }

    #[test]
    fn a_block_that_announces_more_than_any_writer_writes_is_none() {
        let check = |payload_bytes: usize, raw_bytes: usize, expected: bool| {
            let header = BlockHeader {
                payload_bytes: payload_bytes as u32,
                raw_bytes: raw_bytes as u32,
                ..BlockHeader::new(0, 0, 0, b"")
            };
            let parsed = BlockHeader::parse(&header.bytes());
            assert_eq!(parsed.is_some(), expected, "{payload_bytes} {raw_bytes}");
        };
        const RAW: usize = 8 << 20;
        check(RAW, RAW, true);
        check(PAYLOAD_BYTES_MAX, RAW, true);
        check(PAYLOAD_BYTES_MAX + 1, RAW, false);
        check(1, RAW + 1, false);
        check(u32::MAX as usize, u32::MAX as usize, false);
        // zstd adds 3 bytes to each of its blocks of 128 KiB that it cannot compress, and a header.
        const { assert!(PAYLOAD_BYTES_MAX >= RAW + 3 * RAW.div_ceil(128 << 10) + 18) };
        // A reader allocates what a block announces.
        const { assert!(PAYLOAD_BYTES_MAX <= RAW + RAW / 64) };
    }
}
