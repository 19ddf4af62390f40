//! The executable's build-id, from its notes in memory.
//!
//! An executable may be loaded elsewhere than its headers say, and all addresses in them move by
//! the same distance. `PT_PHDR` tells it. GNU's linker leaves that out of a static executable, where
//! the distance follows from the ELF header: it is where the segment with file offset 0 begins.
//!
//! # Safety
//! The kernel tells where it has mapped the program headers. Nothing is read that is not in their
//! page or in a readable segment that they describe.
#![allow(unsafe_code)]

use core::slice;

use crate::os::process;

type ProgramHeader = libc::Elf64_Phdr;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PT_PHDR: u32 = 6;
const PF_R: u32 = 4;
/// The smallest page. Segments begin at multiples of it, in memory and in the file.
const PAGE_MIN: usize = 4096;

/// Copies the GNU build-id of the executable; the number of bytes, 0 if it has none.
#[inline(never)]
pub(super) fn copy(id: &mut [u8]) -> usize {
    let (address, size, count) = process::program_headers();
    if address == 0 || size != size_of::<ProgramHeader>() {
        return 0;
    }
    // SAFETY: the kernel tells where these are, and how many.
    let headers = unsafe { slice::from_raw_parts(address as *const ProgramHeader, count) };
    // SAFETY: they are those of the executable, which stays mapped.
    unsafe { copy_of(headers, id) }
}

/// The same for the executable with these program headers.
///
/// # Safety
/// They lie where the executable was loaded, and it is mapped as they say.
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

/// By how much the executable's addresses are greater than its headers say, wrapping; `None` if
/// that cannot be told.
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
    // SAFETY: the program headers lie behind it in the same page, which is therefore mapped; the
    // structure consists of numbers.
    let file = unsafe { &*(start as *const libc::Elf64_Ehdr) };
    let is_header = file.e_ident.starts_with(b"\x7fELF") && file.e_phoff as usize == offset;
    is_header.then(|| start.wrapping_sub(first.p_vaddr as usize))
}

/// Whether a range of addresses, as the headers say them, is in a readable segment.
fn is_loaded(headers: &[ProgramHeader], from: usize, bytes: usize) -> bool {
    headers.iter().any(|header| {
        let offset = from.wrapping_sub(header.p_vaddr as usize);
        let length = header.p_memsz as usize;
        let is_inside = offset <= length && bytes <= length - offset;
        header.p_type == PT_LOAD && header.p_flags & PF_R != 0 && is_inside
    })
}

/// Looks through notes: three words (name size, descriptor size, type), the name and the descriptor,
/// each padded to 4 bytes.
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
