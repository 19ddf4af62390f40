use std::format;

use super::*;
use crate::bins;

fn finding(outcome: Outcome, bin: usize) -> Finding {
    Finding { outcome, bin, claimed: None, header: None, by_check: false, is_late: false }
}

/// Compares the words of a report with `expected`.
fn check(finding: Finding, expected: &str) {
    assert_eq!(format!("{}{}", Description(&finding), When(&finding)), expected);
}

#[test]
fn each_kind_is_said_in_words() {
    crate::tests::start();
    let small = 3;
    assert_eq!(bins::class(small), Class::C2);
    check(
        Finding {
            claimed: Some(Class::C7),
            header: Some(0xa7),
            ..finding(Outcome::HeaderFalsePositive, small)
        },
        "header byte 0xa7 claims C7, but the block is C2, which has no header",
    );
    check(
        Finding { header: Some(0x20), ..finding(Outcome::HeaderMissing, small) },
        "byte 0x20 is where the header of a C2 block was: something wrote beyond the block before \
         it; repaired",
    );
    check(
        finding(Outcome::Interior, small),
        "inside a C2 block or between two, not the start of one; ignored",
    );
    check(
        finding(Outcome::DoubleFree, BIN_NONE),
        "in hakmem's memory, but not in a block: freed before, or never allocated; ignored",
    );
    check(
        Finding { is_late: true, ..finding(Outcome::DoubleFree, small) },
        "the C2 block is free already; ignored; found later, on its way to its slab",
    );
    check(
        Finding { claimed: Some(Class::C0), ..finding(Outcome::SizeMismatch, small) },
        "freed with a size of C0, but the block is C2",
    );
    check(finding(Outcome::Foreign, BIN_NONE), "not a pointer that hakmem returned; ignored");
}

#[test]
fn a_block_that_is_freed_all_the_same_counts_as_checked_or_routed() {
    let live = finding(Outcome::HeaderMissing, 3);
    assert_eq!(live.reason(), FreeReason::Routed);
    assert_eq!(Finding { by_check: true, ..live }.reason(), FreeReason::Check);
    assert_eq!(finding(Outcome::DoubleFree, 3).reason(), FreeReason::Rejected);
}
