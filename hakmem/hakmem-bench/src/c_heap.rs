//! The C library's heap, as the dynamic linker bound it.
//!
//! # Safety
//!
//! This file holds the crate's unsafe code. A [`Block`] owns what a [`Source`] or `realloc`
//! returned: it is neither `Clone` nor `Copy`, only [`Block::free`] gives the memory back, and it
//! consumes the block. The memory is reached only inside the size that was asked for.

#![allow(unsafe_code)]

use std::ffi::{CStr, OsString, c_void};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr::NonNull;

use crate::pattern::{Damage, Pattern};

/// Smallest page size of the machines that hakmem runs on, in bytes.
const PAGE: usize = 4096;

/// The function of the C library that blocks come from.
pub trait Source: Copy {
    /// Whether all bytes of a new block are 0.
    const ZEROED: bool;

    /// Requests a block of `size` bytes without touching it; `None` if the function returned null.
    fn ask(self, size: usize) -> Option<Block>;

    /// Alignment that a block of `size` bytes must have. By default, the alignment that C
    /// guarantees.
    fn alignment(self, size: usize) -> usize {
        if size >= 16 { 16 } else { size.next_power_of_two().min(8) }
    }
}

/// `malloc`.
#[derive(Clone, Copy, Debug)]
pub struct Malloc;

/// `calloc` of one element.
#[derive(Clone, Copy, Debug)]
pub struct Calloc;

/// `aligned_alloc` with an alignment, a power of two.
#[derive(Clone, Copy, Debug)]
pub struct AlignedAlloc(pub usize);

/// C++'s `operator new` and sized `operator delete`.
#[derive(Clone, Copy, Debug)]
pub struct Operators {
    new: New,
    delete: SizedDelete,
}

type New = unsafe extern "C" fn(usize) -> *mut c_void;
type SizedDelete = unsafe extern "C" fn(*mut c_void, usize);

impl Operators {
    /// Finds the operators that a C++ program would call in this process: the allocator's, or else
    /// those of the C++ library, which this function loads. `None` if neither defines them.
    pub fn find() -> Option<Self> {
        let flags = libc::RTLD_NOW | libc::RTLD_GLOBAL;
        // SAFETY: the name is a C string, and the library may be loaded at any time.
        unsafe { libc::dlopen(c"libstdc++.so.6".as_ptr(), flags) };
        // SAFETY: the name is a C string; `dlsym` has no other precondition.
        let new = NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Znwm".as_ptr()) })?;
        // SAFETY: the name is a C string; `dlsym` has no other precondition.
        let delete = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_ZdlPvm".as_ptr()) };
        let delete = NonNull::new(delete)?;
        Some(Self {
            // SAFETY: the symbol is a function of this type by the C++ ABI, and is never unloaded.
            new: unsafe { std::mem::transmute::<NonNull<c_void>, New>(new) },
            // SAFETY: the symbol is a function of this type by the C++ ABI, and is never unloaded.
            delete: unsafe { std::mem::transmute::<NonNull<c_void>, SizedDelete>(delete) },
        })
    }

    /// Calls the sized `operator delete`. `block` must come from these operators and have been
    /// requested with `size` bytes.
    #[inline(always)]
    pub fn delete(self, block: Block, size: usize) {
        // SAFETY: the caller guarantees that `operator new` returned the block for this size, and a
        // `Block` is freed at most once.
        unsafe { (self.delete)(block.0.as_ptr().cast::<c_void>(), size) }
    }
}

impl Source for Operators {
    const ZEROED: bool = false;

    #[inline(always)]
    fn ask(self, size: usize) -> Option<Block> {
        // SAFETY: `operator new` accepts any size; out of memory, it throws, which nothing catches,
        // so the process ends.
        let block = unsafe { (self.new)(size) };
        NonNull::new(block.cast::<u8>()).map(Block)
    }
}

impl Source for Malloc {
    const ZEROED: bool = false;

    #[inline(always)]
    fn ask(self, size: usize) -> Option<Block> {
        // SAFETY: `malloc` accepts any size.
        let block = unsafe { libc::malloc(size) };
        NonNull::new(block.cast::<u8>()).map(Block)
    }
}

impl Source for Calloc {
    const ZEROED: bool = true;

