//! Messages of an agent to the screen.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hakmem_top::fuzz::show(bytes);
});
