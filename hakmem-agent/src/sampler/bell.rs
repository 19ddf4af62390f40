//! Wakes the sampler from its sleep.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// An eventfd: ringing adds to its counter, waiting resets it.
#[derive(Debug)]
pub(super) struct Bell {
    fd: OwnedFd,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { fd: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)? })
    }

    /// Ends the current wait, or the next one if the sampler is not waiting.
    pub(super) fn ring(&self) {
        // The write fails only if the counter is at its maximum, and then the bell rings anyway.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Waits until the bell rings, `other` is readable or `timeout` is over.
    pub(super) fn wait(&self, other: Option<BorrowedFd<'_>>, timeout: Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let bell = PollFd::new(&self.fd, PollFlags::IN);
        // An interrupted wait is only shorter.
        let _ = match other {
            Some(other) => {
                let other = PollFd::from_borrowed_fd(other, PollFlags::IN);
                poll(&mut [bell, other], Some(&timeout))
            }
            None => poll(&mut [bell], Some(&timeout)),
        };
        let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
    }
}
