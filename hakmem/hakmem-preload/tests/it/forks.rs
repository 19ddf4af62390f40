//! Children, however they were made, have an allocator that works and a segment of their own.

use hakmem_reader::{Class, ProcessState, State};

use crate::compiled;
use crate::loaded::{Loaded, Record, records};
use crate::loader::beside;

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
        // Slots of the main thread, of the process itself, and of the one thread that the child
        // starts.
        assert_eq!(child.sample.process.slots_used, 3);
        let frees = child.class(Class::C4).frees + child.class(Class::Mid).frees;
        assert!(frees > 50, "the child's frees are its own");
    }
}

/// Forks in the handler of the trap flag, after every 199th instruction of a thread's first call.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_first_call_may_be_interrupted_by_a_handler_that_forks_at_any_instruction() {
    let finished = Loaded::new("fork_in_first_call.c").arg("199").run_well();
    let instructions: u32 = finished.stdout.trim().parse().expect("how many");
    assert!(instructions > 1000, "{instructions} instructions are no first call");
    let (children, parents): (Vec<_>, Vec<_>) =
        finished.records().into_iter().partition(|record| record.identity.forked);
    assert_eq!(parents.len(), 1);
    assert!(children.len() >= 5, "{} children had a segment", children.len());
    children.iter().chain(&parents).for_each(Record::assert_sound);
    assert!(children.iter().all(|child| child.state == ProcessState::Exited));
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
        // A child that allocates before `exec` has one more segment, a replaced one.
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

/// Runs a program whose processes all verify their blocks, and checks the segments that they
/// published.
fn forks_well(loaded: Loaded) {
    for record in loaded.run_well().records() {
        if !record.identity.forked {
            record.assert_sound();
            assert_eq!(record.state, ProcessState::Exited);
        }
    }
}

#[test]
fn a_fork_does_not_wait_for_threads_that_allocate_with_a_stream_locked() {
    forks_well(Loaded::new("fork_and_stdio.c").arg("40"));
}

#[test]
fn a_signal_handler_may_fork_in_the_middle_of_the_allocator() {
    for how in ["exit", "go_on", "nested"] {
        forks_well(Loaded::new("fork_in_handler.c").arg("60").arg(how));
    }
    // Other threads hold locks at the same time.
    forks_well(Loaded::new("fork_in_handler.c").arg("40").arg("go_on").arg("2"));
}

#[test]
fn handlers_of_other_libraries_may_allocate_before_and_after_a_fork() {
    let (ours, others) =
        (hakmem_built::preload_library_of_tests(), compiled::plugin("fork_handlers.c"));
    // Handlers are registered in the order of the libraries, or in its reverse.
    for preload in [beside(&others, &ours), beside(&ours, &others)] {
        forks_well(Loaded::new("fork_with_handlers.c").env("LD_PRELOAD", preload).arg("12"));
    }
}

#[test]
fn children_of_every_kind_live_on_whatever_other_threads_were_at() {
    for how in ["fork", "_Fork", "clone", "vfork", "again"] {
        forks_well(Loaded::new("fork_storm.c").arg(how).arg("40"));
    }
}

#[test]
fn children_live_on_under_every_routing_and_where_every_free_is_checked() {
    for routing in ["registry", "exclude", "uniform", "hybrid"] {
        for how in ["fork", "_Fork"] {
            let storm = Loaded::new("fork_storm.c").env("HAKMEM_ROUTING", routing);
            forks_well(storm.arg(how).arg("12"));
        }
        let handler = Loaded::new("fork_in_handler.c").env("HAKMEM_ROUTING", routing);
        forks_well(handler.arg("12").arg("go_on"));
    }
    for how in ["fork", "_Fork"] {
        forks_well(Loaded::new("fork_storm.c").env("HAKMEM_CHECK", "full").arg(how).arg("12"));
        forks_well(Loaded::new("fork_storm.c").env("HAKMEM_TELEMETRY", "off").arg(how).arg("12"));
    }
    let handler = Loaded::new("fork_in_handler.c").env("HAKMEM_CHECK", "full");
    forks_well(handler.arg("20").arg("go_on"));
}

#[test]
fn a_child_says_what_it_lost_by_a_fork_that_went_past_libc() {
    let lost = |how| parent_and_child(how).1.identity.fork_abandoned_bytes;
    assert_eq!(lost("fork"), 0, "the only thread's lists are kept");
    assert!(lost("raw") > 0, "the lists of the only thread are lost");
}
