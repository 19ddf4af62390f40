use hakmem_agent::inspection::{Inspection, inspect_file};
use hakmem_reader::fixture::{FixtureProcess, NewEvent, SegmentWriter, SlotWriter, bin_of};
use hakmem_reader::{AllocReason, Check, Class, EventKind, FreeReason, Outcome, Push, Routing};

use super::*;

/// A process with a fixed name and time, so that texts are identical on every run.
fn process(routing: Routing) -> FixtureProcess {
    FixtureProcess {
        pid: 5_000_000,
        start_time_ticks: 1000,
        nonce: 7,
        created_unix_ns: 1_700_000_000_000_000_000,
        created_monotonic_ns: 5_000_000_000,
        arguments: vec!["mixed".to_owned(), "512".to_owned()],
        package_version: "0.1.0".to_owned(),
        routing,
        check: Check::Sample,
        push: Push::Boxed,
        ..FixtureProcess::new("/usr/bin/mixed")
    }
}

fn event(at_ms: u64, kind: EventKind, class: Class, detail: u8) -> NewEvent {
    NewEvent {
        kind,
        class,
        bin: bin_of(class) as u8,
        detail,
        claimed_class: Class::None,
        monotonic_ns: 5_000_000_000 + at_ms * 1_000_000,
        duration_ns: 0,
        value: 0,
        address: 0,
    }
}

fn finding(at_ms: u64, outcome: Outcome, claimed_class: Class, byte: u8) -> NewEvent {
    NewEvent {
        claimed_class,
        value: byte.into(),
        address: 0x7f00_1234_5400,
        ..event(at_ms, EventKind::CheckFinding, Class::C7, outcome as u8)
    }
}

/// The story of a process that did `work` and then was killed or, with `exit`, exited with that
/// code.
fn story(process: &FixtureProcess, exit: Option<i32>, work: impl FnOnce(&mut SlotWriter)) -> Story {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), process);
    let slot = writer.take_slot(77, "main");
    work(writer.slot(slot));
    let path = writer.path().to_owned();
    match exit {
        Some(code) => writer.exit(code),
        None => drop(writer),
    }
    let Inspection { process, events, .. } = inspect_file(&path).unwrap();
    Story { path: "/dev/shm/x.hakmem".to_owned(), process, events, found_dead_at: None }
}

fn bug(slot: &mut SlotWriter) {
    let c7 = bin_of(Class::C7);
    slot.allocate(c7, 100);
    for (reason, outcome, count) in [
        (FreeReason::Routed, Outcome::Headerless, 60),
        (FreeReason::Check, Outcome::HeaderFalsePositive, 5),
    ] {
        (0..count).for_each(|_| slot.free_slow(c7, reason, outcome, 0));
    }
    slot.event(event(0, EventKind::RoutingChosen, Class::None, Routing::E3 as u8));
    let refill = AllocReason::RefillCentral as u8;
    for (at, class) in [(1, Class::C7), (2, Class::C3), (3, Class::C7)] {
        slot.event(event(at, EventKind::SlowAllocation, class, refill));
    }
    for at in 10..14 {
        slot.event(finding(at, Outcome::HeaderFalsePositive, Class::C3, 0xa3));
    }
    slot.event(finding(17, Outcome::HeaderFalsePositive, Class::C7, 0xa7));
}

