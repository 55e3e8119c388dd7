//! The store under a fake clock and on a fake disk, one step after another, from a seed.
//!
//! A run is a random schedule of appends, flushes, faults, kills, power cuts and restarts. After each restart, and now and
//! then between, what a query would see is compared with a [`model::Model`]: every acknowledged row is there exactly once,
//! and nothing else but appends whose answer was an error or none, which are there as a whole or not, for good.
//!
//! `CUPOLA_SIMULATION_SEEDS` says how many seeds to run, `CUPOLA_SIMULATION_FIRST` the first of them.

mod catalog;
pub(crate) mod disk;
mod model;
mod process;
pub(crate) mod random;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use self::catalog::CatalogFault;
use self::disk::{Faults, Lie, SimulatedDisk};
use self::model::Model;
use self::process::{Process, Request, World};
use self::random::Random;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::trace_index::TraceIndex;

const SEEDS: u64 = 2_000;
const STEPS: u64 = 60;

/// One seed in so many writes real parts.
const REAL_PARTS_EVERY: u64 = 100;

/// What happened in all runs together.
#[derive(Default, Debug)]
struct Counts {
    appends: u64,
    acknowledged_rows: u64,
    refused: u64,
    in_doubt: u64,
    came_through: u64,
    flushes: u64,
    flushes_failed: u64,
    spares: u64,
    kills: u64,
    power_cuts: u64,
    power_cuts_during_start: u64,
    stops: u64,
    poisoned: u64,
}

struct Run {
    random: Random,
    world: World,
    process: Process,
    model: Model,
    next_row: i64,
    lie: Lie,
    /// What was done, for a run that is told.
    story: Option<String>,
}

/// A check that failed, in words.
type Failed = String;