    #[inline(always)]
    fn ask(self, size: usize) -> Option<Block> {
        // SAFETY: `calloc` accepts any sizes.
        let block = unsafe { libc::calloc(1, size) };
        NonNull::new(block.cast::<u8>()).map(Block)
    }
}

impl Source for AlignedAlloc {
    const ZEROED: bool = false;

    #[inline(always)]
    fn ask(self, size: usize) -> Option<Block> {
        // SAFETY: `aligned_alloc` accepts any arguments; it returns null for invalid ones.
        let block = unsafe { libc::aligned_alloc(self.0, size) };
        NonNull::new(block.cast::<u8>()).map(Block)
    }

    fn alignment(self, _size: usize) -> usize {
        self.0
    }
}

/// A live block that a [`Source`] returned. Dropping this value leaks the block.
#[derive(Debug)]
#[repr(transparent)]
pub struct Block(NonNull<u8>);

// SAFETY: the block is reachable through this value only, and the C library lets any thread write
// to and free a block that another thread allocated.
unsafe impl Send for Block {}

impl Block {
    /// Calls `malloc(size)` and touches the first byte; `None` if `malloc` returned null.
    ///
    /// `size` must not be 0: there would be no first byte.
    #[inline(always)]
    pub fn allocate(size: usize) -> Option<Self> {
        Self::allocate_from(Malloc, size)
    }

    /// Requests `size` bytes, more than 0, from `source` and touches the first one. If the source
    /// promises zeros, touches one byte in each page instead: a program that asks for zeros goes on
    /// to use them.
    #[inline(always)]
    pub fn allocate_from<S: Source>(source: S, size: usize) -> Option<Self> {
        let mut block = source.ask(size)?;
        if S::ZEROED {
            block.touch_pages(0, size);
        } else {
            // SAFETY: the block is new, ours alone, and at least one byte long.
            unsafe { block.0.as_ptr().write_volatile(1) };
        }
        Some(block)
    }

    /// Frees the block and allocates one of `size` bytes, more than 0, in its place. Ends the
    /// process if the source returns null, because no block would be left to put in its place.
    #[inline(always)]
    pub fn replace(&mut self, source: impl Source, size: usize) {
        self.replace_after(Self::free, source, size);
    }

    /// Like [`Block::replace`], but frees the block with `free`.
    #[inline(always)]
    pub fn replace_after(&mut self, free: impl FnOnce(Self), source: impl Source, size: usize) {
        free(Self(self.0));
        match Self::allocate_from(source, size) {
            Some(block) => self.0 = block.0,
            None => no_block(size),
        }
    }

    /// Writes `first` and `last` to the ends of the block, which was requested with `size` bytes.
    /// In a block of one byte, `last` wins.
    pub fn write_ends(&mut self, size: usize, first: u8, last: u8) {
        let start = self.0.as_ptr();
        // SAFETY: the block is ours alone and at least one byte long.
        unsafe { start.write_volatile(first) };
        let end = start.wrapping_add(size - 1);
        // SAFETY: the caller guarantees the size of the block, so its last byte is ours too.
        unsafe { end.write_volatile(last) };
    }

    /// Calls `realloc`; `false` if it returned null and left the block as it was.
    ///
    /// `size` must not be smaller than the size that the block was requested with.
    #[inline(always)]
    pub fn resize(&mut self, size: usize) -> bool {
        // SAFETY: `malloc` or `realloc` returned the pointer, and the block is live and ours alone.
        let block = unsafe { libc::realloc(self.0.as_ptr().cast::<c_void>(), size) };
        match NonNull::new(block.cast::<u8>()) {
            Some(block) => {
                self.0 = block;
                true
            }
            None => false,
        }
    }

    /// Writes one byte in each page from offset `from` up to `size`, the size of the block.
    #[inline(always)]
    pub fn touch_pages(&mut self, from: usize, size: usize) {
        for offset in (from..size).step_by(PAGE) {
            let byte = self.0.as_ptr().wrapping_add(offset);
            // SAFETY: the caller guarantees the size of the block, and `offset` is below it.
            unsafe { byte.write_volatile(1) };
        }
    }

    /// Calls `free`.
    #[inline(always)]
    pub fn free(self) {
        // SAFETY: the C library returned the pointer and a `Block` is freed at most once.
        unsafe { libc::free(self.0.as_ptr().cast::<c_void>()) }
    }
}

