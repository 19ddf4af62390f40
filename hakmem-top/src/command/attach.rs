//! Attaches to an agent that is already running.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::cli::GlobalOptions;
use super::watch::Watch;
use super::{CommandError, everything};
use crate::screen::session::{EVENTS_WAITING, Ended};
use crate::screen::view_state::Tab;
use crate::start::signals;

/// Least interval between two updates of all processes, in milliseconds. The agent samples
/// processes that nobody inspects less often than those on screen.
const OVERVIEW_MS_MIN: u32 = 250;

/// Shows the overview until the user quits.
pub(super) async fn attach(global: &GlobalOptions) -> Result<u8, CommandError> {
    let endpoint = Arc::new(super::endpoint(global).await?);
    // The first failure to connect is an error; after that, the feed reconnects.
    endpoint.channel().await?;
    let (sender, mut events) = mpsc::channel(EVENTS_WAITING);
    signals::listen(sender.clone()).map_err(CommandError::system("cannot handle signals"))?;
    let mut watch = Watch::begin(
        &endpoint,
        everything(),
        OVERVIEW_MS_MIN.max(global.interval_ms()),
        Tab::Processes,
        global,
        &sender,
    );
    let ended = watch.show(&sender, &mut events).await?;
    Ok(match ended {
        Ended::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        Ended::Quit | Ended::Left | Ended::TimeOver => 0,
    })
}
