//! The output of a benchmark: one `key: value` line per figure, which the race reads back.

use std::ffi::CStr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::c_heap;
use crate::stopwatch::Spent;

/// The calls a program made and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of `malloc`.
    pub mallocs: u64,
    /// Calls of `free`.
    pub frees: u64,
    /// Number of both that were timed.
    pub timed_operations: u64,
    /// Time that those took.
    pub spent: Spent,
}

/// Live and resident memory of a program at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The moment, in words; one line.
    pub moment: String,
    /// Resident memory of the process in KiB.
    pub resident_kib: u64,
    /// Memory that the program had requested and not freed, in KiB, its own bookkeeping included; 0
    /// if the program does not know.
    pub live_kib: u64,
}

/// Figures of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Millions of timed calls a second, a call being one `malloc` or one `free`; 0 if none was
    /// timed.
    pub million_operations_per_second: f64,
    /// Millions of timed calls per second of processor time, to which other processes add nothing.
    pub million_operations_per_processor_second: f64,
    /// Calls of `malloc` by the measured loop, its preparation and its end.
    pub mallocs: u64,
    /// Calls of `free` by the same parts of the program.
    pub frees: u64,
    /// Peak resident memory of the process in KiB.
    pub peak_resident_kib: u64,
    /// Resident memory of the process in KiB, after it has freed everything.
    pub final_resident_kib: u64,
    /// The library whose `malloc` was called.
    pub malloc_file: Option<PathBuf>,
    /// The symbols among `MARKERS` that this library defines.
    pub malloc_markers: Vec<String>,
    /// Blocks freed by another thread than had allocated them; `None` if the load does not count
    /// them.
    pub frees_elsewhere: Option<u64>,
    /// Live and resident memory at certain moments, in order of time; empty for most loads.
    pub holdings: Vec<Holding>,
}

/// Symbols that tell allocators apart: glibc, jemalloc, mimalloc, tcmalloc, rpmalloc, snmalloc.
const MARKERS: &[&CStr] = &[
    c"__libc_start_main",
    c"mallctl",
    c"mi_version",
    c"tc_malloc",
    c"rpmalloc",
    c"__malloc_end_pointer",
];

impl Report {
    /// The figures of this process.
    pub fn of(tally: Tally) -> Self {
        let rate = |time: Duration| match tally.timed_operations {
            0 => 0.0,
            _ if time.is_zero() => 0.0,
            operations => operations as f64 / time.as_secs_f64() / 1e6,
        };
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let malloc_file = c_heap::file_of(c"malloc");
        let is_beside_malloc =
            |marker: &&CStr| malloc_file.is_some() && c_heap::file_of(marker) == malloc_file;
        let markers = MARKERS.iter().copied().filter(is_beside_malloc);
        Self {
            million_operations_per_second: rate(tally.spent.wall),
            million_operations_per_processor_second: rate(tally.spent.processor),
            mallocs: tally.mallocs,
            frees: tally.frees,
            peak_resident_kib: peak_resident_kib(&status).unwrap_or(0),
            final_resident_kib: kib(&status, "VmRSS:").unwrap_or(0),
            malloc_markers: markers.map(|one| one.to_string_lossy().into_owned()).collect(),
            malloc_file,
            frees_elsewhere: None,
            holdings: Vec::new(),
        }
    }

    /// Adds `holdings` to the figures.
    pub fn with(self, holdings: Vec<Holding>) -> Self {
        Self { holdings, ..self }
    }

