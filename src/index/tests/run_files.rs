//! Risk: a run's file that is missing, short, another's, stale or flipped and is believed;
//! files that nobody needs and that stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::{Index, IndexError, IndexOptions};
use super::directory::{files, named_runs, put_back, run_files};
use super::model::{Frame, LOG, Model, history, open, tiny_options, tiny_shape};

fn closed(frames: usize) -> (tempfile::TempDir, Model) {
    let model = history(frames);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.close().unwrap();
    (directory, model)
}

fn open_and_ask(directory: &Path, model: &Model, options: IndexOptions) -> Result<(), IndexError> {
    let index = Index::open_shaped(directory, LOG, options, tiny_shape())?;
    model.compare(&index)
}

fn assert_damaged(directory: &Path, model: &Model, what: &str) {
    // Also where the filters are read from the file only when they are asked.
    for filter_memory_bytes in [0, 1 << 20] {
        let options = IndexOptions {
            filter_memory_bytes,
            ..tiny_options()
        };
        let outcome = open_and_ask(directory, model, options);
        assert!(
            matches!(outcome, Err(IndexError::Damaged { .. })),
            "{what}: {outcome:?}"
        );
    }
}

#[test]
fn a_named_run_that_is_missing_short_long_or_another_is_damage() {
    let (directory, model) = closed(60);
    let intact = files(directory.path());
    let (other_directory, _) = closed(60);
    let of_other: Vec<PathBuf> = named_runs(other_directory.path());
    for (place, run) in named_runs(directory.path()).iter().enumerate() {
        let bytes = fs::read(run).unwrap();
        fs::remove_file(run).unwrap();
        assert_damaged(directory.path(), &model, "missing");
        put_back(directory.path(), &intact);
        fs::write(run, &bytes[..bytes.len() - 1]).unwrap();
        assert_damaged(directory.path(), &model, "short");
        put_back(directory.path(), &intact);
        fs::write(run, [&bytes[..], &[0]].concat()).unwrap();
        assert_damaged(directory.path(), &model, "long");
        put_back(directory.path(), &intact);
        fs::write(run, vec![0; bytes.len()]).unwrap();
        assert_damaged(directory.path(), &model, "zeros");
        put_back(directory.path(), &intact);
        // The same history in an earlier life: same id and, it may be, same size.
        let stale = fs::read(&of_other[place.min(of_other.len() - 1)]).unwrap();
        fs::write(run, stale).unwrap();
        assert_damaged(directory.path(), &model, "stale");
        put_back(directory.path(), &intact);
    }
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn a_stale_block_of_an_earlier_life_is_noticed() {
    // One run each, of the same keys, so that all but the salt is the same.
    let life = || {
        let directory = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        model.take(Frame::Events(true, (0..40).map(|id| (1, id, 0)).collect()));
        let index = open(directory.path()).unwrap();
        model.replay_into(&index).unwrap();
        index.close().unwrap();
        (directory, model)
    };
    let ((directory, model), (earlier, _)) = (life(), life());
    let [run] = &named_runs(directory.path())[..] else {
        panic!("one run");
    };
    let [stale] = &named_runs(earlier.path())[..] else {
        panic!("one run");
    };
    assert_eq!(run.file_name(), stale.file_name());
    let (bytes, stale) = (fs::read(run).unwrap(), fs::read(stale).unwrap());
    assert_eq!(bytes.len(), stale.len());
    let block = tiny_shape().block_bytes;
    for at in (0..bytes.len()).step_by(block) {
        let mut mixed = bytes.clone();
        mixed[at..at + block].copy_from_slice(&stale[at..at + block]);
        assert_ne!(mixed, bytes, "block {}", at / block);
        fs::write(run, &mixed).unwrap();
        // Each block is needed by some way of asking.
        let outcomes = [0, 1 << 20].map(|filter_memory_bytes| {
            let options = IndexOptions {
                filter_memory_bytes,
                ..tiny_options()
            };
            open_and_ask(directory.path(), &model, options)
        });
        let noticed =
            |outcome: &Result<(), IndexError>| matches!(outcome, Err(IndexError::Damaged { .. }));
        assert!(
            outcomes.iter().any(noticed),
            "block {}: {outcomes:?}",
            at / block
        );
    }
    fs::write(run, &bytes).unwrap();
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn left_overs_are_removed_and_nothing_else_is() {
    let (directory, model) = closed(60);
    let named = named_runs(directory.path());
    // A low id that was given once, or it may be never.
    let left_over = (1..)
        .map(|id| directory.path().join(format!("{id:020}.run")))
        .find(|path| !named.contains(path))
        .unwrap();
    let later = directory.path().join("00000000000000009999.run");
    for path in [&left_over, &later] {
        fs::copy(&named[0], path).unwrap();
    }
    let foreign = ["3.run", "00000000000000000003.runs", "a.run", "README.md"];
    for name in foreign {
        fs::write(directory.path().join(name), "mine").unwrap();
    }
    let index = open(directory.path()).unwrap();
    assert!(!left_over.exists() && !later.exists());
    model.compare(&index).unwrap();
    index.close().unwrap();
    for name in foreign {
        assert!(directory.path().join(name).exists(), "{name}");
    }
    // Nor does discarding.
    Index::discard(directory.path()).unwrap();
    assert_eq!(run_files(directory.path()).len(), 2, "3.run and a.run");
    for name in foreign {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn an_id_is_not_given_again_while_a_file_bears_it() {
    let (directory, model) = closed(20);
    let taken = directory.path().join("00000000000000000500.run");
    fs::write(&taken, "left over").unwrap();
    let index = open(directory.path()).unwrap();
    let mut model = model;
    model.take(Frame::Events(true, vec![(4, 9999, 0)]));
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    let runs = index.shared.read().runs.clone();
    let newest = runs.iter().map(|run| run.file.row.id).max();
    assert!(newest > Some(500), "{newest:?}");
}

/// A file that was removed takes its room until its last handle is closed.
#[cfg(target_os = "linux")]
#[test]
fn no_handle_on_a_removed_run_stays_open() {
    let model = history(60);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    let removed = || {
        let handles = fs::read_dir("/proc/self/fd").unwrap();
        let targets = handles.filter_map(|handle| fs::read_link(handle.unwrap().path()).ok());
        let own = targets.filter(|target| target.starts_with(directory.path()));
        own.filter(|target| target.to_string_lossy().ends_with(".run (deleted)"))
            .count()
    };
    let wait_until = |done: &dyn Fn() -> bool| {
        let until = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < until, "{} are open", removed());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    // What is named by now was merged more than once.
    wait_until(&|| named_runs(directory.path()).len() <= 9 && removed() == 0);
    index.close().unwrap();
    // A close in the middle of a handover leaves look-ups with the sources, until the index goes.
    drop(index);
    // A thread of its own closes what the last merge has removed.
    wait_until(&|| removed() == 0);
}
