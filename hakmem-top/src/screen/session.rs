//! The one loop: an event arrives, the model or the view state changes, the screen is drawn.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossterm::event::EventStream;
use futures::StreamExt as _;
use ratatui::layout::Rect;
use tokio::sync::{mpsc, watch};

use crate::model::{Connection, Model};
use crate::screen::terminal::TakenTerminal;
use crate::screen::view_state::{Compared, Effect, ViewState};
use crate::screen::{keys, view};
use crate::source::endpoint::DirectoryProblem;
use crate::source::event::{Event, FeedEvent};
use crate::source::feed::Wish;
use crate::start::signals;
use crate::tell::comparison::Comparison;

/// Least time between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// How often the loop checks for the agent's silence.
const TICK: Duration = Duration::from_millis(500);
/// Capacity of the event channel; senders wait when it is full.
pub const EVENTS_WAITING: usize = 256;

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The user quit.
    Quit,
    /// The user left the screen; the program continues.
    Left,
    /// The demo's time is over.
    TimeOver,
    /// A signal asked the loop to end.
    Signal(i32),
}

/// The loop's state.
#[derive(Debug)]
pub struct Session {
    /// The data.
    pub model: Model,
    /// The state of the view.
    pub state: ViewState,
    /// The model that is shown while the view is paused.
    frozen: Option<Box<Model>>,
    wish: watch::Sender<Wish>,
    began: Instant,
    last_data: Instant,
    /// The directory that an agent inside this process reads, and when it was last checked.
    directory: Option<PathBuf>,
    looked_at: Option<Instant>,
}

impl Session {
    /// A session that requests data through `wish`. `directory` is the one that an agent inside
    /// this process reads, if there is such an agent.
    pub fn new(
        model: Model,
        state: ViewState,
        wish: watch::Sender<Wish>,
        directory: Option<PathBuf>,
    ) -> Self {
        let (began, last_data) = (Instant::now(), Instant::now());
        Self { model, state, frozen: None, wish, began, last_data, directory, looked_at: None }
    }

    /// Runs until an event ends the loop. All senders of `events` must be clones of `sender`.
    ///
    /// # Errors
    ///
    /// The system's error if the terminal cannot be drawn on.
    pub async fn run(
        &mut self,
        screen: &mut TakenTerminal,
        sender: &mpsc::Sender<Event>,
        events: &mut mpsc::Receiver<Event>,
    ) -> io::Result<Ended> {
        let input = tokio::spawn(read_input(sender.clone()));
        let ended = self.follow(screen, events).await;
        input.abort();
        ended
    }

    async fn follow(
        &mut self,
        screen: &mut TakenTerminal,
        events: &mut mpsc::Receiver<Event>,
    ) -> io::Result<Ended> {
        loop {
            self.model.watched_for = self.began.elapsed();
            let shown = self.frozen.as_deref().unwrap_or(&self.model);
            self.state.settle_focus(shown);
            self.update_wish();
            self.look_at_directory();
            let drawn_at = Instant::now();
            let shown = self.frozen.as_deref().unwrap_or(&self.model);
            screen.terminal.draw(|frame| view::draw(frame, shown, &self.state))?;
            let size = screen.terminal.size()?;
            let area = Rect::new(0, 0, size.width, size.height);
            let first = tokio::time::timeout(TICK, events.recv()).await;
            let mut next = Some(first.ok().flatten().unwrap_or(Event::Tick));
            // All events that arrive before the next frame is due go into it, and no more: a flood
            // of events must not keep the screen from being drawn.
            while let Some(event) = next {
                let urgent = matches!(event, Event::Input(_));
                if let Some(ended) = self.handle(event, screen, area)? {
                    return Ok(ended);
                }
                let wait = FRAME.saturating_sub(drawn_at.elapsed());
                next = if urgent || wait.is_zero() {
                    None
                } else {
                    tokio::time::timeout(wait, events.recv()).await.ok().flatten()
                };
            }
        }
    }

    fn handle(
        &mut self,
        event: Event,
        screen: &mut TakenTerminal,
        area: Rect,
    ) -> io::Result<Option<Ended>> {
        match event {
            Event::Input(input) => {
                let shown = self.frozen.as_deref().unwrap_or(&self.model);
                let action = keys::action(&input, &self.state, shown, area);
                let effect = action.and_then(|action| self.state.apply(action, shown));
                self.freeze_or_thaw();
                return self.perform(effect, screen);
            }
            Event::Signal(received) if received.is_stop() => {
                self.suspend(screen)?;
            }
            Event::Signal(received) => {
                if let Some(program) = self.model.program.as_ref().filter(|it| it.end.is_none()) {
                    // In raw mode the terminal sends no signals, so this one was sent to hakmem-top
                    // alone.
                    signals::send(program.pid, received.signal);
                }
                if received.is_fatal() {
                    return Ok(Some(Ended::Signal(received.signal)));
                }
                if received.is_continue() {
                    screen.take_back()?;
                }
            }
            Event::InputClosed => return Ok(Some(Ended::Signal(signal_hook::consts::SIGHUP))),
            Event::TimeOver => return Ok(Some(Ended::TimeOver)),
            other => self.take_in(other),
        }
        Ok(None)
    }

