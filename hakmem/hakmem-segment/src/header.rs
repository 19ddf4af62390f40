//! The segment's first two pages: the identity of the process, and the state that belongs to no
//! thread.

use crate::BINS;

/// Bytes of the header, a multiple of 4 KiB.
pub const HEADER_BYTES: usize = 8192;
/// Bytes reserved for the name of a command.
pub const COMMAND_NAME_BYTES: usize = 64;
/// Slots that a segment can have; the file is sparse until they are used.
pub const SLOTS_MAX: usize = 16_384;

crate::vocabulary::vocabulary! {
    /// The writer's last state. `Running` with the lock released means that the process was killed,
    /// crashed or replaced itself by `exec`.
    State {
        /// Serving.
        Running = 1, "running";
        /// The process ended normally, by `exit`, `_exit` or a return from `main`.
        Exited = 2, "exited";
    }
}

/// The meaning of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BinInfo {
    /// Distance of two blocks in bytes, which is the cost of a block; 0 if the bin is not used.
    pub stride_bytes: u32,
    /// A [`Class`](crate::Class).
    pub class: u8,
    /// The [`Outcome`](crate::Outcome) of fast frees whose caller did not pass the size.
    pub fast_outcome: u8,
    /// Bytes of a block that the program cannot use: 1 where the routing has headers.
    pub header_bytes: u8,
    /// Zero.
    pub reserved: u8,
}
const _: () = assert!(size_of::<BinInfo>() == 8);

