//! The bars that hakmem has to reach, and whether it did.

use std::fmt;

use serde::Serialize;

use crate::race::standing::Standing;
use crate::statistics::geometric_mean;

/// A figure of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// hakmem's throughput divided by the best peer's.
    Throughput,
    /// hakmem's throughput, in millions of calls a second.
    OwnThroughput,
    /// hakmem's peak resident memory divided by the median peer's.
    PeakResident,
    /// hakmem's resident memory divided by its live memory, at the last moment that the load
    /// reports.
    ResidentPerLive,
    /// hakmem's resident memory at the last moment that the load reports, divided by the first.
    ResidentGrowth,
}

/// The rows that a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every row.
    Each,
    /// The geometric mean of all rows.
    GeometricMean,
    /// The row with the first name, divided by the row with the second.
    Quotient(&'static str, &'static str),
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The figure that is limited.
    pub measure: Measure,
    /// The rows that the limit applies to.
    pub extent: Extent,
    /// The least throughput, or the most memory.
    pub limit: f64,
}

/// Whether a bar holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The group of rows that the bar applies to.
    pub group: String,
    /// The bar in words.
    pub bar: String,
    /// The limit.
    pub limit: f64,
    /// Whether it holds.
    pub holds: bool,
    /// The mean, or the figure of the row that is furthest on the wrong side.
    pub value: f64,
    /// That row, unless the bar is about the mean.
    pub row: Option<String>,
    /// Rows that miss the bar.
    pub missed: Vec<String>,
}

/// The rows of a group, or of the whole race, in one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the group.
    pub group: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of rows in which hakmem's throughput is the highest.
    pub won: usize,
    /// Geometric mean of throughput divided by the best peer's.
    pub throughput_mean: f64,
    /// The smallest of these ratios.
    pub throughput_least: f64,
    /// The row that has it.
    pub throughput_least_row: String,
    /// Geometric mean of peak resident memory divided by the median peer's.
    pub peak_resident_mean: f64,
    /// The largest of these ratios.
    pub peak_resident_largest: f64,
    /// The row that has it.
    pub peak_resident_largest_row: String,
}

impl Measure {
    fn of(self, row: &Standing) -> Option<f64> {
        let hakmem = row.figures.first()?;
        let holdings = &hakmem.holdings;
        match self {
            Self::OwnThroughput => Some(hakmem.million_operations_per_second),
            Self::Throughput => Some(row.ratio),
            Self::PeakResident => Some(row.peak_resident_ratio),
            Self::ResidentPerLive => holdings.last().map(|last| last.ratio()),
            Self::ResidentGrowth => {
                let (first, last) = (holdings.first()?, holdings.last()?);
                Some(last.resident_kib as f64 / first.resident_kib as f64)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::OwnThroughput => "hakmem's own throughput",
            Self::PeakResident => "peak resident",
            Self::ResidentPerLive => "resident / live",
            Self::ResidentGrowth => "growth of resident",
        }
    }

    fn more_is_better(self) -> bool {
        matches!(self, Self::Throughput | Self::OwnThroughput)
    }

    /// The row that is furthest on the wrong side.
    fn worst(self, rows: &[&Standing]) -> Option<(f64, String)> {
        let figures = rows.iter().filter_map(|row| Some((self.of(row)?, row.cell.clone())));
        figures.max_by(
            |(a, _), (b, _)| {
                if self.more_is_better() { b.total_cmp(a) } else { a.total_cmp(b) }
            },
        )
    }

    fn mean(self, rows: &[&Standing]) -> f64 {
        geometric_mean(rows.iter().filter_map(|row| self.of(row)))
    }
}

impl Bar {
    fn admits(self, value: f64) -> bool {
        if self.measure.more_is_better() { value >= self.limit } else { value <= self.limit }
    }

    /// Judges the rows of a group; `None` if they lack the figure.
    pub fn judge(self, group: &str, rows: &[&Standing]) -> Option<Verdict> {
        let (worst, row) = self.measure.worst(rows)?;
        let (value, row) = match self.extent {
            Extent::Each => (worst, Some(row)),
            Extent::GeometricMean => (self.measure.mean(rows), None),
            Extent::Quotient(of, by) => {
                let named = |name| rows.iter().find(|row| row.cell == name);
                (self.measure.of(named(of)?)? / self.measure.of(named(by)?)?, None)
            }
        };
        let is_missed =
            |row: &&&Standing| self.measure.of(row).is_some_and(|value| !self.admits(value));
        let missed = match self.extent {
            Extent::Each => rows.iter().filter(is_missed).map(|row| row.cell.clone()).collect(),
            Extent::GeometricMean | Extent::Quotient(..) => Vec::new(),
        };
        Some(Verdict {
            group: group.to_owned(),
            bar: self.to_string(),
            limit: self.limit,
            holds: self.admits(value),
            value,
            row,
            missed,
        })
    }
}

impl Summary {
    /// `None` without rows.
    pub fn of(group: &str, rows: &[&Standing]) -> Option<Self> {
        let (throughput_least, throughput_least_row) = Measure::Throughput.worst(rows)?;
        let (peak_resident_largest, peak_resident_largest_row) =
            Measure::PeakResident.worst(rows)?;
        Some(Self {
            group: group.to_owned(),
            rows: rows.len(),
            won: rows.iter().filter(|row| row.is_won()).count(),
            throughput_mean: Measure::Throughput.mean(rows),
            throughput_least,
            throughput_least_row,
            peak_resident_mean: Measure::PeakResident.mean(rows),
            peak_resident_largest,
            peak_resident_largest_row,
        })
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, ", self.measure.name())?;
        match self.extent {
            Extent::Each => write!(out, "each row")?,
            Extent::GeometricMean => write!(out, "geometric mean")?,
            Extent::Quotient(of, by) => write!(out, "{of} / {by}")?,
        }
        let side = if self.measure.more_is_better() { "least" } else { "most" };
        write!(out, ": at {side} {}", self.limit)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, bar, value, .. } = self;
        let word = if self.holds { "holds" } else { "MISSED" };
        write!(out, "{group}: {bar}: {word}, {value:.3}")?;
        self.row.iter().try_for_each(|row| write!(out, " in {row}"))?;
        match &self.missed[..] {
            [] | [_] => Ok(()),
            rows => write!(out, "; missed in {}", rows.join("; ")),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: won {} of {}; throughput {:.3}, least {:.3} ({}); peak resident {:.3}, \
             largest {:.3} ({})",
            self.group,
            self.won,
            self.rows,
            self.throughput_mean,
            self.throughput_least,
            self.throughput_least_row,
            self.peak_resident_mean,
            self.peak_resident_largest,
            self.peak_resident_largest_row
        )
    }
}

#[cfg(test)]
mod tests;
