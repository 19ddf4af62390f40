//! Which code frees a block, as one byte that the fast path finds in the heap.
use hakmem_segment::{Check, Push, Routing};

use crate::class_map;
use crate::routing::Choice;

/// Which code frees a block whose bin the class map does not name: the heap's own copy of it is
/// empty under every routing but `direct`, and where the map is a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// The slow path. 0, as in a sentinel and in a wiped heap.
    Slow = 0,
    /// `direct` where the class map is a window.
    Windowed,
    RegistryDirect,
    RegistryBoxed,
    ExcludeDirect,
    ExcludeBoxed,
    UniformDirect,
    UniformBoxed,
    HybridDirect,
    HybridBoxed,
    E3,
}

impl Way {
    /// The way of a choice; where every free is checked, that is the slow one.
    pub(super) fn of(choice: Choice) -> Self {
        if choice.check == Check::Full {
            return Self::Slow;
        }
        match (choice.routing, choice.push) {
            (Routing::Direct, _) if class_map::is_window() => Self::Windowed,
            (Routing::Direct, _) => Self::Slow,
            (Routing::Registry, Push::Direct) => Self::RegistryDirect,
            (Routing::Registry, Push::Boxed) => Self::RegistryBoxed,
            (Routing::Exclude, Push::Direct) => Self::ExcludeDirect,
            (Routing::Exclude, Push::Boxed) => Self::ExcludeBoxed,
            (Routing::Uniform, Push::Direct) => Self::UniformDirect,
            (Routing::Uniform, Push::Boxed) => Self::UniformBoxed,
            (Routing::Hybrid, Push::Direct) => Self::HybridDirect,
            (Routing::Hybrid, Push::Boxed) => Self::HybridBoxed,
            (Routing::E3, _) => Self::E3,
        }
    }
}
