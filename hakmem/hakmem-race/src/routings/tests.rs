use hakmem_reader::Segment;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};

use super::*;

#[test]
fn a_row_is_refused_unless_the_segment_names_its_routing_push_and_check() {
    let comparison = Comparison {
        variants: Vec::new(),
        check: Check::Sample,
        rounds: 1,
        operations: 1,
        counted_pairs: 1,
        programs: PathBuf::new(),
        hakmem: PathBuf::new(),
    };
    let directory = tempfile::tempdir().expect("a temporary folder");
    let mut process = FixtureProcess::new("/usr/bin/bench");
    (process.routing, process.push) = (Routing::Hybrid, Push::Boxed);
    let writer = SegmentWriter::create(directory.path(), &process);
    let identity = Segment::open(writer.path()).expect("a segment").identity().clone();
    let check = |routing, push, expected: &str| {
        let asked = Variant { routing, push };
        let answer = comparison.prove_as_asked(asked, &identity);
        assert_eq!(answer.err().map(|error| error.to_string()).unwrap_or_default(), expected);
    };
    check(Routing::Hybrid, Some(Push::Boxed), "");
    check(
        Routing::Hybrid,
        Some(Push::Direct),
        "hybrid, direct, check sample was requested, \
         but the segment says hybrid, boxed, check sample",
    );
    check(
        Routing::Direct,
        None,
        "direct, check sample was requested, but the segment says hybrid, boxed, check sample",
    );
    let other = Comparison { check: Check::Full, ..comparison.clone() };
    let asked = Variant { routing: Routing::Hybrid, push: Some(Push::Boxed) };
    assert!(other.prove_as_asked(asked, &identity).is_err());
}
