//! Risk: a look from outside that misses rows, gives one twice or in another order, or changes
//! what it looks at.

use std::io;
use std::path::Path;

use super::super::digest::KeyDigest;
use super::super::fold::{Judged, Verdict};
use super::super::schema::counts::CountWriter;
use super::super::{
    Beside, IndexError, KeyRow, NotStored, NotStoredRow, PostingRow, StoredIndex, TopicRow,
};
use super::directory::{files, put_back};
use super::model::{Frame, LOG, Model, history, open};
use crate::event::Seq;

fn look(directory: &Path) -> StoredIndex {
    let no_copy = || Err(io::Error::other("no copy is needed"));
    let looked = StoredIndex::open(directory, LOG, &|| Beside::Writer, &no_copy).unwrap();
    looked.expect("an index")
}

/// The rows of an index.
#[derive(Debug, Default, PartialEq)]
struct All {
    keys: Vec<KeyRow>,
    not_stored: Vec<NotStoredRow>,
    topics: Vec<TopicRow>,
    postings: Vec<PostingRow>,
}

/// All of them up to a seq.
fn rows(index: &StoredIndex, upto: Seq) -> Result<All, IndexError> {
    let mut all = All::default();
    let mut keys = index.keys(upto)?;
    while let Some(row) = keys.next_row()? {
        all.keys.push(row);
    }
    let mut not_stored = index.not_stored(upto);
    while let Some(row) = not_stored.next_row()? {
        all.not_stored.push(row);
    }
    let mut topics = index.topics(upto);
    while let Some(row) = topics.next_row()? {
        all.topics.push(row);
    }
    let mut postings = index.postings(upto);
    while let Some(row) = postings.next_row()? {
        all.postings.push(row);
    }
    Ok(all)
}

/// Compares what is said of single keys and seqs with the model.
fn look_ups(index: &StoredIndex, model: &Model, upto: Seq) {
    let flushed = index.flushed();
    let judged = &model.judged[..flushed.get() as usize];
    let known = judged
        .iter()
        .filter(|one| one.judged.verdict != Verdict::Lost);
    let mut keys: Vec<KeyDigest> = known.clone().map(|one| one.key).collect();
    let mut firsts: Vec<Option<Seq>> = known.map(|one| Some(one.judged.original_seq)).collect();
    keys.push(KeyDigest([0xab; 16]));
    firsts.push(None);
    let found = index.firsts_of(&keys).unwrap();
    let found = found.into_iter().map(|first| first.map(|first| first.seq));
    assert!(found.eq(firsts));

    // From the middle of holes and blocks, too.
    for from in 1..=upto.get() {
        let from = Seq::new(from);
        let said = index.verdicts(from, upto).unwrap();
        let expected = judged[from.get() as usize - 1..].iter();
        let expected = expected.map(|one| one.judged);
        assert!(said.iter().copied().eq(expected.take(said.len())));
        assert_eq!(said.len() as u64, upto.min(flushed).next().since(from));

        let mut visited = Vec::new();
        let visit = |one: &NotStored| visited.push(*one);
        index.visit_not_stored(from, upto, None, visit).unwrap();
        let expected = judged[from.get() as usize..].iter().filter(|one| {
            let Judged { seq, verdict, .. } = one.judged;
            seq <= upto && !matches!(verdict, Verdict::Stored | Verdict::Lost)
        });
        assert!(visited.iter().eq(expected), "after {from}");
    }
    some_sought(index, judged, upto);
}

/// Of keys that are sought none is passed over, however few of the others are given.
fn some_sought(index: &StoredIndex, judged: &[NotStored], upto: Seq) {
    let is_given = |one: &NotStored| {
        one.judged.seq <= upto && !matches!(one.judged.verdict, Verdict::Stored | Verdict::Lost)
    };
    let all: Vec<NotStored> = judged.iter().copied().filter(is_given).collect();
    for keys in all.windows(2).map(|two| [two[0].key, two[1].key]) {
        let of_them = |one: &&NotStored| keys.contains(&one.key);
        let mut visited = Vec::new();
        let visit = |one: &NotStored| visited.push(*one);
        let sought = index.visit_not_stored(Seq::ZERO, upto, Some(&keys), visit);
        sought.unwrap();
        assert!(
            visited
                .iter()
                .filter(of_them)
                .eq(all.iter().filter(of_them))
        );
    }
}

