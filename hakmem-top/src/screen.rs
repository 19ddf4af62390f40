//! The terminal while the screen is ours: entered, left, and left on panics too.

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

/// Whether the terminal is in our hands, so that it is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, taken. Dropping it gives it back.
#[derive(Debug)]
pub struct Screen {
    /// What draws.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, mouse.
    ///
    /// # Errors
    ///
    /// What the system says if standard output is no terminal that can be used so.
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(Self { terminal })
    }

    /// Gives the terminal back for a while.
    pub fn pause(&self) {
        give_back();
    }

    /// Takes the terminal again after [`Screen::pause`].
    ///
    /// # Errors
    ///
    /// As for [`Screen::enter`].
    pub fn resume(&mut self) -> io::Result<()> {
        take()?;
        self.draw_anew()
    }

    /// Takes the terminal again after something else had it without our doing: whoever stopped this
    /// program and continued it may have changed the terminal's settings and written to it.
    ///
    /// # Errors
    ///
    /// As for [`Screen::enter`].
    pub fn take_back(&mut self) -> io::Result<()> {
        give_back();
        self.resume()
    }

    /// Clears the screen, so that the next picture is drawn whole.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn draw_anew(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))?;
        // A fresh one draws everything. `Terminal::clear` would ask the terminal where the cursor
        // is, and wait for an answer that the reader of keys takes away.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }
}

impl Drop for Screen {
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
    // Not every terminal has another screen, and what stands on this one would shine through where
    // the picture is blank.
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), EnableMouseCapture)
}

/// Gives the terminal back if it is taken. Errors are of no use here: there is nobody to tell.
fn give_back() {
    if TAKEN.swap(false, Ordering::AcqRel) {
        let _ = execute!(stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Makes panics of any thread give the terminal back before they are printed.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Whoever draws waits from now on: the hook may wait for a program to end, and nobody
            // may draw on the terminal that was given back.
            std::mem::forget(stdout().lock());
            give_back();
            previous(info);
        }));
    });
}
