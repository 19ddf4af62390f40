//! Writes the identity of the process into the header, once.

use hakmem_segment::header::{COMMAND_NAME_BYTES, SLOTS_MAX};
use hakmem_segment::{LAYOUT_MAJOR, LAYOUT_MINOR, MAGIC, SegmentHeader};

use super::{HEADER_STEP, Inherited, SLOT_STEP, namespaces, notes};
use crate::os::{clock, file, process};
use crate::routing::{Choice, Layout};
use crate::settings::Settings;
use crate::sync::{AtomicU64, Ordering};

/// The values that distinguish this process's segment from all others, in its header and its file
/// name.
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

/// Fills a zeroed header except for `ready`.
#[inline(never)]
pub(super) fn fill(
    header: &mut SegmentHeader,
    birth: Birth,
    settings: &Settings,
    inherited: Option<&Inherited>,
) {
    header.magic = MAGIC;
    header.layout_major = LAYOUT_MAJOR;
    header.layout_minor = LAYOUT_MINOR;
    header.header_bytes = HEADER_STEP as u32;
    header.slot_bytes = SLOT_STEP as u32;
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
    header.command_name = command_name(&header.command_line, header.command_line_bytes as usize);
    let labels = settings.labels.as_bytes();
    header.labels[..labels.len()].copy_from_slice(labels);
    header.labels_bytes = labels.len() as u32;
    header.build_id_bytes = notes::copy_build_id(&mut header.build_id) as u32;
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    header.package_version[..version.len()].copy_from_slice(version);
    header.bins = Layout::of(choice.routing).published();
    header.namespaces_total = namespaces();
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

/// The words of the command's name, once it is known. A child keeps its parent's name: there the
/// kernel's name is that of the forking thread, and the arguments may have been overwritten.
static COMMAND_NAME: [AtomicU64; COMMAND_NAME_BYTES / 8] =
    [const { AtomicU64::new(0) }; COMMAND_NAME_BYTES / 8];

/// The name by which people know the program: the kernel's, or, if that is cut off or unknown, the
/// last part of the first argument.
fn command_name(arguments: &[u8], bytes: usize) -> [u8; COMMAND_NAME_BYTES] {
    let mut name = [0; COMMAND_NAME_BYTES];
    for (bytes, word) in name.chunks_exact_mut(8).zip(&COMMAND_NAME) {
        bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    if name[0] != 0 {
        return name;
    }
    let mut kernels = [0; 64];
    let length = file::read_start(c"/proc/self/comm", &mut kernels);
    choose_name(&kernels[..length], &arguments[..bytes], &mut name);
    for (bytes, word) in name.chunks_exact(8).zip(&COMMAND_NAME) {
        let bytes = bytes.try_into().unwrap_or_default();
        word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
    }
    name
}

/// Chooses between the kernel's name, which ends with a newline, and the name in the arguments.
fn choose_name(kernels: &[u8], arguments: &[u8], name: &mut [u8; COMMAND_NAME_BYTES]) {
    /// Bytes that the kernel keeps of a name.
    const KERNELS_MAX: usize = 15;
    let kernels = kernels.strip_suffix(b"\n").unwrap_or(kernels);
    let first = arguments.split(|&byte| byte == 0).next().unwrap_or_default();
    let last_part = first.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_cut = kernels.len() == KERNELS_MAX && last_part.starts_with(kernels);
    let chosen = if kernels.is_empty() || is_cut { last_part } else { kernels };
    let length = chosen.len().min(name.len());
    name[..length].copy_from_slice(&chosen[..length]);
}

/// Field 22 of `/proc/self/stat`; 0 if it cannot be read.
#[inline(never)]
fn start_time_ticks() -> u64 {
    let mut buffer = [0; 512];
    let length = file::read_start(c"/proc/self/stat", &mut buffer);
    // The second field, the name, is in parentheses and may contain any characters, parentheses
    // included.
    let Some(end) = buffer[..length].iter().rposition(|&byte| byte == b')') else { return 0 };
    let rest = core::str::from_utf8(&buffer[end + 1..length]).unwrap_or("");
    let field = rest.split_ascii_whitespace().nth(22 - 3);
    field.and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// The number in `pid:[4026531836]`.
#[inline(never)]
fn pid_namespace() -> u64 {
    let mut buffer = [0; 64];
    let length = file::read_link(c"/proc/self/ns/pid", &mut buffer);
    let text = core::str::from_utf8(&buffer[..length]).unwrap_or("");
    let inode = text.strip_prefix("pid:[").and_then(|text| text.strip_suffix(']'));
    inode.and_then(|inode| inode.parse().ok()).unwrap_or(0)
}

/// The kernel's boot id: 32 hex digits with dashes.
#[inline(never)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_page_names_the_layout_that_is_written() {
        let page = include_str!("../../README.md");
        assert!(page.contains(&std::format!("layout {LAYOUT_MAJOR}.{LAYOUT_MINOR} ")));
    }

    #[test]
    fn a_command_has_the_name_that_people_know() {
        let check = |kernels: &[u8], arguments: &[u8], expected: &[u8]| {
            let mut name = [0; COMMAND_NAME_BYTES];
            choose_name(kernels, arguments, &mut name);
            let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            assert_eq!(&name[..length], expected);
        };
        check(b"redis-server\n", b"/usr/bin/redis-server\0--port\0", b"redis-server");
        // A script, and a login shell.
        check(b"report.py\n", b"/usr/bin/python3\0./report.py\0", b"report.py");
        check(b"bash\n", b"-bash\0", b"bash");
        // The kernel cuts names off.
        check(
            b"gnome-terminal-\n",
            b"/usr/libexec/gnome-terminal-server\0",
            b"gnome-terminal-server",
        );
        check(b"exactly-15-long\n", b"other\0", b"exactly-15-long");
        check(b"", b"/bin/true\0", b"true");
        check(b"", b"", b"");
        check(b"", &[b'x'; 100], &[b'x'; COMMAND_NAME_BYTES]);
    }
}
