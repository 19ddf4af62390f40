//! The figures of real programs as tables and as JSON. Less is better.

use std::fmt;

use serde::Serialize;

use crate::programs_race::outcome::ProgramOutcome;
use crate::programs_race::program::Program;
use crate::race::contender::{Absent, Contender, HAKMEM};
use crate::statistics::{geometric_mean, median, quantile};

/// All figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProgramStandings {
    /// Runs behind each median.
    pub rounds: usize,
    /// One row per program.
    pub rows: Vec<ProgramStanding>,
    /// Programs that cannot run here.
    pub left: Vec<Left>,
    /// Peers that are not here.
    pub absent: Vec<Absent>,
}

/// A program that cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub program: String,
    /// What is missing, and how to get it.
    pub reason: String,
}

/// One program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProgramStanding {
    /// Name of the program.
    pub program: String,
    /// The real programs that it represents.
    pub stands_for: &'static str,
    /// One entry per contender that can run it, hakmem first.
    pub figures: Vec<ProgramFigure>,
    /// Contenders that cannot run it.
    pub absent: Vec<Absent>,
    /// Time from start to end, against the fastest peer.
    pub wall: PeerComparison,
    /// Processor time, against the peer that needs least.
    pub cpu: PeerComparison,
    /// Peak resident memory divided by the median peer's.
    pub memory_ratio: f64,
}

/// One contender in one row; all figures are medians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProgramFigure {
    /// Name of the allocator.
    pub allocator: String,
    /// Time from start to end.
    pub wall_seconds: f64,
    /// Processor time of all processes.
    pub cpu_seconds: f64,
    /// Peak resident memory of the largest process.
    pub resident_peak_kib: f64,
}

/// hakmem against one peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerComparison {
    /// The peer with the smallest median.
    pub best_peer: String,
    /// Median, over the rounds, of hakmem's figure divided by that peer's.
    pub ratio: f64,
    /// A quarter of the rounds had a smaller ratio.
    pub ratio_quartile_low: f64,
    /// A quarter of the rounds had a larger ratio.
    pub ratio_quartile_high: f64,
    /// hakmem's best run divided by the best run of any peer, because a disturbance can only
    /// lengthen a run.
    pub ratio_of_best_runs: f64,
    /// The outcome.
    pub verdict: ProgramVerdict,
}

/// The outcome, as far as the rounds agree: a difference counts if three quarters of them show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramVerdict {
    /// hakmem needs less.
    Won,
    /// Neither difference shows.
    Even,
    /// The peer needs less.
    Lost,
}

/// The runs of one program, while the race goes on.
#[derive(Clone, Debug)]
pub struct ProgramRow {
    program: Program,
    entries: Vec<ProgramRuns>,
}

#[derive(Clone, Debug, Default)]
struct ProgramRuns {
    name: String,
    walls: Vec<f64>,
    cpus: Vec<f64>,
    peaks_kib: Vec<f64>,
    /// Why the contender cannot run the program.
    excluded: Option<String>,
}

impl ProgramRow {
    /// A row without runs.
    pub fn new(program: Program, field: &[Contender]) -> Self {
        let name = |contender: &Contender| contender.name.clone();
        let entry = |contender| ProgramRuns { name: name(contender), ..ProgramRuns::default() };
        Self { program, entries: field.iter().map(entry).collect() }
    }

    /// Leaves the contender with this index out.
    pub fn exclude(&mut self, contender: usize, reason: String) {
        self.entries[contender].excluded = Some(reason);
    }

    /// Whether the contender with this index is left out.
    pub fn is_excluded(&self, contender: usize) -> bool {
        self.entries[contender].excluded.is_some()
    }

    /// Adds a run of the contender with this index.
    pub fn record(&mut self, contender: usize, outcome: &ProgramOutcome) {
        let entry = &mut self.entries[contender];
        entry.walls.push(outcome.wall.as_secs_f64());
        entry.cpus.push(outcome.cpu.as_secs_f64());
        entry.peaks_kib.push(outcome.resident_peak_kib as f64);
    }

    fn standing(&self) -> ProgramStanding {
        let ran: Vec<&ProgramRuns> =
            self.entries.iter().filter(|entry| entry.excluded.is_none()).collect();
        let (hakmem, peers) = ran.split_first().expect("hakmem is in the field");
        assert_eq!(hakmem.name, HAKMEM);
        let excluded = self.entries.iter().filter_map(|entry| {
            let reason = entry.excluded.clone()?;
            Some(Absent { allocator: entry.name.clone(), reason })
        });
        let peaks: Vec<f64> = peers.iter().map(|entry| median(&entry.peaks_kib)).collect();
        ProgramStanding {
            program: self.program.to_string(),
            stands_for: self.program.stands_for(),
            figures: ran.iter().map(|entry| entry.figure()).collect(),
            absent: excluded.collect(),
            wall: PeerComparison::new(hakmem, peers, |entry| &entry.walls),
            cpu: PeerComparison::new(hakmem, peers, |entry| &entry.cpus),
            memory_ratio: median(&hakmem.peaks_kib) / median(&peaks),
        }
    }
}

