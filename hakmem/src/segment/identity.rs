//! Who the process is, written into the header once.
//!
//! # Safety
//! Program headers and notes are read where the kernel and the linker laid them out.
#![allow(unsafe_code)]

use hakmem_segment::header::SLOTS_MAX;
use hakmem_segment::{LAYOUT_MAJOR, LAYOUT_MINOR, MAGIC, SegmentHeader, slot};

use super::Inherited;
use crate::os::{clock, file, process};
use crate::routing::{Choice, Layout};
use crate::settings::Settings;

/// What tells this process's segment from all others, in its header and in its file's name.
#[derive(Clone, Copy)]
pub(super) struct Birth {
    pub(super) start_time_ticks: u64,
    pub(super) nonce: u64,
}

impl Birth {
    /// Reads the start time and draws the nonce.
    pub(super) fn now() -> Self {
        Self { start_time_ticks: start_time_ticks(), nonce: process::random() }
    }
}

/// Fills everything but `ready` into a zeroed header.
pub(super) fn fill(
    header: &mut SegmentHeader,
    birth: Birth,
    settings: &Settings,
    inherited: Option<&Inherited>,
) {
    header.magic = MAGIC;
    header.layout_major = LAYOUT_MAJOR;
    header.layout_minor = LAYOUT_MINOR;
    header.header_bytes = size_of::<SegmentHeader>() as u32;
    header.slot_bytes = slot::SLOT_BYTES as u32;
    header.slots_max = SLOTS_MAX as u32;
    header.pid = process::process_id();
    header.parent_pid = process::parent_process_id();
    header.user_id = process::user_ids().1;
    let choice = Choice::current();
    header.routing = choice.routing as u8;
    header.check = choice.check as u8;
    header.push = choice.push as u8;
    header.list_bytes_max = settings.list_bytes;
    header.start_time_ticks = birth.start_time_ticks;
    header.nonce = birth.nonce;
    header.created_unix_ns = clock::unix_ns();
    header.created_monotonic_ns = clock::monotonic_ns();
    header.pid_namespace = pid_namespace();
    header.boot_id = boot_id();
    header.executable_bytes = file::read_link(c"/proc/self/exe", &mut header.executable) as u32;
    header.command_line_bytes =
        file::read_start(c"/proc/self/cmdline", &mut header.command_line) as u32;
    let labels = settings.labels.as_bytes();
    header.labels[..labels.len()].copy_from_slice(labels);
    header.labels_bytes = labels.len() as u32;
    header.build_id_bytes = build_id(&mut header.build_id) as u32;
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    header.package_version[..version.len()].copy_from_slice(version);
    header.bins = Layout::of(choice.routing).published();
    if let Some(inherited) = inherited {
        header.forked = 1;
        for (to, &from) in header.inherited_blocks.iter_mut().zip(&inherited.blocks) {
            *to = from.max(0) as u64;
        }
        header.inherited_large_bytes = inherited.large_bytes as u64;
        header.fork_doubts = inherited.doubts;
        header.fork_abandoned_bytes = inherited.abandoned_bytes;
    }
}

/// Field 22 of `/proc/self/stat`; 0 if it cannot be read.
fn start_time_ticks() -> u64 {
    let mut buffer = [0; 512];
    let length = file::read_start(c"/proc/self/stat", &mut buffer);
    // The second field, the name, is in parentheses and may contain anything, also parentheses.
    let Some(end) = buffer[..length].iter().rposition(|&byte| byte == b')') else { return 0 };
    let rest = core::str::from_utf8(&buffer[end + 1..length]).unwrap_or("");
    let field = rest.split_ascii_whitespace().nth(22 - 3);
    field.and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// The number in `pid:[4026531836]`.
fn pid_namespace() -> u64 {
    let mut buffer = [0; 64];
    let length = file::read_link(c"/proc/self/ns/pid", &mut buffer);
    let text = core::str::from_utf8(&buffer[..length]).unwrap_or("");
    let inode = text.strip_prefix("pid:[").and_then(|text| text.strip_suffix(']'));
    inode.and_then(|inode| inode.parse().ok()).unwrap_or(0)
}

/// The kernel's boot id: 32 hex digits with dashes.
fn boot_id() -> [u8; 16] {
    let mut text = [0; 64];
    let length = file::read_start(c"/proc/sys/kernel/random/boot_id", &mut text);
    let mut id = [0; 16];
    let digits = text[..length].iter().filter_map(|&byte| char::from(byte).to_digit(16));
    for (index, digit) in digits.take(32).enumerate() {
        id[index / 2] = (id[index / 2] << 4) | digit as u8;
    }
    id
}

/// Copies the GNU build-id of the executable, from its notes in memory; the number of bytes.
fn build_id(id: &mut [u8]) -> usize {
    const PT_PHDR: u32 = 6;
    const PT_NOTE: u32 = 4;
    let (address, size, count) = process::program_headers();
    if address == 0 || size < size_of::<libc::Elf64_Phdr>() {
        return 0;
    }
    let header = |index: usize| {
        // SAFETY: the kernel gives address, size and number of the executable's program headers.
        unsafe { &*((address + index * size) as *const libc::Elf64_Phdr) }
    };
    // Without PT_PHDR the executable was not loaded elsewhere than it says.
    let bias = (0..count)
        .map(header)
        .find(|header| header.p_type == PT_PHDR)
        .map_or(0, |header| address.wrapping_sub(header.p_vaddr as usize));
    for note in (0..count).map(header).filter(|header| header.p_type == PT_NOTE) {
        let start = bias.wrapping_add(note.p_vaddr as usize);
        let found = build_id_in(start, note.p_memsz as usize, id);
        if found > 0 {
            return found;
        }
    }
    0
}

/// Looks through notes at an address: three words (name size, descriptor size, type), the name and
/// the descriptor, each padded to 4 bytes.
fn build_id_in(start: usize, bytes: usize, id: &mut [u8]) -> usize {
    const NT_GNU_BUILD_ID: u32 = 3;
    let mut notes = [0_u8; 1024];
    let bytes = bytes.min(notes.len());
    // SAFETY: the loader mapped the executable's notes there.
    unsafe { process::copy_from(start, &mut notes, bytes) };
    let mut rest = &notes[..bytes];
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    };
    while let (Some(name), Some(length), Some(kind)) = (word(rest, 0), word(rest, 4), word(rest, 8))
    {
        let padded = |size: u32| (size as usize).next_multiple_of(4);
        let content = 12 + padded(name);
        if kind == NT_GNU_BUILD_ID && rest.get(12..16) == Some(b"GNU\0") {
            let Some(found) = rest.get(content..content + length as usize) else { return 0 };
            let length = found.len().min(id.len());
            id[..length].copy_from_slice(&found[..length]);
            return length;
        }
        let Some(next) = rest.get(content + padded(length)..) else { return 0 };
        rest = next;
    }
    0
}
