//! Risk: a flipped bit that becomes a wrong verdict. SQLite does not checksum its
//! database, so every byte of it is tried.

use std::fs;
use std::path::Path;

use super::super::options::Shape;
use super::super::{Index, IndexError};
use super::directory::{files, generations, put_back};
use super::model::{Frame, LOG, Model, history, open, tiny_options, tiny_shape};

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

/// A closed index with several generations, each of several blocks, and its rows of postings
/// and of what goes with them: table, rowid, and the column that is not a key.
fn rows_of_postings() -> (
    tempfile::TempDir,
    Model,
    Vec<(&'static str, i64, &'static str)>,
) {
    let model = history(60);
    let directory = tempfile::tempdir().unwrap();
    let shape = Shape {
        merge_ratio: 5,
        ..tiny_shape()
    };
    let index = Index::open_shaped(directory.path(), LOG, tiny_options(), shape).unwrap();
    model.replay_into(&index).unwrap();
    index.close().unwrap();
    let (named, _) = generations(directory.path());
    assert!(named.len() > 2, "{named:?}");
    let connection = rusqlite::Connection::open(directory.path().join("index.sqlite3")).unwrap();
    let mut rows = Vec::new();
    for (table, column) in [
        ("postings", "block"),
        ("generations", "crc"),
        ("counts", "counts"),
    ] {
        let of_named = match table {
            "postings" => "WHERE generation IN (SELECT generation FROM generations)",
            _ => "",
        };
        let sql = format!("SELECT rowid FROM {table} {of_named}");
        let mut found = connection.prepare(&sql).unwrap();
        let found = found.query_map([], |row| row.get(0)).unwrap();
        rows.extend(found.map(|rowid| (table, rowid.unwrap(), column)));
    }
    assert!(rows.len() > 25, "{}", rows.len());
    (directory, model, rows)
}

/// Changes the database, and expects it to be noticed.
fn assert_noticed(
    directory: &Path,
    intact: &[(String, Vec<u8>)],
    model: &mut Model,
    changes: &[String],
) {
    put_back(directory, intact);
    let connection = rusqlite::Connection::open(directory.join("index.sqlite3")).unwrap();
    for change in changes {
        assert_eq!(connection.execute(change, []).unwrap(), 1, "{change}");
    }
    connection.close().unwrap();
    let outcome = open_and_ask_everything(directory, model);
    assert!(
        matches!(outcome, Err(IndexError::Damaged { .. })),
        "{changes:?}: {outcome:?}"
    );
}

#[test]
fn each_row_of_postings_that_is_missing_is_noticed() {
    let (directory, mut model, rows) = rows_of_postings();
    let intact = files(directory.path());
    for (table, rowid, _) in rows {
        let delete = format!("DELETE FROM {table} WHERE rowid = {rowid}");
        assert_noticed(directory.path(), &intact, &mut model, &[delete]);
    }
}

#[test]
fn each_row_of_postings_that_is_flipped_or_cut_is_noticed() {
    let (directory, mut model, rows) = rows_of_postings();
    let intact = files(directory.path());
    for (number, (table, rowid, column)) in rows.into_iter().enumerate() {
        let changes = match column {
            "crc" => [
                "crc = crc + 1",
                "postings = postings + 1",
                "upto_seq = upto_seq + 1",
            ]
            .map(str::to_owned)
            .to_vec(),
            _ => vec![
                format!(
                    "{column} = CAST(substr({column}, 1, {at}) || x'5a5a' || \
                     substr({column}, {at} + 3) AS BLOB)",
                    at = number % 20
                ),
                format!("{column} = substr({column}, 1, length({column}) - 1)"),
                format!("{column} = x''"),
            ],
        };
        for change in changes {
            let update = format!("UPDATE {table} SET {change} WHERE rowid = {rowid}");
            assert_noticed(directory.path(), &intact, &mut model, &[update]);
        }
    }
}

#[test]
fn rows_of_postings_that_have_changed_places_are_noticed() {
    let (directory, mut model, rows) = rows_of_postings();
    let intact = files(directory.path());
    let connection = rusqlite::Connection::open(directory.path().join("index.sqlite3")).unwrap();
    let blob = |(table, rowid, column): (&str, i64, &str)| -> Vec<u8> {
        let sql = format!("SELECT CAST({column} AS BLOB) FROM {table} WHERE rowid = {rowid}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let mut swaps = Vec::new();
    // Of one topic and of two, of one generation and of two: all that are near each other,
    // and some that are not.
    for (place, one) in rows.iter().enumerate() {
        for other in rows[place + 1..].iter().step_by(1 + place % 3).take(4) {
            if one.0 == other.0 && one.2 != "crc" && blob(*one) != blob(*other) {
                swaps.push([(*one, blob(*other)), (*other, blob(*one))]);
            }
        }
    }
    drop(connection);
    assert!(swaps.len() > 50, "{}", swaps.len());
    for swap in swaps {
        let updates = swap.map(|((table, rowid, column), blob)| {
            let hex: String = blob.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("UPDATE {table} SET {column} = x'{hex}' WHERE rowid = {rowid}")
        });
        assert_noticed(directory.path(), &intact, &mut model, &updates);
    }
}

#[test]
fn a_generation_whose_number_or_range_is_anothers_is_noticed() {
    let (directory, mut model, rows) = rows_of_postings();
    let intact = files(directory.path());
    let numbers: Vec<i64> = rows
        .iter()
        .filter(|(table, ..)| *table == "generations")
        .map(|(_, number, _)| *number)
        .collect();
    for pair in numbers.windows(2) {
        let [one, other] = [pair[0], pair[1]];
        let rename = |from: i64, to: i64| {
            format!("UPDATE generations SET generation = {to} WHERE generation = {from}")
        };
        let renamed = [rename(one, -1), rename(other, one), rename(-1, other)];
        assert_noticed(directory.path(), &intact, &mut model, &renamed);
        let moved = format!(
            "UPDATE postings SET generation = {other}, first_seq = first_seq + 1000000 \
             WHERE rowid = (SELECT max(rowid) FROM postings WHERE generation = {one})"
        );
        assert_noticed(directory.path(), &intact, &mut model, &[moved]);
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
