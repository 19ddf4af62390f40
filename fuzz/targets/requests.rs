//! Requests of a client to an agent.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hakmem_agent::fuzz::answer(bytes);
});
