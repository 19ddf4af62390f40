//! Decides which processes have series of their own in the metrics.
//!
//! A process gets its labels when it is first seen, while its owner has room for one more, and
//! keeps them until it ends. Other processes are summed by executable, and stay in that sum. So no
//! series changes its meaning, ends or falls because a process of another user came or went.

use std::collections::BTreeMap;

/// Number of owners who can all have their maximum of labelled processes.
const OWNERS_MAX: usize = 16;

/// Room for labels.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    of_owner_max: usize,
    by_owner: BTreeMap<u32, usize>,
}

impl Labels {
    /// Room for `of_owner_max` processes of each owner.
    pub(crate) fn new(of_owner_max: usize) -> Self {
        Self { of_owner_max, by_owner: BTreeMap::new() }
    }

    /// Whether a running process of `owner` gets labels.
    pub(crate) fn take(&mut self, owner: u32) -> bool {
        let all: usize = self.by_owner.values().sum();
        let own = self.by_owner.get(&owner).copied().unwrap_or(0);
        let has_room =
            own < self.of_owner_max && all < self.of_owner_max.saturating_mul(OWNERS_MAX);
        if has_room {
            self.by_owner.insert(owner, own + 1);
        }
        has_room
    }

    /// Frees the room of a process with labels that has ended.
    pub(crate) fn give_back(&mut self, owner: u32) {
        if let Some(own) = self.by_owner.get_mut(&owner) {
            *own -= 1;
            if *own == 0 {
                self.by_owner.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_has_room_and_all_together_have_room_for_some_owners() {
        let mut labels = Labels::new(2);
        assert!(labels.take(7) && labels.take(7) && !labels.take(7));
        labels.give_back(7);
        assert!(labels.take(7) && !labels.take(7));
        for owner in 100..115 {
            assert!(labels.take(owner) && labels.take(owner));
        }
        assert!(!labels.take(8));
        labels.give_back(100);
        assert!(labels.take(8));
        assert!(!Labels::new(0).take(7));
    }
}
