//! The figures of a race as a table and as JSON.

mod text;

use serde::Serialize;

use crate::machine::Circumstances;
use crate::race::bar::{Summary, Verdict};
use crate::race::cell::{Cell, Clock};
use crate::race::contender::{Absent, Contender, HAKMEM};
use crate::race::group::{GROUPS, Group, MEMORY_BARS};
use crate::race::interval::{CONFIDENCE, Interval};
use crate::race::lap::Lap;
use crate::race::segment_counts::SegmentCounts;
use crate::report::{Holding, Report};

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

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Name of the row's group.
    pub group: String,
    /// Name of the cell.
    pub cell: String,
    /// Laps behind each median.
    pub rounds: usize,
    /// The clock by which throughput is measured.
    pub clock: Clock,
    /// One entry per contender, hakmem first.
    pub figures: Vec<Figure>,
    /// The peer with the highest median over all rounds.
    pub best_peer: String,
    /// hakmem if the ratio is above 1, otherwise the best peer.
    pub winner: String,
    /// Median, over the rounds, of hakmem's throughput divided by the best peer's.
    pub ratio: f64,
    /// The interval in which the median of these ratios lies.
    pub interval: Interval,
    /// The conclusion from the interval.
    pub outcome: Outcome,
    /// Smallest of these ratios.
    pub ratio_min: f64,
    /// Largest of these ratios.
    pub ratio_max: f64,
    /// hakmem's peak resident memory divided by the median of the peers'.
    pub peak_resident_ratio: f64,
    /// hakmem's resident memory after everything is freed, divided by the median of the peers'.
    pub final_resident_ratio: f64,
    /// Median share of hakmem's calls that took a slow path, by its own counters.
    pub slow_share: f64,
}

/// What can be concluded of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The interval lies above 1.
    Ahead,
    /// It contains 1.
    Level,
    /// It lies below 1.
    Behind,
    /// There are too few rounds for an interval with the required confidence.
    Undecided,
}

/// One contender in one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Name of the allocator.
    pub allocator: String,
    /// Median of millions of calls a second by the row's clock, a call being one `malloc` or one
    /// `free`.
    pub million_operations_per_second: f64,
    /// Median of millions of calls a second by wall-clock time, whatever the row's clock is.
    pub million_operations_per_wall_second: f64,
    /// The slowest lap.
    pub million_operations_per_second_min: f64,
    /// The fastest lap.
    pub million_operations_per_second_max: f64,
    /// Median of the processes' peak resident memory.
    pub peak_resident_kib: f64,
    /// Median of the resident memory after the program has freed everything.
    pub final_resident_kib: f64,
    /// Medians of resident and live memory, at the moments that the load reports.
    pub holdings: Vec<Holding>,
}

/// The laps of one cell, while the race goes on.
#[derive(Clone, Debug)]
pub struct Row {
    group: &'static str,
    cell: Cell,
    entries: Vec<Entry>,
    slow_shares: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    rates: Vec<f64>,
    wall_rates: Vec<f64>,
    peaks_kib: Vec<f64>,
    finals_kib: Vec<f64>,
    /// Resident and live memory during each lap.
    holdings: Vec<Vec<Holding>>,
}

impl Row {
    /// A row without laps.
    pub fn new(group: &Group, cell: Cell, field: &[Contender]) -> Self {
        let entry = |contender: &Contender| Entry {
            name: contender.name.clone(),
            rates: Vec::new(),
            wall_rates: Vec::new(),
            peaks_kib: Vec::new(),
            finals_kib: Vec::new(),
            holdings: Vec::new(),
        };
        let entries = field.iter().map(entry).collect();
        Self { group: group.name, cell, entries, slow_shares: Vec::new() }
    }