/// Compares all rows up to a seq with the model.
fn compare(index: &StoredIndex, model: &Model, upto: Seq) {
    let All {
        keys,
        not_stored,
        topics,
        postings,
    } = rows(index, upto).unwrap();
    let judged = &model.judged[..upto.get() as usize];
    let stored = judged
        .iter()
        .filter(|one| one.judged.verdict == Verdict::Stored);
    let mut expected: Vec<KeyRow> = stored
        .map(|one| KeyRow {
            key: one.key,
            seq: one.judged.seq,
            payload: one.payload,
        })
        .collect();
    expected.sort_by_key(|row| row.key);
    assert_eq!(keys, expected);

    let seqs = not_stored.iter().flat_map(|row| {
        let first = row.first;
        (0..row.count).map(move |place| {
            let mut one = first;
            one.judged.seq = first.judged.seq.plus(place);
            one
        })
    });
    let others = judged
        .iter()
        .filter(|one| one.judged.verdict != Verdict::Stored);
    assert!(seqs.eq(others.copied()), "{not_stored:?}");

    look_ups(index, model, upto);
    let named = (1..).zip(&model.topics);
    let there = named.filter(|(_, (_, seqs))| seqs[0] <= upto);
    let there: Vec<_> = there.collect();
    assert_eq!(topics.len(), there.len());
    for (row, (no, (name, seqs))) in topics.iter().zip(&there) {
        assert_eq!((row.no, &*row.name), (*no, name.as_str()));
        assert_eq!(row.first_seq, seqs[0]);
    }
    let of_topics = there.iter().flat_map(|(topic, (_, seqs))| {
        let seqs = seqs.iter().filter(|seq| **seq <= upto);
        seqs.map(|seq| PostingRow {
            topic: *topic,
            seq: *seq,
        })
    });
    assert!(of_topics.eq(postings), "up to {upto}");
}

fn assert_unchanged(directory: &Path, before: &[(String, Vec<u8>)]) {
    let after = files(directory);
    let pairs = before.iter().zip(&after);
    let mut changed = pairs.filter(|(before, after)| before != after);
    let changed = changed.next().map(|(before, after)| (&before.0, &after.0));
    assert_eq!((changed, before.len()), (None, after.len()));
}

fn compare_some(index: &StoredIndex, model: &Model) {
    assert_eq!(index.state(), model.state);
    let end = model.applied().get();
    for upto in [0, 1, end / 3, end / 2, end - 1, end] {
        compare(index, model, Seq::new(upto));
    }
}

#[test]
fn the_rows_of_a_closed_a_killed_and_an_open_index_are_those_of_the_model() {
    let directory = tempfile::tempdir().unwrap();
    let model = history(60);
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    // While the flush thread may merge.
    compare_some(&look(directory.path()), &model);
    // As a kill leaves it.
    drop(index);
    let before = files(directory.path());
    compare_some(&look(directory.path()), &model);
    let no_room = || Err(io::ErrorKind::StorageFull.into());
    for copy_to in [&tempfile::tempdir as &dyn Fn() -> _, &no_room] {
        let looked = StoredIndex::open(directory.path(), LOG, &|| Beside::Nobody, copy_to);
        compare_some(&looked.unwrap().expect("an index"), &model);
    }
    assert_unchanged(directory.path(), &before);

    let index = open(directory.path()).unwrap();
    index.close().unwrap();
    let before = files(directory.path());
    compare_some(&look(directory.path()), &model);
    assert_unchanged(directory.path(), &before);
}

#[test]
fn a_copy_of_a_killed_index_without_its_shm_is_read_from_another_copy() {
    let directory = tempfile::tempdir().unwrap();
    let model = history(40);
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    drop(index);
    let mut copy = files(directory.path());
    copy.retain(|(name, _)| !name.ends_with("-shm"));
    put_back(directory.path(), &copy);

    let looked = StoredIndex::open(
        directory.path(),
        LOG,
        &|| Beside::Nobody,
        &tempfile::tempdir,
    )
    .unwrap();
    compare_some(&looked.expect("an index"), &model);
    assert_unchanged(directory.path(), &copy);
}

