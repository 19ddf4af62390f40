//! The identity of a process: the part of the header that never changes, and the labels, which the
//! program may set at any time.

use std::collections::BTreeMap;
use std::mem::offset_of;

use hakmem_segment::header::{COMMAND_NAME_BYTES, HEADER_BYTES, SLOTS_MAX};
use hakmem_segment::slot::SLOT_BYTES;
use hakmem_segment::{
    BIN_LARGE, BIN_NONE, BINS, BinInfo, Check, Class, LAYOUT_MAJOR, LAYOUT_MINOR, MAGIC, Outcome,
    Push, READY, Routing, SegmentHeader,
};

use crate::error::OpenError;
use crate::fields::Fields;
use crate::text::{CleanText, clean_bytes, clean_padded, clean_text, hex};

/// The writer of a segment. All fields but [`Identity::owner_user_id`] are the writer's own claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Process id in its own pid namespace.
    pub pid: u32,
    /// Process id of the parent.
    pub parent_pid: u32,
    /// Real user id that the process claims.
    pub user_id: u32,
    /// Owner of the file, according to the system.
    pub owner_user_id: u32,
    /// Start of the process: clock ticks since boot.
    pub start_time_ticks: u64,
    /// When the segment was made: nanoseconds since 1970.
    pub created_unix_ns: u64,
    /// `CLOCK_MONOTONIC` at the same moment, in nanoseconds.
    pub created_monotonic_ns: u64,
    /// Random number that the writer drew.
    pub nonce: u64,
    /// Inode of the pid namespace, 0 if unknown.
    pub pid_namespace: u64,
    /// Boot id of the kernel.
    pub boot_id: [u8; 16],
    /// Path of the executable.
    pub executable: CleanText,
    /// The name by which people know the program: the kernel's, or the last part of the first
    /// argument. Empty in layouts before 2.4.
    pub command_name: CleanText,
    /// Arguments, truncated by the writer.
    pub arguments: Vec<CleanText>,
    /// `HAKMEM_LABELS`, and what the program set itself; entries without `=` are left out.
    pub labels: BTreeMap<CleanText, CleanText>,
    /// GNU build-id of the executable in hex, empty if it has none.
    pub build_id: String,
    /// Version of the hakmem package in the process.
    pub package_version: CleanText,
    /// How `free` determines a block's class.
    pub routing: Routing,
    /// Which frees are checked.
    pub check: Check,
    /// How a block gets onto a thread's list; matters where blocks have headers.
    pub push: Push,
    /// Most bytes of blocks that a thread's list of one bin may hold; 0 if unknown.
    pub list_bytes_max: u32,
    /// Whether the process came from a fork without `exec`.
    pub forked: bool,
    /// Locks that other threads of the parent held when the process was forked; 0 if the writer is
    /// older than layout 2.3.
    pub fork_doubts: u32,
    /// Bytes that were free when the process was forked and are lost to it, mostly blocks on the
    /// lists of threads that it does not have; 0 if the writer is older than layout 2.3.
    pub fork_abandoned_bytes: u64,
    /// The meaning of the bins.
    pub bins: BinTable,
    /// Major and minor version of the layout.
    pub layout: (u16, u16),
}

impl Identity {
    /// The key of the process: pid, start time and nonce, as in the name of its file.
    pub fn key(&self) -> String {
        format!("{}-{}-{:016x}", self.pid, self.start_time_ticks, self.nonce)
    }

    /// The last part of the executable's path.
    pub fn executable_name(&self) -> &str {
        self.executable.rsplit('/').next().unwrap_or_default()
    }

    /// The name to show for the program: the one by which people know it, or else its executable's.
    pub fn name(&self) -> &str {
        if self.command_name.is_empty() { self.executable_name() } else { &self.command_name }
    }

    /// Converts the monotonic time of an event to nanoseconds since 1970.
    pub fn unix_ns(&self, monotonic_ns: u64) -> u64 {
        let since = i128::from(monotonic_ns) - i128::from(self.created_monotonic_ns);
        let at = i128::from(self.created_unix_ns) + since;
        at.clamp(0, i128::from(u64::MAX)) as u64
    }

