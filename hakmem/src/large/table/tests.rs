use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Words of a process that may be forked at any store: after `left` more, none takes effect.
#[derive(Clone)]
struct Forked {
    words: Vec<usize>,
    left: usize,
}

impl Words for Forked {
    fn entries(&self) -> usize {
        self.words.len() / 2
    }

    fn load(&self, word: usize) -> usize {
        self.words[word]
    }

    fn store(&mut self, word: usize, value: usize) {
        if self.left > 0 {
            self.left -= 1;
            self.words[word] = value;
        }
    }
}

/// The view of a thread that goes on while the child's copy has stopped.
struct Both {
    parent: Forked,
    child: Forked,
}

impl Words for Both {
    fn entries(&self) -> usize {
        self.parent.entries()
    }

    fn load(&self, word: usize) -> usize {
        self.parent.load(word)
    }

    fn store(&mut self, word: usize, value: usize) {
        self.parent.store(word, value);
        self.child.store(word, value);
    }
}

const ENTRIES: usize = 32;

fn empty() -> Entries<Forked> {
    Entries(Forked { words: vec![0; 2 * ENTRIES], left: usize::MAX })
}

fn live(page: usize, pages: usize) -> Live {
    let span = Span { address: page * PAGE_MIN, bytes: pages * PAGE_MIN };
    Live { span, is_moved: pages.is_multiple_of(2) }
}

fn contents(entries: &Entries<impl Words>) -> Vec<(usize, usize)> {
    let all = (0..entries.0.entries()).map(|index| entries.get(index).span);
    let mut all: Vec<_> =
        all.filter(|it| it.address != 0).map(|it| (it.address, it.bytes)).collect();
    all.sort_unstable();
    all
}

#[derive(Clone, Debug)]
enum Step {
    Insert { page: usize, pages: usize },
    Remove { page: usize },
    Change { page: usize, pages: usize },
}

fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    // Few different pages, so that spans are found, removed and inserted again, and probe sequences
    // run into each other and around the table's end.
    let (page, pages) = (1..60_usize, 1..100_usize);
    let step = prop_oneof![
        3 => (page.clone(), pages.clone()).prop_map(|(page, pages)| Step::Insert { page, pages }),
        3 => page.clone().prop_map(|page| Step::Remove { page }),
        1 => (page, pages).prop_map(|(page, pages)| Step::Change { page, pages }),
    ];
    prop::collection::vec(step, 1..length)
}

/// Applies a step to the table and to the model, if it makes sense.
fn apply<W: Words>(step: &Step, entries: &mut Entries<W>, model: &mut HashMap<usize, usize>) {
    match *step {
        Step::Insert { page, pages } => {
            if model.len() < ENTRIES / 2 && !model.contains_key(&page) {
                assert_eq!(entries.insert(live(page, pages)), None);
                model.insert(page, pages);
            }
        }
        Step::Remove { page } => {
            let found = entries.find(page * PAGE_MIN);
            assert_eq!(found.is_some(), model.remove(&page).is_some());
            if let Some(index) = found {
                entries.remove(index);
            }
        }
        Step::Change { page, pages } => {
            if let Some(index) = entries.find(page * PAGE_MIN) {
                entries.set_bytes(index, live(page, pages));
                model.insert(page, pages);
            }
        }
    }
}

fn assert_holds(entries: &Entries<impl Words>, model: &HashMap<usize, usize>) {
    for page in 1..60 {
        let found = entries.find(page * PAGE_MIN).map(|index| entries.get(index));
        assert_eq!(found, model.get(&page).map(|&pages| live(page, pages)));
    }
    assert_eq!(contents(entries).len(), model.len());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn the_table_agrees_with_a_map(steps in steps(800)) {
        let (mut entries, mut model) = (empty(), HashMap::new());
        for step in &steps {
            apply(step, &mut entries, &mut model);
            assert_holds(&entries, &model);
        }
    }

    /// Whichever store of a change was the last to reach a child process, after the repair it finds
    /// every span that was in use before and after the change, with its own bytes.
    #[test]
    fn a_child_finds_every_span_whatever_store_was_the_last(
        before in steps(60), last in steps(2),
    ) {
        let (mut entries, mut model) = (empty(), HashMap::new());
        for step in &before {
            apply(step, &mut entries, &mut model);
        }
        for stores in 0.. {
            let parent = entries.0.clone();
            let child = Forked { left: stores, ..parent.clone() };
            let mut after = model.clone();
            let mut both = Entries(Both { parent, child });
            apply(&last[0], &mut both, &mut after);
            let is_whole = both.0.child.left > 0;
            let mut child = Entries(Forked { left: usize::MAX, ..both.0.child });
            let (count, bytes) = child.repair();
            let found: HashMap<usize, usize> = contents(&child)
                .into_iter()
                .map(|(address, bytes)| (address / PAGE_MIN, bytes / PAGE_MIN))
                .collect();
            prop_assert_eq!(count, found.len(), "no span is there twice");
            prop_assert_eq!(bytes, found.values().sum::<usize>() * PAGE_MIN);
            for (page, pages) in &found {
                let known = [model.get(page), after.get(page)];
                prop_assert!(known.contains(&Some(pages)), "page {} of {} pages", page, pages);
            }
            for page in model.keys().filter(|page| after.contains_key(page)) {
                prop_assert!(found.contains_key(page), "page {} is lost", page);
            }
            assert_holds(&child, &found);
            if is_whole {
                prop_assert_eq!(&found, &after);
                break;
            }
        }
    }
}

#[test]
fn a_span_whose_address_is_given_out_anew_is_replaced() {
    let mut entries = empty();
    assert_eq!(entries.insert(live(7, 3)), None);
    assert_eq!(entries.insert(live(7, 4)), Some(live(7, 3)));
    assert_eq!(contents(&entries), [(7 * PAGE_MIN, 4 * PAGE_MIN)]);
}
