//! Everything that can happen: the one closed type that the loop takes.

use hakmem_proto::v1 as proto;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

use crate::comparison::Comparison;
use crate::model::{ProgramEnd, Stream};

/// Everything that can happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key, the mouse, a new size.
    Input(crossterm::event::Event),
    /// The terminal is gone.
    InputClosed,
    /// Data from the agent, or its loss.
    Feed(FeedEvent),
    /// The program printed something that we capture.
    Output(Vec<u8>),
    /// The demo's workload says what it does now.
    Phase(String),
    /// The program that we started has ended.
    ProgramEnded(ProgramEnd),
    /// A signal for us.
    Signal(Received),
    /// The time given to the demo is over.
    TimeOver,
    /// Some time has passed.
    Tick,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub enum FeedEvent {
    /// One message of a stream of processes.
    Update(Stream, Box<proto::WatchProcessesResponse>),
    /// A stream of all processes begins, perhaps from another agent than before.
    OverviewBegin,
    /// A stream of events begins.
    EventsBegin {
        /// Key of the process whose events they are.
        key: String,
    },
    /// Events of the process in focus.
    Events(Box<proto::WatchEventsResponse>),
    /// A stream of findings begins.
    FindingsBegin,
    /// Findings of all processes.
    Findings(Box<proto::WatchFindingsResponse>),
    /// The last minute of a process against the one before, or why that cannot be told.
    Compared(Box<Result<Comparison, String>>),
    /// The agent cannot be reached; another attempt follows.
    Lost {
        /// Why.
        reason: String,
        /// Attempts so far.
        attempts: u32,
    },
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Whether the kernel sent it, which for these signals means the terminal: then the whole
    /// foreground group has it.
    pub from_terminal: bool,
}

impl Received {
    /// Whether the signal asks this program to end.
    pub fn is_fatal(self) -> bool {
        matches!(self.signal, SIGINT | SIGTERM | SIGHUP | SIGQUIT)
    }

    /// Whether the signal says that this program was stopped and goes on.
    pub fn is_continue(self) -> bool {
        self.signal == SIGCONT
    }

    /// Whether the signal asks this program to stop until it is continued.
    pub fn is_stop(self) -> bool {
        self.signal == SIGTSTP
    }
}
