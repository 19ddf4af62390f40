//! Writes synthetic live segments, for tests of readers.
//!
//! It follows the allocator's protocol, sequence and lock included, but counts what the test asks
//! for instead of allocating. All of its functions panic if the file cannot be written: tests have
//! no better answer.

mod slot;

use std::fs::{File, OpenOptions};
use std::mem::offset_of;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hakmem_segment::header::{HEADER_BYTES, SLOTS_MAX};
use hakmem_segment::slot::SLOT_BYTES;
use hakmem_segment::{
    BIN_LARGE, BIN_NONE, BINS, BinInfo, Check, Class, LAYOUT_MAJOR, LAYOUT_MINOR, MAGIC, Outcome,
    Push, READY, Routing, SegmentHeader, State,
};
use rustix::fs::{FlockOperation, flock};

use crate::liveness::Host;
use crate::proc_stat::ProcStat;
use crate::segment_name::SegmentName;
pub use slot::{NewEvent, SlotWriter};

/// The process that a segment claims to belong to. Tests change the fields that matter to them.
#[derive(Clone, Debug)]
pub struct FixtureProcess {
    /// Process id; the default is one that no process can have.
    pub pid: u32,
    /// Process id of the parent.
    pub parent_pid: u32,
    /// Real user id.
    pub user_id: u32,
    /// Start of the process in clock ticks since boot.
    pub start_time_ticks: u64,
    /// Random number that differs from writer to writer.
    pub nonce: u64,
    /// Inode of the pid namespace.
    pub pid_namespace: u64,
    /// Boot id.
    pub boot_id: [u8; 16],
    /// When the segment was made, by `CLOCK_REALTIME` in nanoseconds.
    pub created_unix_ns: u64,
    /// When the segment was made, by `CLOCK_MONOTONIC` in nanoseconds.
    pub created_monotonic_ns: u64,
    /// Path of the executable.
    pub executable: String,
    /// The name by which people know the program, at most 64 bytes.
    pub command_name: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// `HAKMEM_LABELS`.
    pub labels: String,
    /// Build-id, at most 32 bytes.
    pub build_id: Vec<u8>,
    /// Version of the package.
    pub package_version: String,
    /// Routing.
    pub routing: Routing,
    /// Which frees are checked.
    pub check: Check,
    /// How a block gets onto a thread's list.
    pub push: Push,
    /// Whether the process came from a fork.
    pub forked: bool,
    /// The meaning of the bins.
    pub bins: [BinInfo; BINS],
}

impl FixtureProcess {
    /// A process that runs `executable` and differs from all others.
    pub fn new(executable: &str) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        let count = MADE.fetch_add(1, Ordering::Relaxed);
        let unix_ns = unix_ns();
        Self {
            // Above the kernel's largest process id.
            pid: (1 << 22) + 1 + count as u32,
            parent_pid: 1,
            user_id: rustix::process::getuid().as_raw(),
            start_time_ticks: 1000 + count,
            nonce: unix_ns ^ (u64::from(std::process::id()) << 32) ^ count.rotate_right(8),
            pid_namespace: 0,
            boot_id: [0xb0; 16],
            created_unix_ns: unix_ns,
            created_monotonic_ns: 1_000_000_000 * count,
            executable: executable.to_owned(),
            command_name: executable.rsplit('/').next().unwrap_or_default().to_owned(),
            arguments: vec![executable.to_owned()],
            labels: String::new(),
            build_id: vec![0xab, 0xcd, 0xef],
            package_version: env!("CARGO_PKG_VERSION").to_owned(),
            routing: Routing::Direct,
            check: Check::Sample,
            push: Push::Direct,
            forked: false,
            bins: bins(),
        }
    }

    /// This description, with the identity of the process `pid`, which lives in the caller's pid
    /// namespace.
    pub fn of_process(self, pid: u32) -> Self {
        let start_time_ticks = ProcStat::of(pid).expect("the process lives").start_time_ticks;
        let (boot_id, pid_namespace) = Host::current().place().expect("/proc is mounted");
        Self { pid, start_time_ticks, boot_id, pid_namespace, ..self }
    }
}

/// One bin for each tiny class, at its largest size, and one for `mid`; see [`bin_of`].
pub fn bins() -> [BinInfo; BINS] {
    let mut bins = [BinInfo::default(); BINS];
    for &class in Class::ALL {
        let (stride_bytes, fast_outcome) = match class {
            Class::None => (0, Outcome::Foreign),
            Class::Large => (0, Outcome::Large),
            Class::Mid => (4096, Outcome::Mid),
            tiny => (8 << tiny as u32, Outcome::Map),
        };
        bins[bin_of(class)] = BinInfo {
            stride_bytes,
            class: class as u8,
            fast_outcome: fast_outcome as u8,
            header_bytes: 0,
            reserved: 0,
        };
    }
    bins
}

