//! The bug of phase E3-1 crashes programs, is visible before it does, is caught at the faulty call,
//! and exists under no other routing. The script `reproduce-e3` shows the same with agent and TUI.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hakmem_reader::{Check, Class, ClassTotals, EventCursor, EventKind, Outcome, Routing, Segment};

use crate::scratch;

/// Numbers of Linux on every architecture that has a preload library.
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;
/// e3 crashes after some hundred thousand iterations on average.
const ITERATIONS: &str = "20000000";
const WORKING_SET: &str = "512";
const UNSAFE: &[(&str, &str)] = &[("HAKMEM_ROUTING", "e3"), ("HAKMEM_ALLOW_UNSAFE", "1")];

/// One run with its own folder for segments.
struct Run {
    segments: tempfile::TempDir,
    child: Child,
}

impl Run {
    fn start(settings: &[&[(&str, &str)]], arguments: &[&str]) -> Self {
        let segments = scratch::segments_directory();
        // A crash is wanted here, a core file of it is not.
        let script = "ulimit -c 0; LD_PRELOAD=$PRELOAD exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(hakmem_built::benchmark("bench_random_mixed"));
        command.args(arguments);
        command.env("PRELOAD", hakmem_built::preload_library()).env("HAKMEM_DIR", segments.path());
        command.envs(settings.iter().copied().flatten().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("/bin/sh starts");
        Self { segments, child }
    }

    /// The segment, once there is one.
    fn segment(&self) -> Option<Segment> {
        Segment::open(scratch::segments(&self.segments).first()?).ok()
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Waits for the end of the program; returns its output and its segment after the end.
    fn end(self) -> (Output, Segment) {
        let output = self.child.wait_with_output().expect("a child can be waited for");
        let paths = scratch::segments(&self.segments);
        let [path] = paths.as_slice() else { panic!("one segment expected, not {paths:?}") };
        let segment = Segment::open(path).expect("the segment is valid");
        // An open segment outlives its folder.
        (output, segment)
    }
}

fn classes(segment: &mut Segment) -> Vec<ClassTotals> {
    segment.sample().expect("the segment can be sampled").classes().to_vec()
}

fn anomalies(segment: &mut Segment) -> u64 {
    classes(segment).iter().map(ClassTotals::anomalies).sum()
}

fn false_positives_of_c7(segment: &mut Segment) -> u64 {
    classes(segment)[Class::C7 as usize].outcomes[Outcome::HeaderFalsePositive as usize]
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn e3_is_refused_unless_it_is_allowed() {
    let run = Run::start(&[&UNSAFE[..1]], &["1000", WORKING_SET]);
    let (output, segment) = run.end();
    assert!(output.status.success());
    assert_eq!(errors(&output).lines().count(), 1, "{}", errors(&output));
    assert!(errors(&output).contains("HAKMEM_ALLOW_UNSAFE=1"), "{}", errors(&output));
    assert_eq!(segment.identity().routing, Routing::Direct);
}

#[test]
fn e3_crashes_every_time() {
    for seed in ["1", "2", "3", "4", "5"] {
        let settings = [UNSAFE, &[("HAKMEM_CHECK", "off")]];
        let (output, segment) = Run::start(&settings, &[ITERATIONS, WORKING_SET, seed]).end();
        assert_eq!(output.status.signal(), Some(SIGSEGV), "seed {seed}: {}", errors(&output));
        assert!(!segment.is_writer_alive());
        assert_eq!(segment.identity().routing, Routing::E3);
    }
}

/// The first misclassified free may be the one that crashes the program, so not every seed shows an
/// anomaly in time; most do.
#[test]
fn the_anomaly_is_in_the_segment_before_the_crash() {
    let settings = [UNSAFE, &[("HAKMEM_CHECK", "sample")]];
    for seed in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        let arguments = [ITERATIONS, WORKING_SET, seed, "--rate", "400000"];
        let mut run = Run::start(&settings, &arguments);
        let seen = seen_alive(&mut run);
        let (output, mut segment) = run.end();
        assert_eq!(output.status.signal(), Some(SIGSEGV), "seed {seed}: {}", errors(&output));
        assert!(false_positives_of_c7(&mut segment) >= seen.max(1), "seed {seed}");
        assert_tells_the_story(&segment);
        if seen > 0 {
            return;
        }
    }
    panic!("no run showed an anomaly while it was alive");
}

/// False positives of C7 that a reader sees while the program runs; 0 if it ends without any.
fn seen_alive(run: &mut Run) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(120);
    while run.is_running() {
        assert!(Instant::now() < deadline, "the program neither crashes nor shows an anomaly");
        if let Some(mut segment) = run.segment() {
            let seen = false_positives_of_c7(&mut segment);
            if seen > 0 && segment.is_writer_alive() && run.is_running() {
                return seen;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    0
}

/// The last findings in the dead program's segment have the address, the header byte and both
/// classes.
fn assert_tells_the_story(segment: &Segment) {
    let batch = segment.read_events(&mut EventCursor::from_oldest()).expect("events are there");
    let kinds = [EventKind::Anomaly, EventKind::CheckFinding];
    let findings: Vec<_> =
        batch.events.iter().filter(|event| kinds.contains(&event.kind)).collect();
    assert!(!findings.is_empty(), "no finding is among the last events");
    for event in findings {
        assert_eq!(event.class, Class::C7, "{event:?}");
        assert!(event.address > 0 && event.address.is_multiple_of(1024), "{event:?}");
        let byte = event.header_byte().expect("an anomaly of headers");
        let claimed = event.claimed_class.expect("the byte claims a class");
        assert_eq!(byte, 0xa0 | claimed as u8, "{event:?}");
    }
}

#[test]
fn a_full_check_aborts_at_the_first_misclassified_free() {
    let settings = [UNSAFE, &[("HAKMEM_CHECK", "full"), ("HAKMEM_ON_ERROR", "abort")]];
    for seed in ["1", "2", "3"] {
        let (output, segment) = Run::start(&settings, &[ITERATIONS, WORKING_SET, seed]).end();
        assert_eq!(output.status.signal(), Some(SIGABRT), "seed {seed}: {}", errors(&output));
        let text = errors(&output);
        let lines: Vec<&str> = text.lines().collect();
        let [line] = lines.as_slice() else { panic!("one line expected: {text}") };
        for words in ["hakmem: free(0x", "header byte 0xa", "claims C", "the block is C7", "e3"] {
            assert!(line.contains(words), "{words} is missing: {line}");
        }
        assert_tells_the_story(&segment);
    }
}

#[test]
fn no_other_routing_has_an_anomaly() {
    for routing in
        [Routing::Hybrid, Routing::Exclude, Routing::Registry, Routing::Uniform, Routing::Direct]
    {
        for check in [Check::Sample, Check::Full] {
            let settings = [("HAKMEM_ROUTING", routing.name()), ("HAKMEM_CHECK", check.name())];
            let (output, mut segment) =
                Run::start(&[&settings], &["1500000", WORKING_SET, "1"]).end();
            let name = (routing.name(), check.name());
            assert!(output.status.success(), "{name:?}: {}", errors(&output));
            assert_eq!(errors(&output), "", "{name:?}");
            assert_eq!(segment.identity().routing, routing);
            assert_eq!(anomalies(&mut segment), 0, "{name:?}");
            let frees: u64 = classes(&mut segment).iter().map(|class| class.frees).sum();
            assert!(frees > 700_000, "{name:?}: {frees} frees");
        }
    }
}
