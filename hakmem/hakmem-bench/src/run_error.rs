//! Why a loop did not run to its end.

use crate::pattern::Damage;

/// Why a run ended early.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// `malloc` returned null.
    #[error("malloc({size}) returned null; is there a limit on memory (ulimit -v)?")]
    OutOfMemory {
        /// Bytes asked for.
        size: usize,
    },
    /// A block is not aligned as promised or does not have the contents that it must have.
    #[error(transparent)]
    Damage(#[from] Damage),
}
