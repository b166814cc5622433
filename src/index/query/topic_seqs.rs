//! The stored events of a topic.

use rusqlite::Connection;

use super::super::error::IndexError;
use super::super::postings::block::Place;
use super::super::sealed::{self, Kind};
use super::super::shared::Shared;
use super::snapshot::Snapshot;
use super::{Order, PAGE_BLOCKS};
use crate::event::Seq;

/// What is asked for.
#[derive(Copy, Clone, Debug)]
pub(in super::super) struct Wanted {
    pub(in super::super) after: Seq,
    pub(in super::super) upto: Seq,
    pub(in super::super) order: Order,
    pub(in super::super) limit: usize,
}

/// The seqs of a topic's stored events in `(after, upto]`, at most `limit` of them;
/// `None` when there is no such topic.
pub(in super::super) fn find(
    shared: &Shared,
    connection: &Connection,
    name: &str,
    mut wanted: Wanted,
) -> Result<Option<Vec<Seq>>, IndexError> {
    let (topic, frozen, active, seen) = {
        let live = shared.read();
        let Some(topic) = live.topics.number(name) else {
            return Ok(None);
        };
        wanted.upto = wanted.upto.min(live.active.applied());
        let mut active = Vec::new();
        take(
            live.active.seqs_of(topic, wanted.after, wanted.upto),
            wanted,
            &mut active,
        );
        (topic, live.frozen.clone(), active, live.flushed)
    };
    let mut found = Vec::new();
    if wanted.after >= wanted.upto {
        return Ok(Some(found));
    }
    let flushed = Snapshot::begin(connection, seen)?.flushed();
    let stored = Wanted {
        upto: wanted.upto.min(flushed),
        ..wanted
    };
    let newer = Wanted {
        after: wanted.after.max(flushed),
        ..wanted
    };
    let frozen = frozen.as_ref().map_or(&[][..], |frozen| {
        frozen.seqs_of(topic, newer.after, newer.upto)
    });
    let in_active = |found: &mut Vec<Seq>| {
        let room = wanted.limit - found.len();
        found.extend(active.iter().filter(|seq| **seq > newer.after).take(room));
    };
    match wanted.order {
        Order::Ascending => {
            read_stored(connection, topic, stored, &mut found)?;
            take(frozen, newer, &mut found);
            in_active(&mut found);
        }
        Order::Descending => {
            in_active(&mut found);
            take(frozen, newer, &mut found);
            read_stored(connection, topic, stored, &mut found)?;
        }
    }
    Ok(Some(found))
}

/// Reads what is wanted of the stored postings, page by page.
fn read_stored(
    connection: &Connection,
    topic: u64,
    mut wanted: Wanted,
    found: &mut Vec<Seq>,
) -> Result<(), IndexError> {
    while wanted.after < wanted.upto && found.len() < wanted.limit {
        // A merge between two pages changes what has the postings, and not what they are.
        let snapshot = Snapshot::begin(connection, wanted.upto)?;
        match wanted.order {
            Order::Ascending => wanted.after = ascend(&snapshot, topic, wanted, found)?,
            Order::Descending => wanted.upto = descend(&snapshot, topic, wanted, found)?,
        }
    }
    Ok(())
}

/// Reads a page forwards. Returns the seq after which the next one goes on.
fn ascend(
    snapshot: &Snapshot<'_>,
    topic: u64,
    wanted: Wanted,
    found: &mut Vec<Seq>,
) -> Result<Seq, IndexError> {
    let generations = snapshot.generations()?;
    let begin = generations.partition_point(|generation| generation.upto <= wanted.after);
    let mut chain = Chain::known(topic, (wanted.after == Seq::ZERO).then_some(0));
    let mut blocks = 0;
    for generation in &generations[begin..] {
        if generation.after >= wanted.upto {
            break;
        }
        let last = wanted.upto.min(generation.upto);
        let seq = wanted.after.max(generation.after).next();
        let mut place = Place { topic, seq };
        while place.topic == topic && place.seq <= last {
            if blocks == PAGE_BLOCKS {
                return Ok(place.seq.previous());
            }
            blocks += 1;
            let block = snapshot.block_at(generation, place)?;
            if let Some(entry) = block.of_topic(topic) {
                chain.link(entry.before, entry.end())?;
                take(within(entry.seqs, wanted), wanted, found);
                if found.len() == wanted.limit {
                    return Ok(wanted.upto);
                }
            }
            place = block.to;
        }
    }
    if wanted.upto == snapshot.flushed() {
        let stored = snapshot.stored(topic)?;
        chain.link(stored, stored)?;
    }
    Ok(wanted.upto)
}

/// Reads a page backwards. Returns the seq up to which the next one goes on.
fn descend(
    snapshot: &Snapshot<'_>,
    topic: u64,
    wanted: Wanted,
    found: &mut Vec<Seq>,
) -> Result<Seq, IndexError> {
    let generations = snapshot.generations()?;
    let end = generations.partition_point(|generation| generation.after < wanted.upto);
    let stored = match wanted.upto == snapshot.flushed() {
        true => Some(snapshot.stored(topic)?),
        false => None,
    };
    let mut chain = Chain::known(topic, stored);
    let mut blocks = 0;
    for generation in generations[..end].iter().rev() {
        if generation.upto <= wanted.after {
            break;
        }
        let first = wanted.after.max(generation.after).next();
        let mut seq = wanted.upto.min(generation.upto);
        while seq >= first {
            if blocks == PAGE_BLOCKS {
                return Ok(seq);
            }
            blocks += 1;
            let block = snapshot.block_at(generation, Place { topic, seq })?;
            if let Some(entry) = block.of_topic(topic) {
                chain.link(entry.end(), entry.before)?;
                take(within(entry.seqs, wanted), wanted, found);
                if found.len() == wanted.limit {
                    return Ok(Seq::ZERO);
                }
            }
            if block.from.topic < topic {
                break;
            }
            seq = block.from.seq.previous();
        }
    }
    if wanted.after == Seq::ZERO {
        chain.link(0, 0)?;
    }
    Ok(Seq::ZERO)
}

/// Each stretch of a topic's postings must begin where the one before ends, counted from
/// the topic's first.
struct Chain {
    topic: u64,
    /// `None` before the first stretch, when the answer begins in the middle.
    at: Option<u64>,
}

impl Chain {
    fn known(topic: u64, at: Option<u64>) -> Chain {
        Chain { topic, at }
    }

    /// # Errors
    /// [`IndexError::Damaged`] when the next stretch does not begin at `near`.
    fn link(&mut self, near: u64, far: u64) -> Result<(), IndexError> {
        if self.at.is_some_and(|at| at != near) {
            return Err(sealed::malformed(Kind::Postings, [self.topic, near]));
        }
        self.at = Some(far);
        Ok(())
    }
}

fn within(seqs: &[Seq], wanted: Wanted) -> &[Seq] {
    let from = seqs.partition_point(|seq| *seq <= wanted.after);
    let to = seqs.partition_point(|seq| *seq <= wanted.upto);
    &seqs[from..to.max(from)]
}

/// Appends these seqs in the wanted order, up to the limit.
fn take(seqs: &[Seq], wanted: Wanted, found: &mut Vec<Seq>) {
    let room = wanted.limit - found.len();
    match wanted.order {
        Order::Ascending => found.extend(seqs.iter().take(room)),
        Order::Descending => found.extend(seqs.iter().rev().take(room)),
    }
}
