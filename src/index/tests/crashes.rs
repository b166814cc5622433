//! Risk: a kill or a power cut between two steps of a flush or a merge that leaves a state
//! which is damaged, lacks something that was flushed, or keeps files for ever.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::options::{Durability, Shape};
use super::super::steps::Step;
use super::super::{Index, IndexError, IndexOptions};
use super::directory::{
    files, has_few_generations, named_runs, names, put_back, run_files, wait_for_generations,
};
use super::model::{Frame, LOG, Model, tiny_options, tiny_shape};

fn options() -> IndexOptions {
    IndexOptions {
        durability: Durability::Normal,
        filter_memory_bytes: 2000,
        ..tiny_options()
    }
}

fn open(directory: &Path, shape: &Shape) -> Result<Index, IndexError> {
    Index::open_shaped(directory, LOG, options(), shape.clone())
}

fn stopped() -> io::Error {
    io::Error::other("stopped here")
}

/// So many flushes, and merges, until the plan lets a step fail or little is left to merge, and for
/// a moment after. New ids, and old ones again.
fn live(
    directory: &Path,
    index: &Index,
    model: &mut Model,
    flushes: u16,
    is_over: impl Fn() -> bool,
) {
    for batch in 0..flushes {
        let sent = (0..9)
            .map(|id| ((id % 4) as u8, (batch * 7 + id), 0))
            .collect();
        model.take(Frame::Events(true, sent));
        if model.replay_into(index).is_err() {
            return;
        }
        let upto = model.applied();
        index.shared.tell_worker(|signal| signal.flush_upto = upto);
        while index.flushed() < upto {
            if is_over() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let begun = Instant::now();
    let is_merged = || has_few_generations(directory, 6) || begun.elapsed().as_secs() >= 10;
    while !is_over() && (begun.elapsed().as_millis() < 100 || !is_merged()) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Opens what was left, compares, and goes on until nothing is left over.
fn check(directory: &Path, mut model: Model, what: &str) {
    let index = open(directory, &tiny_shape()).unwrap_or_else(|error| panic!("{what}: {error}"));
    model.replay_into(&index).unwrap();
    model.compare(&index).unwrap();
    model.take(Frame::Events(true, vec![(2, 999, 0)]));
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    wait_for_generations(directory, 6);
    model.compare(&index).unwrap();
    index.close().unwrap();
    assert_eq!(run_files(directory), named_runs(directory), "{what}");
}

/// Lives once, with so many flushes, until a step for which this says so: that one and all later ones fail. What is
/// left is gone on with. Returns the step; `None` when there was none.
fn stop_before(
    flushes: u16,
    mut is_the_end: impl FnMut(Step) -> bool + Send + 'static,
) -> Option<Step> {
    let directory = tempfile::tempdir().unwrap();
    let shape = tiny_shape();
    let index = open(directory.path(), &shape).unwrap();
    let reached = Arc::new(Mutex::new(None));
    let sees = Arc::clone(&reached);
    shape.steps.plan.set(move |step| {
        let mut reached = sees.lock().unwrap();
        if reached.is_none() && !is_the_end(step) {
            return Ok(());
        }
        reached.get_or_insert(step);
        Err(stopped())
    });
    let mut model = Model::default();
    live(directory.path(), &index, &mut model, flushes, || {
        reached.lock().unwrap().is_some()
    });
    drop(index);
    let step = *reached.lock().unwrap();
    if let Some(step) = step {
        check(directory.path(), model, &format!("stopped before {step:?}"));
    }
    step
}

#[test]
fn a_stop_at_any_step_leaves_what_can_be_gone_on_with() {
    let mut met = BTreeMap::<String, u32>::new();
    for stop_at in 0.. {
        let mut count = 0;
        let step = stop_before(12, move |_| {
            count += 1;
            count > stop_at
        });
        let Some(step) = step else {
            break;
        };
        *met.entry(format!("{step:?}")).or_default() += 1;
    }
    for step in [
        Step::CreateRun,
        Step::WriteRun,
        Step::SyncRun,
        Step::SyncDirectory,
        Step::Commit,
        Step::MergePostings,
        Step::DeletePostings,
        Step::SyncWal,
        Step::Unlink,
        Step::Checkpoint,
    ] {
        let times = met.get(&format!("{step:?}")).copied().unwrap_or_default();
        assert!(times >= 5, "{step:?}: {met:?}");
    }
}

#[test]
fn a_stop_before_a_merged_generation_is_named_leaves_what_can_be_gone_on_with() {
    // One for all slices of a merge: among all steps it is met too seldom.
    let mut stops = 0;
    for naming in 0.. {
        let mut namings = 0;
        // The more flushes a merge finds waiting, the fewer merges there are.
        let stopped = stop_before(30, move |step| {
            namings += u32::from(step == Step::NamePostings);
            namings > naming
        });
        if stopped.is_none() {
            break;
        }
        stops += 1;
    }
    assert!(stops >= 3, "{stops}");
}

/// What a power cut leaves at worst: of files only what was synced, of names only those
/// that were when their directory was, of commits only those in a synced WAL; but every
/// file that was removed is gone.
#[derive(Default)]
struct Lasting {
    before: Option<Step>,
    /// Whether checkpoints copy all there is, and so sync it.
    by_checkpoints: bool,
    /// Database and WAL when they were last synced.
    database: Vec<(String, Vec<u8>)>,
    runs: BTreeMap<String, Vec<u8>>,
}

impl Lasting {
    /// Is told each step before it is made, and so that the one before has been.
    fn before(&mut self, directory: &Path, step: Step) {
        match self.before.replace(step) {
            // Other steps are only allowed to come when the sync has succeeded.
            Some(Step::SyncDirectory) => {
                for path in run_files(directory) {
                    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                    // Of those that are still being written some part; no row names them.
                    self.runs.insert(name, fs::read(&path).unwrap_or_default());
                }
            }
            Some(Step::SyncWal) => self.database = database(directory),
            Some(Step::Checkpoint) if self.by_checkpoints => self.database = database(directory),
            _ => {}
        }
        if step == Step::CreateRun {
            let there = names(directory);
            self.runs.retain(|name, _| there.contains(name));
        }
    }
}

fn database(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = files(directory);
    files.retain(|(name, _)| !name.ends_with(".run") && !name.ends_with("-shm"));
    files
}

#[test]
fn a_power_cut_at_any_step_leaves_what_can_be_gone_on_with() {
    cut_power_at_any_step(false);
}

#[test]
fn a_power_cut_does_too_while_a_reader_holds_checkpoints_up() {
    cut_power_at_any_step(true);
}

fn cut_power_at_any_step(with_reader: bool) {
    let mut cuts_with_runs = 0;
    for stop_at in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let shape = tiny_shape();
        let index = open(directory.path(), &shape).unwrap();
        let reader = rusqlite::Connection::open(directory.path().join("index.sqlite3")).unwrap();
        if with_reader {
            reader
                .execute_batch("BEGIN; SELECT count(*) FROM head")
                .unwrap();
        }
        let lasting = Arc::new(Mutex::new(Lasting {
            database: database(directory.path()),
            by_checkpoints: !with_reader,
            ..Lasting::default()
        }));
        let count = Arc::new(Mutex::new(0));
        let is_over = Arc::new(Mutex::new(false));
        let path = directory.path().to_owned();
        let (sees, over, keeps) = (count.clone(), is_over.clone(), lasting.clone());
        shape.steps.plan.set(move |step| {
            let mut count = sees.lock().unwrap();
            *count += 1;
            if *count > stop_at {
                *over.lock().unwrap() = true;
                return Err(stopped());
            }
            keeps.lock().unwrap().before(&path, step);
            Ok(())
        });
        let mut model = Model::default();
        live(directory.path(), &index, &mut model, 12, || {
            *is_over.lock().unwrap()
        });
        drop(index);
        if !*is_over.lock().unwrap() {
            break;
        }
        drop(reader);
        let lasting = lasting.lock().unwrap();
        let there = names(directory.path());
        let mut left = lasting.database.clone();
        left.extend(
            lasting
                .runs
                .iter()
                .filter(|(name, _)| there.contains(name))
                .map(|(name, bytes)| (name.clone(), bytes.clone())),
        );
        put_back(directory.path(), &left);
        cuts_with_runs += u32::from(!named_runs(directory.path()).is_empty());
        put_back(directory.path(), &left);
        check(directory.path(), model, &format!("cut at step {stop_at}"));
    }
    assert!(cuts_with_runs > 50, "{cuts_with_runs}");
}
