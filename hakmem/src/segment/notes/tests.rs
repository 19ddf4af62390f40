use std::boxed::Box;
use std::vec::Vec;

use super::*;

const HEADERS: usize = 3;
const ID: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// An executable as it lies in memory: ELF header, program headers, and a note at offset 2048.
#[repr(C, align(4096))]
struct Image {
    file: libc::Elf64_Ehdr,
    program: [ProgramHeader; HEADERS],
    rest: [u8; 4096 - 64 - HEADERS * 56],
}

const NOTE_AT: usize = 2048;
/// The address at which the executable begins according to its headers.
const LINKED_AT: u64 = 0x40_0000;

fn header(kind: u32, offset: u64, bytes: u64) -> ProgramHeader {
    ProgramHeader {
        p_type: kind,
        p_flags: PF_R,
        p_offset: offset,
        p_vaddr: LINKED_AT + offset,
        p_paddr: 0,
        p_filesz: bytes,
        p_memsz: bytes,
        p_align: 4096,
    }
}

fn note() -> Vec<u8> {
    let mut note = Vec::new();
    // A property note comes first, then the build-id.
    for (kind, content) in [(5_u32, &[9; 4][..]), (3, &ID)] {
        note.extend(4_u32.to_le_bytes());
        note.extend((content.len() as u32).to_le_bytes());
        note.extend(kind.to_le_bytes());
        note.extend(b"GNU\0");
        note.extend(content);
    }
    note
}

fn image(first: ProgramHeader) -> Box<Image> {
    // SAFETY: all fields are numbers.
    let mut image: Box<Image> = unsafe { Box::new(core::mem::zeroed()) };
    image.file.e_ident[..4].copy_from_slice(b"\x7fELF");
    image.file.e_phoff = 64;
    let note = note();
    let at = NOTE_AT - 64 - HEADERS * 56;
    image.rest[at..at + note.len()].copy_from_slice(&note);
    let load = header(PT_LOAD, 0, 4096);
    image.program = [first, load, header(PT_NOTE, NOTE_AT as u64, note.len() as u64)];
    image
}

fn found(image: &Image) -> Vec<u8> {
    let mut id = [0; 32];
    // SAFETY: the image lies as its headers say.
    let length = unsafe { look_up_in(&image.program, BUILD_ID, &mut id) };
    id[..length.unwrap_or(0)].to_vec()
}

#[test]
fn the_id_is_found_with_and_without_a_header_of_the_headers() {
    assert_eq!(found(&image(header(PT_PHDR, 64, 3 * 56))), ID);
    // GNU's linker produces this for a static position-independent executable.
    let none = header(0, 0, 0);
    assert_eq!(found(&image(none)), ID);
}

#[test]
fn nothing_is_read_where_nothing_is_loaded() {
    let none = header(0, 0, 0);
    let empty = Vec::<u8>::new();
    let mut outside = image(none);
    outside.program[2].p_vaddr = 0x7000_0000;
    assert_eq!(found(&outside), empty);
    let mut beyond = image(none);
    beyond.program[2].p_vaddr = LINKED_AT + 4096 - 16;
    assert_eq!(found(&beyond), empty);
    let mut unreadable = image(none);
    unreadable.program[1].p_flags = 0;
    assert_eq!(found(&unreadable), empty);
    let mut headless = image(none);
    headless.file.e_ident[0] = 0;
    assert_eq!(found(&headless), empty);
    let mut elsewhere = image(none);
    elsewhere.program[1].p_offset = 4096;
    assert_eq!(found(&elsewhere), empty, "the segment with the headers is not the first");
}

#[test]
fn broken_notes_end_the_search() {
    let note = note();
    for length in 0..note.len() {
        assert_eq!(find(&note[..length], BUILD_ID, &mut [0; 32]), None, "cut at {length}");
    }
    for word in [0, 4, 20, 24] {
        let mut broken = note.clone();
        broken[word..word + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let _ = find(&broken, BUILD_ID, &mut [0; 32]);
    }
    assert_eq!(find(&note, BUILD_ID, &mut [0; 4]), Some(4), "an id that is too long is cut");
}

#[test]
fn a_note_is_told_by_owner_and_type() {
    let mut notes = note();
    assert_eq!(find(&notes, OWN_ALLOCATOR, &mut []), None);
    notes.extend([7_u32, 0, 1].map(u32::to_le_bytes).as_flattened());
    notes.extend(b"hakmem\0\0");
    assert_eq!(find(&notes, OWN_ALLOCATOR, &mut []), Some(0));
    assert_eq!(find(&notes, Kind { number: 2, ..OWN_ALLOCATOR }, &mut []), None);
}

#[test]
fn this_program_has_the_id_that_its_file_says() {
    let mut id = [0; 32];
    let length = copy_build_id(&mut id);
    let file = std::fs::read(std::env::current_exe().expect("known")).expect("readable");
    let is_there = |id: &[u8]| file.windows(id.len()).any(|part| part == id);
    // Whether the program has a build-id is the linker's choice.
    assert!(length == 0 || is_there(&id[..length]));
}
