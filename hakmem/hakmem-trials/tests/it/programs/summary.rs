//! The parts of the document of `hakmem-top run --json` that these tests read.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Document {
    processes: Vec<Process>,
}

/// One process.
#[derive(Debug, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) executable: String,
    pub(super) state: String,
    pub(super) routing: String,
    pub(super) classes: Vec<Class>,
}

/// One class.
#[derive(Debug, Deserialize)]
pub(super) struct Class {
    pub(super) class: String,
    pub(super) allocations: u64,
    pub(super) frees: u64,
    pub(super) slow_allocations: BTreeMap<String, u64>,
    pub(super) slow_frees: BTreeMap<String, u64>,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) live_blocks: i64,
}

/// Reads a document.
pub(super) fn read(path: &Path) -> Result<Vec<Process>, Box<dyn std::error::Error>> {
    let document: Document = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    Ok(document.processes)
}

/// The busiest process of an executable, whose file name may also have a target before it
/// (`x86_64-linux-gnu-as`) or a version after it (`python3.11`).
pub(super) fn busiest<'a>(processes: &'a [Process], executable: &str) -> &'a Process {
    let with_target = format!("-{executable}");
    let of_it = processes.iter().filter(|process| {
        process.name().starts_with(executable) || process.name().ends_with(&with_target)
    });
    of_it.max_by_key(|process| process.allocations()).unwrap_or_else(|| {
        let names: Vec<_> = processes.iter().map(Process::name).collect();
        panic!("{executable} is missing among {names:?}")
    })
}

impl Process {
    /// File name of the executable.
    pub(super) fn name(&self) -> &str {
        self.executable.rsplit('/').next().unwrap_or_default()
    }

    /// All allocations.
    pub(super) fn allocations(&self) -> u64 {
        self.classes.iter().map(|class| class.allocations).sum()
    }

    /// All frees.
    pub(super) fn frees(&self) -> u64 {
        self.classes.iter().map(|class| class.frees).sum()
    }

    /// The totals of a class, which the process must have used.
    pub(super) fn class(&self, name: &str) -> &Class {
        let found = self.classes.iter().find(|class| class.class == name);
        found.unwrap_or_else(|| panic!("{} does not use {name}", self.name()))
    }

    /// Fails the test unless the process ended normally with at least `allocations_min`
    /// allocations, most of them on the fast path, and no finding.
    pub(super) fn assert_plausible(&self, allocations_min: u64) {
        let name = self.name();
        assert_eq!(self.state, "exited", "{name} {}", self.pid);
        assert_eq!(self.routing, "direct", "{name}");
        let allocations = self.allocations();
        assert!(allocations >= allocations_min, "{name}: {allocations} < {allocations_min}");
        assert!(self.frees() > allocations_min / 4, "{name}: {} frees", self.frees());
        let slow: u64 = self.classes.iter().flat_map(|class| class.slow_allocations.values()).sum();
        assert!(slow > 0 && slow < allocations / 2, "{name}: {slow} of {allocations} are slow");
    }

    /// Fails the test unless the counts of every class agree with each other.
    pub(super) fn assert_conserved(&self) {
        for class in &self.classes {
            let what = format!("{} {} {class:?}", self.name(), self.pid);
            assert_eq!(class.outcomes.values().sum::<u64>(), class.frees, "{what}");
            assert!(class.slow_frees.values().sum::<u64>() <= class.frees, "{what}");
            assert!(class.live_blocks >= 0, "{what}");
            for anomaly in ["header_false_positive", "header_missing", "interior", "double_free"] {
                assert_eq!(class.outcomes.get(anomaly).copied().unwrap_or(0), 0, "{what}");
            }
            assert!(!class.slow_allocations.contains_key("out_of_memory"), "{what}");
        }
    }
}
