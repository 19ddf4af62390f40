//! The code that frees a block, as one byte that the fast path finds in the heap.
use hakmem_segment::{Check, Push, Routing};

use crate::routing::Choice;

/// The code that frees a block whose bin the heap's copy of the class map does not name. That copy
/// is empty under every routing but `direct`, under which it may be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// The slow path. It is 0, so a sentinel and a wiped heap name it.
    Slow = 0,
    /// `direct`: the class map may reach further than the heap's copy of it.
    Direct,
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
    /// The way of `choice`: the slow one if every free is checked.
    pub(super) fn of(choice: Choice) -> Self {
        if choice.check == Check::Full {
            return Self::Slow;
        }
        match (choice.routing, choice.push) {
            (Routing::Direct, _) => Self::Direct,
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
