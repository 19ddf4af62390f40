//! Reports a broken part of the agent, which ends the agent.
//!
//! An agent with a dead part would go on answering with figures that never change again. So each of
//! its threads and tasks runs under a guard. The first one that panics, or that ends without being
//! asked to, is reported here, and the program that runs the agent waits for that report.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

/// The first part that broke, if any.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    part: OnceLock<&'static str>,
    occurred: CancellationToken,
}

impl Failure {
    /// Reports a part that ended.
    pub(crate) fn report(&self, part: &'static str) {
        if self.part.set(part).is_ok() {
            tracing::error!("{part} broke");
        }
        self.occurred.cancel();
    }

    /// Whether a part ended.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn has_occurred(&self) -> bool {
        self.occurred.is_cancelled()
    }

    /// Waits for the first part that ends; returns its name.
    pub(crate) async fn occurred(&self) -> &'static str {
        self.occurred.cancelled().await;
        self.part.get().copied().unwrap_or("a part of the agent")
    }

    /// Starts a thread that may end, but must not panic.
    pub(crate) fn thread(
        self: &Arc<Self>,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let failure = Arc::clone(self);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                failure.report(name);
            }
        })
    }

    /// Starts a task that may end, but must not panic.
    pub(crate) fn task(
        self: &Arc<Self>,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let guard = Guard { failure: Arc::clone(self), name };
        tokio::spawn(async move {
            // The guard is moved into the task, so that a panic drops it.
            let _guard = guard;
            work.await;
        });
    }

    /// Runs blocking work; `None` if it panicked, which is reported.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => Some(done),
            Err(error) => {
                // A runtime that shuts down cancels work that has not begun.
                if error.is_panic() {
                    self.report(name);
                }
                None
            }
        }
    }
}

/// Reports the part if a panic drops the guard.
struct Guard {
    failure: Arc<Failure>,
    name: &'static str,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failure.report(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn told(failure: &Failure) -> &'static str {
        tokio::time::timeout(Duration::from_secs(20), failure.occurred()).await.unwrap()
    }

    #[tokio::test]
    async fn whatever_part_panics_is_reported() {
        let failure = Arc::new(Failure::default());
        failure.thread("a thread", || panic!("broken")).unwrap().join().unwrap();
        assert_eq!(told(&failure).await, "a thread");

        let failure = Arc::new(Failure::default());
        failure.task("a task", async { panic!("broken") });
        assert_eq!(told(&failure).await, "a task");

        let failure = Failure::default();
        let done: Option<()> = failure.blocking("a page", || panic!("broken")).await;
        assert_eq!((done, told(&failure).await), (None, "a page"));
    }

    #[tokio::test]
    async fn parts_that_end_are_no_failure() {
        let failure = Arc::new(Failure::default());
        failure.thread("a thread", || ()).unwrap().join().unwrap();
        failure.task("a task", async {});
        assert_eq!(failure.blocking("a page", || 7).await, Some(7));
        let waited = tokio::time::timeout(Duration::from_millis(20), failure.occurred()).await;
        assert!(waited.is_err());
    }
}
