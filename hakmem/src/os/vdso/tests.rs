use std::vec::Vec;

use super::*;

/// The vDSO image of this process.
fn image() -> Vec<u8> {
    let base = auxiliary_vector::vdso_address();
    assert_ne!(base, 0, "the kernel maps a vDSO");
    // SAFETY: the image begins with a whole page.
    let headers = unsafe { core::slice::from_raw_parts(base as *const u8, HEADERS_BYTES) };
    let bytes = image_bytes(headers).expect("one loaded segment");
    // SAFETY: the kernel maps the whole segment.
    unsafe { core::slice::from_raw_parts(base as *const u8, bytes) }.to_vec()
}

#[test]
fn the_clock_is_found_and_tells_what_the_system_call_tells() {
    let function = clock_gettime().expect("the vDSO has the function");
    let mut times = [libc::timespec { tv_sec: 0, tv_nsec: 0 }; 3];
    let clock = libc::CLOCK_MONOTONIC;
    // SAFETY: fills the structure.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut times[0]) }, 0);
    // SAFETY: fills the structure.
    assert_eq!(unsafe { function(clock, &mut times[1]) }, 0);
    // SAFETY: fills the structure.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut times[2]) }, 0);
    let ns = times.map(|time| time.tv_sec * 1_000_000_000 + time.tv_nsec);
    assert!(ns.is_sorted(), "{ns:?}");
}

#[test]
fn both_hash_tables_tell_the_same_number_of_symbols() {
    let image = image();
    let whole = find_function(&image, CLOCK_GETTIME);
    assert!(whole.is_some());
    let dynamic = part_of_kind(&image, PT_DYNAMIC).expect("a dynamic section").offset;
    let place =
        |tag: u64| (dynamic..).step_by(16).take(64).find(|&at| word_at(&image, at) == Some(tag));
    for tag in [DT_HASH, DT_GNU_HASH] {
        // A kernel may have built the image with only one of the two tables.
        let Some(at) = place(tag) else { continue };
        let other = if tag == DT_HASH { DT_GNU_HASH } else { DT_HASH };
        let mut without = image.clone();
        without[at..at + 8].copy_from_slice(&0x7fff_ffff_u64.to_ne_bytes());
        let expected = if place(other).is_some() { whole } else { None };
        assert_eq!(find_function(&without, CLOCK_GETTIME), expected, "without {tag:#x}");
    }
}

#[test]
fn no_image_leads_outside_of_itself() {
    let image = image();
    for length in 0..image.len().min(2048) {
        let found = find_function(&image[..length], CLOCK_GETTIME);
        assert!(found.is_none_or(|offset| offset < length), "cut at {length}");
    }
    // Sets each byte of the headers and tables to values that lead far away.
    for at in 0..image.len().min(4096) {
        for value in [0, 0x7f, 0xff] {
            let mut broken = image.clone();
            broken[at] = value;
            let found = find_function(&broken, CLOCK_GETTIME);
            assert!(found.is_none_or(|offset| offset < broken.len()), "byte {at} is {value}");
        }
    }
}
