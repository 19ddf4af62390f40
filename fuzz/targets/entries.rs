//! The entries in a recording's block, whose checksum is right.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hakmem_recording::fuzz::read_entries(bytes);
});
