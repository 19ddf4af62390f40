//! Whose turn it is, where several owners want something of which there is not enough for all.

use std::collections::HashMap;
use std::hash::Hash;

/// Orders items so that their owners take turns; each owner's keep their order among themselves.
/// Whatever a limit cuts off the end of it, no owner loses any before one who has more.
pub(crate) fn take_turns<T, O: Eq + Hash>(items: Vec<T>, owner: impl Fn(&T) -> O) -> Vec<T> {
    let mut had: HashMap<O, usize> = HashMap::new();
    let mut ranked: Vec<(usize, T)> = items
        .into_iter()
        .map(|item| {
            let rank = had.entry(owner(&item)).or_default();
            *rank += 1;
            (*rank, item)
        })
        .collect();
    // The sort is stable.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_take_turns_whatever_they_bring() {
        let items = vec![(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd'), (3, 'e'), (3, 'f')];
        let turns: String = take_turns(items, |item| item.0).iter().map(|item| item.1).collect();
        assert_eq!(turns, "adebfc");
    }
}