/// The header.
///
/// Fields up to `bins` are written once, before `ready`, except `labels` and `labels_bytes`, which
/// `labels_sequence` guards. Those after `bins` change at any time, each with one aligned store.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SegmentHeader {
    /// [`MAGIC`](crate::MAGIC).
    pub magic: [u8; 8],
    /// [`LAYOUT_MAJOR`](crate::LAYOUT_MAJOR) of the writer.
    pub layout_major: u16,
    /// [`LAYOUT_MINOR`](crate::LAYOUT_MINOR) of the writer.
    pub layout_minor: u16,
    /// Offset of the first slot: [`HEADER_BYTES`], rounded up to the writer's largest pages. Not
    /// rounded in layouts before 2.6.
    pub header_bytes: u32,
    /// Distance from one slot to the next: [`SLOT_BYTES`](crate::slot::SLOT_BYTES), rounded up to
    /// the writer's largest pages. Not rounded in layouts before 2.6.
    pub slot_bytes: u32,
    /// [`SLOTS_MAX`] of the writer.
    pub slots_max: u32,
    /// [`READY`](crate::READY) once the header is complete, 0 before that. Stored last.
    pub ready: u64,
    /// Process id in its own pid namespace.
    pub pid: u32,
    /// Process id of the parent.
    pub parent_pid: u32,
    /// Real user id.
    pub user_id: u32,
    /// A [`Routing`](crate::Routing).
    pub routing: u8,
    /// 1 if the process came from a fork without `exec`, so that it began with blocks that its
    /// parent had allocated.
    pub forked: u8,
    /// A [`Check`](crate::Check).
    pub check: u8,
    /// A [`Push`](crate::Push).
    pub push: u8,
    /// Start of the process, field 22 of `/proc/<pid>/stat`: clock ticks since boot.
    pub start_time_ticks: u64,
    /// `CLOCK_REALTIME` in nanoseconds when the segment was made.
    pub created_unix_ns: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds at the same moment; events use this clock.
    pub created_monotonic_ns: u64,
    /// Random; part of the file name.
    pub nonce: u64,
    /// Inode of the pid namespace (`/proc/self/ns/pid`), 0 if unknown.
    pub pid_namespace: u64,
    /// Boot id of the kernel, as 16 bytes.
    pub boot_id: [u8; 16],
    /// Bytes of `build_id` that count.
    pub build_id_bytes: u32,
    /// Bytes of `labels` that count; see `labels_sequence`.
    pub labels_bytes: u32,
    /// Bytes of `executable` that count.
    pub executable_bytes: u32,
    /// Bytes of `command_line` that count.
    pub command_line_bytes: u32,
    /// GNU build-id of the executable.
    pub build_id: [u8; 32],
    /// Version of the hakmem package, padded with zeros.
    pub package_version: [u8; 16],
    /// Path of the executable, as `/proc/self/exe` names it.
    pub executable: [u8; 512],
    /// Arguments separated by zero bytes, truncated.
    pub command_line: [u8; 1024],
    /// `key=value,key=value`: `HAKMEM_LABELS`, and what the program set itself; see
    /// `labels_sequence`.
    pub labels: [u8; 512],
    /// Meaning of the bins.
    pub bins: [BinInfo; BINS],

    /// A [`State`].
    pub state: u32,
    /// Exit code, once the state is `exited` and it is known; -1 otherwise.
    pub exit_code: i32,
    /// Number of slots that have ever been owned; slots from here on are empty.
    pub slots_used: u32,
    /// Number of living threads without a slot in the file: their counts are missing from it.
    pub threads_unpublished: u32,
    /// Number of threads that ever ran without a slot in the file.
    pub threads_unpublished_total: u64,
    /// Bytes of address space reserved for slabs.
    pub arena_reserved_bytes: u64,
    /// The bytes of it made usable so far.
    pub arena_committed_bytes: u64,
    /// Bytes of slabs in use by some bin.
    pub slab_bytes: u64,
    /// Bytes of empty slabs whose memory is kept for reuse.
    pub slab_cached_bytes: u64,
    /// Bytes of empty slabs that were returned to the system, ever.
    pub slab_returned_bytes_total: u64,
    /// Bytes of large spans in use.
    pub large_bytes: u64,
    /// Bytes of freed large spans kept for reuse.
    pub large_cached_bytes: u64,
    /// Blocks that wait in the central store, by bin.
    pub central_blocks: [u64; BINS],
    /// Blocks that were live when the process was forked, by bin: its parent allocated them.
    pub inherited_blocks: [u64; BINS],
    /// Bytes of large spans that were live when the process was forked.
    pub inherited_large_bytes: u64,
    /// `CLOCK_REALTIME` in nanoseconds when the state became `exited`; 0 before that.
    pub exited_unix_ns: u64,
    /// Bytes of blocks that a thread's list of one bin may hold at most; 0 in layouts before 2.1.
    /// Written before `ready`.
    pub list_bytes_max: u32,
    /// Locks that other threads of the parent held when the process was forked; the structures that
    /// they guard were repaired. 0 in layouts before 2.3. Written before `ready`.
    pub fork_doubts: u32,
    /// How often the system refused to unmap address space, which then stayed mapped, as at the
    /// limit `vm.max_map_count`; 0 in layouts before 2.2.
    pub unmaps_refused_total: u64,
    /// How often the system refused to purge memory, as when the program locked it; 0 in layouts
    /// before 2.2.
    pub purges_refused_total: u64,
    /// How often the system refused advice about memory: huge pages remain possible there, or the
    /// memory is not wiped in children; 0 in layouts before 2.2.
    pub advice_refused_total: u64,
    /// Bytes of address space of freed large spans whose memory went back to the system, kept for
    /// reuse; 0 in layouts before 2.2.
    pub large_purged_bytes: u64,
    /// Bytes that were free when the process was forked and are lost to it: blocks on the lists of
    /// the parent's other threads, or also of the forking thread if the fork bypassed libc, and
    /// spans whose state was in doubt. 0 in layouts before 2.3. Written before `ready`.
    pub fork_abandoned_bytes: u64,
    /// The name by which people know the program, padded with zeros: the kernel's (`comm`) or, if
    /// that was cut off, the last part of the first argument. The executable may have another name,
    /// for example behind a link. Empty in layouts before 2.4. Written before `ready`.
    pub command_name: [u8; COMMAND_NAME_BYTES],
    /// Number of namespaces of the dynamic loader that the program made with `dlmopen`: another
    /// allocator serves the libraries in them. 0 in layouts before 2.5.
    pub namespaces_total: u64,
    /// Made odd before the program changes its labels, and even again after it: labels that were
    /// copied while it stayed even and unchanged are whole. 0 while they are those of the start,
    /// and in layouts before 2.7, where labels never change.
    pub labels_sequence: u64,
    /// Zero.
    pub reserved: [u8; HEADER_BYTES - 3976],
}
const _: () = {
    assert!(size_of::<SegmentHeader>() == HEADER_BYTES);
    assert!(core::mem::offset_of!(SegmentHeader, ready) == 24);
    assert!(core::mem::offset_of!(SegmentHeader, executable) == 168);
    assert!(core::mem::offset_of!(SegmentHeader, labels) == 1704);
    assert!(core::mem::offset_of!(SegmentHeader, bins) == 2216);
    assert!(core::mem::offset_of!(SegmentHeader, state) == 2728);
};