/// Calls `malloc_trim(0)`, which asks the allocator to return free memory to the system.
pub fn trim() {
    // SAFETY: the call takes a number and touches no block that is live.
    unsafe { libc::malloc_trim(0) };
}

#[cold]
fn no_block(size: usize) -> ! {
    eprintln!("malloc({size}) returned null; is there a limit on memory (ulimit -v)?");
    std::process::exit(1)
}

/// A block whose every byte was written, and the contents that it must still have.
#[derive(Debug)]
pub struct FilledBlock {
    block: Block,
    size: usize,
    alignment: usize,
    pattern: Pattern,
}

impl FilledBlock {
    /// Allocates `size` bytes, more than 0, and fills them; `None` if `malloc` returned null.
    pub fn allocate(size: usize, pattern: Pattern) -> Option<Self> {
        // `malloc` promises no contents, so no damage can be found.
        Self::allocate_from(Malloc, size, pattern).ok().flatten()
    }

    /// Requests `size` bytes, more than 0, from `source`, checks that they are 0 if the source
    /// promises zeros, and fills them; `None` if the source returned null.
    pub fn allocate_from<S: Source>(
        source: S,
        size: usize,
        pattern: Pattern,
    ) -> Result<Option<Self>, Damage> {
        let Some(block) = source.ask(size) else { return Ok(None) };
        let start = block.0.as_ptr();
        if S::ZEROED {
            // SAFETY: the source initialised all `size` bytes, and the block is ours alone.
            let bytes = unsafe { std::slice::from_raw_parts(start, size) };
            if let Some(offset) = bytes.iter().position(|&byte| byte != 0) {
                let (address, found) = (start as usize, bytes[offset]);
                return Err(Damage::NotZero { address, size, offset, found });
            }
        }
        // SAFETY: the block is `size` bytes long and ours alone.
        unsafe { start.write_bytes(0, size) };
        let mut filled = Self { block, size, alignment: source.alignment(size), pattern };
        filled.fill();
        Ok(Some(filled))
    }

    /// Calls `realloc` for `size` bytes, no fewer than before. Checks the old contents before and
    /// after the call, and fills the rest; `false` if `realloc` returned null and left the block as
    /// it was.
    pub fn grow(&mut self, size: usize) -> Result<bool, Damage> {
        self.check()?;
        if !self.block.resize(size) {
            return Ok(false);
        }
        self.check()?;
        let end = self.block.0.as_ptr().wrapping_add(self.size);
        // SAFETY: the block is `size` bytes long and ours alone, and this is the rest of it.
        unsafe { end.write_bytes(0, size - self.size) };
        self.size = size;
        self.alignment = Malloc.alignment(size);
        self.fill();
        Ok(true)
    }

    /// Writes the pattern into all bytes, which are initialised.
    fn fill(&mut self) {
        // SAFETY: all `size` bytes are initialised, and nothing else refers to them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.block.0.as_ptr(), self.size) };
        self.pattern.write(bytes);
    }

    /// Checks the alignment and the contents; the error is the first damage.
    pub fn check(&self) -> Result<(), Damage> {
        let start = self.block.0.as_ptr();
        let address = start as usize;
        if !address.is_multiple_of(self.alignment) {
            return Err(Damage::Alignment { address, size: self.size });
        }
        // SAFETY: `allocate` initialised `size` bytes, and nothing writes to them any more.
        let bytes = unsafe { std::slice::from_raw_parts(start, self.size) };
        match self.pattern.first_difference(bytes) {
            None => Ok(()),
            Some(offset) => {
                let found = bytes[offset];
                Err(Damage::Contents { address, size: self.size, offset, found })
            }
        }
    }

    /// Calls `free`.
    pub fn free(self) {
        self.block.free();
    }
}

/// File whose definition of `symbol` this process uses; `None` if no file defines it or the linker
/// does not name the file.
pub fn file_of(symbol: &CStr) -> Option<PathBuf> {
    // SAFETY: the name is a C string; `dlsym` has no other precondition.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
    if address.is_null() {
        return None;
    }
    // SAFETY: `Dl_info` holds pointers only; all zeros is a value of it.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is writable and `dladdr` accepts any address.
    let known = unsafe { libc::dladdr(address, &raw mut found) };
    if known == 0 || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: `dladdr` succeeded, so the name is a C string that lives as long as the library,
    // which is never unloaded.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Some(PathBuf::from(OsString::from_vec(name.to_bytes().to_vec())))
}
