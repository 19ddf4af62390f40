//! Plain text tables, for output without a screen. Numbers are exact here.

mod recording;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hakmem_proto::v1 as proto;

pub use recording::recording;

use crate::model::{ClassName, Measure, Process, ProgramEnd, labels};
use crate::words::paragraph::one_line;
use crate::words::quantity;

/// Characters of a command line that are printed; a summary, which people read, has half.
const COMMAND_MAX: usize = 80;
/// Characters of a process's labels that are printed.
const LABELS_MAX: usize = 120;
/// Processes that a summary names; it counts the others.
const LISTED_MAX: usize = 20;

/// The final summary of a program: how it ended, one row per class over all its processes, one line
/// per process if there are several, and the losses.
pub fn summary(
    command: &str,
    end: ProgramEnd,
    processes: &[proto::Process],
    lost_events: u64,
) -> String {
    let mut text = String::new();
    let end = match end {
        ProgramEnd::Exited(code) => format!("exited {code}"),
        ProgramEnd::Signalled(signal) => format!("was killed by signal {signal}"),
    };
    let count = processes.len();
    let plural = if count == 1 { "process" } else { "processes" };
    let _ = writeln!(text, "hakmem-top: {} {end}, {count} {plural}", one_line(command, 60));
    write_classes(&mut text, &sum_classes(processes));
    if count > 1 {
        text.push('\n');
        text.push_str(&list_with(&busiest(processes), COMMAND_MAX / 2));
    }
    if count > LISTED_MAX {
        let _ = writeln!(text, "{:>8} … and {} less busy ones", "", count - LISTED_MAX);
    }
    for line in missing(processes, lost_events) {
        let _ = writeln!(text, "hakmem-top: {line}");
    }
    text
}

/// The processes with the most allocations, in their original order.
fn busiest(processes: &[proto::Process]) -> Vec<proto::Process> {
    let allocations = |it: &proto::Process| it.totals.map_or(0, |it| it.allocations);
    let mut counts: Vec<u64> = processes.iter().map(allocations).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let least = counts.get(LISTED_MAX - 1).copied().unwrap_or(0);
    let busy = processes.iter().filter(|it| allocations(it) >= least);
    busy.take(LISTED_MAX).cloned().collect()
}

