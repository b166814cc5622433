//! What the index knows of keys.

use std::sync::Arc;

use super::asked::{KeyName, Wanted, digests_in};
use super::lives::Lives;
use crate::event::Seq;
use crate::index::digest::KeyDigest;
use crate::index::fold::First;
use crate::index::{IndexError, StoredIndex};

/// For how many topics an id is looked up at once: most of the blocks that are read for one of
/// them are read for others too.
const TOPICS_AT_ONCE: usize = 64 * 1024;

/// Takes what an index has of what is wanted.
///
/// # Errors
/// [`IndexError`] when a block is missing, cannot be read or is damaged.
pub(super) fn find(
    index: &StoredIndex,
    wanted: &Wanted,
    lives: &mut Lives,
) -> Result<(), IndexError> {
    match wanted {
        Wanted::Id(event_id) => in_all_topics(index, event_id, lives)?,
        Wanted::Key(name, key) => in_runs(index, *key, Some(name), lives)?,
        Wanted::Digest(key) => in_runs(index, *key, None, lives)?,
    }
    // All that came again came later.
    let counters = index.state().counters;
    if let Some(first) = lives.first_seq().filter(|_| counters.duplicates > 0) {
        let keys = lives.keys();
        index.visit_not_stored(first, index.flushed(), Some(&keys), |note| {
            lives.take_note(note);
        })?;
    }
    Ok(())
}

fn in_runs(
    index: &StoredIndex,
    key: KeyDigest,
    name: Option<&KeyName>,
    lives: &mut Lives,
) -> Result<(), IndexError> {
    for first in index.firsts_of(&[key])?.into_iter().flatten() {
        lives.begin(key, first, name.cloned());
    }
    Ok(())
}

fn in_all_topics(index: &StoredIndex, event_id: &str, lives: &mut Lives) -> Result<(), IndexError> {
    let mut rows = index.topics(index.flushed());
    let mut known: Vec<(First, KeyDigest, Arc<str>)> = Vec::new();
    loop {
        let mut names = Vec::new();
        while names.len() < TOPICS_AT_ONCE
            && let Some(topic) = rows.next_row()?
        {
            names.push(topic.name);
        }
        if names.is_empty() {
            break;
        }
        let keys = digests_in(names.iter().map(|name| &**name), event_id);
        let firsts = index.firsts_of(&keys)?;
        let all = firsts.into_iter().zip(keys).zip(names);
        known.extend(all.filter_map(|((first, key), name)| Some((first?, key, name))));
    }
    known.sort_unstable_by_key(|(first, ..)| first.seq);
    for (first, key, topic) in known {
        let name = KeyName::in_topic(topic.to_string(), event_id.to_owned());
        lives.begin(key, first, Some(name));
    }
    Ok(())
}

/// The key of a seq, as far as notes tell: of one that was not stored, and of one that was, if it
/// came again.
///
/// # Errors
/// As [`find`].
pub(super) fn key_of(index: &StoredIndex, seq: Seq) -> Result<Option<KeyDigest>, IndexError> {
    let mut key = None;
    index.visit_not_stored(seq.previous(), index.flushed(), None, |note| {
        if note.judged.seq == seq || note.judged.original_seq == seq {
            key.get_or_insert(note.key);
        }
    })?;
    Ok(key)
}
