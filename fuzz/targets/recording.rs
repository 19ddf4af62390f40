//! A recording that came from anyone, as a file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hakmem_recording::fuzz::read_bytes(bytes);
});