#[test]
fn an_index_that_is_written_while_it_is_read_has_the_rows_that_it_had() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = history(30);
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    let looked = look(directory.path());
    let (upto, before) = (model.applied(), rows(&looked, model.applied()).unwrap());
    let mut postings = looked.postings(upto);
    let mut not_stored = looked.not_stored(upto);
    let mut seen = (Vec::new(), Vec::new());
    loop {
        // Whatever is added, flushed and merged between two rows.
        let id = 1000 + model.applied().get() as u16;
        model.take(Frame::Events(true, vec![(1, id, 0), (1, 1, 1), (7, id, 0)]));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
        let rows = (postings.next_row().unwrap(), not_stored.next_row().unwrap());
        if rows == (None, None) {
            break;
        }
        seen.0.extend(rows.0);
        seen.1.extend(rows.1);
    }
    assert_eq!((seen.0, seen.1), (before.postings, before.not_stored));
}

#[test]
fn what_is_no_index_or_anothers_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let none = StoredIndex::open(
        directory.path(),
        LOG,
        &|| Beside::Nobody,
        &tempfile::tempdir,
    );
    assert!(none.unwrap().is_none());
    assert!(files(directory.path()).is_empty());
    open(directory.path()).unwrap().close().unwrap();
    let other = StoredIndex::open(
        directory.path(),
        [9; 16],
        &|| Beside::Nobody,
        &tempfile::tempdir,
    );
    assert!(matches!(other, Err(IndexError::OtherLog { found: LOG })));
}

#[test]
fn a_count_that_is_not_that_of_its_events_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let model = history(40);
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.close().unwrap();
    for topic in [1, model.topics.len()] {
        let whole = files(directory.path());
        let database = rusqlite::Connection::open(directory.path().join("index.sqlite3"));
        let database = database.unwrap();
        let count = model.topics[topic - 1].1.len() as u64;
        let mut counts = CountWriter::on(&database, model.topics.len() as u64).unwrap();
        counts.change(topic as u64, count, count + 1).unwrap();
        counts.finish().unwrap();
        drop(database);
        let told = rows(&look(directory.path()), model.applied());
        assert!(matches!(told, Err(IndexError::Damaged { .. })), "{topic}");
        put_back(directory.path(), &whole);
    }
    compare_some(&look(directory.path()), &model);
}

#[test]
fn a_damaged_row_is_told_and_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let model = history(40);
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.close().unwrap();
    let whole = files(directory.path());
    let meddle = |sql: &str| {
        put_back(directory.path(), &whole);
        let database = rusqlite::Connection::open(directory.path().join("index.sqlite3"));
        database.unwrap().execute_batch(sql).unwrap();
        let looked = StoredIndex::open(
            directory.path(),
            LOG,
            &|| Beside::Nobody,
            &tempfile::tempdir,
        );
        looked.and_then(|index| rows(&index.expect("an index"), model.applied()))
    };
    assert!(meddle("SELECT 1").is_ok());
    for sql in [
        "DELETE FROM notes WHERE first_seq = (SELECT max(first_seq) FROM notes)",
        // A merge that was stopped leaves blocks that nobody reads.
        "DELETE FROM postings WHERE rowid = (SELECT max(rowid) FROM postings
             WHERE generation IN (SELECT generation FROM generations))",
        "DELETE FROM topics WHERE no = 2",
        "DELETE FROM topics WHERE no = (SELECT max(no) FROM topics)",
        "DELETE FROM runs WHERE run = (SELECT max(run) FROM runs)",
        "DELETE FROM counts WHERE block = 0",
        "UPDATE topics SET first_seq = first_seq + 1 WHERE no = 1",
        "DELETE FROM generations WHERE upto_seq = (SELECT max(upto_seq) FROM generations)",
    ] {
        let told = meddle(sql);
        assert!(matches!(told, Err(IndexError::Damaged { .. })), "{sql}");
    }
}