#[test]
fn the_bug_of_e3_is_told_from_the_first_wrong_list_to_the_crash() {
    let mut story = story(&process(Routing::E3), None, bug);
    insta::assert_snapshot!(story.text(), @r"
    mixed, process 5000000: ended
      command   mixed 512
      routing   e3 · check sample
                UNSAFE: header only; C7 has none, and a byte like one sends it to a wrong list
      started   2023-11-14T22:13:20Z, hakmem 0.1.0
      segment   /dev/shm/x.hakmem
      counted   100 allocations, 65 frees, 35 live blocks of 35.0 KiB

    C7's frees
      RECOGNISED BY                    ALL          FAST          SLOW
      headerless                        60             0            60  the registry: C7 has no header
    ! header_false_positive              5             0             5  looked like a header but was not one
      slow because: routed 60, check 5

    Anomalies
    ! C7    header_false_positive         5  looked like a header but was not one

    The story
         +0.000000 s  thread 77: the routing e3 took effect
         +0.003000 s  until then 3 slow paths: C7 refill_central 2, C3 refill_central 1
    !    +0.010000 s  thread 77: free(0x7f0012345400): the byte in front, 0xa3, claims C3, but the block
                      is C7, which has no header (found by a check)
                      → e3 believes the byte: it was pushed on C3's list although it is a C7 block, and
                      the next C3 request gets it
    !    +0.013000 s  … 3 more like it, the last: free(0x7f0012345400): the byte in front, 0xa3, claims
                      C3, but the block is C7, which has no header (found by a check)
    !    +0.017000 s  thread 77: free(0x7f0012345400): the byte in front, 0xa7, passes for a header of
                      C7, which has none (found by a check)
                      → e3 believes the byte: the block was put on C7's own list one byte too low, so
                      the allocation that pops it reads user data as a pointer

    It ended in an unknown way after its last event, at +0.017000 s. That event was an anomaly, 7.00 ms
    after the first one still on record.

    Most likely cause: the routing e3. It believes any byte in front of a block that looks like a
    header, and C7 blocks have none: 5 of their frees were decided by a byte of a neighbour's contents.
    Where it claimed C7 (1 of the events on record), the block lies one byte off on C7's own list, and
    the allocation that pops it follows user data as a pointer: a segmentation fault. Every other
    routing is exact.
    ");
    // The time when it was found dead bounds the time of the crash.
    let last = story.events.last().and_then(|event| event.at).unwrap();
    story.found_dead_at = Some(prost_types::Timestamp { nanos: 500_000_000, ..last });
    assert!(story.ending().contains("at +0.017000 s, and was found dead at +0.500000 s. That"));
}

#[test]
fn the_same_story_is_a_document() {
    let story = story(&process(Routing::E3), None, bug);
    let document: serde_json::Value = serde_json::from_str(&story.document()).unwrap();
    assert_eq!(document["process"]["routing"], "e3");
    assert_eq!(
        (&document["process"]["check"], &document["process"]["push"]),
        (&"sample".into(), &"".into())
    );
    assert_eq!(document["anomalies"][0]["count"], 5);
    let last = document["events"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["address"], &last["header_byte"]),
        (&"0x7f0012345400".into(), &"0xa7".into())
    );
    assert_eq!((&last["class"], &last["claimed_class"]), (&"C7".into(), &"C7".into()));
    assert_eq!(last["since_start_seconds"], 0.017);
    assert!(last["meaning"].as_str().unwrap().contains("one byte too low"));
    assert!(document["verdict"].as_str().unwrap().contains("the routing e3"));
}

#[test]
fn the_signal_that_ended_a_process_is_named() {
    let check = |state: &str, signal: Option<i32>, expected: &str| {
        let mut story = story(&process(Routing::Direct), None, |_| ());
        (story.process.state, story.process.end_signal) = (state.to_owned(), signal);
        assert_eq!(story.ending(), expected);
        assert_eq!(story.verdict().is_some(), state != "killed", "a killed process needs no cause");
    };
    check("killed", Some(15), "It was killed by SIGTERM before its first event.");
    check("killed", None, "It was killed before its first event.");
    check("crashed", Some(11), "It crashed with SIGSEGV before its first event.");
    check("ended", None, "It ended in an unknown way before its first event.");
}

