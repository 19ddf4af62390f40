use std::string::String;
use std::vec::Vec;

use super::*;

/// An entry as the kernel writes it, padded to a multiple of eight bytes.
fn entry(name: &str) -> Vec<u8> {
    let mut bytes = [0_u8; 16].to_vec();
    let length = (19 + name.len() + 1).next_multiple_of(8);
    bytes.extend((length as u16).to_ne_bytes());
    bytes.push(8);
    bytes.extend(name.as_bytes());
    bytes.resize(length, 0);
    bytes
}

fn names(mut entries: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((name, rest)) = next_entry(entries) {
        names.push(name.to_string_lossy().into_owned());
        entries = rest;
    }
    names
}

#[test]
fn entries_are_read_one_after_another() {
    let all = [".", "..", "1-2-0000000000000003.hakmem", "a", "exactly8", ""];
    let bytes: Vec<u8> = all.iter().flat_map(|name| entry(name)).collect();
    assert_eq!(names(&bytes), all);
}

#[test]
fn broken_entries_end_the_reading() {
    let bytes = entry("name");
    for length in 0..bytes.len() {
        assert_eq!(names(&bytes[..length]).len(), 0, "cut at {length}");
    }
    for length in [0_u16, 1, 18, 19, 1000, u16::MAX] {
        let mut bytes = entry("name");
        bytes[16..18].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(names(&bytes).len(), 0, "a length of {length}");
    }
    let mut unended = entry("nameabcd");
    unended.truncate(27);
    unended[16..18].copy_from_slice(&27_u16.to_ne_bytes());
    assert_eq!(names(&unended).len(), 0, "no final zero");
}

#[test]
fn file_names_carry_their_nonce() {
    let birth = Birth::now();
    let name = file_name(birth);
    let text = CStr::from_bytes_until_nul(&name).expect("ended by a zero").to_str().expect("ascii");
    let stem = text.strip_suffix(FILE_SUFFIX).expect("the suffix");
    let parts: Vec<&str> = stem.split('-').collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0], std::format!("{}", std::process::id()));
    assert!(parts[1].parse::<u64>().expect("a number") > 0);
    assert_eq!(birth.nonce, u64::from_str_radix(parts[2], 16).expect("hex"));
    assert_ne!(file_name(Birth::now()), name, "each is new");
}
