//! The programs that are followed: if there are too many, the busiest ones of each user; each build
//! counts as a program of its own.
//!
//! An interpreter runs many programs, and a machine several servers of one executable. They are
//! distinguished by their arguments and their place ([`ProgramKey`]).
//!
//! A build that is younger than the baseline is compared with the last windows of the build that
//! started before it, so that an update that made a path slower is found although the new build was
//! never faster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hakmem_diagnosis::Options;
use hakmem_proto::v1::Finding;
use hakmem_reader::liveness::Host;

use super::changes::{News, Told};
use super::command::command;
use super::comparison::{Baseline, Hysteresis};
use super::past::Pace;
use super::place::Place;
use super::program::{Habits, Program, shows_most};
use crate::config::DetectionConfig;
use crate::findings::{KeptSides, Known, Step};
use crate::state::{Facts, FleetView, ProcessRecord};
use crate::time::timestamp_of_unix_ns;
use crate::turns::take_turns;

/// Maximum number of compared programs.
pub(super) const PROGRAMS_MAX: usize = 64;
/// Maximum number of followed processes of one program.
const PROCESSES_MAX: usize = 8;
/// Maximum number of processes of all programs: seventy samples of a kibibyte or two each take 9 to
/// 18 MiB.
const PROCESSES_MAX_OF_ALL: usize = 128;
/// Maximum number of remembered builds without a process.
const ENDED_MAX: usize = 16;
/// Seconds that a build is remembered after the end of its last process.
const REMEMBERED: f64 = 3600.0;

/// Distinguishes programs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ProgramKey {
    what: What,
    build_id: String,
    place: Place,
}

/// The part that stays the same when a program is updated and its container is recreated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct What {
    owner: u32,
    executable: String,
    /// All that the segment has; a script is one of them.
    arguments: Vec<String>,
    labels: Vec<(String, String)>,
}

/// Settings that do not change while the agent runs.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) habits: Habits,
    pub(super) options: Options,
    /// Baselines of the recording, by executable.
    pub(super) recorded: BTreeMap<String, Baseline>,
    /// Whether hakmem-top can ask this agent, and the agent's socket if hakmem-top does not find it
    /// by itself.
    pub(super) asked_at: Option<Option<std::path::PathBuf>>,
}

/// All programs.
#[derive(Debug)]
pub(super) struct Programs {
    rules: Rules,
    programs: BTreeMap<Arc<ProgramKey>, Program>,
    /// For running programs, the operations so far, and a decaying measure of recent operations.
    busy: HashMap<Arc<ProgramKey>, (u64, f64)>,
    /// Keys of the processes that were last seen; each is determined while the process runs, once
    /// and whenever it has set a label.
    keys: HashMap<Arc<str>, (Arc<ProgramKey>, Arc<Facts>)>,
    host: Host,
    next_id: u64,
}

impl ProgramKey {
    fn of(record: &ProcessRecord, place: Place) -> Self {
        let identity = record.identity();
        let labels = identity.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        let mut labels: Vec<(String, String)> = labels.collect();
        labels.sort();
        let what = What {
            owner: record.owner(),
            executable: identity.executable.clone(),
            arguments: identity.arguments.clone(),
            labels,
        };
        Self { what, build_id: identity.build_id.clone(), place }
    }
}

impl Rules {
    /// The settings that follow from a configuration.
    pub(super) fn new(config: &DetectionConfig, idle_interval: f64) -> Self {
        // A window needs some samples, whatever their distance.
        let window = config.window.as_secs_f64().max(idle_interval * 10.0);
        // The gap must hold all answers that a finding needs, and two more.
        let answers = f64::from(config.begin_after.saturating_add(2));
        let gap = window.max(config.interval.as_secs_f64() * answers);
        let baseline = config.baseline.as_secs_f64().max(window);
        let baseline_min = config.baseline_min.as_secs_f64().min(baseline);
        // Growth that stops within a baseline's length is a cache.
        let filling = (baseline / config.interval.as_secs_f64().max(0.001)).ceil() as u32;
        let hysteresis = Hysteresis {
            begin_after: config.begin_after,
            leak_after: config.begin_after.max(filling),
            end_after: config.end_after,
        };
        let habits = Habits {
            pace: Pace { window, gap, baseline, baseline_min },
            hysteresis,
            // A small effect becomes sure only when the whole window shows it.
            together: window + gap,
        };
        Self { habits, options: Options::live(), recorded: BTreeMap::new(), asked_at: None }
    }
}