    /// The cell of this row.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Adds a lap of the contender with this index.
    pub fn record(&mut self, contender: usize, lap: &Lap) {
        let entry = &mut self.entries[contender];
        let Report { holdings, .. } = &lap.report;
        let wall = lap.report.million_operations_per_second;
        entry.rates.push(match self.cell.clock() {
            Clock::Wall => wall,
            Clock::Processor => lap.report.million_operations_per_processor_second,
        });
        entry.wall_rates.push(wall);
        entry.peaks_kib.push(lap.report.peak_resident_kib as f64);
        entry.finals_kib.push(lap.report.final_resident_kib as f64);
        entry.holdings.push(holdings.clone());
        self.slow_shares.extend(lap.counts.as_ref().map(SegmentCounts::slow_share));
    }

    /// Whether the row is about throughput. Rows of groups whose laps wait are not, and more rounds
    /// would not narrow their interval.
    pub fn has_throughput(&self) -> bool {
        GROUPS.iter().any(|group| group.name == self.group && group.in_all)
    }

    /// Whether the interval of the row's ratio holds with the required confidence and is no wider
    /// than `width`.
    pub fn is_within(&self, width: f64) -> bool {
        let (hakmem, best) = self.hakmem_and_best();
        Interval::of_median(&ratios(hakmem, best)).is_within(width)
    }

    /// hakmem and the peer with the highest median over all rounds.
    fn hakmem_and_best(&self) -> (&Entry, &Entry) {
        let (hakmem, peers) = self.entries.split_first().expect("hakmem is in the field");
        assert_eq!(hakmem.name, HAKMEM);
        let best = peers.iter().max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates)));
        (hakmem, best.expect("the C library is in the field"))
    }

    fn standing(&self) -> Standing {
        let figures: Vec<Figure> = self.entries.iter().map(Entry::figure).collect();
        let (hakmem, best) = self.hakmem_and_best();
        let ratios = ratios(hakmem, best);
        let (ratio, interval) = (median(&ratios), Interval::of_median(&ratios));
        let winner = if ratio > 1.0 { hakmem } else { best };
        let (peak_resident_ratio, final_resident_ratio) = (
            against_median(&figures, |figure| figure.peak_resident_kib),
            against_median(&figures, |figure| figure.final_resident_kib),
        );
        Standing {
            group: self.group.to_owned(),
            cell: self.cell.to_string(),
            rounds: ratios.len(),
            clock: self.cell.clock(),
            figures,
            best_peer: best.name.clone(),
            winner: winner.name.clone(),
            ratio,
            interval,
            outcome: Outcome::of(interval),
            ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio_max: ratios.iter().copied().fold(0.0, f64::max),
            peak_resident_ratio,
            final_resident_ratio,
            slow_share: median(&self.slow_shares),
        }
    }
}

/// hakmem's rate divided by the peer's, round by round.
fn ratios(hakmem: &Entry, peer: &Entry) -> Vec<f64> {
    hakmem.rates.iter().zip(&peer.rates).map(|(ours, theirs)| ours / theirs).collect()
}

impl Outcome {
    fn of(interval: Interval) -> Self {
        match interval {
            Interval { confidence, .. } if confidence < CONFIDENCE => Self::Undecided,
            Interval { low, .. } if low > 1.0 => Self::Ahead,
            Interval { high, .. } if high < 1.0 => Self::Behind,
            Interval { .. } => Self::Level,
        }
    }

    /// The words that stand before the peer's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ahead => "ahead of",
            Self::Level => "level with",
            Self::Behind => "behind",
            Self::Undecided => "undecided against",
        }
    }
}

impl Entry {
    fn figure(&self) -> Figure {
        Figure {
            allocator: self.name.clone(),
            million_operations_per_second: median(&self.rates),
            million_operations_per_wall_second: median(&self.wall_rates),
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

    /// Medians of the moments over all laps; all laps report the same moments.
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
    /// Whether hakmem's throughput is above the best peer's.
    pub fn is_won(&self) -> bool {
        self.winner == HAKMEM
    }
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
