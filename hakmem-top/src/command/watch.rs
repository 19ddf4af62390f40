//! The part that all commands with a screen share: a feed, and a session on the terminal.

use std::sync::Arc;

use hakmem_proto::v1 as proto;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::cli::GlobalOptions;
use super::{CommandError, theme};
use crate::model::{Model, Program};
use crate::screen::session::{Ended, Session};
use crate::screen::terminal::TakenTerminal;
use crate::screen::view_state::{Tab, ViewState};
use crate::source::endpoint::Endpoint;
use crate::source::event::Event;
use crate::source::feed::{self, Wish};

/// A session and the task that feeds it.
pub(super) struct Watch {
    pub(super) session: Session,
    feed: JoinHandle<()>,
}

impl Watch {
    /// Starts the feed.
    pub(super) fn begin(
        endpoint: &Arc<Endpoint>,
        filter: proto::ProcessFilter,
        overview_ms: u32,
        tab: Tab,
        global: &GlobalOptions,
        sender: &mpsc::Sender<Event>,
    ) -> Self {
        let detail_ms = global.interval_ms();
        let (wish, wished) =
            watch::channel(Wish { filter, overview_ms, detail_ms, ..Wish::default() });
        let feed = tokio::spawn(feed::run(endpoint.clone(), wished, sender.clone()));
        let state = ViewState::new(tab, detail_ms, theme(global));
        let model = Model::new(endpoint.describe());
        let directory = endpoint.directory().map(ToOwned::to_owned);
        let session = Session::new(model, state, wish, directory);
        Self { session, feed }
    }

    /// Sets the program that this command started, and the obstacle to its publishing, if any.
    pub(super) fn set_program(&mut self, command: String, pid: u32, obstacle: Option<String>) {
        let program = Program { command, pid, obstacle, ..Program::default() };
        self.session.model.program = Some(program);
    }

    /// Takes the terminal, runs the session and restores the terminal.
    pub(super) async fn show(
        &mut self,
        sender: &mpsc::Sender<Event>,
        events: &mut mpsc::Receiver<Event>,
    ) -> Result<Ended, CommandError> {
        let mut screen =
            TakenTerminal::enter().map_err(CommandError::system("cannot use the terminal"))?;
        let ended = self.session.run(&mut screen, sender, events).await;
        drop(screen);
        self.feed.abort();
        ended.map_err(CommandError::system("cannot draw on the terminal"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.abort();
    }
}
