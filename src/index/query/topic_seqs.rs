//! The stored events of a topic.

use rusqlite::Connection;

use super::super::error::IndexError;
use super::super::postings::Chunk;
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

/// Reads what is wanted of the stored chunks, page by page.
fn read_stored(
    connection: &Connection,
    topic: u64,
    mut wanted: Wanted,
    found: &mut Vec<Seq>,
) -> Result<(), IndexError> {
    while wanted.after < wanted.upto && found.len() < wanted.limit {
        let snapshot = Snapshot::begin(connection, wanted.upto)?;
        let stored = snapshot.stored(topic)?;
        match wanted.order {
            Order::Ascending => wanted.after = ascend(&snapshot, topic, stored, wanted, found)?,
            Order::Descending => wanted.upto = descend(&snapshot, topic, stored, wanted, found)?,
        }
    }
    Ok(())
}

/// Reads a page forwards. Returns the seq after which the next one goes on.
fn ascend(
    snapshot: &Snapshot<'_>,
    topic: u64,
    stored: u64,
    wanted: Wanted,
    found: &mut Vec<Seq>,
) -> Result<Seq, IndexError> {
    let mut chunk = snapshot.chunk_upto(topic, wanted.after)?;
    for _ in 0..PAGE_BLOCKS {
        let (first, end) = chunk
            .as_ref()
            .map_or((Seq::ZERO, 0), |chunk| (chunk.seqs[0], chunk.end()));
        if let Some(chunk) = &chunk {
            take(within(&chunk.seqs, wanted), wanted, found);
        }
        if found.len() == wanted.limit {
            return Ok(wanted.upto);
        }
        let next = snapshot.chunk_after(topic, first)?;
        chain(topic, end, next.as_ref().map_or(stored, |next| next.before))?;
        if next.as_ref().is_none_or(|next| next.seqs[0] > wanted.upto) {
            return Ok(wanted.upto);
        }
        chunk = next;
    }
    // The chunk at hand is not yet taken, and begins after all that were.
    Ok(chunk.map_or(wanted.upto, |chunk| chunk.seqs[0].previous()))
}

/// Reads a page backwards. Returns the seq up to which the next one goes on.
fn descend(
    snapshot: &Snapshot<'_>,
    topic: u64,
    stored: u64,
    wanted: Wanted,
    found: &mut Vec<Seq>,
) -> Result<Seq, IndexError> {
    let mut before = snapshot
        .chunk_after(topic, wanted.upto)?
        .map_or(stored, |chunk| chunk.before);
    let mut upto = wanted.upto;
    for _ in 0..PAGE_BLOCKS {
        let chunk = snapshot.chunk_upto(topic, upto)?;
        chain(topic, chunk.as_ref().map_or(0, Chunk::end), before)?;
        let Some(chunk) = chunk else {
            return Ok(Seq::ZERO);
        };
        take(within(&chunk.seqs, wanted), wanted, found);
        before = chunk.before;
        upto = chunk.seqs[0].previous();
        if upto <= wanted.after || found.len() == wanted.limit {
            return Ok(Seq::ZERO);
        }
    }
    Ok(upto)
}

/// Each chunk must begin where the one before ends, else one is missing.
fn chain(topic: u64, end: u64, before: u64) -> Result<(), IndexError> {
    if end == before {
        Ok(())
    } else {
        Err(sealed::malformed(Kind::Postings, [topic, end]))
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