/// The bin of a class in [`bins`].
pub const fn bin_of(class: Class) -> usize {
    match class {
        Class::None => BIN_NONE,
        Class::Large => BIN_LARGE,
        _ => 1 + class as usize,
    }
}

/// The numbers of the header that change while a process runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessNumbers {
    /// Number of living threads without a slot.
    pub threads_unpublished: u32,
    /// Number of threads that ever ran without a slot.
    pub threads_unpublished_total: u64,
    /// Bytes of address space reserved for slabs.
    pub arena_reserved_bytes: u64,
    /// The bytes of it made usable.
    pub arena_committed_bytes: u64,
    /// Bytes of slabs in use.
    pub slab_bytes: u64,
    /// Bytes of empty slabs kept for reuse.
    pub slab_cached_bytes: u64,
    /// Bytes of slabs returned to the system.
    pub slab_returned_bytes_total: u64,
    /// Bytes of large spans in use.
    pub large_bytes: u64,
    /// Bytes of freed large spans kept for reuse.
    pub large_cached_bytes: u64,
    /// Bytes of large spans live at the fork.
    pub inherited_large_bytes: u64,
    /// How often the system refused to unmap.
    pub unmaps_refused_total: u64,
    /// How often the system refused to purge memory.
    pub purges_refused_total: u64,
    /// How often the system refused advice.
    pub advice_refused_total: u64,
    /// Bytes of address space of freed large spans kept for reuse.
    pub large_purged_bytes: u64,
    /// Number of namespaces that the program made.
    pub namespaces_total: u64,
}

/// A live segment. Dropping it releases the lock, as a crash does.
#[derive(Debug)]
pub struct SegmentWriter {
    file: File,
    path: PathBuf,
    slots: Vec<SlotWriter>,
    labels_sequence: u64,
}

impl SegmentWriter {
    /// Makes the segment of `process` in `directory`: ready, and with slot 0, the process's own.
    pub fn create(directory: &Path, process: &FixtureProcess) -> Self {
        let mut writer = Self::create_unready(directory, process);
        writer.take_slot(0, "");
        writer.make_ready();
        writer
    }

    /// [`SegmentWriter::create`] without slots, and not yet ready.
    pub fn create_unready(directory: &Path, process: &FixtureProcess) -> Self {
        let name = SegmentName {
            pid: process.pid,
            start_time_ticks: process.start_time_ticks,
            nonce: process.nonce,
        };
        let path = directory.join(name.file_name());
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.expect("a segment can be made in the directory");
        flock(&file, FlockOperation::NonBlockingLockExclusive).expect("a new file is not locked");
        file.set_len(HEADER_BYTES as u64).expect("the file can grow");
        let writer = Self { file, path, slots: Vec::new(), labels_sequence: 0 };
        writer.write_identity(process);
        writer
    }

    /// Stores the ready word.
    pub fn make_ready(&self) {
        self.store(offset_of!(SegmentHeader, ready), &READY.to_le_bytes());
    }

    /// Path of the segment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has the thread `thread_id` take a new slot; returns the slot's index.
    pub fn take_slot(&mut self, thread_id: u32, name: &str) -> usize {
        let index = self.slots.len();
        assert!(index < SLOTS_MAX, "a segment has no more slots");
        let start = HEADER_BYTES + index * SLOT_BYTES;
        self.file.set_len((start + SLOT_BYTES) as u64).expect("the file can grow");
        let file = self.file.try_clone().expect("the descriptor can be duplicated");
        let mut slot = SlotWriter::new(file, start as u64);
        slot.take(thread_id, name);
        self.slots.push(slot);
        let used = self.slots.len() as u32;
        self.store(offset_of!(SegmentHeader, slots_used), &used.to_le_bytes());
        index
    }

    /// The slot `index`, to count in.
    pub fn slot(&mut self, index: usize) -> &mut SlotWriter {
        &mut self.slots[index]
    }

    /// Hands out a slot for counting from another thread. Its index stays taken.
    pub fn detach_slot(&mut self, index: usize) -> SlotWriter {
        let file = self.file.try_clone().expect("the descriptor can be duplicated");
        let empty = SlotWriter::new(file, (HEADER_BYTES + index * SLOT_BYTES) as u64);
        std::mem::replace(&mut self.slots[index], empty)
    }

    /// Stores the number of blocks of `bin` in the central store.
    pub fn set_central_blocks(&self, bin: usize, blocks: u64) {
        let at = offset_of!(SegmentHeader, central_blocks) + bin * 8;
        self.store(at, &blocks.to_le_bytes());
    }

    /// Stores the number of blocks of `bin` that the process inherited at its fork.
    pub fn set_inherited_blocks(&self, bin: usize, blocks: u64) {
        let at = offset_of!(SegmentHeader, inherited_blocks) + bin * 8;
        self.store(at, &blocks.to_le_bytes());
    }

    /// Replaces the labels as a program does that sets one: `text` is the text of all.
    pub fn set_labels(&mut self, text: &str) {
        self.begin_labels(text);
        self.labels_sequence += 1;
        self.store_labels_sequence();
    }

