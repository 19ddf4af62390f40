//! A segment that any user may have written, and that changes while it is read.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hakmem_reader::fuzz::read_parts(bytes);
});
