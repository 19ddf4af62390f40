//! The standings as text.

use std::fmt;

use hakmem_bench::report::Holding;

use crate::race::contender::Absent;
use crate::race::standing::{Figure, Standing};
use crate::race::standings::Standings;

impl fmt::Display for Standings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}\n", self.circumstances)?;
        writeln!(
            out,
            "M ops/s, medians of the rounds; an op is one malloc, realloc or free; loads of one \
             thread by processor time"
        )?;
        self.table(
            out,
            1,
            |figure| figure.million_operations_per_second,
            |row, out| {
                let Standing { ratio, interval, rounds, best_peer, outcome, .. } = row;
                let outcome = outcome.words();
                write!(out, "  {ratio:.3} ({interval}, {rounds} rounds) {outcome} {best_peer}")
            },
        )?;
        writeln!(out, "\npeak resident KiB, median")?;
        let remark = |ratio: f64, out: &mut fmt::Formatter<'_>| {
            write!(out, "  {ratio:.3} of the median peer")
        };
        self.table(
            out,
            0,
            |figure| figure.peak_resident_kib,
            |row, out| remark(row.peak_resident_ratio, out),
        )?;
        writeln!(out, "\nresident KiB once everything is freed, median")?;
        self.table(
            out,
            0,
            |figure| figure.final_resident_kib,
            |row, out| remark(row.final_resident_ratio, out),
        )?;
        self.holdings(out)?;
        writeln!(out, "\nhakmem's calls that took a slow path, median")?;
        let width = self.row_width();
        for Standing { cell, slow_share, .. } in &self.rows {
            writeln!(out, "{cell:<width$}{:>8.4} %", slow_share * 100.0)?;
        }
        writeln!(
            out,
            "\nhakmem's throughput / the best peer's and peak resident / the median peer's, \
             geometric means"
        )?;
        self.summaries.iter().try_for_each(|summary| writeln!(out, "{summary}"))?;
        writeln!(out, "\nbars")?;
        self.verdicts.iter().try_for_each(|verdict| writeln!(out, "{verdict}"))?;
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
        let width = self.row_width();
        self.names(out, width)?;
        for row in &self.rows {
            write!(out, "{:<width$}", row.cell)?;
            for figure in &row.figures {
                let value = value(figure);
                // A rate below 1 would show no digits but zeros.
                let decimals = if value < 1.0 { 3 * decimals } else { decimals };
                write!(out, "{value:>10.decimals$}")?;
            }
            self.absent.iter().try_for_each(|_| write!(out, "{:>10}", "–"))?;
            remark(row, out)?;
            writeln!(out)?;
        }
        Ok(())
    }

    fn row_width(&self) -> usize {
        self.rows.iter().map(|row| row.cell.len() + 2).fold(14, usize::max)
    }

    /// The first line of a table.
    fn names(&self, out: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        write!(out, "{:<width$}", "")?;
        for figure in self.rows.first().map_or(&[][..], |row| &row.figures) {
            write!(out, "{:>10}", figure.allocator)?;
        }
        for absent in &self.absent {
            write!(out, "{:>10}", absent.allocator)?;
        }
        writeln!(out)
    }

    /// One line per moment of each row that reports any: resident memory divided by live memory, or
    /// in KiB if the load does not know its live memory.
    fn holdings(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moments = |row: &Standing| row.figures.first().map_or(0, |one| one.holdings.len());
        let name = |row: &Standing, at: usize| {
            format!("{}: {}  ", row.cell, row.figures[0].holdings[at].moment)
        };
        let rows = || self.rows.iter().flat_map(|row| (0..moments(row)).map(move |at| (row, at)));
        let Some(width) = rows().map(|(row, at)| name(row, at).len()).max() else { return Ok(()) };
        writeln!(out, "\nresident / live; KiB where the load does not know what is live; medians")?;
        self.names(out, width)?;
        for (row, at) in rows() {
            write!(out, "{:<width$}", name(row, at))?;
            for figure in &row.figures {
                match figure.holdings.get(at) {
                    Some(Holding { resident_kib, live_kib: 0, .. }) => {
                        write!(out, "{resident_kib:>10}")?;
                    }
                    Some(holding) => write!(out, "{:>10.2}", holding.ratio())?,
                    None => write!(out, "{:>10}", "–")?,
                }
            }
            self.absent.iter().try_for_each(|_| write!(out, "{:>10}", "–"))?;
            writeln!(out)?;
        }
        Ok(())
    }
}