    /// Replaces the labels, as a program that is killed before it has finished.
    pub fn begin_labels(&mut self, text: &str) {
        self.labels_sequence |= 1;
        self.store_labels_sequence();
        let bytes = (text.len() as u32).to_le_bytes();
        self.store(offset_of!(SegmentHeader, labels_bytes), &bytes);
        self.store(offset_of!(SegmentHeader, labels), text.as_bytes());
    }

    fn store_labels_sequence(&self) {
        let at = offset_of!(SegmentHeader, labels_sequence);
        self.store(at, &self.labels_sequence.to_le_bytes());
    }

    /// Stores the numbers that belong to no thread.
    pub fn set_numbers(&self, numbers: &ProcessNumbers) {
        macro_rules! store {
            ($($field:ident)*) => {
                $(self.store(offset_of!(SegmentHeader, $field), &numbers.$field.to_le_bytes());)*
            };
        }
        store!(threads_unpublished threads_unpublished_total arena_reserved_bytes);
        store!(arena_committed_bytes slab_bytes slab_cached_bytes slab_returned_bytes_total);
        store!(large_bytes large_cached_bytes inherited_large_bytes large_purged_bytes);
        store!(unmaps_refused_total purges_refused_total advice_refused_total namespaces_total);
    }

    /// Ends the process normally: stores state and exit code, and releases the lock.
    pub fn exit(self, code: i32) {
        self.store(offset_of!(SegmentHeader, exit_code), &code.to_le_bytes());
        self.store(offset_of!(SegmentHeader, exited_unix_ns), &unix_ns().to_le_bytes());
        let state = u32::from(State::Exited as u8);
        self.store(offset_of!(SegmentHeader, state), &state.to_le_bytes());
    }

    /// Overwrites bytes of the file, to make it invalid.
    pub fn store(&self, offset: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset as u64).expect("the segment can be written");
    }

    /// Sets the file's length, to make it invalid.
    pub fn truncate(&self, bytes: u64) {
        self.file.set_len(bytes).expect("the segment can be cut off");
    }

    fn write_identity(&self, process: &FixtureProcess) {
        macro_rules! store {
            ($field:ident, $value:expr) => {
                self.store(offset_of!(SegmentHeader, $field), &$value.to_le_bytes())
            };
        }
        self.store(offset_of!(SegmentHeader, magic), &MAGIC);
        store!(layout_major, LAYOUT_MAJOR);
        store!(layout_minor, LAYOUT_MINOR);
        store!(header_bytes, (HEADER_BYTES as u32));
        store!(slot_bytes, (SLOT_BYTES as u32));
        store!(slots_max, (SLOTS_MAX as u32));
        store!(pid, process.pid);
        store!(parent_pid, process.parent_pid);
        store!(user_id, process.user_id);
        store!(routing, (process.routing as u8));
        store!(check, (process.check as u8));
        store!(push, (process.push as u8));
        store!(forked, u8::from(process.forked));
        store!(start_time_ticks, process.start_time_ticks);
        store!(created_unix_ns, process.created_unix_ns);
        store!(created_monotonic_ns, process.created_monotonic_ns);
        store!(nonce, process.nonce);
        store!(pid_namespace, process.pid_namespace);
        store!(state, u32::from(State::Running as u8));
        store!(exit_code, (-1i32));
        self.store(offset_of!(SegmentHeader, boot_id), &process.boot_id);
        let version = process.package_version.as_bytes();
        let version = &version[..version.len().min(16)];
        self.store(offset_of!(SegmentHeader, package_version), version);
        let name = process.command_name.as_bytes();
        self.store(offset_of!(SegmentHeader, command_name), &name[..name.len().min(64)]);
        let mut command_line = process.arguments.join("\0").into_bytes();
        command_line.push(0);
        macro_rules! text {
            ($length:ident, $field:ident, $room:literal, $bytes:expr) => {
                let bytes: &[u8] = $bytes;
                let bytes = &bytes[..bytes.len().min($room)];
                store!($length, (bytes.len() as u32));
                self.store(offset_of!(SegmentHeader, $field), bytes);
            };
        }
        text!(build_id_bytes, build_id, 32, &process.build_id);
        text!(executable_bytes, executable, 512, process.executable.as_bytes());
        text!(command_line_bytes, command_line, 1024, &command_line);
        text!(labels_bytes, labels, 512, process.labels.as_bytes());
        for (index, bin) in process.bins.iter().enumerate() {
            let at = offset_of!(SegmentHeader, bins) + index * size_of::<BinInfo>();
            self.store(at, &bin.stride_bytes.to_le_bytes());
            self.store(at + 4, &[bin.class, bin.fast_outcome, bin.header_bytes]);
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        // Closing is not enough: detached slots share the descriptor, and so do children that were
        // just forked and have not called `exec` yet.
        flock(&self.file, FlockOperation::Unlock).expect("the lock can be released");
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
