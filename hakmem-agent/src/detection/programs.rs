//! The programs that are followed: each user's busiest, where there are too many for all, and each
//! build for itself.
//!
//! A build that is younger than the baseline is compared with the last windows of the build that
//! started before it, so that an update that made a path slower is found although the new build
//! never was any faster.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use hakmem_diagnosis::{Options, Turn};
use hakmem_proto::v1::Finding;

use super::command::{Place, command};
use super::comparison::{Baseline, NumberedTurn};
use super::past::Pace;
use super::program::{Current, Program, shows_most};
use crate::config::DetectionConfig;
use crate::findings::{Known, Step};
use crate::state::{FleetView, ProcessRecord};
use crate::time::timestamp_of_unix_ns;
use crate::turns::take_turns;

/// Programs that are compared at most.
pub(super) const PROGRAMS_MAX: usize = 64;
/// Processes of one program that are followed at most.
const PROCESSES_MAX: usize = 8;
/// Processes of all programs: seventy samples of a kibibyte or two each are 9 to 18 MiB.
const PROCESSES_MAX_OF_ALL: usize = 128;
/// Builds without a process that are remembered at most.
const ENDED_MAX: usize = 16;
/// Seconds that a build is remembered after its last process.
const REMEMBERED: f64 = 3600.0;

/// What tells programs apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ProgramKey {
    owner: u32,
    executable: String,
    build_id: String,
}

/// What does not change while the agent runs.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) pace: Pace,
    pub(super) options: Options,
    pub(super) begin_after: u32,
    pub(super) end_after: u32,
    /// Baselines of the recording, by executable.
    pub(super) recorded: BTreeMap<String, Baseline>,
    /// Whether hakmem-top can ask this agent for its history, and its socket, if that is not
    /// where it looks by itself.
    pub(super) asked_at: Option<Option<std::path::PathBuf>>,
}

/// All programs.
#[derive(Debug)]
pub(super) struct Programs {
    rules: Rules,
    programs: BTreeMap<ProgramKey, Program>,
    /// Operations so far of running programs, and how busy they were lately.
    busy: HashMap<ProgramKey, (u64, f64)>,
    next_id: u64,
}

impl ProgramKey {
    fn of(record: &ProcessRecord) -> Self {
        let identity = record.identity();
        Self {
            owner: record.owner(),
            executable: identity.executable.clone(),
            build_id: identity.build_id.clone(),
        }
    }
}

impl Rules {
    /// What a configuration asks for.
    pub(super) fn new(config: &DetectionConfig, idle_interval: f64) -> Self {
        // A window needs some samples whatever their distance.
        let window = config.window.as_secs_f64().max(idle_interval * 10.0);
        // So many answers and two more fall into it.
        let answers = f64::from(config.begin_after.saturating_add(2));
        let gap = window.max(config.interval.as_secs_f64() * answers);
        let baseline = config.baseline.as_secs_f64().max(window);
        let baseline_min = config.baseline_min.as_secs_f64().min(baseline);
        Self {
            pace: Pace { window, gap, baseline, baseline_min },
            options: Options::live(),
            begin_after: config.begin_after,
            end_after: config.end_after,
            recorded: BTreeMap::new(),
            asked_at: None,
        }
    }
}

