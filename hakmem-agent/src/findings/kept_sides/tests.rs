use hakmem_proto::v1::{Identity, Process};

use super::*;

#[test]
fn both_sides_come_back_as_they_were() {
    let sample = |key: &str| Process { key: key.to_owned(), ..Process::default() };
    let series = |pid: u32, count: usize| Series {
        identity: Identity { pid, ..Identity::default() },
        samples: (0..count).map(|at| sample(&"k".repeat(at + 100_000))).collect(),
        lost_events: 3,
        ..Series::default()
    };
    let before = Side { name: "before".into(), series: vec![series(1, 25), series(2, 2)] };
    let after = Side { name: "after".into(), series: vec![series(1, 1)] };
    let kept = KeptSides::new(&before, &after).unwrap();
    let mut parts = Vec::new();
    for message in kept.parts() {
        assert!(message.encoded_len() < 2 * CHUNK_BYTES);
        parts.push(message.part.unwrap());
    }
    let mut told = [Vec::<FindingSeries>::new(), Vec::new()];
    for part in parts {
        let (side, series) = match part {
            Part::Before(series) => (0, series),
            Part::After(series) => (1, series),
            Part::Finding(_) => unreachable!("the finding is not the samples' matter"),
        };
        match told[side].last_mut().filter(|_| series.continued) {
            Some(last) => last.samples.extend(series.samples),
            None => told[side].push(series),
        }
    }
    for (told, side) in told.iter().zip([&before, &after]) {
        assert_eq!(told.len(), side.series.len());
        for (told, kept) in told.iter().zip(&side.series) {
            assert_eq!((told.side.as_str(), told.lost_events), (side.name.as_str(), 3));
            assert_eq!(told.identity.as_ref(), Some(&kept.identity));
            assert_eq!(told.samples, kept.samples);
        }
    }
    assert!(kept.bytes() < 10_000, "{}", kept.bytes());
}
