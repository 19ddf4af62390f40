//! Hours of programs in simulated time: which findings occur, when, how often, and for how long.
//!
//! Segments are real files, written as programs would write them; only the times of samples are
//! simulated. Windows have their default lengths.

use std::sync::Arc;

use hakmem_reader::fixture::SlotWriter;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{AllocReason, Class, FreeReason, Outcome, ProcessState, Segment};

use super::programs::{Programs, Rules};
use crate::config::DetectionConfig;
use crate::findings::{Known, Step};
use crate::state::{Facts, FleetView, ProcessRecord};

/// Start of the simulation, in seconds of Unix time.
const BEGIN: u64 = 1_795_687_200;
/// Seconds until a window and its baseline are full.
const SETTLED: u64 = 400;
/// Seconds within which a change must be found: the window, and a minute.
const FOUND_WITHIN: u64 = 90;

/// The operations of a program in a second.
type Act = Box<dyn FnMut(&mut SlotWriter, u64, &mut Random)>;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number around `mean`, up to a third less or more.
    fn about(&mut self, mean: u64) -> u64 {
        let third = (mean / 3).max(1);
        mean - third.min(mean) + self.next() % (2 * third + 1)
    }
}

struct Player {
    writer: SegmentWriter,
    segment: Segment,
    facts: Arc<Facts>,
    act: Act,
    random: Random,
}

struct Stage {
    directory: tempfile::TempDir,
    players: Vec<Player>,
    view: FleetView,
    programs: Programs,
    second: u64,
    /// Every finding that began or changed, in its last state, with the seconds of its first and
    /// last report.
    known: Vec<(u64, u64, Known)>,
    ended: Vec<(u64, u64)>,
}

impl Stage {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            players: Vec::new(),
            view: FleetView::default(),
            programs: Programs::new(Rules::new(&DetectionConfig::default(), 1.0)),
            second: 0,
            known: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Adds a process; returns its pid.
    fn enter(&mut self, arguments: &[&str], seed: u64, act: Act) -> u32 {
        let mut facts = FixtureProcess::new(&format!("/usr/bin/{}", arguments[0]));
        facts.arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        facts.created_unix_ns = (BEGIN + self.second) * 1_000_000_000;
        let mut writer = SegmentWriter::create_unready(self.directory.path(), &facts);
        writer.take_slot(42, "main");
        writer.make_ready();
        let segment = Segment::open(writer.path()).unwrap();
        let facts_told = Arc::new(Facts::new(segment.identity()));
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        self.players.push(Player { writer, segment, facts: facts_told, act, random });
        facts.pid
    }

    /// Lets all programs run for some seconds.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second += 1;
            for player in &mut self.players {
                (player.act)(player.writer.slot(0), self.second, &mut player.random);
                let mut sample = player.segment.sample().unwrap();
                sample.unix_ns = (BEGIN + self.second) * 1_000_000_000;
                sample.monotonic_ns = self.second * 1_000_000_000;
                let key = player.segment.key().into();
                let state = (ProcessState::Running, None);
                let facts = Arc::clone(&player.facts);
                self.view.put(ProcessRecord::new(key, facts, state, sample, 0));
            }
            let mut steps = self.programs.observe(&self.view);
            if self.second.is_multiple_of(5) {
                steps.extend(self.programs.evaluate((BEGIN + self.second) as f64));
            }
            for step in steps {
                match step {
                    Step::Began(known) => self.known.push((self.second, self.second, known)),
                    Step::Changed(known) => {
                        let id = known.finding.id;
                        let mut all = self.known.iter_mut();
                        let at = all.find(|it| it.2.finding.id == id).expect("it began");
                        (at.1, at.2) = (self.second, known);
                    }
                    Step::Ended { id, .. } => self.ended.push((id, self.second)),
                }
            }
        }
    }

    /// The findings, for a person who investigates a failed test.
    fn told(&self) -> Vec<String> {
        let line = |(first, last, known): &(u64, u64, Known)| {
            let it = &known.finding;
            format!("{first}..{last} {} pid {} {}: {}", it.id, it.pid, it.cause, it.summary)
        };
        self.known.iter().map(line).collect()
    }

    fn ended_at(&self, id: u64) -> Option<u64> {
        self.ended.iter().find(|it| it.0 == id).map(|it| it.1)
    }
}

