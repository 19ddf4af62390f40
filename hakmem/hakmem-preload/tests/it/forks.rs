//! Children, however they came about, have an allocator that works and a segment of their own.

use hakmem_reader::{Class, ProcessState, State};

use crate::loaded::{Loaded, Record, records};

#[test]
fn two_hundred_forks_of_a_busy_process_do_not_hang() {
    let records = Loaded::new("fork_threaded.c").arg("200").run_well().records();
    let (children, parents): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.identity.forked);
    assert_eq!(parents.len(), 1);
    assert!(children.len() <= 200);
    for record in children.iter().chain(&parents) {
        record.assert_sound();
        assert_eq!(record.state, ProcessState::Exited);
    }
    for child in &children {
        assert_eq!(child.identity.parent_pid, parents[0].identity.pid);
        assert_eq!(child.sample.process.exit_code, Some(42));
        // Main, the process's own, and the one thread that the child starts.
        assert_eq!(child.sample.process.slots_used, 3);
        let frees = child.class(Class::C4).frees + child.class(Class::Mid).frees;
        assert!(frees > 50, "the child's frees are its own");
    }
}

#[test]
fn forks_without_telemetry_work_too() {
    let off = |program: &str, argument: &str| {
        Loaded::new(program).env("HAKMEM_TELEMETRY", "off").arg(argument).run_well()
    };
    assert!(off("fork_threaded.c", "30").records().is_empty());
    for how in ["fork", "raw", "clone"] {
        assert!(off("fork_counts.c", how).records().is_empty());
    }
}

/// Parent and child of `fork_counts.c`.
fn parent_and_child(how: &str) -> (Record, Record) {
    let mut records = Loaded::new("fork_counts.c").arg(how).run_well().records();
    assert_eq!(records.len(), 2, "a segment for each process");
    let child = records.pop().expect("two");
    let parent = records.pop().expect("two");
    parent.assert_sound();
    child.assert_sound();
    assert!(child.identity.forked && !parent.identity.forked);
    assert_eq!(child.identity.parent_pid, parent.identity.pid);
    assert_eq!([parent.state, child.state], [ProcessState::Exited; 2]);
    assert_eq!(child.sample.process.exit_code, Some(3));
    (parent, child)
}

fn check_counts(how: &str) {
    let (parent, child) = parent_and_child(how);
    let (of_parent, of_child) = (parent.class(Class::C7), child.class(Class::C7));
    assert!(of_parent.allocations >= 1000, "{how}: {}", of_parent.allocations);
    let unfreed = of_parent.allocations - of_parent.frees;
    assert!(unfreed < 10, "{how}: the parent frees its own, {unfreed} are left");
    assert_eq!((of_child.allocations, of_child.frees), (0, 500), "{how}");
    assert_eq!(of_child.inherited_blocks, unfreed + 1000, "{how}");
    assert_eq!(of_child.live_blocks, unfreed.cast_signed() + 500, "{how}");
    let c0 = child.class(Class::C0);
    assert_eq!((c0.allocations, c0.frees), (5000, 5000), "{how}");
    assert!(parent.class(Class::C0).allocations < 100, "{how}: not the child's");
    assert!(parent.class(Class::C6).allocations >= 300, "{how}");
    assert!(child.class(Class::C6).allocations < 100, "{how}: not the parent's");
}

#[test]
fn parent_and_child_each_show_their_own_calls() {
    check_counts("fork");
}

#[test]
fn a_child_of_a_raw_system_call_has_its_own_segment() {
    check_counts("raw");
    check_counts("clone");
}

#[test]
fn a_child_that_makes_no_call_leaves_its_parents_segment_alone() {
    for how in ["_exit", "exit", "kill", "vfork"] {
        let mut running = Loaded::new("idle_child.c").arg(how).with_stdin().start();
        running.wait_for_mark();
        let shown = records(running.directory());
        let parent = shown.iter().find(|record| !record.identity.forked).expect("the parent's");
        assert_eq!(parent.state, ProcessState::Running, "{how}");
        assert_eq!(parent.sample.process.state, Some(State::Running), "{how}");
        drop(running.child.stdin.take());
        running.finish().assert_silent(0);
    }
}

#[test]
fn a_program_that_execs_is_replaced_by_its_successor() {
    let finished = Loaded::new("spawn.c").arg("exec").run();
    finished.assert_silent(5);
    let records = finished.records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].identity.pid, records[1].identity.pid);
    assert_eq!(
        [records[0].state, records[1].state],
        [ProcessState::Replaced, ProcessState::Exited]
    );
    assert_eq!(records[1].sample.process.exit_code, Some(5));
}

#[test]
fn children_that_become_other_programs_count_for_themselves() {
    for how in ["fork", "vfork", "posix_spawn"] {
        let records = Loaded::new("spawn.c").arg(how).run_well().records();
        let parent = &records[0];
        parent.assert_sound();
        assert_eq!(parent.state, ProcessState::Exited, "{how}");
        assert_eq!(parent.sample.process.exit_code, Some(0), "{how}");
        assert!(parent.class(Class::C7).allocations < 100, "{how}: the leaf's are not its");
        let leaf = records.last().expect("some");
        assert_eq!(leaf.sample.process.exit_code, Some(5), "{how}");
        assert!(leaf.class(Class::C7).allocations >= 700, "{how}");
        assert!(!leaf.identity.forked, "{how}");
        // A child that allocates before `exec` has one segment more, a replaced one.
        let between = &records[1..records.len() - 1];
        assert_eq!(between.len(), usize::from(how == "fork"), "{how}");
        for record in between {
            assert_eq!(record.state, ProcessState::Replaced, "{how}");
        }
    }
}

#[test]
fn a_child_that_shares_its_parents_memory_may_exit() {
    let record = Loaded::new("spawn.c").arg("vfork_exit").run_well().record();
    assert_eq!(record.state, ProcessState::Exited);
    assert_eq!(record.sample.process.exit_code, Some(0), "the parent's, not the child's");
    record.assert_sound();
}

#[test]
fn children_of_children_inherit_from_all_before_them() {
    let records = Loaded::new("fork_tree.c").arg("12").run_well().records();
    let last = records.last().expect("some");
    last.assert_sound();
    let c7 = last.class(Class::C7);
    assert_eq!(c7.frees, 12);
    assert!(c7.live_blocks >= 0, "{} live blocks", c7.live_blocks);
    assert!(c7.inherited_blocks >= 12, "{} inherited", c7.inherited_blocks);
}
