//! The figures of a race as a table and as JSON.

use std::fmt;

use serde::Serialize;

use crate::race::cell::Cell;
use crate::race::contender::{Absent, Contender, HAKMEM};
use crate::report::Report;

/// All figures of a race.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standings {
    /// Laps behind each median.
    pub rounds: usize,
    /// One row per cell.
    pub rows: Vec<Standing>,
    /// Peers that could not race.
    pub absent: Vec<Absent>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// What ran.
    pub cell: String,
    /// One entry per contender, hakmem first.
    pub figures: Vec<Figure>,
    /// The peer with the highest median.
    pub best_peer: String,
    /// Median, over the rounds, of hakmem's throughput divided by the best peer's.
    pub ratio: f64,
    /// Smallest of these ratios.
    pub ratio_min: f64,
    /// Largest of these ratios.
    pub ratio_max: f64,
}

/// One contender in one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Who.
    pub allocator: String,
    /// Median of millions of calls a second, a call being one `malloc` or one `free`.
    pub million_operations_per_second: f64,
    /// The slowest lap.
    pub million_operations_per_second_min: f64,
    /// The fastest lap.
    pub million_operations_per_second_max: f64,
    /// Median of the processes' peak resident memory.
    pub peak_resident_kib: f64,
    /// Median of what is resident once the program has freed everything.
    pub final_resident_kib: f64,
}

/// The laps of one cell, while the race goes on.
#[derive(Clone, Debug)]
pub struct Row {
    cell: Cell,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    rates: Vec<f64>,
    peaks_kib: Vec<f64>,
    finals_kib: Vec<f64>,
}

impl Row {
    /// A row without laps.
    pub fn new(cell: Cell, field: &[Contender]) -> Self {
        let entry = |contender: &Contender| Entry {
            name: contender.name.clone(),
            rates: Vec::new(),
            peaks_kib: Vec::new(),
            finals_kib: Vec::new(),
        };
        Self { cell, entries: field.iter().map(entry).collect() }
    }

    /// What runs.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Adds a lap of the contender with this index.
    pub fn record(&mut self, contender: usize, lap: &Report) {
        let entry = &mut self.entries[contender];
        entry.rates.push(lap.million_operations_per_second);
        entry.peaks_kib.push(lap.peak_resident_kib as f64);
        entry.finals_kib.push(lap.final_resident_kib as f64);
    }

    fn standing(&self) -> Standing {
        let figures: Vec<Figure> = self.entries.iter().map(Entry::figure).collect();
        let (hakmem, peers) = self.entries.split_first().expect("hakmem is in the field");
        assert_eq!(hakmem.name, HAKMEM);
        let best = peers
            .iter()
            .max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates)))
            .expect("the C library is in the field");
        let ratios: Vec<f64> =
            hakmem.rates.iter().zip(&best.rates).map(|(ours, theirs)| ours / theirs).collect();
        Standing {
            cell: self.cell.to_string(),
            figures,
            best_peer: best.name.clone(),
            ratio: median(&ratios),
            ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio_max: ratios.iter().copied().fold(0.0, f64::max),
        }
    }
}

impl Entry {
    fn figure(&self) -> Figure {
        Figure {
            allocator: self.name.clone(),
            million_operations_per_second: median(&self.rates),
            million_operations_per_second_min: self
                .rates
                .iter()
                .copied()
                .fold(f64::INFINITY, f64::min),
            million_operations_per_second_max: self.rates.iter().copied().fold(0.0, f64::max),
            peak_resident_kib: median(&self.peaks_kib),
            final_resident_kib: median(&self.finals_kib),
        }
    }
}

impl Standings {
    /// The result of so many rounds.
    pub fn new(rounds: usize, rows: Vec<Row>, absent: Vec<Absent>) -> Self {
        Self { rounds, rows: rows.iter().map(Row::standing).collect(), absent }
    }

    /// The rows in which hakmem stays below `bar` times the best peer.
    pub fn below(&self, bar: f64) -> impl Iterator<Item = &Standing> {
        self.rows.iter().filter(move |row| row.ratio < bar)
    }
}

impl fmt::Display for Standings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "M ops/s, median of {} rounds; an op is one malloc, realloc or free",
            self.rounds
        )?;
        self.table(
            out,
            1,
            |figure| figure.million_operations_per_second,
            |row, out| {
                let Standing { ratio, ratio_min, ratio_max, best_peer, .. } = row;
                write!(out, "  {ratio:.3} ({ratio_min:.3}..{ratio_max:.3}) of {best_peer}")
            },
        )?;
        writeln!(out, "\npeak resident KiB, median")?;
        self.table(out, 0, |figure| figure.peak_resident_kib, |_, _| Ok(()))?;
        writeln!(out, "\nresident KiB once everything is freed, median")?;
        self.table(out, 0, |figure| figure.final_resident_kib, |_, _| Ok(()))?;
        for (index, Absent { allocator, reason }) in self.absent.iter().enumerate() {
            let space = if index == 0 { "\n" } else { "" };
            writeln!(out, "{space}{allocator} does not race: {reason}")?;
        }
        Ok(())
    }
}

impl Standings {
    fn table(
        &self,
        out: &mut fmt::Formatter<'_>,
        decimals: usize,
        value: impl Fn(&Figure) -> f64,
        remark: impl Fn(&Standing, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.cell.len() + 2).fold(14, usize::max);
        write!(out, "{:<width$}", "")?;
        for figure in self.rows.first().map_or(&[][..], |row| &row.figures) {
            write!(out, "{:>10}", figure.allocator)?;
        }
        for absent in &self.absent {
            write!(out, "{:>10}", absent.allocator)?;
        }
        writeln!(out)?;
        for row in &self.rows {
            write!(out, "{:<width$}", row.cell)?;
            for figure in &row.figures {
                let value = value(figure);
                // A rate below 1 would have no digit but zeros.
                let decimals = if value < 1.0 { 3 * decimals } else { decimals };
                write!(out, "{value:>10.decimals$}")?;
            }
            self.absent.iter().try_for_each(|_| write!(out, "{:>10}", "–"))?;
            remark(row, out)?;
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The middle value, or the mean of the two middle ones; 0 of no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
pub(crate) mod tests;