/// Calls of one class, some of which take slow paths in both directions.
fn calls(slot: &mut SlotWriter, class: Class, pairs: u64, slow: u64) {
    let bin = bin_of(class);
    for _ in 0..slow {
        slot.allocate_slow(bin, AllocReason::RefillCentral, 0);
        slot.duration(class, 1000);
        slot.free_slow(bin, FreeReason::FlushFull, Outcome::Map, 0);
        slot.duration(class, 1000);
    }
    for _ in 0..pairs / 8 {
        slot.allocate(bin, 8);
        slot.free(bin, 8);
    }
}

/// A constant load.
fn steady(pairs: u64) -> Act {
    Box::new(move |slot, _, random| calls(slot, Class::C5, random.about(pairs), random.about(3)))
}

/// A constant load whose slow paths become frequent at `begin`.
fn slow_from(begin: u64, pairs: u64) -> Act {
    Box::new(move |slot, now, random| {
        let slow = if now < begin { 3 } else { 60 };
        calls(slot, Class::C5, random.about(pairs), random.about(slow));
    })
}

#[test]
fn of_two_programs_of_one_interpreter_the_one_that_goes_wrong_is_named() {
    let mut stage = Stage::new();
    let wrong = stage.enter(&["python3", "/srv/shop.py"], 1, slow_from(SETTLED, 400));
    stage.enter(&["python3", "/srv/mail.py"], 2, steady(4000));
    stage.run(SETTLED + FOUND_WITHIN);
    assert_eq!(stage.known.len(), 1, "{:#?}", stage.told());
    assert_eq!(stage.known[0].2.finding.pid, wrong);
    stage.run(300);
    assert_eq!(stage.known.len(), 1, "{:#?}", stage.told());
    assert_eq!(stage.ended_at(1), None, "it goes on");
}

#[test]
fn of_two_processes_that_were_started_alike_the_one_that_goes_wrong_is_named() {
    for seed in 1..4 {
        let mut stage = Stage::new();
        stage.enter(&["redis-server"], seed + 10, steady(4000));
        let wrong = stage.enter(&["redis-server"], seed, slow_from(SETTLED, 400));
        stage.run(SETTLED + FOUND_WITHIN + 60);
        assert_eq!(stage.known.len(), 1, "{:#?}", stage.told());
        let (first, _, known) = &stage.known[0];
        assert!(*first <= SETTLED + FOUND_WITHIN, "{first}");
        assert_eq!(known.finding.pid, wrong, "{:#?}", stage.told());
    }
}

/// Frees move to another thread: every class loses its fast path, in both directions.
#[test]
fn one_handover_is_one_finding() {
    let classes = [Class::C0, Class::C1, Class::C2, Class::C3, Class::C4, Class::C5, Class::C7];
    let act: Act = Box::new(move |slot, now, random| {
        for (index, class) in classes.into_iter().enumerate() {
            let slow = if now < SETTLED { 2 } else { 20 + 4 * index as u64 };
            calls(slot, class, random.about(300), random.about(slow));
        }
    });
    let mut stage = Stage::new();
    stage.enter(&["server"], 1, act);
    stage.run(SETTLED + 600);
    assert_eq!(stage.known.len(), 1, "{:#?}", stage.told());
    assert!(stage.known[0].2.finding.summary.contains("more effects began with it"));
    assert!(stage.known.iter().all(|it| it.2.finding.cause != "duration"));
}

