//! The events that the loop handles, as one closed type.

use hakmem_proto::v1 as proto;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

use crate::model::{ProgramEnd, Stream};
use crate::tell::comparison::Comparison;

/// An event for the loop.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key press, a mouse event or a new size of the terminal.
    Input(crossterm::event::Event),
    /// The terminal is gone.
    InputClosed,
    /// Data from the agent, or its loss.
    Feed(FeedEvent),
    /// Captured output of the program.
    Output(Vec<u8>),
    /// The phase that the demo's workload has begun.
    Phase(String),
    /// The program that this command started has ended.
    ProgramEnded(ProgramEnd),
    /// A signal to this process.
    Signal(Received),
    /// The demo's time is over.
    TimeOver,
    /// Some time has passed.
    Tick,
}

/// An event from the feed.
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
    /// The comparison of a process's last minute with the minute before, or why it failed.
    Compared(Box<Result<Comparison, String>>),
    /// The agent cannot be reached; another attempt follows.
    Lost {
        /// The cause.
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
    /// Whether the kernel sent it. For these signals that means the terminal, which has signalled
    /// the whole foreground group.
    pub from_terminal: bool,
}

impl Received {
    /// Whether the signal asks this program to end.
    pub fn is_fatal(self) -> bool {
        matches!(self.signal, SIGINT | SIGTERM | SIGHUP | SIGQUIT)
    }

    /// Whether the signal says that this program was stopped and has been continued.
    pub fn is_continue(self) -> bool {
        self.signal == SIGCONT
    }

    /// Whether the signal asks this program to stop until it is continued.
    pub fn is_stop(self) -> bool {
        self.signal == SIGTSTP
    }
}
