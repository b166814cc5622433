//! An index's directory as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All files by name, with what is in them.
pub(super) fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = names(directory)
        .into_iter()
        .map(|name| {
            let bytes = fs::read(directory.join(&name)).unwrap();
            (name, bytes)
        })
        .collect();
    files.sort();
    files
}

/// Their names.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Makes the directory what it was, but for what is not the index's.
pub(super) fn put_back(directory: &Path, files: &[(String, Vec<u8>)]) {
    super::super::Index::discard(directory).unwrap();
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
}

/// The files of runs.
pub(super) fn run_files(directory: &Path) -> Vec<PathBuf> {
    let names = names(directory).into_iter();
    names
        .filter(|name| name.ends_with(".run"))
        .map(|name| directory.join(name))
        .collect()
}

/// The ids of the runs that are named, by their files.
pub(super) fn named_runs(directory: &Path) -> Vec<PathBuf> {
    let connection = rusqlite::Connection::open(directory.join("index.sqlite3")).unwrap();
    let mut ids = connection
        .prepare("SELECT run FROM runs ORDER BY run")
        .unwrap();
    let ids = ids.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    ids.map(|id| directory.join(format!("{:020}.run", id.unwrap())))
        .collect()
}

/// The numbers of the generations that are named, and of those that have blocks.
pub(super) fn generations(directory: &Path) -> (BTreeSet<i64>, BTreeSet<i64>) {
    let connection = rusqlite::Connection::open(directory.join("index.sqlite3")).unwrap();
    // Both as of one moment.
    let snapshot = connection.unchecked_transaction().unwrap();
    let numbers = |table: &str| {
        let sql = format!("SELECT DISTINCT generation FROM {table}");
        let mut numbers = snapshot.prepare(&sql).unwrap();
        let numbers = numbers.query_map([], |row| row.get(0)).unwrap();
        numbers.map(Result::unwrap).collect()
    };
    (numbers("generations"), numbers("postings"))
}

/// Whether every block is a named generation's, and those are this few.
pub(super) fn has_few_generations(directory: &Path, most: usize) -> bool {
    let (named, written) = generations(directory);
    named == written && named.len() <= most
}

/// Waits for that.
pub(super) fn wait_for_generations(directory: &Path, most: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    while !has_few_generations(directory, most) {
        let found = generations(directory);
        assert!(Instant::now() < until, "named, and written: {found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