    /// Applies an event that carries data to the model. It is public so that the model can be kept
    /// up to date after the screen was left while the program runs on.
    pub fn take_in(&mut self, event: Event) {
        match event {
            Event::Feed(feed) => self.take_in_feed(feed),
            Event::Output(bytes) => {
                if let Some(program) = &mut self.model.program {
                    program.output.push(&bytes);
                }
            }
            Event::Phase(phase) => {
                if let Some(program) = &mut self.model.program {
                    program.phase = Some(phase);
                }
            }
            Event::ProgramEnded(end) => {
                if let Some(program) = &mut self.model.program {
                    program.end = Some(end);
                }
                self.state.asking = false;
            }
            Event::Tick => self.model.silent_for = self.last_data.elapsed(),
            Event::Input(_) | Event::InputClosed | Event::Signal(_) | Event::TimeOver => {}
        }
    }

    fn take_in_feed(&mut self, feed: FeedEvent) {
        self.last_data = Instant::now();
        match feed {
            FeedEvent::Update(stream, update) => self.model.merge(stream, *update),
            FeedEvent::OverviewBegin => self.model.begin_overview(),
            FeedEvent::EventsBegin { key } => self.model.events.begin_stream(&key),
            FeedEvent::Events(update) => self.model.events.merge(*update),
            FeedEvent::Compared(compared) => self.show_compared(*compared),
            FeedEvent::FindingsBegin => self.model.findings.begin_stream(),
            FeedEvent::Findings(update) => self.model.findings.merge(*update),
            FeedEvent::Lost { reason, attempts } => {
                self.model.connection = Connection::Lost { reason, attempts };
            }
        }
    }

    /// Checks, now and then, whether the segment directory is readable while no process is known.
    fn look_at_directory(&mut self) {
        let directory = self.directory.as_deref().filter(|_| self.model.processes.is_empty());
        if directory.is_none() || self.looked_at.is_some_and(|it| it.elapsed() < TICK) {
            return;
        }
        self.looked_at = Some(Instant::now());
        let problem = directory.and_then(DirectoryProblem::of);
        self.model.directory_problem = problem.map(|it| it.to_string());
    }

    /// Shows a comparison if the user still waits for it.
    fn show_compared(&mut self, compared: Result<Comparison, String>) {
        if let Some(shown) = &mut self.state.compared {
            *shown = match compared {
                Ok(comparison) => Compared::Ready(Box::new(comparison)),
                Err(reason) => Compared::Failed(reason),
            };
        }
    }

    /// Requests a comparison of the process in focus with its own past.
    fn ask_to_compare(&mut self) {
        let Some(key) = self.state.focused(&self.model).map(|it| it.key.clone()) else { return };
        self.wish.send_modify(|wish| {
            let number = wish.compare.as_ref().map_or(0, |(_, number)| number + 1);
            wish.compare = Some((key, number));
        });
    }

    fn perform(
        &mut self,
        effect: Option<Effect>,
        screen: &mut TakenTerminal,
    ) -> io::Result<Option<Ended>> {
        match effect {
            None | Some(Effect::SetInterval(_)) => {}
            Some(Effect::Compare) => self.ask_to_compare(),
            Some(Effect::Redraw) => screen.draw_anew()?,
            Some(Effect::Suspend) => self.suspend(screen)?,
            Some(Effect::Leave) => return Ok(Some(Ended::Left)),
            Some(Effect::Quit) => return Ok(Some(Ended::Quit)),
        }
        Ok(None)
    }

    /// Gives the terminal back to the shell and stops, together with the program, until the shell
    /// continues this process.
    fn suspend(&mut self, screen: &mut TakenTerminal) -> io::Result<()> {
        let program = self.model.program.as_ref().filter(|it| it.end.is_none());
        let pid = program.map(|it| it.pid);
        screen.pause();
        if let Some(pid) = pid {
            signals::send(pid, signal_hook::consts::SIGTSTP);
        }
        signals::stop_self();
        if let Some(pid) = pid {
            signals::send(pid, signal_hook::consts::SIGCONT);
        }
        screen.resume()
    }

    fn freeze_or_thaw(&mut self) {
        match (self.state.paused, &self.frozen) {
            (true, None) => self.frozen = Some(Box::new(self.model.clone())),
            (false, Some(_)) => self.frozen = None,
            _ => {}
        }
    }

    /// Requests the process in focus at the chosen interval.
    pub fn update_wish(&mut self) {
        // The focus is requested even while no agent knows it: it may come back with its agent.
        let focus = match &self.state.focus {
            Some(focus) => Some(focus.key.clone()),
            None => self.state.focused(&self.model).map(|process| process.key.clone()),
        };
        let interval_ms = self.state.interval_ms;
        self.wish.send_if_modified(|wish| {
            let overview_ms = wish.overview_ms.max(interval_ms);
            let wanted = Wish { overview_ms, detail_ms: interval_ms, focus, ..wish.clone() };
            let changed = *wish != wanted;
            *wish = wanted;
            changed
        });
    }
}

async fn read_input(events: mpsc::Sender<Event>) {
    let mut stream = EventStream::new();
    while let Some(Ok(event)) = stream.next().await {
        if events.send(Event::Input(event)).await.is_err() {
            return;
        }
    }
    let _ = events.send(Event::InputClosed).await;
}
