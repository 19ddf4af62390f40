//! Reads labels that a program sets while it runs.

use std::collections::BTreeMap;
use std::mem::offset_of;

use hakmem_reader::Segment;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};
use hakmem_segment::SegmentHeader;

fn labels(segment: &Segment) -> BTreeMap<&str, &str> {
    segment.identity().labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[test]
fn labels_are_those_of_the_last_whole_change() {
    let directory = tempfile::tempdir().unwrap();
    let labels_of_start = "service=x".to_owned();
    let process = FixtureProcess { labels: labels_of_start, ..FixtureProcess::new("/bin/a") };
    let mut writer = SegmentWriter::create(directory.path(), &process);
    let mut segment = Segment::open(writer.path()).unwrap();
    segment.sample().unwrap();
    assert_eq!(labels(&segment), BTreeMap::from([("service", "x")]));

    writer.set_labels("service=y,phase=one");
    segment.sample().unwrap();
    assert_eq!(labels(&segment), BTreeMap::from([("phase", "one"), ("service", "y")]));
    let later = Segment::open(writer.path()).unwrap();
    assert_eq!(labels(&later), labels(&segment));

    // A program that is killed in the middle of a change leaves the labels from before.
    writer.begin_labels("service=");
    segment.sample().unwrap();
    assert_eq!(labels(&segment), BTreeMap::from([("phase", "one"), ("service", "y")]));
    writer.set_labels("service=z");
    segment.sample().unwrap();
    assert_eq!(labels(&segment), BTreeMap::from([("service", "z")]));

    // A writer that claims more than there is room for is not believed.
    writer.set_labels("service=zz");
    writer.store(offset_of!(SegmentHeader, labels_bytes), &513_u32.to_le_bytes());
    segment.sample().unwrap();
    assert_eq!(labels(&segment), BTreeMap::from([("service", "z")]));
}
