use std::time::Instant;

use super::*;
use crate::format::file_header;

/// A block whose payload is `length` times the byte `content`.
fn block(number: u32, content: u8, length: usize) -> Vec<u8> {
    let payload = vec![content; length];
    let header = BlockHeader::new(number, 0, length, &payload);
    [header.bytes().as_slice(), &payload].concat()
}

fn file(parts: &[&[u8]]) -> Source {
    Source::Bytes([file_header().as_slice(), &parts.concat()].concat())
}

/// Numbers of the intact blocks, and damage as offset, length and kind.
fn scanned(source: &Source) -> (Vec<u32>, Vec<(u64, u64, DamageKind)>) {
    let found = scan(source).unwrap();
    let numbers = found.blocks.iter().map(|it| it.header.number).collect();
    (numbers, found.damage.iter().map(|it| (it.offset, it.length, it.kind)).collect())
}

#[test]
fn each_damaged_block_costs_itself_and_no_other() {
    let mut blocks: Vec<Vec<u8>> = (0..8).map(|number| block(number, 7, 30_000)).collect();
    for damaged in [1, 3, 5] {
        blocks[damaged][100] ^= 1;
    }
    let length = blocks[0].len() as u64;
    let damage = [1, 3, 5].map(|it| (16 + it * length, length, DamageKind::Corrupted));
    let parts: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    assert_eq!(scanned(&file(&parts)), (vec![0, 2, 4, 6, 7], damage.to_vec()));
}

#[test]
fn only_a_last_block_that_is_too_short_is_cut_off() {
    let (first, second) = (block(0, 1, 50), block(1, 2, 60));
    let kinds = |second: &[u8], rest: &[u8]| -> Vec<DamageKind> {
        let (_, damage) = scanned(&file(&[&first, second, rest]));
        damage.into_iter().map(|(_, _, kind)| kind).collect()
    };
    assert_eq!(kinds(&second, &[]), []);
    assert_eq!(kinds(&second[..second.len() - 1], &[]), [DamageKind::CutOff]);
    assert_eq!(kinds(&second[..3], &[]), [DamageKind::CutOff]);
    let mut changed = second.clone();
    changed[50] ^= 1;
    assert_eq!(kinds(&changed, &[]), [DamageKind::Corrupted]);
    // A length that was changed reaches beyond the end of the file.
    let mut long = second.clone();
    long[17] ^= 1;
    assert_eq!(kinds(&long, &[]), [DamageKind::CutOff]);
    assert_eq!(kinds(&long, &block(2, 3, 70)), [DamageKind::Corrupted]);
}

#[test]
fn a_block_is_found_wherever_its_marker_lies() {
    let good = block(0, 9, 40);
    // The search begins one byte into the garbage, and reads `SEARCH_BYTES` at a time.
    for before_end in 0..=SYNC.len() + 1 {
        let garbage = vec![0; 1 + SEARCH_BYTES - before_end];
        let damage = (16, garbage.len() as u64, DamageKind::Corrupted);
        assert_eq!(scanned(&file(&[&garbage, &good])), (vec![0], vec![damage]), "{before_end}");
    }
}

#[test]
fn markers_in_front_of_what_is_no_block_do_not_cost_quadratic_time() {
    // Each marker announces a mebibyte of payload that is there, with another checksum.
    let header = BlockHeader { payload_bytes: 1 << 20, ..BlockHeader::new(0, 0, 0, b"") };
    let markers = header.bytes().repeat(100_000);
    let began = Instant::now();
    let (numbers, damage) = scanned(&file(&[&markers]));
    assert_eq!((numbers.len(), damage.len()), (0, 1));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn blocks_that_are_missing_or_come_twice_are_damage_of_their_order() {
    let blocks: Vec<Vec<u8>> = (0..4).map(|number| block(number, 7, 10)).collect();
    let length = blocks[0].len() as u64;
    let order = |at: u64, length| (16 + at, length, DamageKind::Order);
    let missing = scanned(&file(&[&blocks[0], &blocks[2], &blocks[3]]));
    assert_eq!(missing, (vec![0, 2, 3], vec![order(length, 0)]));
    let twice = scanned(&file(&[&blocks[0], &blocks[1], &blocks[1], &blocks[2]]));
    assert_eq!(twice, (vec![0, 1, 2], vec![order(2 * length, length)]));
}

#[test]
fn every_kind_of_damage_has_words_of_its_own() {
    let kinds = [
        DamageKind::Header,
        DamageKind::Corrupted,
        DamageKind::CutOff,
        DamageKind::Order,
        DamageKind::Content,
    ];
    let words: std::collections::BTreeSet<&str> = kinds.iter().map(|it| it.text()).collect();
    assert_eq!(words.len(), kinds.len());
    assert_eq!(DamageKind::CutOff.text(), "the last block is not complete");
}