    /// Reads back the output of [`fmt::Display`]; `None` if a figure is missing.
    pub fn parse(text: &str) -> Option<Self> {
        let value =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let malloc_file = value("malloc from").filter(|file| *file != "unknown");
        Some(Self {
            million_operations_per_second: value("M ops/s")?.parse().ok()?,
            million_operations_per_processor_second: value("M ops/s of processor time")?
                .parse()
                .ok()?,
            mallocs: value("mallocs")?.parse().ok()?,
            frees: value("frees")?.parse().ok()?,
            peak_resident_kib: value("peak resident KiB")?.parse().ok()?,
            final_resident_kib: value("final resident KiB")?.parse().ok()?,
            malloc_file: malloc_file.map(PathBuf::from),
            malloc_markers: value("beside malloc")?.split_whitespace().map(str::to_owned).collect(),
            frees_elsewhere: match value("frees of other threads' blocks") {
                Some(count) => Some(count.parse().ok()?),
                None => None,
            },
            holdings: text.lines().filter_map(Holding::parse).collect(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Loads whose operations take microseconds each need more digits.
        let rates = [
            ("M ops/s", self.million_operations_per_second),
            ("M ops/s of processor time", self.million_operations_per_processor_second),
        ];
        for (name, rate) in rates {
            let decimals = if rate < 10.0 { 4 } else { 2 };
            writeln!(out, "{name}: {rate:.decimals$}")?;
        }
        writeln!(out, "mallocs: {}", self.mallocs)?;
        writeln!(out, "frees: {}", self.frees)?;
        writeln!(out, "peak resident KiB: {}", self.peak_resident_kib)?;
        writeln!(out, "final resident KiB: {}", self.final_resident_kib)?;
        match &self.malloc_file {
            Some(file) => writeln!(out, "malloc from: {}", file.display())?,
            None => writeln!(out, "malloc from: unknown")?,
        }
        writeln!(out, "beside malloc: {}", self.malloc_markers.join(" "))?;
        if let Some(count) = self.frees_elsewhere {
            writeln!(out, "frees of other threads' blocks: {count}")?;
        }
        self.holdings.iter().try_for_each(|holding| writeln!(out, "{holding}"))
    }
}

impl Holding {
    /// Measures this process now.
    pub fn now(moment: impl Into<String>, live_bytes: usize) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            moment: moment.into(),
            resident_kib: kib(&status, "VmRSS:").unwrap_or(0),
            live_kib: (live_bytes / 1024) as u64,
        }
    }

    /// Resident memory divided by live memory; infinite if nothing is live.
    pub fn ratio(&self) -> f64 {
        self.resident_kib as f64 / self.live_kib as f64
    }

    fn parse(line: &str) -> Option<Self> {
        let (moment, figures) = line.strip_prefix("resident and live KiB ")?.split_once(": ")?;
        let (resident_kib, live_kib) = figures.split_once(' ')?;
        Some(Self {
            moment: moment.to_owned(),
            resident_kib: resident_kib.parse().ok()?,
            live_kib: live_kib.parse().ok()?,
        })
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moment, resident_kib, live_kib } = self;
        write!(out, "resident and live KiB {moment}: {resident_kib} {live_kib}")
    }
}

/// `VmHWM` in `status`, the text of a `/proc/<pid>/status`.
pub fn peak_resident_kib(status: &str) -> Option<u64> {
    kib(status, "VmHWM:")
}

fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_back_as_it_was_printed() {
        let report = Report {
            million_operations_per_second: 93.25,
            million_operations_per_processor_second: 9.125,
            mallocs: 200_000,
            frees: 199_999,
            peak_resident_kib: 2340,
            final_resident_kib: 2100,
            malloc_file: Some(PathBuf::from("/usr/lib/libc.so.6")),
            malloc_markers: vec!["mallctl".to_owned(), "rpmalloc".to_owned()],
            frees_elsewhere: Some(1_000),
            holdings: vec![
                Holding { moment: "at the peak".to_owned(), resident_kib: 30, live_kib: 20 },
                Holding { moment: "2 s later".to_owned(), resident_kib: 12, live_kib: 10 },
            ],
        };
        assert_eq!(report.holdings[1].ratio(), 1.2);
        assert_eq!(Report::parse(&report.to_string()), Some(report));
        assert_eq!(Report::parse("M ops/s: 3\n"), None);
    }

    #[test]
    fn this_process_knows_its_peak_and_its_malloc() {
        let report = Report::of(Tally::default());
        assert_eq!(report.million_operations_per_second, 0.0);
        assert!(report.peak_resident_kib > 100);
        assert!(report.final_resident_kib > 100);
        assert!(report.malloc_file.is_some());
        assert_eq!(report.malloc_markers, ["__libc_start_main"]);
    }
}
