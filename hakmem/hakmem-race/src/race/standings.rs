//! The figures of a race as a table and as JSON.

mod text;

use serde::Serialize;

use crate::machine::Circumstances;
use crate::race::bar::{Summary, Verdict};
use crate::race::contender::Absent;
use crate::race::group::{GROUPS, MEMORY_BARS};
use crate::race::row::Row;
use crate::race::standing::Standing;

/// Name of all rows together, without the groups whose laps wait.
const ALL_ROWS: &str = "all rows";

/// All figures of a race.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standings {
    /// Machine, date and load.
    pub circumstances: Circumstances,
    /// One row per cell.
    pub rows: Vec<Standing>,
    /// One line per group, and one for all rows outside the groups whose laps wait.
    pub summaries: Vec<Summary>,
    /// Which bars hold and which do not.
    pub verdicts: Vec<Verdict>,
    /// Peers that could not race.
    pub absent: Vec<Absent>,
}

impl Standings {
    /// The result of the laps in `rows`.
    pub fn new(circumstances: Circumstances, rows: Vec<Row>, absent: Vec<Absent>) -> Self {
        let rows: Vec<Standing> = rows.iter().map(Row::standing).collect();
        let (mut all, mut summaries, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        for group in GROUPS {
            let own: Vec<&Standing> = rows.iter().filter(|row| row.group == group.name).collect();
            summaries.extend(Summary::of(group.name, &own));
            verdicts.extend(group.bars.iter().filter_map(|bar| bar.judge(group.name, &own)));
            if group.in_all {
                all.extend(own);
            }
        }
        summaries.extend(Summary::of(ALL_ROWS, &all));
        verdicts.extend(MEMORY_BARS.iter().filter_map(|bar| bar.judge(ALL_ROWS, &all)));
        Self { circumstances, rows, summaries, verdicts, absent }
    }

    /// The rows in which hakmem stays below `bar` times the best peer.
    pub fn below(&self, bar: f64) -> impl Iterator<Item = &Standing> {
        self.rows.iter().filter(move |row| row.ratio < bar)
    }
}

#[cfg(test)]
pub(crate) mod tests;