    /// How a block gets onto a thread's list, if the routing leaves a choice.
    pub fn effective_push(&self) -> Option<Push> {
        let has_choice = !matches!(self.routing, Routing::Direct | Routing::E3);
        has_choice.then_some(self.push)
    }

    /// Boot id in hex.
    pub fn boot_id_hex(&self) -> String {
        hex(&self.boot_id)
    }
}

/// The meaning of each bin; its classes and outcomes are known to be valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinTable {
    bins: [BinInfo; BINS],
}

impl BinTable {
    /// All bins as the writer described them.
    pub fn all(&self) -> &[BinInfo; BINS] {
        &self.bins
    }

    /// Distance of two blocks of `bin` in bytes; 0 for large and for unused bins.
    pub fn stride_bytes(&self, bin: usize) -> u32 {
        if bin == BIN_LARGE { 0 } else { self.bins[bin].stride_bytes }
    }

    /// Whether the routing uses `bin`. [`BIN_LARGE`] and [`BIN_NONE`] are always used.
    pub fn is_used(&self, bin: usize) -> bool {
        bin == BIN_NONE || bin == BIN_LARGE || self.bins[bin].stride_bytes != 0
    }

    /// The class of `bin`.
    pub fn class(&self, bin: usize) -> Class {
        match bin {
            BIN_NONE => Class::None,
            BIN_LARGE => Class::Large,
            _ if !self.is_used(bin) => Class::None,
            _ => Class::from_number(self.bins[bin].class).unwrap_or(Class::None),
        }
    }

    /// The outcome that fast frees without a size count as.
    pub fn fast_outcome(&self, bin: usize) -> Outcome {
        Outcome::from_number(self.bins[bin].fast_outcome).unwrap_or(Outcome::Map)
    }

    fn decode(header: Fields<'_>) -> Result<Self, OpenError> {
        let mut bins = [BinInfo::default(); BINS];
        for (index, bin) in bins.iter_mut().enumerate() {
            let at = offset_of!(SegmentHeader, bins) + index * size_of::<BinInfo>();
            let fields = header.from(at);
            *bin = BinInfo {
                stride_bytes: fields.u32(offset_of!(BinInfo, stride_bytes)),
                class: fields.u8(offset_of!(BinInfo, class)),
                fast_outcome: fields.u8(offset_of!(BinInfo, fast_outcome)),
                header_bytes: fields.u8(offset_of!(BinInfo, header_bytes)),
                reserved: 0,
            };
            if bin.stride_bytes > 0 && Class::from_number(bin.class).is_none() {
                return Err(OpenError::Malformed { what: "class of a bin" });
            }
            if bin.stride_bytes > 0 && Outcome::from_number(bin.fast_outcome).is_none() {
                return Err(OpenError::Malformed { what: "fast outcome of a bin" });
            }
        }
        Ok(Self { bins })
    }
}

/// The layout of the slots in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    header_bytes: u64,
    slot_bytes: u64,
    slots_max: u32,
}