impl Run {
    fn new(seed: u64, is_told: bool, traces: Option<Arc<TraceIndex>>, lie: Lie) -> Result<Run, Failed> {
        let mut random = Random::new(seed);
        let disk = SimulatedDisk::new(Random::new(random.next()));
        disk.set_faults(Faults { lie, ..Faults::default() });
        let world = World { disk, clock: Clock::manual(1_000_000_000_000), catalog: Arc::default(), traces };
        let process = Process::start(&world).map_err(|error| format!("first start: {error}"))?;
        let story = is_told.then(String::new);
        Ok(Run { random, world, process, model: Model::default(), next_row: 0, lie, story })
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            let _ = writeln!(story, "{:6} {}", self.world.disk.operations(), line());
        }
    }

    fn all(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        (0..STEPS).try_for_each(|_| self.step(counts)).and_then(|()| self.end(counts))
    }

    fn step(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        match self.random.below(100) {
            0..45 => self.append(counts)?,
            45..70 => self.step_flush(counts),
            70..75 => counts.spares += u64::from(self.process.make_spare()),
            75 => self.process.remove_spare(),
            76..82 => self.change_faults(),
            82..85 => self.heal(counts)?,
            85..89 => self.move_clock(),
            89..92 => {
                let faults = Faults {
                    crash_at: Some(self.world.disk.operations() + 1 + self.random.below(12)),
                    ..self.world.disk.faults()
                };
                self.tell(|| format!("power goes at {:?}", faults.crash_at));
                self.world.disk.set_faults(faults);
            }
            92..94 => {
                self.tell(|| "killed".into());
                counts.kills += 1;
                self.world.disk.kill();
                self.restart(counts)?;
            }
            94..95 => self.stop(counts)?,
            _ => self.check()?,
        }
        if self.world.disk.is_off() { self.power_cut(counts) } else { Ok(()) }
    }

    fn append(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        let mut requests = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let count = 1 + self.random.below(4) as i64;
            let padding = if self.random.chance(1, 3) { self.random.below(2_000) as usize } else { 0 };
            requests.push(Request { first: self.next_row, count, padding });
            self.next_row += count;
        }
        // Then nothing may reach the disk.
        let was_poisoned = self.process.is_poisoned();
        let outcomes = self.process.append(&requests);
        self.tell(|| format!("append {requests:?}: {outcomes:?}"));
        counts.appends += requests.len() as u64;
        for (request, outcome) in requests.iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    counts.acknowledged_rows += request.count as u64;
                    self.model.kept(request.first, request.count);
                }
                Err(StoreError::Unavailable(_)) if was_poisoned => counts.refused += 1,
                Err(StoreError::Unavailable(_)) => {
                    counts.in_doubt += 1;
                    self.model.in_doubt(request.first, request.count);
                }
                Err(error) => return Err(format!("an append was answered {error}")),
            }
        }
        let is_poisoned = self.process.is_poisoned();
        counts.poisoned += u64::from(!was_poisoned && is_poisoned);
        Ok(())
    }

    fn step_flush(&mut self, counts: &mut Counts) {
        for _ in 0..1 + self.random.below(4) {
            match self.process.step_flush() {
                None => {}
                Some(Ok(())) => counts.flushes += 1,
                Some(Err(_)) => counts.flushes_failed += 1,
            }
        }
        self.tell(|| "flush steps".into());
    }

    fn change_faults(&mut self) {
        let mut faults = self.world.disk.faults();
        match self.random.below(5) {
            0 => faults.full = !faults.full,
            1 => faults.read_only = !faults.read_only,
            2 => faults.sync_fails = true,
            _ => {
                let choices = [CatalogFault::None, CatalogFault::Gone, CatalogFault::Full, CatalogFault::Unheard];
                self.world.catalog.lock().fault = choices[self.random.below(4) as usize];
            }
        }
        self.world.disk.set_faults(faults);
        let fault = self.world.catalog.lock().fault;
        self.tell(|| format!("{faults:?}, catalog {fault:?}"));
    }

    fn end_faults(&mut self) {
        self.world.disk.set_faults(Faults { lie: self.lie, ..Faults::default() });
        self.world.catalog.lock().fault = CatalogFault::None;
        self.tell(|| "all is well again".into());
    }

    /// When nothing fails any more, everything goes on without a restart, unless a sync had failed.
    fn heal(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        self.end_faults();
        self.process.probe();
        if self.process.refuses() != self.process.is_poisoned() {
            return Err("the log says the wrong thing of itself after the disk has recovered".into());
        }
        let before = self.model.kept_rows();
        self.append(counts)?;
        if self.model.kept_rows() == before && !self.process.is_poisoned() {
            return Err("nothing is taken although the disk has recovered".into());
        }
        self.process.flush_all().map_err(|error| format!("flush on a sound disk: {error}"))?;
        if self.process.memory().rows() > 0 || self.process.memory().bytes() > 0 {
            return Err(format!("memory holds {} bytes after a flush", self.process.memory().bytes()));
        }
        if self.process.log_segments() > 0 && !self.process.is_poisoned() {
            return Err("the log holds segments after a flush".into());
        }
        self.check()
    }

    fn move_clock(&mut self) {
        let now = self.world.clock.now_unix_nano();
        let by = self.random.below(3_600_000_000_000) as i64;
        self.world.clock.set(if self.random.chance(1, 2) { now + by } else { now - by });
        let (_, age) = self.process.memory().active(self.world.clock.now_unix_nano());
        // Once the clock was set back, rows count from then on.
        let (_, again) = self.process.memory().active(self.world.clock.now_unix_nano());
        assert!(age.is_none_or(|age| age <= 4_000_000_000_000 * STEPS) && again.is_none() == age.is_none());
    }

    fn stop(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        self.tell(|| "stopped".into());
        counts.stops += 1;
        let _ = self.process.flush_all();
        if self.world.disk.is_off() {
            return Ok(());
        }
        self.restart(counts)
    }

    fn power_cut(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        self.tell(|| "power cut".into());
        counts.power_cuts += 1;
        self.world.disk.crash();
        self.restart(counts)
    }

    fn restart(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        // What was under way ends here; nothing of it reaches the disk any more.
        self.world.disk.kill();
        self.end_faults();
        // The power may go again while it starts.
        while self.random.chance(1, 4) {
            let crash_at = Some(self.world.disk.operations() + 1 + self.random.below(20));
            self.world.disk.set_faults(Faults { crash_at, lie: self.lie, ..Faults::default() });
            let _ = Process::start(&self.world);
            if self.world.disk.is_off() {
                counts.power_cuts_during_start += 1;
                self.world.disk.crash();
            } else {
                self.world.disk.kill();
            }
            self.end_faults();
        }
        self.process = Process::start(&self.world).map_err(|error| format!("start: {error}"))?;
        let counters = self.process.counters();
        let corrupt = counters.wal_records_corrupt.load(std::sync::atomic::Ordering::Relaxed);
        let unreadable = counters.wal_records_unreadable.load(std::sync::atomic::Ordering::Relaxed);
        if corrupt + unreadable > 0 {
            return Err(format!("{corrupt} records were called damaged and {unreadable} unreadable"));
        }
        let visible = self.process.visible(&self.world.disk)?;
        counts.came_through += self.model.settle(&visible)?;
        self.tell(|| format!("started with {} rows", visible.len()));
        Ok(())
    }

    fn check(&mut self) -> Result<(), Failed> {
        let visible = self.process.visible(&self.world.disk)?;
        self.model.check(&visible)
    }

    /// All is put right, everything is in parts, and nothing else is left.
    fn end(&mut self, counts: &mut Counts) -> Result<(), Failed> {
        self.end_faults();
        self.restart(counts)?;
        self.heal(counts)?;
        self.restart(counts)?;
        self.check()?;
        self.process.close();
        let named = self.world.catalog.lock().parts.len();
        let left = process::files(&self.world.disk);
        let is = |path: &Path, wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
        let parts = left.iter().filter(|path| is(path, "parquet")).count();
        let beside = left.iter().filter(|path| is(path, "sums") || is(path, "tokens")).count();
        // Beside the parts and what goes with them there is the name of their catalog.
        if left.len() != parts + beside + 1 || parts != named {
            return Err(format!("{left:?} are left over"));
        }
        Ok(())
    }
}

