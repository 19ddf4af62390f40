//! The machine that figures were measured on: without its name they mean nothing.
//!
//! An emulator may hide the processor that it runs on, and most clouds hide the model. The
//! instruction-set extensions then tell generations of processors apart.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The properties of a machine that do not change during a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Name, family, model and stepping of the processor, and the extensions that tell it apart.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Caches of the first core, the nearest first: "L1d 48 KiB".
    pub caches: Vec<String>,
    /// The kernel's name and release.
    pub kernel: String,
}

/// Load averages over 1, 5 and 15 minutes, as the kernel prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadAverages(pub String);

/// The machine, and how busy it was before and after a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Circumstances {
    /// Which machine.
    pub machine: Machine,
    /// Date in UTC: "2026-11-30".
    pub day: String,
    /// Load average before the first lap.
    pub load_before: LoadAverages,
    /// Load average after the last.
    pub load_after: LoadAverages,
}

/// Instruction-set extensions that came with a generation of processors, by the kernel's names.
const TELLING_FLAGS: [&str; 12] = [
    "avx",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_vbmi2",
    "avx_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "vaes",
    "sve",
    "sve2",
];

impl Machine {
    /// The machine that this process runs on. Leaves out properties that the system does not tell.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores,
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        }
    }
}

impl LoadAverages {
    /// The load averages of this moment.
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
    }
}

impl Circumstances {
    /// Notes the machine, the date and the load before the first lap.
    pub fn begin() -> Self {
        // The standard library has no calendar; this command has one.
        let day = Command::new("date").args(["-u", "+%F"]).output();
        let day = day.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Self {
            machine: Machine::this(),
            day: day.unwrap_or_default(),
            load_before: LoadAverages::now(),
            load_after: LoadAverages::default(),
        }
    }

    /// Notes the load after the last lap.
    pub fn end(self) -> Self {
        Self { load_after: LoadAverages::now(), ..self }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, caches, kernel } = self;
        write!(out, "{processor}; {cores} cores; {}; {kernel}", caches.join(", "))
    }
}

impl fmt::Display for Circumstances {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine,
            day,
            load_before: LoadAverages(before),
            load_after: LoadAverages(after),
        } = self;
        write!(out, "{machine}; load average {before} at the start, {after} at the end; {day}")
    }
}

/// Describes the first processor in `cpuinfo`, the text of `/proc/cpuinfo`, in one line.
fn processor(cpuinfo: &str) -> String {
    let first = cpuinfo.split("\n\n").next().unwrap_or_default();
    let pairs = first.lines().filter_map(|line| line.split_once(':'));
    let values: BTreeMap<&str, &str> =
        pairs.map(|(key, value)| (key.trim(), value.trim())).collect();
    let value = |key: &str| values.get(key).copied().filter(|value| !value.is_empty());
    let flags = value("flags").or(value("Features")).unwrap_or_default();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let telling: Vec<&str> =
        TELLING_FLAGS.into_iter().filter(|flag| flags.contains(flag)).collect();
    let model = match (value("model name"), value("CPU implementer"), value("CPU part")) {
        (Some(name), ..) => name.split_whitespace().collect::<Vec<_>>().join(" "),
        (None, Some(maker), Some(part)) => format!("ARM implementer {maker} part {part}"),
        _ => "unknown processor".to_owned(),
    };
    let numbers = ["cpu family", "model", "stepping", "CPU variant", "CPU revision"];
    let short = |key: &str| key.trim_start_matches("cpu ").trim_start_matches("CPU ").to_owned();
    let numbers = numbers.into_iter().filter_map(|key| Some((short(key), value(key)?)));
    let mut parts: Vec<String> = numbers.map(|(key, value)| format!("{key} {value}")).collect();
    if !telling.is_empty() {
        parts.push(telling.join(" "));
    }
    if parts.is_empty() { model } else { format!("{model} ({})", parts.join(", ")) }
}

/// Level, kind and size of each cache that the kernel describes in `folder`.
fn caches(folder: &Path) -> Vec<String> {
    let cache = |index: usize| {
        let read = |name: &str| {
            let text = fs::read_to_string(folder.join(format!("index{index}")).join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        let kind = match read("type")?.as_str() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        let size = read("size")?;
        let kib = size.strip_suffix('K')?.parse::<u64>().ok()?;
        let size = if kib.is_multiple_of(1024) {
            format!("{} MiB", kib / 1024)
        } else {
            format!("{kib} KiB")
        };
        Some(format!("L{}{kind} {size}", read("level")?))
    };
    (0..8).map_while(cache).collect()
}

#[cfg(test)]
mod tests;
