//! The body of the fuzz target, which `cargo test` runs too.

use crate::reader::Recording;
use crate::window::Window;

/// Reads `bytes` as a recording in every possible way. It must not panic, hang or take
/// disproportionate memory. Returns the recording, if `bytes` is one, for tests that check more.
pub fn read_bytes(bytes: &[u8]) -> Option<Recording> {
    let recording = Recording::from_bytes(bytes.to_vec()).ok()?;
    let summary = recording.summary();
    let middle = summary.from.zip(summary.to).map(|(from, to)| (from + to) / 2.0);
    for window in
        [Window::ALL, Window { from: middle, to: None }, Window { from: None, to: middle }]
    {
        for series in recording.series(window, |_| true) {
            let moments: Vec<f64> = series
                .samples
                .iter()
                .filter_map(|it| it.sampled_at.as_ref().map(crate::window::seconds))
                .collect();
            assert!(moments.is_sorted(), "time runs backwards");
            assert!(moments.iter().all(|at| window.contains(*at)), "a sample is outside");
        }
        recording.for_each_event(window, |_| true, |_| {});
    }
    let damaged: u64 = recording.damage().iter().map(|it| it.length).sum();
    assert!(damaged <= bytes.len() as u64, "more is damaged than there is");
    Some(recording)
}
