//! Where the answer of a comparison goes: standard output, and a page if one is asked for.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use super::{CommandError, print, print_json, printed, theme};
use crate::cli::{GlobalOptions, OutputOptions};
use crate::comparison::{Comparison, TextStyle};
use crate::replacement::{Readers, Replacement};
use crate::saying;
use crate::view_state::ThemeName;

/// Columns of text that no terminal shows.
const COLUMNS: u16 = 100;

/// An answer that will be given.
#[derive(Debug)]
pub(super) struct Answer {
    json: bool,
    style: TextStyle,
    page: Option<(PathBuf, Replacement)>,
}

impl Answer {
    /// Makes sure, before anything takes time, that the answer can be given.
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

    /// Gives the whole answer and returns the exit code that says the verdict.
    pub(super) fn give(self, comparison: &Comparison) -> Result<u8, CommandError> {
        let text = comparison.text(self.style);
        self.give_text(comparison, &text)
    }

    /// As [`Answer::give`], but with only the verdict as text where nothing is wrong.
    pub(super) fn give_briefly(self, comparison: &Comparison) -> Result<u8, CommandError> {
        let text = match comparison.exit_code() {
            0 => comparison.summary(self.style),
            _ => comparison.text(self.style),
        };
        self.give_text(comparison, &text)
    }

    fn give_text(self, comparison: &Comparison, text: &str) -> Result<u8, CommandError> {
        // The page first: a reader of standard output that goes away must not cost it.
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