impl ProgramRuns {
    fn figure(&self) -> ProgramFigure {
        ProgramFigure {
            allocator: self.name.clone(),
            wall_seconds: median(&self.walls),
            cpu_seconds: median(&self.cpus),
            resident_peak_kib: median(&self.peaks_kib),
        }
    }
}

impl PeerComparison {
    fn new(
        hakmem: &ProgramRuns,
        peers: &[&ProgramRuns],
        values: impl Fn(&ProgramRuns) -> &Vec<f64>,
    ) -> Self {
        let of = |entry: &ProgramRuns| median(values(entry));
        let best = peers.iter().min_by(|a, b| of(a).total_cmp(&of(b)));
        let best = best.expect("the C library runs every program");
        let pairs = values(hakmem).iter().zip(values(best));
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        let (low, high) = (quantile(&ratios, 0.25), quantile(&ratios, 0.75));
        let least =
            |entry: &ProgramRuns| values(entry).iter().copied().fold(f64::INFINITY, f64::min);
        let least_of_peers = peers.iter().map(|peer| least(peer)).fold(f64::INFINITY, f64::min);
        Self {
            best_peer: best.name.clone(),
            ratio: median(&ratios),
            ratio_quartile_low: low,
            ratio_quartile_high: high,
            ratio_of_best_runs: least(hakmem) / least_of_peers,
            verdict: ProgramVerdict::of(low, high),
        }
    }
}

impl ProgramVerdict {
    fn of(low: f64, high: f64) -> Self {
        match () {
            () if high < 1.0 => Self::Won,
            () if low > 1.0 => Self::Lost,
            () => Self::Even,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Won => "hakmem wins over",
            Self::Even => "even with",
            Self::Lost => "loses to",
        }
    }
}

impl fmt::Display for PeerComparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { best_peer, ratio, ratio_quartile_low, ratio_quartile_high, .. } = self;
        write!(out, "{ratio:.3} ({ratio_quartile_low:.3}..{ratio_quartile_high:.3}), ")?;
        write!(out, "{} {best_peer}; ", self.verdict.words())?;
        write!(out, "best runs {:.3}", self.ratio_of_best_runs)
    }
}

impl ProgramStandings {
    /// The result after `rounds` rounds.
    pub fn new(rounds: usize, rows: Vec<ProgramRow>, left: Vec<Left>, absent: Vec<Absent>) -> Self {
        Self { rounds, rows: rows.iter().map(ProgramRow::standing).collect(), left, absent }
    }

    /// The rows that hakmem lost by time.
    pub fn lost(&self) -> impl Iterator<Item = &ProgramStanding> {
        self.rows.iter().filter(|row| row.wall.verdict == ProgramVerdict::Lost)
    }

    /// Geometric mean, over the rows, of hakmem's memory divided by the median peer's.
    fn memory_ratio_mean(&self) -> f64 {
        geometric_mean(self.rows.iter().map(|row| row.memory_ratio))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let all = self.rows.iter().flat_map(|row| &row.figures);
        for figure in all {
            if !names.contains(&figure.allocator) {
                names.push(figure.allocator.clone());
            }
        }
        names
    }

    fn table(
        &self,
        out: &mut fmt::Formatter<'_>,
        decimals: usize,
        value: impl Fn(&ProgramFigure) -> f64,
        remark: impl Fn(&ProgramStanding) -> String,
    ) -> fmt::Result {
        let names = self.names();
        write!(out, "{:<16}", "")?;
        names.iter().try_for_each(|name| write!(out, "{name:>10}"))?;
        writeln!(out)?;
        for row in &self.rows {
            write!(out, "{:<16}", row.program)?;
            for name in &names {
                match row.figures.iter().find(|figure| &figure.allocator == name) {
                    Some(figure) => write!(out, "{:>10.decimals$}", value(figure))?,
                    None => write!(out, "{:>10}", "–")?,
                }
            }
            writeln!(out, "  {}", remark(row))?;
        }
        Ok(())
    }
}

impl fmt::Display for ProgramStandings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "seconds from start to end, median of {} rounds", self.rounds)?;
        self.table(out, 3, |figure| figure.wall_seconds, |row| row.wall.to_string())?;
        writeln!(out, "\nprocessor seconds of all processes, median")?;
        self.table(out, 3, |figure| figure.cpu_seconds, |row| row.cpu.to_string())?;
        writeln!(out, "\npeak resident MiB of the largest process, median")?;
        let mib = |figure: &ProgramFigure| figure.resident_peak_kib / 1024.0;
        self.table(out, 1, mib, |row| format!("{:.3} of the median peer", row.memory_ratio))?;
        writeln!(out, "geometric mean: {:.3} of the median peer", self.memory_ratio_mean())?;
        writeln!(out)?;
        for row in &self.rows {
            writeln!(out, "{:<16}{}", row.program, row.stands_for)?;
            for Absent { allocator, reason } in &row.absent {
                writeln!(out, "{:<16}not under {allocator}: {reason}", "")?;
            }
        }
        for Left { program, reason } in &self.left {
            writeln!(out, "{program} does not run: {reason}")?;
        }
        for Absent { allocator, reason } in &self.absent {
            writeln!(out, "{allocator} does not race: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
