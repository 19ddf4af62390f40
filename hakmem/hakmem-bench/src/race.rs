//! The race: the same programs under hakmem and its peers, side by side on one machine.
//!
//! Every lap is a process of its own. A round runs every cell under every contender, one directly
//! after the other, and each round begins with another contender, so that whatever else the
//! machine does in the meantime meets all of them alike. Figures are medians over the rounds; the
//! ratio to the best peer is taken within each round, and its spread is shown with it.

pub mod bar;
pub mod cell;
pub mod contender;
pub mod group;
pub mod lap;
pub mod peer;
pub mod plot;
pub mod segment_counts;
pub mod standings;

use std::path::PathBuf;

use crate::race::cell::Length;
use crate::race::contender::{Contender, Field, FieldError};
use crate::race::group::Group;
use crate::race::lap::{LapError, Track};
use crate::race::standings::{Row, Standings};

/// What to run.
#[derive(Clone, Debug)]
pub struct Race {
    /// The rows.
    pub groups: Vec<&'static Group>,
    /// Times that each cell runs under each contender.
    pub rounds: usize,
    /// How long a lap is.
    pub length: Length,
    /// Folder of the benchmark programs.
    pub programs: PathBuf,
    /// `libhakmem_preload.so`.
    pub hakmem: PathBuf,
    /// The list of peers that were built from crates; it need not exist.
    pub peers: PathBuf,
}

/// Why there are no standings.
#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    /// A contender is not there.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A lap failed.
    #[error(transparent)]
    Lap(#[from] LapError),
}

impl Race {
    /// Runs all rounds; `progress` hears of each as it begins.
    pub fn run(&self, progress: impl Fn(usize)) -> Result<Standings, RaceError> {
        let Field { contenders: field, absent } = Field::new(&self.hakmem, &self.peers)?;
        let track = Track::new(&self.programs)?;
        let field = &field;
        let own_rows = |group: &&'static Group| {
            let group = *group;
            group.rows.iter().map(move |&cell| Row::new(group, cell, field))
        };
        let mut rows: Vec<Row> = self.groups.iter().flat_map(own_rows).collect();
        for round in 0..self.rounds {
            progress(round);
            for row in &mut rows {
                self.run_cell(&track, field, round, row)?;
            }
        }
        Ok(Standings::new(self.rounds, rows, absent))
    }

    fn run_cell(
        &self,
        track: &Track,
        field: &[Contender],
        round: usize,
        row: &mut Row,
    ) -> Result<(), RaceError> {
        for turn in 0..field.len() {
            let index = (round + turn) % field.len();
            let lap = track.run(row.cell(), self.length, &field[index])?;
            row.record(index, &lap.report);
        }
        Ok(())
    }
}