impl Programs {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, programs: BTreeMap::new(), busy: HashMap::new(), next_id: 0 }
    }

    /// Takes in the newest samples of the busiest programs.
    pub(super) fn observe(&mut self, view: &FleetView) -> Vec<Step> {
        let mut steps = Vec::new();
        let Rules { pace, begin_after, end_after, .. } = self.rules;
        let mut running: BTreeMap<ProgramKey, Vec<&Arc<ProcessRecord>>> = BTreeMap::new();
        for record in view.processes.values() {
            running.entry(ProgramKey::of(record)).or_default().push(record);
        }
        running.retain(|key, records| {
            self.programs.contains_key(key) || records.iter().any(|it| !it.has_ended())
        });
        let runs = |key: &str| view.processes.get(key).is_some_and(|it| !it.has_ended());
        for key in self.surplus(&running) {
            running.remove(&key);
            if let Some(mut program) = self.programs.remove(&key) {
                let turns = program.end(program.newest());
                steps.extend(self.steps(&key, &program, None, turns));
            }
        }
        let mut of_owners: HashMap<u32, usize> = HashMap::new();
        running.keys().for_each(|key| *of_owners.entry(key.owner).or_default() += 1);
        for (key, records) in running {
            let programs = of_owners.len() * of_owners.get(&key.owner).copied().unwrap_or(1);
            let room = (PROCESSES_MAX_OF_ALL / programs.max(1)).clamp(1, PROCESSES_MAX);
            let program = self
                .programs
                .entry(key)
                .or_insert_with(|| Program::new(records[0], begin_after, end_after));
            records.into_iter().for_each(|record| program.observe(record, pace, room));
        }
        self.programs.values_mut().for_each(|program| program.retain_running(runs));
        steps
    }

    /// Running programs beyond the busiest; those with findings count as busy.
    fn surplus(
        &mut self,
        running: &BTreeMap<ProgramKey, Vec<&Arc<ProcessRecord>>>,
    ) -> Vec<ProgramKey> {
        let is_running = |records: &[&Arc<ProcessRecord>]| records.iter().any(|it| !it.has_ended());
        let running: Vec<_> = running.iter().filter(|(_, it)| is_running(it)).collect();
        if running.len() <= PROGRAMS_MAX {
            self.busy.clear();
            return Vec::new();
        }
        let mut busy = HashMap::with_capacity(running.len());
        for (key, records) in running {
            let operations = records.iter().filter(|it| !it.has_ended()).map(|record| {
                let totals = record.totals();
                totals.allocations.saturating_add(totals.frees)
            });
            let operations = operations.fold(0, u64::saturating_add);
            let (before, lately) = self.busy.get(key).copied().unwrap_or((operations, 0.0));
            let lately = lately * 0.9 + operations.saturating_sub(before) as f64;
            busy.insert(key.clone(), (operations, lately));
        }
        self.busy = busy;
        let ongoing = |key: &ProgramKey| self.programs.get(key).is_some_and(Program::is_ongoing);
        let followed = |key: &ProgramKey| self.programs.contains_key(key);
        let mut ranked: Vec<(&ProgramKey, f64)> =
            self.busy.iter().map(|(key, (_, lately))| (key, *lately)).collect();
        ranked.sort_by(|(a, busy_a), (b, busy_b)| {
            let rank = ongoing(b).cmp(&ongoing(a)).then(busy_b.total_cmp(busy_a));
            rank.then(followed(b).cmp(&followed(a))).then(a.cmp(b))
        });
        let mut ranked = take_turns(ranked, |(key, _)| key.owner);
        ranked.split_off(PROGRAMS_MAX).into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// Compares every program with what it is to be compared with.
    pub(super) fn evaluate(&mut self, now: f64) -> Vec<Step> {
        let mut steps = Vec::new();
        let keys: Vec<ProgramKey> = self.programs.keys().cloned().collect();
        for key in keys {
            let previous = self.build_before(&key, now);
            let Some(mut program) = self.programs.remove(&key) else { continue };
            let (current, turns) = if program.is_running() {
                let recorded = self.rules.recorded.get(&key.executable);
                let Rules { pace, options, .. } = &self.rules;
                program.compare(now, *pace, options, (previous, recorded), &mut self.next_id)
            } else {
                (None, program.end(program.newest()))
            };
            steps.extend(self.steps(&key, &program, current.as_ref(), turns));
            self.programs.insert(key, program);
        }
        self.forget(now);
        steps
    }

    /// The last windows of the build before, for as long as there is no own past.
    fn build_before(&self, key: &ProgramKey, now: f64) -> Option<Baseline> {
        let program = self.programs.get(key)?;
        let pace = self.rules.pace;
        if now - program.started > pace.baseline + pace.gap + pace.window || program.is_ongoing() {
            return None;
        }
        let earlier = self.programs.iter().filter(|(other, it)| {
            (other.owner, &other.executable) == (key.owner, &key.executable)
                && other.build_id != key.build_id
                && it.started < program.started
        });
        let last = earlier.max_by(|(_, a), (_, b)| a.started.total_cmp(&b.started));
        last.and_then(|(_, program)| program.last_windows(pace))
    }

    /// Forgets builds that ended long ago, and the oldest if they are many.
    fn forget(&mut self, now: f64) {
        self.programs.retain(|_, it| it.is_running() || now - it.newest() < REMEMBERED);
        let ended = self.programs.iter().filter(|(_, it)| !it.is_running());
        let mut ended: Vec<(ProgramKey, f64)> =
            ended.map(|(key, it)| (key.clone(), it.newest())).collect();
        ended.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let ended = take_turns(ended, |(key, _)| key.owner);
        for (key, _) in ended.into_iter().skip(ENDED_MAX) {
            self.programs.remove(&key);
        }
    }

    fn steps(
        &self,
        key: &ProgramKey,
        program: &Program,
        current: Option<&Current>,
        turns: Vec<NumberedTurn>,
    ) -> Vec<Step> {
        let step = |turn: NumberedTurn| {
            let NumberedTurn { id, turn, baseline } = turn;
            let finding = match turn {
                Turn::Ended(finding) => return Step::Ended { id, until: finding.until },
                Turn::Began(ref finding) | Turn::Changed(ref finding) => finding,
            };
            let known = Known {
                owner: key.owner,
                executable_name: program.executable_name.clone(),
                added_seconds: finding.cause.cost_ns.value / 1e9,
                finding: self.told(key, id, finding, &baseline, current),
            };
            if matches!(turn, Turn::Began(_)) { Step::Began(known) } else { Step::Changed(known) }
        };
        turns.into_iter().map(step).collect()
    }

    /// A finding as the contract says it.
    fn told(
        &self,
        key: &ProgramKey,
        id: u64,
        finding: &hakmem_diagnosis::Finding,
        baseline: &Baseline,
        current: Option<&Current>,
    ) -> Finding {
        let cause = &finding.cause;
        let shown = current.map(|it| shows_most(&it.side, cause.class.as_deref()));
        let (process_key, pid) = shown.unwrap_or_default();
        let asked_at = self.rules.asked_at.as_ref();
        let command = current.zip(asked_at).map(|(current, socket)| {
            let socket: Option<&Path> = socket.as_deref();
            command(&key.executable, &baseline.place, &current.place, socket)
        });
        Finding {
            id,
            executable: key.executable.clone(),
            build_id: key.build_id.clone(),
            process_key,
            pid,
            cause: word(&cause.kind),
            class: cause.class.clone().unwrap_or_default(),
            direction: cause.direction.as_ref().map(word).unwrap_or_default(),
            reason: cause.reason.clone().unwrap_or_default(),
            since: Some(timestamp_of_unix_ns((finding.since * 1e9) as u64)),
            until: None,
            before_ns_per_op: finding.cost_ns[0],
            after_ns_per_op: finding.cost_ns[1],
            summary: summary(&cause.text, &baseline.place, &baseline.side.name),
            command: command.unwrap_or_default(),
        }
    }
}

/// What changed, and since what.
fn summary(text: &str, place: &Place, name: &str) -> String {
    match place {
        Place::Kept { .. } => format!("{text} (compared with {name})"),
        Place::Recording(path) => format!("{text} (compared with {})", path.display()),
    }
}

/// The word of a cause or a direction, as the JSON of a diagnosis has it.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
