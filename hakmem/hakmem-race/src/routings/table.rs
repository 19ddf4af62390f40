//! The figures of all routings as text and as JSON.

use std::fmt;

use hakmem_reader::Routing;
use serde::Serialize;

use crate::core_clock::CoreClock;
use crate::routings::Comparison;
use crate::routings::row::{Figures, RoutingRow};

/// All figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoutingTable {
    /// Which frees were checked.
    pub check: &'static str,
    /// Laps behind each median.
    pub rounds: usize,
    /// Clock frequency of the core; null if it is not known.
    pub core_gigahertz: Option<f64>,
    /// One row per routing and form.
    pub rows: Vec<Figures>,
    /// Cost of the registry's lookup, for each of its rows; empty without a row `direct` to compare
    /// with.
    pub registry_lookup: Vec<LookupCost>,
}

/// The additional cost of a pair of 64 B under `registry`, compared with `direct`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookupCost {
    /// Name of the row compared with `direct`.
    pub row: String,
    /// Difference of the medians, per pair of `malloc` and `free`.
    pub nanoseconds: f64,
    /// The difference in cycles of the core; null if its clock is not known.
    pub cycles: Option<f64>,
}

impl RoutingTable {
    /// The figures of complete rows.
    pub fn new(comparison: &Comparison, clock: Option<CoreClock>, rows: &[RoutingRow]) -> Self {
        Self {
            check: comparison.check.name(),
            rounds: comparison.rounds,
            core_gigahertz: clock.map(|clock| clock.gigahertz),
            rows: rows.iter().map(RoutingRow::figures).collect(),
            registry_lookup: lookup_costs(clock, rows),
        }
    }

    fn throughputs(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "M ops/s, median of {} rounds; an op is one malloc or one free; check {}",
            self.rounds, self.check
        )?;
        let first = self.rows.first().map_or(&[][..], |row| &row.throughput);
        let words = |text: &str| text.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        let heads: Vec<_> = first.iter().filter_map(|cell| words(&cell.cell)).collect();
        write!(out, "{:<18}", "")?;
        heads.iter().try_for_each(|(kind, _)| write!(out, "{kind:>9}"))?;
        write!(out, "\n{:<18}", "")?;
        heads.iter().try_for_each(|(_, load)| write!(out, "{load:>9}"))?;
        writeln!(out)?;
        for row in &self.rows {
            write!(out, "{:<18}", row.name())?;
            for cell in &row.throughput {
                write!(out, "{:>9.1}", cell.million_operations_per_second)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn costs(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = |out: &mut fmt::Formatter<'_>, words: [&str; 9]| {
            let [row, a, b, c, d, e, f, g, h] = words;
            writeln!(out, "{row:<18}{a:>9}{b:>9}{c:>9}{d:>9}{e:>10}{f:>11}{g:>11}{h:>10}")
        };
        head(
            out,
            ["", "instr.", "instr.", "1024 B:", "slab", "resident", "C7 frees", "", "check"],
        )?;
        head(
            out,
            ["", "64 B", "1024 B", "stride", "bytes", "bytes", "fast", "anomalies", "findings"],
        )?;
        for row in &self.rows {
            let decimal = |value: Option<f64>| value.map_or("–".into(), |v| format!("{v:.1}"));
            let stride = row.stride_bytes_1024.map_or("–".into(), |bytes| bytes.to_string());
            let share = row.c7_frees_fast_share;
            let share = share.map_or("–".into(), |share| format!("{:.2} %", 100.0 * share));
            head(
                out,
                [
                    &row.name(),
                    &decimal(row.instructions_64),
                    &decimal(row.instructions_1024),
                    &stride,
                    &decimal(row.slab_bytes_1024),
                    &decimal(row.resident_bytes_1024),
                    &share,
                    &row.anomalies.to_string(),
                    &row.check_findings.to_string(),
                ],
            )?;
        }
        Ok(())
    }

    fn lookups(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LookupCost { row, nanoseconds, cycles } in &self.registry_lookup {
            write!(
                out,
                "registry lookup ({row} less direct, a pair of 64 B): {nanoseconds:.2} ns"
            )?;
            if let (Some(cycles), Some(gigahertz)) = (cycles, self.core_gigahertz) {
                write!(out, " = {cycles:.1} cycles of {gigahertz:.2} GHz")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl fmt::Display for RoutingTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.throughputs(out)?;
        writeln!(out)?;
        self.costs(out)?;
        if self.rows.iter().any(|row| row.instructions_64.is_none()) {
            writeln!(
                out,
                "instructions: not counted, valgrind is not installed (apt-get install valgrind)"
            )?;
        }
        if !self.registry_lookup.is_empty() {
            writeln!(out)?;
        }
        self.lookups(out)
    }
}

fn lookup_costs(clock: Option<CoreClock>, rows: &[RoutingRow]) -> Vec<LookupCost> {
    let of = |routing| rows.iter().filter(move |row| row.variant().routing == routing);
    let Some(direct) = of(Routing::Direct).next() else { return Vec::new() };
    let cost = |row: &RoutingRow| {
        let nanoseconds = row.lookup_pair_ns() - direct.lookup_pair_ns();
        LookupCost {
            row: row.variant().to_string(),
            nanoseconds,
            cycles: clock.map(|clock| clock.cycles(nanoseconds)),
        }
    };
    of(Routing::Registry).map(cost).collect()
}

#[cfg(test)]
pub(crate) mod tests;