impl Programs {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            programs: BTreeMap::new(),
            busy: HashMap::new(),
            keys: HashMap::new(),
            host: Host::current(),
            next_id: 0,
        }
    }

    /// Takes the newest samples of the busiest programs.
    pub(super) fn observe(&mut self, view: &FleetView) -> Vec<Step> {
        let mut steps = Vec::new();
        let habits = self.rules.habits;
        self.keys.retain(|key, _| view.processes.contains_key(key));
        let mut running: BTreeMap<Arc<ProgramKey>, Vec<&Arc<ProcessRecord>>> = BTreeMap::new();
        for record in view.processes.values() {
            let facts = || Arc::clone(&record.facts);
            let (key, known) = self.keys.entry(Arc::clone(&record.key)).or_insert_with(|| {
                let place = Place::of(&self.host, &record.facts.raw, record.has_ended());
                (Arc::new(ProgramKey::of(record, place)), facts())
            });
            if !Arc::ptr_eq(known, &record.facts) && known.raw.labels != record.facts.raw.labels {
                (*key, *known) = (Arc::new(ProgramKey::of(record, key.place.clone())), facts());
            }
            running.entry(Arc::clone(key)).or_default().push(record);
        }
        running.retain(|key, records| {
            self.programs.contains_key(key) || records.iter().any(|it| !it.has_ended())
        });
        let runs = |key: &str| view.processes.get(key).is_some_and(|it| !it.has_ended());
        for key in self.surplus(&running) {
            running.remove(&key);
            if let Some(mut program) = self.programs.remove(&key) {
                let told = program.end(program.newest(), &mut self.next_id);
                steps.extend(self.steps(&key, &program, told));
            }
        }
        let mut of_owners: HashMap<u32, usize> = HashMap::new();
        running.keys().for_each(|key| *of_owners.entry(key.what.owner).or_default() += 1);
        for (key, records) in running {
            let programs = of_owners.len() * of_owners.get(&key.what.owner).copied().unwrap_or(1);
            let room = (PROCESSES_MAX_OF_ALL / programs.max(1)).clamp(1, PROCESSES_MAX);
            let program =
                self.programs.entry(key).or_insert_with(|| Program::new(records[0], habits));
            records.into_iter().for_each(|record| program.observe(record, habits, room));
        }
        for (key, program) in &mut self.programs {
            let is_of = |process: &str| self.keys.get(process).is_some_and(|(it, _)| it == key);
            program.retain_running(|process| runs(process) && is_of(process));
        }
        steps
    }

    /// Running programs beyond the busiest; those with findings count as busy.
    fn surplus(
        &mut self,
        running: &BTreeMap<Arc<ProgramKey>, Vec<&Arc<ProcessRecord>>>,
    ) -> Vec<Arc<ProgramKey>> {
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
            busy.insert(Arc::clone(key), (operations, lately));
        }
        self.busy = busy;
        let ongoing =
            |key: &Arc<ProgramKey>| self.programs.get(key).is_some_and(Program::is_ongoing);
        let followed = |key: &Arc<ProgramKey>| self.programs.contains_key(key);
        let mut ranked: Vec<(&Arc<ProgramKey>, f64)> =
            self.busy.iter().map(|(key, (_, lately))| (key, *lately)).collect();
        ranked.sort_by(|(a, busy_a), (b, busy_b)| {
            let rank = ongoing(b).cmp(&ongoing(a)).then(busy_b.total_cmp(busy_a));
            rank.then(followed(b).cmp(&followed(a))).then(a.cmp(b))
        });
        let mut ranked = take_turns(ranked, |(key, _)| key.what.owner);
        ranked.split_off(PROGRAMS_MAX).into_iter().map(|(key, _)| Arc::clone(key)).collect()
    }

    /// Compares every program with its baselines.
    pub(super) fn evaluate(&mut self, now: f64) -> Vec<Step> {
        let mut steps = Vec::new();
        let keys: Vec<Arc<ProgramKey>> = self.programs.keys().cloned().collect();
        for key in keys {
            let previous = self.build_before(&key, now);
            let Some(mut program) = self.programs.remove(&key) else { continue };
            let told = if program.is_running() {
                let recorded = self.rules.recorded.get(&key.what.executable);
                let Rules { habits, options, .. } = &self.rules;
                let baselines = (previous, recorded);
                program.compare(now, habits.pace, options, baselines, &mut self.next_id)
            } else {
                program.end(program.newest(), &mut self.next_id)
            };
            steps.extend(self.steps(&key, &program, told));
            self.programs.insert(key, program);
        }
        self.forget(now);
        steps
    }

    /// The last windows of the previous build, for as long as the program has no past of its own.
    fn build_before(&self, key: &ProgramKey, now: f64) -> Option<Baseline> {
        let program = self.programs.get(key)?;
        let pace = self.rules.habits.pace;
        if now - program.started > pace.baseline + pace.gap + pace.window || program.is_ongoing() {
            return None;
        }
        let earlier = self.programs.iter().filter(|(other, it)| {
            other.what == key.what && other.build_id != key.build_id && it.started < program.started
        });
        // The latest build that ran in the same place, or else the latest one.
        let last = earlier.max_by(|(a, program_a), (b, program_b)| {
            let is_here = |it: &ProgramKey| it.place == key.place;
            let here = is_here(a).cmp(&is_here(b));
            here.then(program_a.started.total_cmp(&program_b.started))
        });
        last.and_then(|(_, program)| program.last_windows(pace))
    }

    /// Forgets builds that ended long ago. If there are too many, it forgets those that ran too
    /// short for a comparison first, and then the oldest.
    fn forget(&mut self, now: f64) {
        self.programs.retain(|_, it| it.is_running() || now - it.newest() < REMEMBERED);
        let least = self.rules.habits.pace.baseline_min;
        let ended = self.programs.iter().filter(|(_, it)| !it.is_running());
        let mut ended: Vec<(Arc<ProgramKey>, bool, f64)> =
            ended.map(|(key, it)| (Arc::clone(key), it.span() >= least, it.newest())).collect();
        ended.sort_by(|(_, long_a, a), (_, long_b, b)| long_b.cmp(long_a).then(b.total_cmp(a)));
        let ended = take_turns(ended, |(key, ..)| key.what.owner);
        for (key, ..) in ended.into_iter().skip(ENDED_MAX) {
            self.programs.remove(&key);
        }
    }

    fn steps(&self, key: &ProgramKey, program: &Program, told: Vec<Told>) -> Vec<Step> {
        let step = |told: Told| {
            if told.news == News::Ended {
                return Step::Ended { id: told.id, until: told.finding.until };
            }
            let sides = told.symptom.current.as_ref().and_then(|current| {
                KeptSides::new(&told.symptom.baseline.side, current).map(Arc::new)
            });
            let known = Known {
                owner: key.what.owner,
                program_name: program.program_name.clone(),
                added_seconds: told.finding.cause.cost_ns.value / 1e9,
                finding: self.finding(key, program, &told, sides.is_some()),
                sides,
            };
            if told.news == News::Began { Step::Began(known) } else { Step::Changed(known) }
        };
        told.into_iter().map(step).collect()
    }

    /// A finding as a message of the contract.
    fn finding(
        &self,
        key: &ProgramKey,
        program: &Program,
        told: &Told,
        are_sides_kept: bool,
    ) -> Finding {
        let Told { id, finding, symptom, others, .. } = told;
        let cause = &finding.cause;
        let current = symptom.current.as_deref();
        let shown = current.map(|side| shows_most(side, cause.class.as_deref()));
        let (process_key, pid) = shown.unwrap_or_default();
        // Rounded to milliseconds, as in the command.
        let since = timestamp_of_unix_ns((finding.since * 1e3) as u64 * 1_000_000);
        let asked_at = self.rules.asked_at.as_ref().filter(|_| are_sides_kept);
        let command = asked_at.map(|socket| command(*id, &since, socket.as_deref()));
        Finding {
            id: *id,
            executable: key.what.executable.clone(),
            build_id: key.build_id.clone(),
            process_key,
            pid,
            cause: word(&cause.kind),
            class: cause.class.clone().unwrap_or_default(),
            direction: cause.direction.as_ref().map(word).unwrap_or_default(),
            reason: cause.reason.clone().unwrap_or_default(),
            since: Some(since),
            until: None,
            before_ns_per_op: finding.cost_ns[0],
            after_ns_per_op: finding.cost_ns[1],
            summary: summary(&cause.text, &symptom.baseline, *others),
            command: command.unwrap_or_default(),
            program: program.program_name.clone(),
        }
    }
}

/// The finding's sentence: the change, the baseline, and the number of other effects.
fn summary(text: &str, baseline: &Baseline, others: usize) -> String {
    let name = match &baseline.recording {
        None => baseline.side.name.clone(),
        Some(path) => path.display().to_string(),
    };
    let more = match others {
        0 => String::new(),
        1 => "; one more effect began with it".to_owned(),
        others => format!("; {others} more effects began with it"),
    };
    format!("{text} (compared with {name}{more})")
}

/// The word for a cause or a direction, as in the JSON of a diagnosis.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
