//! The sampler: one thread that finds segments, reads them at their pace and publishes what it
//! saw.
//!
//! Everything that touches files happens on this thread, so that a slow disk or ten thousand
//! segments never hold up a server. Servers get the newest [`FleetView`] from a watch channel and
//! ask for more through a [`SamplerHandle`].

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

/// What the sampler can be asked for.
#[derive(Debug)]
enum Command {
    /// Sample one process now.
    SampleNow { key: Arc<str>, reply: oneshot::Sender<Option<Arc<ProcessRecord>>> },
    /// Tell of events from now on, and of those still in the rings if it asks for them.
    Subscribe(Box<Subscription>),
    /// End.
    Stop,
}

/// Asks the sampler for things. Copies ask the same one.
#[derive(Clone, Debug)]
pub(crate) struct SamplerHandle {
    commands: mpsc::Sender<Command>,
    bell: Arc<Bell>,
}

impl SamplerHandle {
    /// A fresh sample of a process; `None` if it is unknown by now.
    pub(crate) async fn sample_now(&self, key: Arc<str>) -> Option<Arc<ProcessRecord>> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::SampleNow { key, reply });
        answer.await.ok().flatten()
    }

    /// Begins a stream of events.
    pub(crate) fn subscribe(&self, subscription: Subscription) {
        self.ask(Command::Subscribe(Box::new(subscription)));
    }

    /// A sampler that has ended drops the command, and with it whoever waits for the answer.
    fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
        self.bell.ring();
    }
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Sampler {
    handle: SamplerHandle,
    view: watch::Receiver<Arc<FleetView>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts sampling.
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

    /// The newest state, always.
    pub(crate) fn view(&self) -> watch::Receiver<Arc<FleetView>> {
        self.view.clone()
    }

    /// Ends the thread and waits until it has.
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