/// The counts of every process: a line that names it, then one row per class.
pub fn once(processes: &[proto::Process]) -> String {
    let mut text = String::new();
    for (index, process) in processes.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let identity = process.identity.clone().unwrap_or_default();
        let _ = writeln!(
            text,
            "{} {} {} {} threads {} live {}",
            identity.pid,
            process.state,
            identity.routing,
            labelled(command_line(&identity), &identity),
            process.totals.map_or(0, |it| it.threads),
            quantity::live_bytes(process.totals.map_or(0, |it| it.live_bytes)),
        );
        let one = std::slice::from_ref(process);
        write_classes(&mut text, &sum_classes(one));
        for line in missing(one, 0) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// One line per process.
pub fn list(processes: &[proto::Process]) -> String {
    list_with(processes, COMMAND_MAX)
}

fn list_with(processes: &[proto::Process], command_max: usize) -> String {
    let mut text = format!(
        "{:>8} {:<9} {:<8} {:>7} {:>14} {:>14} {:>7} {:>10}  {}\n",
        "PID", "STATE", "ROUTING", "THREADS", "ALLOCATIONS", "FREES", "FAST %", "LIVE", "COMMAND"
    );
    for process in processes {
        let identity = process.identity.clone().unwrap_or_default();
        let totals = process.totals.unwrap_or_default();
        let operations = totals.allocations + totals.frees;
        let slow = totals.slow_allocations + totals.slow_frees;
        let _ = writeln!(
            text,
            "{:>8} {:<9} {:<8} {:>7} {:>14} {:>14} {:>7} {:>10}  {}",
            identity.pid,
            process.state,
            identity.routing,
            totals.threads,
            totals.allocations,
            totals.frees,
            quantity::percent(operations.saturating_sub(slow) as f64, operations as f64),
            quantity::live_bytes(totals.live_bytes),
            labelled(one_line(&command_line(&identity), command_max), &identity),
        );
    }
    text
}

/// The current rates of one process, one row per class; the demo prints them every second.
pub fn rates(process: &Process, phase: &str, second: u64) -> String {
    let flow = process.totals_flow(Measure::Rate).unwrap_or_default();
    let operations = flow.operations();
    let fast = if operations > 0.0 {
        format!("{} % fast", quantity::percent(operations - flow.slow, operations))
    } else {
        quantity::no_calls(true).to_owned()
    };
    let mut text = format!(
        "{second:>3} s  phase {phase}: {} allocations/s, {} frees/s, {fast}, live {}\n",
        quantity::rate(flow.allocations),
        quantity::rate(flow.frees),
        quantity::live_bytes(process.totals.live_bytes),
    );
    let _ = writeln!(
        text,
        "{:<6} {:>9} {:>9} {:>7} {:>9} {:>13} {:>10} {:>9} {:>9}  SLOW/S BY REASON",
        "CLASS", "ALLOC/S", "FREE/S", "FAST %", "SLOW/S", "DEPTH", "LIVE", "P50", "P99"
    );
    for (name, counters) in process.classes() {
        let flow = process.class_flow(name, Measure::Rate).unwrap_or_default();
        let reasons = flow.slow_reasons();
        let reasons = reasons.iter().filter(|(_, flow)| *flow > 0.0);
        let reasons: Vec<String> =
            reasons.map(|(reason, flow)| format!("{reason} {}", quantity::rate(*flow))).collect();
        let depth = quantity::depth(counters.depth_blocks, counters.capacity_blocks);
        let _ = writeln!(
            text,
            "{:<6} {:>9} {:>9} {:>7} {:>9} {:>13} {:>10} {:>9} {:>9}  {}",
            name.as_str(),
            quantity::rate(flow.allocations),
            quantity::rate(flow.frees),
            quantity::percent(flow.fast(), flow.operations()),
            quantity::rate(flow.slow()),
            depth,
            quantity::live_bytes(counters.live_bytes),
            quantity::duration_ns(flow.p50_ns),
            quantity::duration_ns(flow.p99_ns),
            reasons.join(", "),
        );
    }
    text
}

/// The command line as it was given, as far as it is known, on one line.
pub fn command_line(identity: &proto::Identity) -> String {
    let words = match identity.arguments.as_slice() {
        [] => identity.executable.clone(),
        words => words.join(" "),
    };
    one_line(&words, COMMAND_MAX)
}

/// A command followed by the labels of its process, which must not be cut off with it.
fn labelled(command: String, identity: &proto::Identity) -> String {
    match labels(identity) {
        labels if labels.is_empty() => command,
        labels => format!("{command}  [{}]", one_line(&labels, LABELS_MAX)),
    }
}

/// One class over several processes.
#[derive(Clone, Debug, Default)]
struct ClassSum {
    allocations: u64,
    frees: u64,
    fast: u64,
    live_blocks: i64,
    live_bytes: i64,
    reasons: BTreeMap<String, u64>,
}

fn sum_classes(processes: &[proto::Process]) -> BTreeMap<ClassName, ClassSum> {
    let mut sums: BTreeMap<ClassName, ClassSum> = BTreeMap::new();
    for class in processes.iter().flat_map(|process| &process.classes) {
        let sum = sums.entry(ClassName::new(class.class.clone())).or_default();
        sum.allocations += class.allocations;
        sum.frees += class.frees;
        sum.fast += class.allocations_fast + class.frees_fast;
        sum.live_blocks += class.live_blocks;
        sum.live_bytes += class.live_bytes;
        for it in class.slow_allocations.iter().chain(&class.slow_frees) {
            *sum.reasons.entry(it.reason.clone()).or_default() += it.count;
        }
    }
    sums
}

fn write_classes(text: &mut String, classes: &BTreeMap<ClassName, ClassSum>) {
    let _ = writeln!(
        text,
        "{:<6} {:>14} {:>14} {:>7} {:>12} {:>12} {:>10}  SLOW BY REASON",
        "CLASS", "ALLOCATIONS", "FREES", "FAST %", "SLOW", "LIVE BLOCKS", "LIVE"
    );
    for (name, sum) in classes {
        let operations = sum.allocations + sum.frees;
        let mut reasons: Vec<(&String, &u64)> = sum.reasons.iter().collect();
        reasons.sort_by(|a, b| b.1.cmp(a.1));
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let _ = writeln!(
            text,
            "{:<6} {:>14} {:>14} {:>7} {:>12} {:>12} {:>10}  {}",
            name.as_str(),
            sum.allocations,
            sum.frees,
            quantity::percent(sum.fast as f64, operations as f64),
            operations.saturating_sub(sum.fast),
            sum.live_blocks.max(0),
            quantity::live_bytes(sum.live_bytes),
            reasons.join(", "),
        );
    }
}

/// The losses, one clause each.
fn missing(processes: &[proto::Process], lost_events: u64) -> Vec<String> {
    let losses = || processes.iter().filter_map(|it| it.loss.as_ref());
    let threads: u64 = losses().map(|it| it.unpublished_threads_total).sum();
    let lost: u64 = losses().map(|it| it.lost_events).sum::<u64>().max(lost_events);
    let torn = losses().filter(|it| it.torn).count();
    let mut said = Vec::new();
    if threads > 0 {
        said.push(format!("LOST: {threads} threads ran without a slot and are not counted"));
    }
    if torn > 0 {
        said.push(format!(
            "LOST: {torn} processes were killed within a slow path, counts may be off by one"
        ));
    }
    if lost > 0 {
        said.push(format!("lost {lost} events (counts are complete)"));
    }
    said
}

#[cfg(test)]
mod tests;
