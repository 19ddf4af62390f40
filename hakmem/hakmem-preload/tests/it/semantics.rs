//! What C and C++ promise of their allocation functions.

use hakmem_reader::{AllocReason, Class, Outcome, ProcessState};

use crate::loaded::Loaded;

#[test]
fn the_malloc_family_keeps_glibcs_promises() {
    let record = Loaded::new("semantics.c").run_well().record();
    record.assert_sound();
    assert_eq!(record.state, ProcessState::Exited);
    let large = record.class(Class::Large);
    // 11 of the 16 impossible requests of the program are ENOMEM ones with a size, and so on: at
    // least those that name no alignment must be counted.
    assert!(large.failed_allocations() >= 12, "{} failures", large.failed_allocations());
    assert!(record.class(Class::Large).alloc_reasons[AllocReason::Aligned as usize] > 0);
    assert_eq!(record.class(Class::None).frees, 0, "nothing was taken for foreign");
}

#[test]
fn every_block_is_aligned_usable_and_its_own() {
    Loaded::new("alignment.c").run_well().record().assert_sound();
}

#[test]
fn every_form_of_new_and_delete_works() {
    let record = Loaded::new("operators.cc").run_well().record();
    record.assert_sound();
    assert_eq!(record.class(Class::None).frees, 0);
    let [sized, map] = [Outcome::Sized, Outcome::Map].map(|outcome| {
        Class::ALL.iter().map(|&class| record.class(class).outcomes[outcome as usize]).sum::<u64>()
    });
    assert!(map > 0);
    assert_eq!(sized, 0, "the map finds the class: what a program says of a size may be wrong");
}

#[test]
fn exhausted_memory_reaches_the_new_handler_and_then_throws() {
    Loaded::new("bad_alloc.cc").run_well().record().assert_sound();
}
