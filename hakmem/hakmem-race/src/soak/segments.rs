//! Reads the segments directly: checks each sample, and each pair of successive samples.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use hakmem_reader::{Sample, Segment, directory};

use super::Findings;

/// A segment that is followed, and its last sample. Only a reader that follows a segment reports
/// counts that never fall, even of a list that changes while it is read; a reader that opens the
/// segment anew cannot.
#[derive(Debug)]
struct Followed {
    segment: Segment,
    last: Option<Sample>,
}

/// All segments of a folder.
#[derive(Debug, Default)]
pub(super) struct Segments(HashMap<PathBuf, Followed>);

impl Segments {
    /// Takes a sample of every segment in `folder` and checks it.
    pub(super) fn check(&mut self, folder: &Path, found: &mut Findings) {
        let paths = directory::scan(folder).map(|scan| scan.paths).unwrap_or_default();
        let there: HashSet<&PathBuf> = paths.iter().collect();
        self.0.retain(|path, _| there.contains(path));
        for path in &paths {
            if !self.0.contains_key(path) {
                // The file may have been removed, or may not be ready yet.
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

/// `sample` without its torn slots: a process that is killed on a slow path leaves its slot torn
/// for good, and without a part of what that path counts.
fn at_rest(sample: &Sample) -> Sample {
    let mut rest = sample.clone();
    rest.slots.retain(|slot| !slot.torn);
    rest
}
