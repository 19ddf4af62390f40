//! The race: the same programs under hakmem and its peers, side by side on one machine.
//!
//! Every lap is a process of its own. A round runs every cell under every contender, one directly
//! after the other, and each round begins with another contender, so that whatever else the
//! machine does in the meantime meets all of them alike. Figures are medians over the rounds.
//!
//! The best peer of a row is the one with the highest median over all rounds. A best peer of each
//! round by itself would be the luckiest of seven: it would have the highest of seven errors added
//! to its figure. Even so the best of several medians is a little too high, which errs to the
//! peers' side. The ratio to the best peer is taken within each round; its median is told with an
//! [`interval`], and the race can go on until every row's is narrow enough.
//!
//! Loads of one thread are timed by the processor time of their process, those of several by the
//! wall's clock ([`cell::Clock`]).

pub mod bar;
pub mod cell;
pub mod contender;
pub mod group;
pub mod interval;
pub mod lap;
pub mod peer;
pub mod plot;
pub mod record;
pub mod segment_counts;
pub mod standings;

use std::path::PathBuf;

use crate::machine::Circumstances;
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
    /// Times that each cell runs under each contender at least.
    pub rounds: usize,
    /// Until when rows run on beyond that.
    pub until: Option<Until>,
    /// How long a lap is.
    pub length: Length,
    /// Folder of the benchmark programs.
    pub programs: PathBuf,
    /// `libhakmem_preload.so`.
    pub hakmem: PathBuf,
    /// The list of peers that were built from crates; it need not exist.
    pub peers: PathBuf,
}

/// When a row has run often enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Until {
    /// The interval of its ratio is no wider than this, with the confidence of
    /// [`interval::CONFIDENCE`].
    pub width: f64,
    /// Or so many rounds are over.
    pub rounds_most: usize,
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
    /// Runs all rounds; `progress` hears of each as it begins, and how many rows run in it.
    pub fn run(&self, progress: impl Fn(usize, usize)) -> Result<Standings, RaceError> {
        let circumstances = Circumstances::begin();
        let Field { contenders: field, absent } = Field::new(&self.hakmem, &self.peers)?;
        let track = Track::new(&self.programs)?;
        let field = &field;
        let own_rows = |group: &&'static Group| {
            let group = *group;
            group.rows.iter().map(move |&cell| Row::new(group, cell, field))
        };
        let mut rows: Vec<Row> = self.groups.iter().flat_map(own_rows).collect();
        for round in 0.. {
            let mut running: Vec<&mut Row> =
                rows.iter_mut().filter(|row| self.runs_on(round, row)).collect();
            if running.is_empty() {
                break;
            }
            progress(round, running.len());
            for row in &mut running {
                self.run_cell(&track, field, round, row)?;
            }
        }
        Ok(Standings::new(circumstances.end(), rows, absent))
    }

    /// Whether a row needs another round. A row that is to be narrow stops by itself, so that the
    /// others get the time.
    fn runs_on(&self, rounds: usize, row: &Row) -> bool {
        let is_wide = |until: Until| {
            rounds < until.rounds_most && row.has_throughput() && !row.is_within(until.width)
        };
        rounds < self.rounds || self.until.is_some_and(is_wide)
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
            row.record(index, &lap);
        }
        Ok(())
    }
}
