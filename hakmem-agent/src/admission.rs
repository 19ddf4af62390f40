//! Limits the requests and streams of each client.
//!
//! A client is a user at the unix socket; all who come by another way are one client together.
//! Requests are admitted at a given rate: those above it wait, and only if very many wait is one
//! refused. So a flood delays only its maker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use crate::config::OwnerBudget;
use crate::refusals::{Refusal, Refusals};

/// Time whose requests may be saved and made at once.
const SAVED: Duration = Duration::from_secs(1);
/// Number of clients above which idle ones are forgotten.
const IDLE_MAX: usize = 1024;

/// The requests and streams of all clients.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    requests_max: usize,
    streams_max: usize,
    pause: Duration,
    refusals: Arc<Refusals>,
    clients: Mutex<HashMap<u32, Client>>,
}

#[derive(Debug)]
struct Client {
    requests: usize,
    streams: usize,
    /// Time at which the next request is due at the given rate, if no requests are saved.
    next: Instant,
}

/// The thing that a permit counts.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Request,
    Stream,
}

/// Permits one request or stream for as long as it exists.
#[derive(Debug)]
pub(crate) struct Permit {
    inner: Arc<Inner>,
    client: u32,
    kind: Kind,
}

impl Admission {
    pub(crate) fn new(budget: &OwnerBudget, refusals: Arc<Refusals>) -> Self {
        let pause = Duration::from_secs(1) / budget.requests_per_second.max(1);
        let clients = Mutex::default();
        let (requests_max, streams_max) = (budget.requests, budget.streams);
        let inner = Inner { requests_max, streams_max, pause, refusals, clients };
        Self { inner: Arc::new(inner) }
    }

    /// Waits until a request of `client` is due.
    pub(crate) async fn request(&self, client: u32) -> Result<Permit, Status> {
        let (permit, due) = {
            let mut clients = self.inner.lock();
            let now = Instant::now();
            let known = clients.entry(client).or_insert_with(|| Client::new(now));
            if known.requests >= self.inner.requests_max {
                self.inner.refusals.count(Refusal::REQUEST);
                return Err(Status::resource_exhausted(
                    "too many of your requests wait already; wait for their answers first",
                ));
            }
            known.requests += 1;
            let due = known.next.max(now.checked_sub(SAVED).unwrap_or(now));
            known.next = due + self.inner.pause;
            (self.permit(client, Kind::Request), due)
        };
        tokio::time::sleep_until(due).await;
        Ok(permit)
    }

    /// Permits a stream of `client`.
    pub(crate) fn stream(&self, client: u32) -> Result<Permit, Status> {
        let mut clients = self.inner.lock();
        let known = clients.entry(client).or_insert_with(|| Client::new(Instant::now()));
        if known.streams >= self.inner.streams_max {
            self.inner.refusals.count(Refusal::STREAM);
            return Err(Status::resource_exhausted(
                "too many of your streams are open already; close one first",
            ));
        }
        known.streams += 1;
        Ok(self.permit(client, Kind::Stream))
    }

    fn permit(&self, client: u32, kind: Kind) -> Permit {
        Permit { inner: Arc::clone(&self.inner), client, kind }
    }
}

impl Client {
    fn new(now: Instant) -> Self {
        Self { requests: 0, streams: 0, next: now.checked_sub(SAVED).unwrap_or(now) }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Runs a stream to its end, and holds the permit until then.
    pub(crate) async fn during<T>(self, stream: impl Future<Output = T>) -> T {
        stream.await
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut clients = self.inner.lock();
        if let Some(client) = clients.get_mut(&self.client) {
            match self.kind {
                Kind::Request => client.requests -= 1,
                Kind::Stream => client.streams -= 1,
            }
        }
        if clients.len() > IDLE_MAX {
            let now = Instant::now();
            clients.retain(|_, it| it.requests > 0 || it.streams > 0 || it.next > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(budget: OwnerBudget) -> (Admission, Arc<Refusals>) {
        let refusals = Arc::new(Refusals::default());
        (Admission::new(&budget, Arc::clone(&refusals)), refusals)
    }

    #[tokio::test]
    async fn a_flood_of_one_client_waits_and_in_the_end_is_refused() {
        let budget = OwnerBudget { requests: 3, requests_per_second: 10, ..OwnerBudget::default() };
        let (admission, refusals) = admission(budget);
        let begin = Instant::now();
        for _ in 0..10 {
            admission.request(1).await.unwrap();
        }
        // The saved requests are used up, so this one must wait for its time.
        admission.request(1).await.unwrap();
        admission.request(1).await.unwrap();
        assert!(begin.elapsed() > Duration::from_millis(50), "{:?}", begin.elapsed());
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(admission.permit(1, Kind::Request));
            admission.inner.lock().get_mut(&1).unwrap().requests += 1;
        }
        let refused = admission.request(1).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(refusals.all().contains(&(Refusal::REQUEST, 1)));
        admission.request(2).await.unwrap();
        waiting.pop();
        admission.request(1).await.unwrap();
    }

    #[test]
    fn streams_are_bounded_for_each_client() {
        let (admission, _) = admission(OwnerBudget { streams: 1, ..OwnerBudget::default() });
        let first = admission.stream(1).unwrap();
        let refused = admission.stream(1).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        admission.stream(2).unwrap();
        drop(first);
        admission.stream(1).unwrap();
    }
}
