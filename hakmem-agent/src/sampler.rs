//! The sampler: one thread that finds segments, samples each at its interval and publishes the
//! results.
//!
//! All access to segments happens on this thread, so that a slow disk or ten thousand segments
//! never delay a server. Servers get the newest [`FleetView`] from a watch channel and ask for more
//! through a [`SamplerHandle`].

mod bell;
mod schedule;
mod tracked;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::config::AgentConfig;
use crate::events::Subscription;
use crate::failure::Failure;
use crate::history::History;
use crate::refusals::Refusals;
use crate::state::interest::Interests;
use crate::state::{FleetView, ProcessRecord};
use bell::Bell;
use worker::{Inputs, Worker};

/// A request to the sampler.
#[derive(Debug)]
enum Command {
    /// Sample one process now.
    SampleNow { key: Arc<str>, reply: oneshot::Sender<Option<Arc<ProcessRecord>>> },
    /// Send events from now on, and if requested those still in the rings.
    Subscribe(Box<Subscription>),
    /// End the thread.
    Stop,
}

/// Sends requests to the sampler. Clones reach the same sampler.
#[derive(Clone, Debug)]
pub(crate) struct SamplerHandle {
    commands: mpsc::Sender<Command>,
    bell: Arc<Bell>,
}

impl SamplerHandle {
    /// A fresh sample of a process; `None` if it is no longer known.
    pub(crate) async fn sample_now(&self, key: Arc<str>) -> Option<Arc<ProcessRecord>> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::SampleNow { key, reply });
        answer.await.ok().flatten()
    }

    /// Begins a stream of events.
    pub(crate) fn subscribe(&self, subscription: Subscription) {
        self.ask(Command::Subscribe(Box::new(subscription)));
    }

    /// A sampler that has ended drops the command, and with it the sender of the reply, so nobody
    /// waits forever.
    fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
        self.bell.ring();
    }
}

/// The sampler's thread. Dropping the handle ends the thread.
#[derive(Debug)]
pub(crate) struct Sampler {
    handle: SamplerHandle,
    view: watch::Receiver<Arc<FleetView>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts the thread.
    pub(crate) fn start(
        config: &AgentConfig,
        interests: Arc<Interests>,
        history: Arc<History>,
        refusals: Arc<Refusals>,
        failure: &Arc<Failure>,
    ) -> io::Result<Self> {
        let (commands, asked) = mpsc::channel();
        let bell = Arc::new(Bell::new()?);
        let (publisher, view) = watch::channel(Arc::new(FleetView::default()));
        let inputs = Inputs { interests, bell: Arc::clone(&bell), commands: asked };
        let worker = Worker::new(config.clone(), inputs, publisher, history, refusals);
        let thread = failure.thread("hakmem-sampler", move || worker.run())?;
        Ok(Self { handle: SamplerHandle { commands, bell }, view, thread: Some(thread) })
    }

    pub(crate) fn handle(&self) -> SamplerHandle {
        self.handle.clone()
    }

    /// A receiver that always has the newest state.
    pub(crate) fn view(&self) -> watch::Receiver<Arc<FleetView>> {
        self.view.clone()
    }

    /// Ends the thread and waits for its end.
    pub(crate) fn stop(mut self) {
        self.handle.ask(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.handle.ask(Command::Stop);
    }
}
