//! The figures of a race as a table and as JSON.

mod text;

use serde::Serialize;

use crate::race::bar::{Summary, Verdict};
use crate::race::cell::Cell;
use crate::race::contender::{Absent, Contender, HAKMEM};
use crate::race::group::{GROUPS, Group, MEMORY_BARS};
use crate::report::{Holding, Report};

/// Name of all rows together, without those that wait.
const ALL_ROWS: &str = "all rows";

/// All figures of a race.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standings {
    /// Laps behind each median.
    pub rounds: usize,
    /// One row per cell.
    pub rows: Vec<Standing>,
    /// One line per group, and one for all rows that do not wait.
    pub summaries: Vec<Summary>,
    /// Which bars hold.
    pub verdicts: Vec<Verdict>,
    /// Peers that could not race.
    pub absent: Vec<Absent>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// The rows it is judged with.
    pub group: String,
    /// What ran.
    pub cell: String,
    /// One entry per contender, hakmem first.
    pub figures: Vec<Figure>,
    /// The peer with the highest median.
    pub best_peer: String,
    /// Whoever has the highest median, hakmem or the best peer.
    pub winner: String,
    /// Median, over the rounds, of hakmem's throughput divided by the best peer's.
    pub ratio: f64,
    /// Smallest of these ratios.
    pub ratio_min: f64,
    /// Largest of these ratios.
    pub ratio_max: f64,
    /// hakmem's peak resident memory divided by the median of the peers'.
    pub peak_resident_ratio: f64,
    /// The same of what is resident once everything is freed.
    pub final_resident_ratio: f64,
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
    /// What was resident and live at the moments that the load tells of, medians.
    pub holdings: Vec<Holding>,
}

/// The laps of one cell, while the race goes on.
#[derive(Clone, Debug)]
pub struct Row {
    group: &'static str,
    cell: Cell,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    rates: Vec<f64>,
    peaks_kib: Vec<f64>,
    finals_kib: Vec<f64>,
    /// Those of each lap.
    holdings: Vec<Vec<Holding>>,
}

impl Row {
    /// A row without laps.
    pub fn new(group: &Group, cell: Cell, field: &[Contender]) -> Self {
        let entry = |contender: &Contender| Entry {
            name: contender.name.clone(),
            rates: Vec::new(),
            peaks_kib: Vec::new(),
            finals_kib: Vec::new(),
            holdings: Vec::new(),
        };
        Self { group: group.name, cell, entries: field.iter().map(entry).collect() }
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
        entry.holdings.push(lap.holdings.clone());
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
        let winner = if median(&hakmem.rates) > median(&best.rates) { hakmem } else { best };
        let (peak_resident_ratio, final_resident_ratio) = (
            against_median(&figures, |figure| figure.peak_resident_kib),
            against_median(&figures, |figure| figure.final_resident_kib),
        );
        Standing {
            group: self.group.to_owned(),
            cell: self.cell.to_string(),
            figures,
            best_peer: best.name.clone(),
            winner: winner.name.clone(),
            ratio: median(&ratios),
            ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio_max: ratios.iter().copied().fold(0.0, f64::max),
            peak_resident_ratio,
            final_resident_ratio,
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
            holdings: self.median_holdings(),
        }
    }

    /// All laps tell of the same moments.
    fn median_holdings(&self) -> Vec<Holding> {
        let moments = self.holdings.first().map_or(&[][..], |first| first);
        let at = |(index, moment): (usize, &Holding)| {
            let laps = || self.holdings.iter().filter_map(|lap| lap.get(index));
            let middle = |value: fn(&Holding) -> u64| {
                median(&laps().map(|holding| value(holding) as f64).collect::<Vec<_>>()) as u64
            };
            Holding {
                moment: moment.moment.clone(),
                resident_kib: middle(|holding| holding.resident_kib),
                live_kib: middle(|holding| holding.live_kib),
            }
        };
        moments.iter().enumerate().map(at).collect()
    }
}

/// hakmem's figure divided by the median of the peers'.
fn against_median(figures: &[Figure], value: impl Fn(&Figure) -> f64) -> f64 {
    let values: Vec<f64> = figures.iter().map(value).collect();
    values[0] / median(&values[1..])
}

impl Standing {
    /// Whether hakmem's throughput is the highest.
    pub fn is_won(&self) -> bool {
        self.winner == HAKMEM
    }
}

impl Standings {
    /// The result of so many rounds.
    pub fn new(rounds: usize, rows: Vec<Row>, absent: Vec<Absent>) -> Self {
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
        Self { rounds, rows, summaries, verdicts, absent }
    }

    /// The rows in which hakmem stays below `bar` times the best peer.
    pub fn below(&self, bar: f64) -> impl Iterator<Item = &Standing> {
        self.rows.iter().filter(move |row| row.ratio < bar)
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
