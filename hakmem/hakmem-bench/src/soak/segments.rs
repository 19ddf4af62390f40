//! The segments, read directly: what must hold of each, and between two looks at one.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use hakmem_reader::{Sample, Segment, directory};

use super::Findings;

/// A segment that is followed, and its last sample. A reader that follows a segment tells counts that
/// never fall, also of a list that changes while it is read; one that opens it anew cannot.
#[derive(Debug)]
struct Followed {
    segment: Segment,
    last: Option<Sample>,
}

/// All segments of a folder.
#[derive(Debug, Default)]
pub(super) struct Segments(HashMap<PathBuf, Followed>);

impl Segments {
    /// Looks at all segments of a folder once.
    pub(super) fn check(&mut self, folder: &Path, found: &mut Findings) {
        let paths = directory::scan(folder).map(|scan| scan.paths).unwrap_or_default();
        let there: HashSet<&PathBuf> = paths.iter().collect();
        self.0.retain(|path, _| there.contains(path));
        for path in &paths {
            if !self.0.contains_key(path) {
                // It may be removed, or not be ready yet.
                let Ok(segment) = Segment::open(path) else { continue };
                self.0.insert(path.clone(), Followed { segment, last: None });
            }
        }
        self.0.values_mut().for_each(|followed| followed.check(found));
    }
}

impl Followed {
    fn check(&mut self, found: &mut Findings) {
        let Ok(sample) = self.segment.sample() else { return };
        found.samples += 1;
        let fallen = self.last.as_ref().map_or(Ok(()), |last| sample.check_not_fallen(last));
        let rest = at_rest(&sample);
        for result in [rest.check_identity(), rest.check_conservation(), fallen] {
            if let Err(violation) = result {
                let name = self.segment.identity().executable_name();
                found.add(format!("{name}: {violation}"));
            }
        }
        self.last = Some(sample);
    }
}

/// A sample without its torn slots: a process that is killed on a slow path leaves one that is torn for
/// good and lacks a part of what that path counts.
fn at_rest(sample: &Sample) -> Sample {
    let mut rest = sample.clone();
    rest.slots.retain(|slot| !slot.torn);
    rest
}
