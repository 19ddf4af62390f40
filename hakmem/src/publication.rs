//! What a program asks of its own segment.

use core::{fmt, ptr};

use crate::labels::{self, LabelError};
use crate::settings::Settings;
use crate::threads;

/// Whether the system's allocator serves the program, which counts and publishes nothing.
pub(crate) const IS_SYSTEMS: bool = cfg!(all(miri, not(test)));

/// The name by which readers know the process: `<pid>-<start time in ticks>-<nonce in hex>`. Its
/// segment's file is named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentKey {
    pub(crate) pid: u32,
    pub(crate) start_time_ticks: u64,
    pub(crate) nonce: u64,
}

impl fmt::Display for SegmentKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{:016x}", self.pid, self.start_time_ticks, self.nonce)
    }
}

/// The key of this process's segment; `None` if the process publishes none. A program that prints
/// or serves it can be found in `hakmem-top`.
#[must_use]
pub fn segment_key() -> Option<SegmentKey> {
    if IS_SYSTEMS {
        return None;
    }
    let (pid, start_time_ticks, nonce) = threads::segment_identity()?;
    Some(SegmentKey { pid, start_time_ticks, nonce })
}

/// Notes in the segment that the process ends normally, with the exit code `code`. A program that
/// ends by `_exit` calls this right before; otherwise readers take it for a crash. Ends by `exit`
/// or a return from `main` are noted without it.
pub fn mark_exit(code: i32) {
    if !IS_SYSTEMS {
        threads::on_exit(code, ptr::null_mut());
    }
}

/// Sets the label `key` of this process to `value`; readers show it within their interval. It
/// replaces a label with this key that the program has set before, here or by
/// [`Hakmem::labels`](crate::Hakmem::labels). A label that `HAKMEM_LABELS` sets keeps the value
/// from there, because the user who runs the program has the last word.
///
/// A child process begins with its parent's labels. Without telemetry nobody sees any.
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// hakmem::set_label("service", "api")?;
/// hakmem::set_label("phase", "warming up")?;
/// hakmem::set_label("phase", "serving")?;
/// assert_eq!(hakmem::set_label("a,b", "c"), Err(hakmem::LabelError::Key));
/// # Ok::<(), hakmem::LabelError>(())
/// ```
///
/// # Errors
///
/// [`LabelError`], if readers would not take the label as it is, or if there is no room for it;
/// then nothing changes.
pub fn set_label(key: &str, value: &str) -> Result<(), LabelError> {
    if IS_SYSTEMS {
        return labels::with(&Settings::DEFAULT, key, value).map(drop);
    }
    threads::set_label(key, value)
}
