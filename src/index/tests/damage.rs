//! Risk: a flipped bit that becomes a wrong verdict. SQLite does not checksum its
//! database, so every byte of it is tried.

use std::fs;
use std::path::Path;

use super::super::{Index, IndexError};
use super::directory::{files, put_back};
use super::model::{Frame, LOG, Model, history, open};

/// Each outcome is fine but a wrong answer or a panic, which end the test.
fn open_and_ask_everything(directory: &Path, model: &mut Model) -> Result<(), IndexError> {
    let index = open(directory)?;
    model.compare(&index)?;
    let frames = model.frames.len();
    model.replay_into(&index)?;
    index.flush_now()?;
    assert_eq!(model.frames.len(), frames);
    model.compare(&index)
}

fn closed_index(model: &Model) -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.close().unwrap();
    let bytes = fs::read(directory.path().join("index.sqlite3")).unwrap();
    (directory, bytes)
}

/// Flips a bit at each of these positions, in all files laid end to end.
fn flip_and_ask(positions: impl Iterator<Item = usize>, history_frames: usize) {
    let mut model = history(history_frames);
    let (made_in, _) = closed_index(&model);
    let intact = files(made_in.path());
    let directory = tempfile::tempdir().unwrap();
    let (mut noticed, mut harmless, mut noticed_in_runs) = (0, 0, 0);
    let all: usize = intact.iter().map(|(_, bytes)| bytes.len()).sum();
    for position in positions.take_while(|position| *position < all) {
        let mut files = intact.clone();
        let mut place = position;
        let (name, bytes) = files
            .iter_mut()
            .find(|(_, bytes)| {
                let inside = place < bytes.len();
                place -= if inside { 0 } else { bytes.len() };
                inside
            })
            .expect("a file with this position");
        bytes[place] ^= 1 << (position % 8);
        let in_run = name.ends_with(".run");
        put_back(directory.path(), &files);
        match open_and_ask_everything(directory.path(), &mut model) {
            Ok(()) => harmless += 1,
            Err(_) if in_run => noticed_in_runs += 1,
            Err(_) => noticed += 1,
        }
    }
    assert!(
        noticed > 0 && noticed_in_runs > 0 && harmless > 0,
        "{noticed} and {noticed_in_runs} noticed, {harmless} harmless"
    );
}

#[test]
fn no_flipped_bit_gives_a_wrong_answer() {
    // A step that is prime to the size of a page, so that all places in one are met.
    flip_and_ask((0..100).chain((100..).step_by(151)), 30);
}

#[test]
#[ignore = "takes minutes"]
fn no_flipped_bit_of_any_byte_gives_a_wrong_answer() {
    flip_and_ask(0..usize::MAX, 30);
}

#[test]
fn a_frame_after_damage_is_refused_and_not_misjudged() {
    let mut model = history(40);
    let (directory, mut bytes) = closed_index(&model);
    // Overwrite every block that looks like one: all pages but the first.
    bytes[4096..].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(directory.path().join("index.sqlite3"), bytes).unwrap();
    model.take(Frame::Events(true, vec![(0, 1, 0)]));
    let refused = open(directory.path()).and_then(|index| model.replay_into(&index));
    assert!(
        matches!(refused, Err(IndexError::Damaged { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_missing_row_of_any_table_is_noticed() {
    let mut model = history(60);
    let (directory, _) = closed_index(&model);
    let intact = files(directory.path());
    let path = directory.path().join("index.sqlite3");
    for delete in [
        "DELETE FROM head",
        "DELETE FROM runs WHERE run = (SELECT max(run) FROM runs)",
        "DELETE FROM notes WHERE first_seq = (SELECT max(first_seq) FROM notes)",
        "DELETE FROM notes WHERE first_seq = 1",
        "DELETE FROM notes WHERE first_seq = (SELECT first_seq FROM notes ORDER BY 1 LIMIT 1 OFFSET 2)",
        "DELETE FROM postings WHERE first_seq = (SELECT max(first_seq) FROM postings)",
        "DELETE FROM postings WHERE first_seq = (SELECT min(first_seq) FROM postings)",
        "DELETE FROM postings WHERE first_seq = (SELECT first_seq FROM postings WHERE topic = 1 ORDER BY 1 LIMIT 1 OFFSET 1)",
        "DELETE FROM topics WHERE no = 1",
        "DELETE FROM topics WHERE no = (SELECT max(no) FROM topics)",
    ] {
        put_back(directory.path(), &intact);
        let connection = rusqlite::Connection::open(&path).unwrap();
        match connection.execute(delete, []) {
            Ok(deleted) => assert_eq!(deleted, 1, "{delete}"),
            Err(_) => continue,
        }
        connection.close().unwrap();
        let outcome = open_and_ask_everything(directory.path(), &mut model);
        assert!(
            matches!(outcome, Err(IndexError::Damaged { .. })),
            "{delete}: {outcome:?}"
        );
        Index::discard(directory.path()).unwrap();
    }
}

#[test]
fn another_log_or_version_is_told_from_damage_and_can_be_discarded() {
    let model = history(10);
    let (directory, _) = closed_index(&model);
    fs::write(directory.path().join("README.md"), "stays").unwrap();
    let other = Index::open(directory.path(), [8; 16], Default::default());
    assert!(matches!(other, Err(IndexError::OtherLog { found: LOG })));
    assert!(matches!(
        Index::flushed_of(directory.path(), [8; 16]),
        Err(IndexError::OtherLog { .. })
    ));

    let connection = rusqlite::Connection::open(directory.path().join("index.sqlite3")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    assert!(matches!(
        open(directory.path()),
        Err(IndexError::OtherVersion { schema: 99, .. })
    ));

    Index::discard(directory.path()).unwrap();
    Index::discard(directory.path()).unwrap();
    assert_eq!(Index::flushed_of(directory.path(), LOG).unwrap(), None);
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "only what is the index's was removed"
    );
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    model.compare(&index).unwrap();
}