impl Geometry {
    /// A later minor version may have a larger header, within this bound.
    const HEADER_BYTES_MAX: u32 = 1 << 20;
    /// A later minor version may have larger slots, within this bound.
    const SLOT_BYTES_MAX: u32 = 1 << 20;
    /// The page sizes of machines, in bytes.
    const PAGES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];

    /// Offset of slot `index`, which is below [`Geometry::slots_max`].
    pub(crate) fn slot_offset(self, index: u32) -> u64 {
        self.header_bytes + u64::from(index) * self.slot_bytes
    }

    pub(crate) fn slots_max(self) -> u32 {
        self.slots_max
    }

    /// Checks the sizes. Every minor version that this reader knows writes headers and slots of one
    /// size, in whole pages of the writer's machine, and no version has more slots.
    fn decode(header: Fields<'_>) -> Result<Self, OpenError> {
        let header_bytes = header.u32(offset_of!(SegmentHeader, header_bytes));
        let slot_bytes = header.u32(offset_of!(SegmentHeader, slot_bytes));
        let slots_max = header.u32(offset_of!(SegmentHeader, slots_max));
        let is_later = header.u16(offset_of!(SegmentHeader, layout_minor)) > LAYOUT_MINOR;
        let fits = |bytes: u32, own: usize, most: u32| match is_later {
            true => (own as u32..=most).contains(&bytes) && bytes.is_multiple_of(4096),
            false => Self::PAGES.iter().any(|&page| own.next_multiple_of(page) == bytes as usize),
        };
        if !fits(header_bytes, HEADER_BYTES, Self::HEADER_BYTES_MAX) {
            return Err(OpenError::Malformed { what: "size of the header" });
        }
        if !fits(slot_bytes, SLOT_BYTES, Self::SLOT_BYTES_MAX) {
            return Err(OpenError::Malformed { what: "size of a slot" });
        }
        if !(1..=SLOTS_MAX as u32).contains(&slots_max) {
            return Err(OpenError::Malformed { what: "number of slots" });
        }
        let (header_bytes, slot_bytes) = (u64::from(header_bytes), u64::from(slot_bytes));
        Ok(Self { header_bytes, slot_bytes, slots_max })
    }
}

/// Checks the fields up to `ready`, after which the rest may be read.
pub(crate) fn check_ready(start: Fields<'_>) -> Result<(), OpenError> {
    let magic = start.bytes(offset_of!(SegmentHeader, magic), MAGIC.len());
    let ready = start.u64(offset_of!(SegmentHeader, ready));
    if ready == 0 && magic.iter().all(|&byte| byte == 0) {
        return Err(OpenError::NotReady);
    }
    if magic != MAGIC {
        return Err(OpenError::NotASegment { reason: "its first bytes are not a segment's" });
    }
    if ready == 0 {
        return Err(OpenError::NotReady);
    }
    let major = start.u16(offset_of!(SegmentHeader, layout_major));
    if major != LAYOUT_MAJOR {
        return Err(OpenError::UnknownVersion { major });
    }
    if ready != READY {
        return Err(OpenError::Malformed { what: "ready word" });
    }
    Ok(())
}

/// Decodes a complete header that [`check_ready`] has accepted.
pub(crate) fn decode(
    header: Fields<'_>,
    owner_user_id: u32,
) -> Result<(Identity, Geometry), OpenError> {
    check_ready(header)?;
    let text = |length_at: usize, at: usize, room: usize, what| {
        let length = header.u32(length_at) as usize;
        if length > room {
            Err(OpenError::Malformed { what })
        } else {
            Ok(header.bytes(at, length))
        }
    };
    macro_rules! text {
        ($length:ident, $field:ident, $room:literal) => {
            text(
                offset_of!(SegmentHeader, $length),
                offset_of!(SegmentHeader, $field),
                $room,
                concat!("length of ", stringify!($field)),
            )?
        };
    }
    let routing = Routing::from_number(header.u8(offset_of!(SegmentHeader, routing)))
        .ok_or(OpenError::Malformed { what: "routing" })?;
    let check = Check::from_number(header.u8(offset_of!(SegmentHeader, check)))
        .ok_or(OpenError::Malformed { what: "check" })?;
    let push = Push::from_number(header.u8(offset_of!(SegmentHeader, push)))
        .ok_or(OpenError::Malformed { what: "push" })?;
    let mut boot_id = [0; 16];
    boot_id.copy_from_slice(header.bytes(offset_of!(SegmentHeader, boot_id), 16));
    let identity = Identity {
        pid: header.u32(offset_of!(SegmentHeader, pid)),
        parent_pid: header.u32(offset_of!(SegmentHeader, parent_pid)),
        user_id: header.u32(offset_of!(SegmentHeader, user_id)),
        owner_user_id,
        start_time_ticks: header.u64(offset_of!(SegmentHeader, start_time_ticks)),
        created_unix_ns: header.u64(offset_of!(SegmentHeader, created_unix_ns)),
        created_monotonic_ns: header.u64(offset_of!(SegmentHeader, created_monotonic_ns)),
        nonce: header.u64(offset_of!(SegmentHeader, nonce)),
        pid_namespace: header.u64(offset_of!(SegmentHeader, pid_namespace)),
        boot_id,
        executable: clean_bytes(text!(executable_bytes, executable, 512)),
        command_name: clean_padded(
            header.bytes(offset_of!(SegmentHeader, command_name), COMMAND_NAME_BYTES),
        ),
        arguments: arguments(text!(command_line_bytes, command_line, 1024)),
        labels: labels(text!(labels_bytes, labels, 512)),
        build_id: hex(text!(build_id_bytes, build_id, 32)),
        package_version: clean_padded(header.bytes(offset_of!(SegmentHeader, package_version), 16)),
        routing,
        check,
        push,
        list_bytes_max: header.u32(offset_of!(SegmentHeader, list_bytes_max)),
        forked: header.u8(offset_of!(SegmentHeader, forked)) != 0,
        fork_doubts: header.u32(offset_of!(SegmentHeader, fork_doubts)),
        fork_abandoned_bytes: header.u64(offset_of!(SegmentHeader, fork_abandoned_bytes)),
        bins: BinTable::decode(header)?,
        layout: (
            header.u16(offset_of!(SegmentHeader, layout_major)),
            header.u16(offset_of!(SegmentHeader, layout_minor)),
        ),
    };
    Ok((identity, Geometry::decode(header)?))
}

