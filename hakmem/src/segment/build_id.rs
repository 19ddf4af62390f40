//! Finds the executable's build-id in its notes in memory.
//!
//! An executable may be loaded at other addresses than its headers say; all addresses in them are
//! then off by the same distance. `PT_PHDR` gives that distance. GNU's linker omits this header
//! from a static executable; then the distance follows from the ELF header, which lies at the start
//! of the segment with file offset 0.
//!
//! # Safety
//! The kernel reports the address of the mapped program headers. All reads stay in the page of the
//! headers or in a readable segment that they describe.
#![allow(unsafe_code)]

use core::slice;

use crate::os::{auxiliary_vector, process};

type ProgramHeader = libc::Elf64_Phdr;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PT_PHDR: u32 = 6;
const PF_R: u32 = 4;
/// The smallest page size. Segments begin at multiples of it, in memory and in the file.
const PAGE_MIN: usize = 4096;

/// Copies the GNU build-id of the executable to `id`; returns the number of bytes, 0 if it has
/// none.
#[inline(never)]
pub(super) fn copy(id: &mut [u8]) -> usize {
    let (address, size, count) = auxiliary_vector::program_headers();
    if address == 0 || size != size_of::<ProgramHeader>() {
        return 0;
    }
    // SAFETY: the kernel reports the address and the number of the headers.
    let headers = unsafe { slice::from_raw_parts(address as *const ProgramHeader, count) };
    // SAFETY: these are the headers of the executable, which stays mapped.
    unsafe { copy_of(headers, id) }
}

/// Does the work of [`copy`] for the executable with the program headers `headers`.
///
/// # Safety
/// `headers` lie where the executable was loaded, and it is mapped as they say.
#[inline(never)]
unsafe fn copy_of(headers: &[ProgramHeader], id: &mut [u8]) -> usize {
    // SAFETY: the caller's duty.
    let Some(distance) = (unsafe { distance(headers) }) else { return 0 };
    for note in headers.iter().filter(|header| header.p_type == PT_NOTE) {
        let mut notes = [0_u8; 1024];
        let bytes = (note.p_memsz as usize).min(notes.len());
        if !is_loaded(headers, note.p_vaddr as usize, bytes) {
            continue;
        }
        let start = distance.wrapping_add(note.p_vaddr as usize);
        // SAFETY: inside a readable segment.
        unsafe { process::copy_from(start, &mut notes, bytes) };
        let found = find(&notes[..bytes], id);
        if found > 0 {
            return found;
        }
    }
    0
}

/// Distance by which the executable's addresses exceed those in its headers, wrapping; `None` if it
/// cannot be determined.
///
/// # Safety
/// As for [`copy_of`].
unsafe fn distance(headers: &[ProgramHeader]) -> Option<usize> {
    let address = headers.as_ptr() as usize;
    if let Some(own) = headers.iter().find(|header| header.p_type == PT_PHDR) {
        return Some(address.wrapping_sub(own.p_vaddr as usize));
    }
    let first = headers.iter().find(|header| header.p_type == PT_LOAD && header.p_offset == 0)?;
    // Linkers put the program headers behind the ELF header, which begins a page.
    let start = address & !(PAGE_MIN - 1);
    let offset = address - start;
    if offset < size_of::<libc::Elf64_Ehdr>() {
        return None;
    }
    // SAFETY: the program headers lie behind the ELF header in the same page, which is therefore
    // mapped; the structure consists of numbers.
    let file = unsafe { &*(start as *const libc::Elf64_Ehdr) };
    let is_header = file.e_ident.starts_with(b"\x7fELF") && file.e_phoff as usize == offset;
    is_header.then(|| start.wrapping_sub(first.p_vaddr as usize))
}

/// Whether a range of addresses, as the headers give them, lies in a readable segment.
fn is_loaded(headers: &[ProgramHeader], from: usize, bytes: usize) -> bool {
    headers.iter().any(|header| {
        let offset = from.wrapping_sub(header.p_vaddr as usize);
        let length = header.p_memsz as usize;
        let is_inside = offset <= length && bytes <= length - offset;
        header.p_type == PT_LOAD && header.p_flags & PF_R != 0 && is_inside
    })
}

/// Searches notes for the build-id. A note consists of three words (name size, descriptor size,
/// type), the name and the descriptor, each padded to 4 bytes.
fn find(notes: &[u8], id: &mut [u8]) -> usize {
    const NT_GNU_BUILD_ID: u32 = 3;
    let mut rest = notes;
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

#[cfg(test)]
mod tests;