#[test]
fn slow_paths_that_take_longer_each_are_no_finding() {
    let act: Act = Box::new(|slot, now, random| {
        let bin = bin_of(Class::C5);
        for _ in 0..random.about(10) {
            slot.allocate_slow(bin, AllocReason::RefillCentral, 0);
            slot.duration(Class::C5, if now < SETTLED { 500 } else { 20_000 });
            slot.free_slow(bin, FreeReason::FlushFull, Outcome::Map, 0);
            slot.duration(Class::C5, if now < SETTLED { 500 } else { 20_000 });
        }
        for _ in 0..50 {
            slot.allocate(bin, 8);
            slot.free(bin, 8);
        }
    });
    let mut stage = Stage::new();
    stage.enter(&["server"], 1, act);
    stage.run(SETTLED + 300);
    assert!(stage.known.is_empty(), "{:#?}", stage.told());
}

#[test]
fn a_leak_is_a_finding_for_as_long_as_it_lasts() {
    const OVER: u64 = SETTLED + 5400;
    let act: Act = Box::new(|slot, now, random| {
        calls(slot, Class::C5, random.about(400), random.about(3));
        if now <= 5 {
            slot.allocate(bin_of(Class::C7), 400);
        }
        if (SETTLED..OVER).contains(&now) {
            slot.allocate(bin_of(Class::C7), random.about(60));
        }
    });
    let mut stage = Stage::new();
    stage.enter(&["server"], 1, act);
    stage.run(OVER - 1);
    let leaks: Vec<_> = stage.known.iter().filter(|it| it.2.finding.cause == "leak").collect();
    assert_eq!(leaks.len(), 1, "{:#?}", stage.told());
    let (first, _, known) = leaks[0];
    assert!(*first <= SETTLED + 300 + FOUND_WITHIN, "{first}");
    assert_eq!(stage.ended_at(known.finding.id), None, "{:#?} {:?}", stage.told(), stage.ended);
    let id = known.finding.id;
    stage.run(180);
    assert!(stage.ended_at(id).is_some(), "{:#?}", stage.told());
}

/// Variations that are normal for programs.
fn natural(kind: usize) -> Act {
    let wave = |now: u64, period: f64| (now as f64 / period * std::f64::consts::TAU).sin();
    match kind {
        // A varying rate of requests of one kind.
        0 => Box::new(move |slot, now, random| {
            let load = 1.0 + 0.6 * wave(now, 600.0);
            let pairs = (400.0 * load) as u64;
            calls(slot, Class::C5, random.about(pairs), random.about(pairs / 100));
        }),
        // A job every two minutes that allocates much at once.
        1 => Box::new(|slot, now, random| {
            let is_job = now % 120 < 15;
            let slow = if is_job { 40 } else { 4 };
            calls(slot, Class::C5, random.about(400), random.about(slow));
        }),
        // Two kinds of work that alternate.
        2 => Box::new(|slot, now, random| {
            let (class, slow) = if now % 90 < 45 { (Class::C2, 2) } else { (Class::C6, 12) };
            calls(slot, class, random.about(400), random.about(slow));
        }),
        // A load that wanders.
        3 => {
            let mut level = 0.0_f64;
            Box::new(move |slot, _, random| {
                level = 0.9 * level + (random.next() % 1000) as f64 / 1000.0 - 0.5;
                let slow = (6.0 + 3.0 * level).max(0.0) as u64;
                calls(slot, Class::C5, random.about(400), slow);
            })
        }
        // A cache that fills, and is cleared every ten minutes.
        _ => Box::new(|slot, now, random| {
            calls(slot, Class::C5, random.about(400), random.about(4));
            let bin = bin_of(Class::C7);
            match now % 600 {
                0 if now > 0 => slot.free(bin, 150 * 40),
                1..=150 => slot.allocate(bin, 40),
                _ => {}
            }
        }),
    }
}

#[test]
fn programs_with_natural_phases_are_no_finding_in_an_hour() {
    let mut stage = Stage::new();
    for kind in 0..5 {
        stage.enter(&["server", &format!("--kind={kind}")], kind as u64 + 1, natural(kind));
    }
    stage.run(3600);
    assert!(stage.known.is_empty(), "{:#?}", stage.told());
}
