//! The vDSO: the kernel's shared object in every process, which reads clocks without a system call.
//!
//! Its ELF image is parsed like untrusted input: each offset is compared with the image's length
//! before it is followed, and if anything does not fit, the function counts as absent.
//!
//! # Safety
//! The kernel maps the image for the life of the process and names its address in the auxiliary
//! vector.
#![allow(unsafe_code)]

use super::auxiliary_vector;

/// The function of the vDSO that reads a clock: `(clock id, timespec) -> 0 or a negated error`.
pub(crate) type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> i32;

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: &[u8] = b"__vdso_clock_gettime";
#[cfg(not(target_arch = "x86_64"))]
const CLOCK_GETTIME: &[u8] = b"__kernel_clock_gettime";

/// Finds the function that reads clocks; `None` if the kernel, an emulator or valgrind provides
/// none.
pub(crate) fn clock_gettime() -> Option<ClockGettime> {
    let base = auxiliary_vector::vdso_address();
    if base == 0 {
        return None;
    }
    // SAFETY: the image begins with a whole page, and the headers fit into it.
    let headers = unsafe { core::slice::from_raw_parts(base as *const u8, HEADERS_BYTES) };
    let bytes = image_bytes(headers)?;
    // SAFETY: the kernel maps the whole segment that the headers describe.
    let image = unsafe { core::slice::from_raw_parts(base as *const u8, bytes) };
    let offset = find_function(image, CLOCK_GETTIME)?;
    let address = (base + offset) as *const ();
    // SAFETY: on 64-bit machines the vDSO's function of this name has this type.
    Some(unsafe { core::mem::transmute::<*const (), ClockGettime>(address) })
}

/// Bytes at the start of the image that hold the ELF header and the program headers.
const HEADERS_BYTES: usize = 4096;
/// An upper bound: no vDSO is larger.
const IMAGE_BYTES_MAX: usize = 1 << 20;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
/// Bytes of `Elf64_Sym`: name, info, other, section in 8 bytes, then value and size.
const SYMBOL_BYTES: usize = 24;

fn array<const N: usize>(image: &[u8], at: usize) -> Option<[u8; N]> {
    image.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(image: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_ne_bytes(array(image, at)?).into())
}

fn u32_at(image: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(array(image, at)?))
}

fn word_at(image: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(array(image, at)?))
}

/// The fields of a program header that are used here.
struct Part {
    kind: u32,
    offset: usize,
    address: usize,
    bytes: usize,
}

/// The program header `index` (`Elf64_Ehdr` and `Elf64_Phdr`).
fn part(image: &[u8], index: usize) -> Option<Part> {
    let table = word_at(image, 32)? as usize;
    let at = table.checked_add(index.checked_mul(u16_at(image, 54)?)?)?;
    Some(Part {
        kind: u32_at(image, at)?,
        offset: word_at(image, at.checked_add(8)?)? as usize,
        address: word_at(image, at.checked_add(16)?)? as usize,
        bytes: word_at(image, at.checked_add(40)?)? as usize,
    })
}

/// The first program header of `kind`.
fn part_of_kind(image: &[u8], kind: u32) -> Option<Part> {
    if image.get(..5)? != b"\x7fELF\x02" {
        return None;
    }
    (0..u16_at(image, 56)?).map_while(|index| part(image, index)).find(|part| part.kind == kind)
}

/// Bytes of the image, which are those of its only loaded segment. That segment begins with the ELF
/// header.
fn image_bytes(headers: &[u8]) -> Option<usize> {
    let load = part_of_kind(headers, PT_LOAD)?;
    (load.offset == 0 && load.bytes <= IMAGE_BYTES_MAX).then_some(load.bytes)
}

/// The offset of the function `name` in the image.
fn find_function(image: &[u8], name: &[u8]) -> Option<usize> {
    let start = part_of_kind(image, PT_LOAD)?.address;
    let dynamic = part_of_kind(image, PT_DYNAMIC)?.offset;
    // The dynamic section contains addresses as the image was linked.
    let table = |tag: u64| {
        let pairs = (0..).map_while(|index: usize| {
            let at = dynamic.checked_add(index.checked_mul(16)?)?;
            let found = word_at(image, at)?;
            (found != 0).then_some((found, word_at(image, at.checked_add(8)?)?))
        });
        let address = { pairs }.find(|&(found, _)| found == tag)?.1 as usize;
        Some(address.wrapping_sub(start))
    };
    let (symbols, names) = (table(DT_SYMTAB)?, table(DT_STRTAB)?);
    let count = match table(DT_HASH) {
        // The second word is the number of chains, which equals the number of symbols.
        Some(hash) => u32_at(image, hash.checked_add(4)?)? as usize,
        None => count_by_gnu_hash(image, table(DT_GNU_HASH)?)?,
    };
    (0..count.min(image.len() / SYMBOL_BYTES)).find_map(|index| {
        let at = symbols.checked_add(index * SYMBOL_BYTES)?;
        let text = image.get(names.checked_add(u32_at(image, at)? as usize)?..)?;
        let is_named_so = text.strip_prefix(name)?.first() == Some(&0);
        let is_defined = u16_at(image, at.checked_add(6)?)? != 0;
        let offset = (word_at(image, at.checked_add(8)?)? as usize).wrapping_sub(start);
        (is_named_so && is_defined && offset < image.len()).then_some(offset)
    })
}

/// The number of symbols according to GNU's hash table, which does not state it. The table consists
/// of four words (buckets, first hashed symbol, words of the filter, a shift), the filter, the
/// buckets, and a chain of words for the hashed symbols, in which an odd word ends a bucket.
fn count_by_gnu_hash(image: &[u8], hash: usize) -> Option<usize> {
    let field = |index: usize| Some(u32_at(image, hash.checked_add(4 * index)?)? as usize);
    let (buckets, first, filter) = (field(0)?, field(1)?, field(2)?);
    let bucket = |index: usize| field(index.checked_add(4 + 2 * filter)?);
    let mut last = 0;
    for index in 0..buckets {
        last = last.max(bucket(index)?);
    }
    while last >= first && bucket(buckets.checked_add(last - first)?)? & 1 == 0 {
        last += 1;
    }
    Some(last + 1)
}

#[cfg(test)]
mod tests;
