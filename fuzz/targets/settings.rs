//! The environment, from which the allocator reads its settings.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hakmem::fuzz::read_environment(bytes);
});
