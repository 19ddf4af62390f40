//! The race: the same programs under hakmem and its peers, side by side on one machine.
//!
//! Every lap is a process of its own. A round runs every cell under every contender, one directly
//! after the other, and each round begins with another contender, so that other work on the machine
//! disturbs all of them alike. Figures are medians over the rounds.
//!
//! The best peer of a row is the one with the highest median over all rounds. Choosing the best
//! peer anew in each round would choose the luckiest of seven, and add the highest of seven errors
//! to its figure. Even the best of several medians is a little too high, which errs on the peers'
//! side. The ratio to the best peer is taken within each round; its median is reported with an
//! [`interval`], and the race can go on until the interval of every row is narrow enough.
//!
//! Loads of one thread are timed by the processor time of their process, those of several threads
//! by wall-clock time ([`cell::Clock`]).
//!
//! # Layers, bottom to top
//!
//! - `interval`: how sure a median is
//! - `cell`: one program with one load
//! - `peer`, `contender`: the allocators that race
//! - `segment_counts`: what hakmem counted during a lap
//! - `lap`: one run of a cell under one contender
//! - `standing`: the figures of a row
//! - `bar`: the limits that a row's figures are held to
//! - `group`: the table of rows and bars
//! - `row`: the laps of a cell while the race goes on
//! - `standings`: the figures of all rows
//! - `plot`, `record`: the standings as a picture, and on record

pub mod bar;
pub mod cell;
pub mod contender;
pub mod group;
pub mod interval;
pub mod lap;
pub mod peer;
pub mod plot;
pub mod record;
pub mod row;
pub mod segment_counts;
pub mod standing;
pub mod standings;

use std::path::PathBuf;

use crate::machine::Circumstances;
use crate::race::cell::Length;
use crate::race::contender::{Contender, Field, FieldError};
use crate::race::group::Group;
use crate::race::lap::{LapError, Track};
use crate::race::row::Row;
use crate::race::standings::Standings;

/// What to run.
#[derive(Clone, Debug)]
pub struct Race {
    /// The rows.
    pub groups: Vec<&'static Group>,
    /// Least number of times that each cell runs under each contender.
    pub rounds: usize,
    /// Rows go on beyond `rounds` until this holds; with `None` they end after `rounds`.
    pub until: Option<Until>,
    /// Length of a lap.
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
    /// The row's interval is no wider than this, with the confidence of [`interval::CONFIDENCE`].
    pub width: f64,
    /// Or this number of rounds is over.
    pub rounds_most: usize,
}

/// Why there are no standings.
#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    /// A contender is missing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A lap failed.
    #[error(transparent)]
    Lap(#[from] LapError),
}

impl Race {
    /// Runs all rounds; `progress` receives the number of each round as it begins, and how many
    /// rows run in it.
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

    /// Whether `row` needs another round after `rounds`. Each row stops by itself once its interval
    /// is narrow enough, which leaves the time to the others.
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
