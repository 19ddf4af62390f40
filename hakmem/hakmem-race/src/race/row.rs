//! The laps of one cell, while the race goes on.

use hakmem_bench::report::{Holding, Report};

use crate::race::cell::{Cell, Clock};
use crate::race::contender::{Contender, HAKMEM};
use crate::race::group::{GROUPS, Group};
use crate::race::interval::Interval;
use crate::race::lap::Lap;
use crate::race::segment_counts::SegmentCounts;
use crate::race::standing::{Figure, Outcome, Standing};
use crate::statistics::median;

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

    /// The figures of the laps so far.
    pub fn standing(&self) -> Standing {
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

/// hakmem's rate divided by the peer's, round by round.
fn ratios(hakmem: &Entry, peer: &Entry) -> Vec<f64> {
    hakmem.rates.iter().zip(&peer.rates).map(|(ours, theirs)| ours / theirs).collect()
}

/// hakmem's figure divided by the median of the peers'.
fn against_median(figures: &[Figure], value: impl Fn(&Figure) -> f64) -> f64 {
    let values: Vec<f64> = figures.iter().map(value).collect();
    values[0] / median(&values[1..])
}
