//! Finds notes of the executable in memory: its build-id, and the mark of a program that has hakmem
//! as its own allocator.
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

/// Owner and type of the note with the build-id.
const BUILD_ID: Kind = Kind { owner: b"GNU\0", number: 3 };
/// Owner and type of the note that [`own_allocator_note!`](crate::own_allocator_note) makes.
const OWN_ALLOCATOR: Kind = Kind { owner: b"hakmem\0", number: 1 };

/// A kind of note.
#[derive(Clone, Copy)]
struct Kind {
    owner: &'static [u8],
    number: u32,
}

/// Copies the GNU build-id of the executable to `id`; returns the number of bytes, 0 if it has
/// none.
#[inline(never)]
pub(super) fn copy_build_id(id: &mut [u8]) -> usize {
    look_up(BUILD_ID, id).unwrap_or(0)
}

/// Whether the executable has hakmem within, as its own allocator.
pub(super) fn executable_has_own_allocator() -> bool {
    look_up(OWN_ALLOCATOR, &mut []).is_some()
}

/// Copies the content of the executable's note of this kind to `content`; returns the number of
/// bytes copied, or `None` if it has no such note.
#[inline(never)]
fn look_up(kind: Kind, content: &mut [u8]) -> Option<usize> {
    let (address, size, count) = auxiliary_vector::program_headers();
    if address == 0 || size != size_of::<ProgramHeader>() {
        return None;
    }
    // SAFETY: the kernel reports the address and the number of the headers.
    let headers = unsafe { slice::from_raw_parts(address as *const ProgramHeader, count) };
    // SAFETY: these are the headers of the executable, which stays mapped.
    unsafe { look_up_in(headers, kind, content) }
}

/// Does the work of [`look_up`] for the executable with the program headers `headers`.
///
/// # Safety
/// `headers` lie where the executable was loaded, and it is mapped as they say.
#[inline(never)]
unsafe fn look_up_in(headers: &[ProgramHeader], kind: Kind, content: &mut [u8]) -> Option<usize> {
    // SAFETY: the caller's duty.
    let distance = unsafe { distance(headers) }?;
    headers.iter().filter(|header| header.p_type == PT_NOTE).find_map(|note| {
        let mut notes = [0_u8; 1024];
        let bytes = (note.p_memsz as usize).min(notes.len());
        if !is_loaded(headers, note.p_vaddr as usize, bytes) {
            return None;
        }
        let start = distance.wrapping_add(note.p_vaddr as usize);
        // SAFETY: inside a readable segment.
        unsafe { process::copy_from(start, &mut notes, bytes) };
        find(&notes[..bytes], kind, content)
    })
}

/// Distance by which the executable's addresses exceed those in its headers, wrapping; `None` if it
/// cannot be determined.
///
/// # Safety
/// As for [`look_up_in`].
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

/// Searches notes for one of this kind and copies its content. A note consists of three words (size
/// of the owner's name, size of the content, type), the name and the content, each padded to 4
/// bytes.
fn find(notes: &[u8], kind: Kind, to: &mut [u8]) -> Option<usize> {
    let mut rest = notes;
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    };
    while let (Some(name), Some(length), Some(number)) =
        (word(rest, 0), word(rest, 4), word(rest, 8))
    {
        let padded = |size: u32| (size as usize).next_multiple_of(4);
        let content = 12 + padded(name);
        if kind.number == number && rest.get(12..12 + name as usize) == Some(kind.owner) {
            let found = rest.get(content..content + length as usize)?;
            let length = found.len().min(to.len());
            to[..length].copy_from_slice(&found[..length]);
            return Some(length);
        }
        rest = rest.get(content + padded(length)..)?;
    }
    None
}

#[cfg(test)]
mod tests;