#[test]
fn a_crash_without_anomalies_is_not_explained() {
    let story = story(&process(Routing::Hybrid), None, |slot| {
        let c7 = bin_of(Class::C7);
        slot.allocate(c7, 2);
        slot.free_slow(c7, FreeReason::Routed, Outcome::Headerless, 0);
        slot.allocate_slow(bin_of(Class::Large), AllocReason::OutOfMemory, 0);
        let failed = event(2500, EventKind::OutOfMemory, Class::Large, 0);
        slot.event(NewEvent { value: 3 << 30, ..failed });
    });
    insta::assert_snapshot!(story.text(), @r"
    mixed, process 5000000: ended
      command   mixed 512
      routing   hybrid · push boxed · check sample
                header, but the registry for 1024-aligned pointers: every C7 is one, and freed slowly
      started   2023-11-14T22:13:20Z, hakmem 0.1.0
      segment   /dev/shm/x.hakmem
      counted   2 allocations, 1 frees, 1 live blocks of 1.00 KiB

    C7's frees
      RECOGNISED BY                    ALL          FAST          SLOW
      headerless                         1             0             1  the registry: C7 has no header
      slow because: routed 1

    Anomalies
      none

    The story
         +2.500000 s  thread 77: a request of 3.00 GiB failed: out of memory

    It ended in an unknown way after its last event, at +2.500000 s.

    Nothing was found that explains it: no anomaly was seen (one free in 1024 was checked;
    HAKMEM_CHECK=full checks all). But 1 requests failed because memory ran out.
    ");
}

#[test]
fn what_a_child_repaired_and_lost_is_told() {
    let mut story = story(&process(Routing::Direct), None, |_| ());
    assert!(!story.text().contains("forked"), "{}", story.text());
    let identity = story.process.identity.as_mut().unwrap();
    (identity.fork_doubts, identity.fork_abandoned_bytes) = (2, 4096);
    let text = story.text();
    assert!(text.contains("  forked    2 locks were held by threads"), "{text}");
    assert!(text.contains("4.00 KiB were lost"), "{text}");
}

#[test]
fn libraries_in_namespaces_of_their_own_are_said_to_be_missing() {
    let mut story = story(&process(Routing::Direct), Some(0), |_| ());
    assert!(!story.text().contains("dlmopen"), "{}", story.text());
    story.process.loss.as_mut().unwrap().namespaces_total = 2;
    assert!(story.text().contains("with dlmopen bypass hakmem"), "{}", story.text());
}

#[test]
fn a_process_that_exited_has_an_end_and_no_verdict() {
    let story =
        story(&process(Routing::Direct), Some(3), |slot| slot.allocate(bin_of(Class::C3), 5));
    assert_eq!(story.verdict(), None);
    let ending = story.ending();
    assert!(ending.starts_with("It exited with code 3 after "), "{ending}");
    assert!(story.text().contains("  none: no C7 block was freed\n"), "{}", story.text());
}

#[test]
fn what_the_system_refused_is_told_if_there_was_any() {
    let mut story = story(&process(Routing::Direct), Some(0), |_| ());
    assert!(!story.text().contains("refused"));
    let memory = story.process.memory.get_or_insert_default();
    (memory.refused_unmaps, memory.refused_purges) = (12, 1);
    let text = story.text();
    for line in [
        "  refused   to unmap address space: 12 (see vm.max_map_count)\n",
        "  refused   to take memory back: 1 (see mlock(2))\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn each_anomaly_has_its_sentence_and_its_verdict() {
    let check = |outcome: Outcome, claimed: Class, byte, said: &str, meaning: &str, cause: &str| {
        let story = story(&process(Routing::Exclude), None, |slot| {
            slot.allocate(bin_of(Class::C3), 9);
            slot.free_slow(bin_of(Class::C3), FreeReason::Check, outcome, 0);
            let event = finding(1, outcome, claimed, byte);
            slot.event(NewEvent { class: Class::C3, kind: EventKind::Anomaly, ..event });
        });
        let sentence = Sentence::new(&story.events[0], "exclude");
        assert_eq!(sentence.said, format!("free(0x7f0012345400): {said}"));
        assert_eq!(sentence.meaning, meaning);
        let verdict = story.verdict().unwrap();
        assert!(
            verdict.starts_with(&format!("Most likely cause: the program {cause}")),
            "{verdict}"
        );
    };
    check(
        Outcome::HeaderMissing,
        Class::None,
        0x41,
        "the byte in front of the C3 block is 0x41, not its header 0xa3",
        "something wrote beyond the end of the block before it; the block was freed all the same",
        "writes beyond its blocks. 1 freed",
    );
    check(
        Outcome::HeaderFalsePositive,
        Class::C5,
        0xa5,
        "the byte in front, 0xa5, claims C5, but the block is C3",
        "the byte was not believed: it was freed as C3",
        "writes beyond its blocks. 1 freed",
    );
    check(
        Outcome::DoubleFree,
        Class::None,
        0,
        "the C3 block is free already",
        "the free was ignored",
        "frees blocks twice (1 times",
    );
    check(
        Outcome::Interior,
        Class::None,
        0,
        "the pointer lies inside a C3 block, or between two",
        "the free was ignored",
        "frees pointers that are not the start",
    );
    check(
        Outcome::SizeMismatch,
        Class::C1,
        0,
        "the caller passed a size of C1, but the block is C3",
        "it was freed as C3",
        "frees objects as a type other than their own: 1",
    );
}

#[test]
fn a_long_story_keeps_its_end_and_says_what_is_missing() {
    let story = story(&process(Routing::Direct), None, |slot| {
        for at in 0..200 {
            slot.event(event(at, EventKind::ThreadStart, Class::None, 0));
            let refill = AllocReason::NewSlab as u8;
            slot.event(event(at, EventKind::SlowAllocation, Class::C1, refill));
        }
    });
    let text = story.text();
    assert!(
        text.contains("  … 336 events were overwritten; 24 older lines are left out\n"),
        "{text}"
    );
    assert!(text.contains("+0.199000 s") && !text.contains("+0.170000 s"), "{text}");
}
