//! Where a comparison's answer goes: to standard output and, on request, to a page.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use super::cli::{GlobalOptions, OutputOptions};
use super::{CommandError, print, print_json, printed, theme};
use crate::output::replacement::{Readers, Replacement};
use crate::output::saying;
use crate::screen::view_state::ThemeName;
use crate::tell::comparison::{Comparison, TextStyle};

/// Width of the text when standard output is not a terminal, in columns.
const COLUMNS: u16 = 100;

/// An answer whose outputs are prepared.
#[derive(Debug)]
pub(super) struct Answer {
    json: bool,
    style: TextStyle,
    page: Option<(PathBuf, Replacement)>,
}

impl Answer {
    /// Makes sure, before any lengthy work, that the answer can be written.
    pub(super) fn begin(
        output: &OutputOptions,
        global: &GlobalOptions,
    ) -> Result<Self, CommandError> {
        let page = match &output.html {
            None => None,
            Some(path) => {
                let replacement = Replacement::begin(path, Readers::Usual).map_err(wrote(path))?;
                Some((path.clone(), replacement))
            }
        };
        let is_terminal = io::stdout().is_terminal();
        let columns = crossterm::terminal::size().ok().filter(|_| is_terminal);
        let columns = columns.map_or(COLUMNS, |(columns, _)| columns);
        let has_colours = is_terminal && theme(global) != ThemeName::Mono;
        let style = TextStyle::new(usize::from(columns), has_colours);
        Ok(Self { json: output.json, style, page })
    }

    /// Writes the whole answer; returns the exit code of the verdict.
    pub(super) fn give(self, comparison: &Comparison) -> Result<u8, CommandError> {
        let text = comparison.text(self.style);
        self.give_text(comparison, &text)
    }

    /// Like [`Answer::give`], but prints only the summary if nothing regressed.
    pub(super) fn give_briefly(self, comparison: &Comparison) -> Result<u8, CommandError> {
        let text = match comparison.exit_code() {
            0 => comparison.summary(self.style),
            _ => comparison.text(self.style),
        };
        self.give_text(comparison, &text)
    }

    fn give_text(self, comparison: &Comparison, text: &str) -> Result<u8, CommandError> {
        // The page comes first, so that a closed standard output does not cost it.
        if let Some((path, replacement)) = self.page {
            let page = comparison.page();
            replacement.file().write_all(page.as_bytes()).map_err(wrote(&path))?;
            replacement.commit().map_err(wrote(&path))?;
            say!("hakmem-top: wrote {}", path.display());
        }
        if self.json {
            print_json(&comparison.document())?
        } else if self.style.has_colours() {
            printed(saying::print_coloured(text))?
        } else {
            print(text)?
        }
        Ok(comparison.exit_code())
    }
}

fn wrote(path: &std::path::Path) -> impl FnOnce(io::Error) -> CommandError {
    let path = path.to_owned();
    move |error| CommandError::Write { path, error }
}
