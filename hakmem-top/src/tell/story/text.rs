//! The story as text.

use std::cmp::Reverse;
use std::fmt::Write as _;

use hakmem_proto::v1 as proto;
use hakmem_segment::{Class, EventKind};

use super::{Sentence, Story, clock_ns};
use crate::model::labels;
use crate::tell::report;
use crate::words::{explanation, paragraph, quantity};

/// Lines of the story that are printed at most, the newest ones.
const LINES_MAX: usize = 40;
/// Number of consecutive equal anomalies from which on they are summed up.
const REPEATED_MIN: usize = 3;
/// Width at which running text is wrapped.
const WIDTH: usize = 100;
/// Columns for the mark and the time of an event.
const EVENT_INDENT: usize = 18;

impl Story {
    /// The story as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write_identity(&mut text);
        self.write_c7(&mut text);
        self.write_anomalies(&mut text);
        self.write_events(&mut text);
        text.push('\n');
        wrap(&mut text, &self.ending(), "");
        if let Some(verdict) = self.verdict() {
            text.push('\n');
            wrap(&mut text, &verdict, "");
        }
        text
    }

    fn write_identity(&self, text: &mut String) {
        let identity = self.identity();
        let executable = identity.executable.rsplit('/').next().unwrap_or_default();
        let name = identity.program_name();
        let _ = writeln!(text, "{name}, process {}: {}", identity.pid, self.process.state);
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "  {label:<9} {value}");
        };
        line("command", &report::command_line(&identity));
        let labels = labels(&identity);
        if !labels.is_empty() {
            line("labels", &labels);
        }
        if name != executable {
            line("program", &identity.executable);
        }
        let mut routing = identity.routing.clone();
        if !identity.push.is_empty() {
            let _ = write!(routing, " · push {}", identity.push);
        }
        line("routing", &format!("{routing} · check {}", identity.check));
        line("", explanation::routing(&identity.routing));
        if identity.fork_doubts > 0 || identity.fork_abandoned_bytes > 0 {
            let lost = quantity::bytes(identity.fork_abandoned_bytes as i64);
            let text = format!(
                "{} locks were held by threads that the child does not have, and the data that \
                 they guard was repaired; {lost} were lost",
                identity.fork_doubts
            );
            line("forked", &text);
        }
        let version = &identity.library_version;
        let at = |at: Option<&prost_types::Timestamp>| at.map(ToString::to_string);
        let started = at(identity.started_at.as_ref()).unwrap_or_default();
        line("started", &format!("{started}, hakmem {version}"));
        if let Some(ended) = at(self.process.ended_at.as_ref()) {
            line("ended", &ended);
        }
        line("segment", &self.path);
        let totals = self.process.totals.unwrap_or_default();
        // A misread header moves blocks to another class, so the sum of bytes is meaningless.
        let bytes = match totals.live_bytes {
            0.. => format!(" of {}", quantity::bytes(totals.live_bytes)),
            _ => String::new(),
        };
        let (allocations, frees) =
            (quantity::count(totals.allocations), quantity::count(totals.frees));
        let blocks = quantity::signed_count(totals.live_blocks.max(0));
        line(
            "counted",
            &format!("{allocations} allocations, {frees} frees, {blocks} live blocks{bytes}"),
        );
        self.write_refusals(&mut line);
        let loss = self.process.loss.unwrap_or_default();
        if loss.unpublished_threads_total > 0 {
            let threads = loss.unpublished_threads_total;
            line("LOST", &format!("{threads} threads ran without a slot and are not counted"));
        }
        if loss.namespaces_total > 0 {
            let text = "libraries that it loaded with dlmopen bypass hakmem and are not counted";
            line("DLMOPEN", text);
        }
        if loss.torn {
            line("TORN", "it was killed within a slow path: counts may be off by one");
        }
    }

    /// Memory calls that the system refused, if any.
    fn write_refusals(&self, line: &mut dyn FnMut(&str, &str)) {
        let memory = self.process.memory.unwrap_or_default();
        let kinds = [
            (memory.refused_unmaps, "to unmap address space", "vm.max_map_count"),
            (memory.refused_purges, "to take memory back", "mlock(2)"),
            (memory.refused_advice, "advice about memory", "madvise(2)"),
        ];
        for (count, what, source) in kinds.into_iter().filter(|(count, ..)| *count > 0) {
            let count = quantity::count(count);
            line("refused", &format!("{what}: {count} (see {source})"));
        }
    }

    fn write_c7(&self, text: &mut String) {
        text.push_str("\nC7's frees\n");
        let class = self.process.classes.iter().find(|class| class.class == Class::C7.name());
        let Some(class) = class.filter(|class| class.frees > 0) else {
            text.push_str("  none: no C7 block was freed\n");
            return;
        };
        let _ =
            writeln!(text, "  {:<22}{:>14}{:>14}{:>14}", "RECOGNISED BY", "ALL", "FAST", "SLOW");
        for it in class.outcomes.iter().filter(|it| it.count > 0) {
            let mark = if explanation::is_anomaly(&it.outcome) { "!" } else { " " };
            let _ = writeln!(
                text,
                "{mark} {:<22}{:>14}{:>14}{:>14}  {}",
                it.outcome,
                it.count,
                it.fast,
                it.count.saturating_sub(it.fast),
                explanation::outcome(&it.outcome),
            );
        }
        let reasons: Vec<String> =
            class.slow_frees.iter().map(|it| format!("{} {}", it.reason, it.count)).collect();
        if !reasons.is_empty() {
            let _ = writeln!(text, "  slow because: {}", reasons.join(", "));
        }
    }

    fn write_anomalies(&self, text: &mut String) {
        text.push_str("\nAnomalies\n");
        let anomalies = self.anomalies();
        if anomalies.is_empty() {
            text.push_str("  none\n");
        }
        for it in anomalies {
            let meaning = explanation::outcome(&it.outcome);
            let _ =
                writeln!(text, "! {:<5} {:<22}{:>9}  {meaning}", it.class, it.outcome, it.count);
        }
    }

    fn write_events(&self, text: &mut String) {
        let lines = self.lines();
        let left_out = lines.len().saturating_sub(LINES_MAX);
        let lost = self.process.loss.map_or(0, |loss| loss.lost_events);
        let suppressed = self.process.loss.map_or(0, |loss| loss.suppressed_events);
        text.push_str("\nThe story\n");
        let mut earlier = Vec::new();
        if lost > 0 {
            earlier.push(format!("{} events were overwritten", quantity::count(lost)));
        }
        if suppressed > 0 {
            let count = quantity::count(suppressed);
            earlier.push(format!("{count} slow paths were not recorded, to bound their rate"));
        }
        if left_out > 0 {
            earlier.push(format!("{left_out} older lines are left out"));
        }
        if !earlier.is_empty() {
            let _ = writeln!(text, "  … {}", earlier.join("; "));
        }
        if lines.is_empty() {
            text.push_str("  no event is left\n");
        }
        for line in &lines[left_out..] {
            text.push_str(line);
        }
    }

    /// One entry per event, or per run of equal events.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut told: Vec<String> = Vec::new();
        let mut rest = self.events.as_slice();
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|event| kind_of_line(event) == kind_of_line(first));
            let (run, after) = rest.split_at(alike.count());
            rest = after;
            let is_anomaly = explanation::is_anomaly(&first.detail);
            match run {
                [_, .., last] if is_slow(first) => lines.push(self.slow_run(run, last)),
                [first, .., last] if is_anomaly && run.len() >= REPEATED_MIN => {
                    lines.push(self.line(first, &mut told));
                    lines.push(self.repeated(run.len() - 1, last));
                }
                _ => lines.extend(run.iter().map(|event| self.line(event, &mut told))),
            }
        }
        lines
    }

    /// The line of an event; its consequence is told only the first time.
    fn line(&self, event: &proto::Event, told: &mut Vec<String>) -> String {
        let Sentence { said, meaning } = Sentence::new(event, self.routing());
        let mut line = String::new();
        let mark = if explanation::is_anomaly(&event.detail) { '!' } else { ' ' };
        let at = clock_ns(self.event_ns(event));
        let said = format!("thread {}: {said}", event.thread_id);
        wrap(&mut line, &said, &format!("{mark} {at:>14}  "));
        if !meaning.is_empty() && !told.contains(&meaning) {
            wrap(&mut line, &format!("→ {meaning}"), &" ".repeat(EVENT_INDENT));
            told.push(meaning);
        }
        line
    }

    fn repeated(&self, count: usize, last: &proto::Event) -> String {
        let at = clock_ns(self.event_ns(last));
        let Sentence { said, .. } = Sentence::new(last, self.routing());
        let mut line = String::new();
        let said = format!("… {count} more like it, the last: {said}");
        wrap(&mut line, &said, &format!("! {at:>14}  "));
        line
    }

    /// The slow paths between two other events, counted by class and reason.
    fn slow_run(&self, run: &[proto::Event], last: &proto::Event) -> String {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for event in run {
            let name = format!("{} {}", event.class, event.detail);
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| Reverse(*count));
        let shown: Vec<String> =
            counts.iter().take(4).map(|(name, count)| format!("{name} {count}")).collect();
        let more = if counts.len() > 4 { ", …" } else { "" };
        let at = clock_ns(self.event_ns(last));
        format!("  {at:>14}  until then {} slow paths: {}{more}\n", run.len(), shown.join(", "))
    }
}

fn is_slow(event: &proto::Event) -> bool {
    matches!(event.known_kind(), Some(EventKind::SlowAllocation | EventKind::SlowFree))
}

/// The kind of an event; consecutive events of one kind are told on one line.
fn kind_of_line(event: &proto::Event) -> (&str, &str, &str, &str) {
    if is_slow(event) {
        return ("slow", "", "", "");
    }
    (&event.kind, &event.detail, &event.class, &event.claimed_class)
}

/// Appends running text after `start`.
fn wrap(text: &mut String, words: &str, start: &str) {
    text.push_str(&paragraph::wrap(words, start, WIDTH));
}
