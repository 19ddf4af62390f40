//! The terminal while the screen has it: taken, restored, and restored on panics too.

use std::io::{self, IsTerminal as _, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Whether this program has taken the terminal, so that it is restored once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while this program has it. Dropping it restores the terminal.
#[derive(Debug)]
pub struct TakenTerminal {
    /// The drawing backend.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl TakenTerminal {
    /// Takes the terminal: raw mode, alternate screen, mouse.
    ///
    /// # Errors
    ///
    /// The system's error if standard output is not a terminal with these features.
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(Self { terminal })
    }

    /// Restores the terminal temporarily.
    pub fn pause(&self) {
        give_back();
    }

    /// Takes the terminal again after [`TakenTerminal::pause`].
    ///
    /// # Errors
    ///
    /// Those of [`TakenTerminal::enter`].
    pub fn resume(&mut self) -> io::Result<()> {
        take()?;
        self.draw_anew()
    }

    /// Takes the terminal again after this program was stopped and continued without
    /// [`TakenTerminal::pause`]: others may have changed the terminal's settings and written to it.
    ///
    /// # Errors
    ///
    /// Those of [`TakenTerminal::enter`].
    pub fn take_back(&mut self) -> io::Result<()> {
        give_back();
        self.resume()
    }

    /// Clears the screen, so that the next frame is drawn completely.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn draw_anew(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))?;
        // A new backend draws everything. `Terminal::clear` would ask the terminal for the position
        // of the cursor, and wait for an answer that the reader of keys takes away.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }
}

impl Drop for TakenTerminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether standard output is a terminal that can be drawn on.
pub fn is_available() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    stdout().is_terminal() && !dumb
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::Release);
    // Not every terminal has an alternate screen, and old text would show through where the frame
    // is blank.
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), EnableMouseCapture)
}

/// Restores the terminal if it is taken. There is nobody to report errors to.
fn give_back() {
    if TAKEN.swap(false, Ordering::AcqRel) {
        let _ = execute!(stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Makes a panic in any thread restore the terminal before its message is printed.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Blocks all drawing from now on: the hook may wait for a program to end, and nothing
            // may be drawn on the restored terminal.
            std::mem::forget(stdout().lock());
            give_back();
            previous(info);
        }));
    });
}
