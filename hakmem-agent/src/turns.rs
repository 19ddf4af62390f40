//! Lets owners take turns when there is not enough of something for all.

use std::collections::HashMap;
use std::hash::Hash;

/// Orders items so that their owners take turns; the items of one owner keep their order. If a
/// limit cuts off the end, no owner loses an item before an owner who has more.
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