fn arguments(bytes: &[u8]) -> Vec<CleanText> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        Vec::new()
    } else {
        bytes.split(|&byte| byte == 0).map(clean_bytes).collect()
    }
}

/// The place of the labels in the header, with their length before them.
#[derive(Debug)]
pub(crate) struct LabelsField;

impl LabelsField {
    /// Offsets of the length and of the text, and the room for the text.
    const LENGTH: usize = offset_of!(SegmentHeader, labels_bytes);
    const TEXT: usize = offset_of!(SegmentHeader, labels);
    const ROOM: usize = 512;
    /// Bytes from the length to the end of the text.
    pub(crate) const BYTES: usize = Self::TEXT + Self::ROOM - Self::LENGTH;
    /// Offset of the length in the header.
    pub(crate) const START: u64 = Self::LENGTH as u64;

    /// Decodes labels from the bytes between [`Self::START`] and the end of the text; `None` if
    /// their length exceeds the room.
    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Option<BTreeMap<CleanText, CleanText>> {
        let fields = Fields(bytes);
        let length = fields.u32(0) as usize;
        let fits = length <= Self::ROOM;
        fits.then(|| labels(fields.bytes(Self::TEXT - Self::LENGTH, length)))
    }
}

fn labels(bytes: &[u8]) -> BTreeMap<CleanText, CleanText> {
    let text = clean_bytes(bytes);
    let pairs = text.split(',').filter_map(|entry| entry.split_once('='));
    let named = pairs.map(|(key, value)| (key.trim(), value.trim()));
    named.filter(|(key, _)| !key.is_empty()).map(|(k, v)| (clean_text(k), clean_text(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Segment;
    use crate::fixture::{FixtureProcess, SegmentWriter, bin_of};

    #[test]
    fn labels_and_arguments_are_taken_apart() {
        let check = |input: &str, expected: &[(&str, &str)]| {
            let expected = expected.iter().map(|&(k, v)| (clean_text(k), clean_text(v))).collect();
            assert_eq!(labels(input.as_bytes()), expected, "{input}");
        };
        check("", &[]);
        check("service=x,version=y", &[("service", "x"), ("version", "y")]);
        check("a=b=c, d = e ,junk,=f", &[("a", "b=c"), ("d", "e")]);
        assert_eq!(arguments(b"ls\0-l\0\0x\0"), ["ls", "-l", "", "x"]);
        assert_eq!(arguments(b""), [""; 0]);
        assert_eq!(arguments(b"cut\0sho"), ["cut", "sho"]);
    }

    /// The identity that a reader finds in the segment of `process`.
    fn read(process: &FixtureProcess) -> Identity {
        let directory = tempfile::tempdir().unwrap();
        let writer = SegmentWriter::create(directory.path(), process);
        let segment = Segment::open(writer.path()).unwrap();
        let name = writer.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(format!("{}.hakmem", segment.identity().key()), name);
        segment.identity().clone()
    }

    #[test]
    fn a_process_is_called_what_people_call_it() {
        let named = |executable: &str, command_name: &str| {
            let command_name = command_name.to_owned();
            let identity =
                read(&FixtureProcess { command_name, ..FixtureProcess::new(executable) });
            [identity.executable_name().to_owned(), identity.name().to_owned()]
        };
        assert_eq!(named("/usr/bin/python3.11", "serve.py"), ["python3.11", "serve.py"]);
        assert_eq!(named("/usr/bin/python3.11", ""), ["python3.11", "python3.11"]);
        assert_eq!(named("relative", ""), ["relative", "relative"]);
    }

    #[test]
    fn a_text_that_fills_its_room_is_read_whole() {
        let executable = "x".repeat(512);
        let labels = format!("service={}", "y".repeat(512 - "service=".len()));
        let full = FixtureProcess { labels, ..FixtureProcess::new(&executable) };
        let identity = read(&full);
        assert_eq!(identity.executable.as_str(), executable);
        assert_eq!(identity.labels["service"].as_str().len(), 504);
    }

    #[test]
    fn the_time_of_an_event_follows_from_when_the_segment_was_made() {
        let identity = read(&FixtureProcess {
            created_unix_ns: 5_000,
            created_monotonic_ns: 300,
            boot_id: [0x0f; 16],
            ..FixtureProcess::new("/bin/a")
        });
        assert_eq!([300, 310, 290].map(|at| identity.unix_ns(at)), [5_000, 5_010, 4_990]);
        assert_eq!(identity.unix_ns(u64::MAX), u64::MAX);
        assert_eq!(Identity { created_unix_ns: 10, ..identity.clone() }.unix_ns(0), 0);
        assert_eq!(identity.boot_id_hex(), "0f".repeat(16));
        assert_eq!(identity.build_id, "abcdef");
    }

    #[test]
    fn only_routings_with_two_forms_of_push_have_one() {
        let push = |routing| {
            read(&FixtureProcess { routing, push: Push::Boxed, ..FixtureProcess::new("/bin/a") })
                .effective_push()
        };
        assert_eq!([Routing::Direct, Routing::E3].map(push), [None, None]);
        let with_choice = [Routing::Registry, Routing::Exclude, Routing::Uniform, Routing::Hybrid];
        assert_eq!(with_choice.map(push), [Some(Push::Boxed); 4]);
    }

    #[test]
    fn a_bin_means_what_the_writer_says_if_the_routing_uses_it() {
        let bins = read(&FixtureProcess::new("/bin/a")).bins;
        for (bin, info) in bins.all().iter().enumerate().filter(|(bin, _)| *bin != BIN_LARGE) {
            assert_eq!(info.stride_bytes, bins.stride_bytes(bin));
        }
        let (tiny, mid, unused) = (bin_of(Class::C2), bin_of(Class::Mid), 40);
        let found = [BIN_NONE, tiny, mid, unused, BIN_LARGE]
            .map(|bin| (bins.is_used(bin), bins.class(bin), bins.stride_bytes(bin)));
        let expected = [
            (true, Class::None, 0),
            (true, Class::C2, 32),
            (true, Class::Mid, 4096),
            (false, Class::None, 0),
            (true, Class::Large, 0),
        ];
        assert_eq!(found, expected);
        assert_eq!([tiny, mid].map(|bin| bins.fast_outcome(bin)), [Outcome::Map, Outcome::Mid]);
    }
}
