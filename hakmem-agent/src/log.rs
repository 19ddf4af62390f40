//! The agent's log: lines on standard error that delay nobody, never fail and cannot be forged.
//!
//! A thread of its own writes them, from a bounded queue: a pipe that nobody reads blocks that
//! thread and no other. Lines that cannot be written (a full disk, a closed pipe, a full queue) are
//! counted, and the count is a metric. Each event is one line, whatever its text: control
//! characters in it are escaped.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use hakmem_reader::text::escaped_text;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Number of lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 1024;

/// A process has one standard error, so there is one count.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Number of lines that this process could not write so far.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Job {
    Write(Vec<u8>),
    /// Answer when everything before is written.
    Answer(mpsc::Sender<()>),
}

/// A handle of the writing thread. Clones refer to the same thread.
#[derive(Clone, Debug)]
pub struct Log {
    jobs: SyncSender<Job>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

impl Log {
    /// Starts the thread, which writes to standard error until the process ends.
    ///
    /// # Errors
    ///
    /// The system's error if it cannot start a thread.
    pub fn start() -> io::Result<Self> {
        Self::start_with(io::stderr())
    }

    fn start_with(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (jobs, asked) = mpsc::sync_channel(QUEUE_LINES_MAX);
        let work = move || write_all(&asked, out);
        std::thread::Builder::new().name("hakmem-log".to_owned()).spawn(work)?;
        Ok(Self { jobs })
    }

    /// Takes every event of `tracing` up to `level` from now on.
    pub fn take_events(&self, level: LevelFilter, colours: bool) {
        tracing_subscriber::fmt()
            .with_ansi(colours)
            .with_max_level(level)
            // Internal errors would be printed, and a print that fails panics.
            .log_internal_errors(false)
            .with_writer(self.clone())
            .event_format(OneLine)
            .init();
    }

    /// Writes one line without time and level: a command's message to the person who started it.
    pub fn say(&self, text: &str) {
        self.write(format!("{}\n", escaped_text(text)).into_bytes());
    }

    /// Waits until everything is written, or until `patience` is over.
    pub fn flush(&self, patience: Duration) {
        let (answer, answered) = mpsc::channel();
        if self.jobs.try_send(Job::Answer(answer)).is_ok() {
            let _ = answered.recv_timeout(patience);
        }
    }

    fn write(&self, line: Vec<u8>) {
        if self.jobs.try_send(Job::Write(line)).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(jobs: &Receiver<Job>, mut out: impl Write) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Write(line) => {
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    DROPPED.fetch_add(1, Ordering::Relaxed);
                }
            }
            // The receiver may have given up waiting.
            Job::Answer(answer) => drop(answer.send(())),
        }
    }
}

/// One event on its way to the thread.
#[derive(Debug)]
pub struct LineWriter<'a> {
    log: &'a Log,
    line: Vec<u8>,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.log.write(std::mem::take(&mut self.line));
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { log: self, line: Vec::new() }
    }
}

/// Formats time, level and text on one line.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut told = String::new();
        context.format_fields(Writer::new(&mut told), event)?;
        SystemTime.format_time(&mut writer)?;
        let level = *event.metadata().level();
        if writer.has_ansi_escapes() {
            write!(writer, " \x1b[{}m{level:>5}\x1b[0m ", colour(level))?;
        } else {
            write!(writer, " {level:>5} ")?;
        }
        writeln!(writer, "{}", escaped_text(&told))
    }
}

/// Number of the level's colour in a terminal's palette.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

#[cfg(test)]
mod tests;