fn run(seed: u64, is_told: bool, traces: &Arc<TraceIndex>, counts: &mut Counts) -> Result<(), (Failed, String)> {
    let traces = seed.is_multiple_of(REAL_PARTS_EVERY).then(|| Arc::clone(traces));
    let mut run = Run::new(seed, is_told, traces, Lie::None).map_err(|failed| (failed, String::new()))?;
    run.all(counts).map_err(|failed| (failed, run.story.unwrap_or_default()))
}

#[allow(clippy::disallowed_methods, reason = "how long a test runs is no setting of the program")]
fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_fails_acknowledged_rows_are_there_once() {
    let seeds = number_from_environment("CUPOLA_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number_from_environment("CUPOLA_SIMULATION_FIRST").unwrap_or(0);
    let mut counts = Counts::default();
    let folder = tempfile::tempdir().unwrap();
    let traces = Arc::new(TraceIndex::open(folder.path().to_owned(), false).unwrap());
    for seed in first..first + seeds {
        if let Err((failed, _)) = run(seed, false, &traces, &mut counts) {
            let (_, story) = run(seed, true, &traces, &mut Counts::default()).err().unwrap_or_default();
            panic!("seed {seed}: {failed}\n{story}");
        }
    }
    assert!(seeds < SEEDS || counts.power_cuts > seeds / 2 && counts.came_through > seeds / 100, "{counts:?} show too little");
    eprintln!("{seeds} seeds from {first}: {counts:?}");
}

/// The runs would notice if the store did not wait for the disk: on one that only says that it has, they fail.
#[test]
fn a_disk_that_lies_is_found_out() {
    for lie in [Lie::FileSync, Lie::FolderSync] {
        let found = (0..200).any(|seed| {
            let run = Run::new(seed, false, None, lie);
            run.and_then(|mut run| run.all(&mut Counts::default())).is_err()
        });
        assert!(found, "{lie:?} was not noticed");
    }
}
