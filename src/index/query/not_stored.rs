//! Which arrivals were not stored, and why.

use std::sync::Arc;

use rusqlite::Connection;

use super::super::delta::Delta;
use super::super::error::IndexError;
use super::super::fold::Verdict;
use super::super::note::{NotStored, Note};
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
    pub(in super::super) only: Option<Verdict>,
}

/// What the deltas have of it.
struct InMemory {
    frozen: Option<Arc<Delta>>,
    /// Out of the active delta, at most `limit`.
    active: Vec<NotStored>,
    flushed: Seq,
}

/// The arrivals in `(after, upto]` that were not stored, at most `limit` of them.
pub(in super::super) fn find(
    shared: &Shared,
    connection: &Connection,
    mut wanted: Wanted,
) -> Result<Vec<NotStored>, IndexError> {
    let memory = gather(shared, &mut wanted);
    let mut found = Vec::new();
    if wanted.after >= wanted.upto {
        return Ok(found);
    }
    let flushed = Snapshot::begin(connection, memory.flushed)?.flushed();
    let stored = Wanted {
        upto: wanted.upto.min(flushed),
        ..wanted
    };
    let newer = Wanted {
        after: wanted.after.max(flushed),
        ..wanted
    };
    match wanted.order {
        Order::Ascending => {
            read_stored(connection, stored, &mut found)?;
            take_frozen(&memory, newer, &mut found);
            take_active(&memory, newer, &mut found);
        }
        Order::Descending => {
            take_active(&memory, newer, &mut found);
            take_frozen(&memory, newer, &mut found);
            read_stored(connection, stored, &mut found)?;
        }
    }
    Ok(found)
}

fn gather(shared: &Shared, wanted: &mut Wanted) -> InMemory {
    let live = shared.read();
    wanted.upto = wanted.upto.min(live.active.applied());
    let mut active = Vec::new();
    take(
        live.active.notes_in(wanted.after, wanted.upto),
        *wanted,
        &mut active,
    );
    InMemory {
        frozen: live.frozen.clone(),
        active,
        flushed: live.flushed,
    }
}

fn take_frozen(memory: &InMemory, wanted: Wanted, found: &mut Vec<NotStored>) {
    if let Some(frozen) = &memory.frozen {
        take(frozen.notes_in(wanted.after, wanted.upto), wanted, found);
    }
}

fn take_active(memory: &InMemory, wanted: Wanted, found: &mut Vec<NotStored>) {
    let room = wanted.limit - found.len();
    found.extend(
        memory
            .active
            .iter()
            .filter(|one| one.judged.seq > wanted.after)
            .take(room),
    );
}

/// Reads what is wanted of the stored notes, page by page.
fn read_stored(
    connection: &Connection,
    wanted: Wanted,
    found: &mut Vec<NotStored>,
) -> Result<(), IndexError> {
    let Wanted {
        mut after,
        mut upto,
        ..
    } = wanted;
    while after < upto && found.len() < wanted.limit {
        let snapshot = Snapshot::begin(connection, upto)?;
        for _ in 0..PAGE_BLOCKS {
            if after >= upto || found.len() == wanted.limit {
                break;
            }
            // Each seq must be covered by a block, so none can be missing unnoticed.
            match wanted.order {
                Order::Ascending => {
                    let (block, notes) = snapshot.notes_at(after.next())?;
                    take(
                        &notes,
                        Wanted {
                            after,
                            upto,
                            ..wanted
                        },
                        found,
                    );
                    after = block.to;
                }
                Order::Descending => {
                    let (block, notes) = snapshot.notes_at(upto)?;
                    take(
                        &notes,
                        Wanted {
                            after,
                            upto,
                            ..wanted
                        },
                        found,
                    );
                    upto = block.from.previous();
                }
            }
        }
    }
    Ok(())
}

/// Appends what is wanted of these notes, hole by hole seq by seq, up to the limit.
fn take(notes: &[Note], wanted: Wanted, found: &mut Vec<NotStored>) {
    let wanted_one = |note: &&Note| {
        wanted
            .only
            .is_none_or(|only| note.first.judged.verdict == only)
    };
    let seqs = |note: &Note| {
        let from = note.seq().max(wanted.after.next());
        let to = note.last().min(wanted.upto);
        from.get()..=to.get()
    };
    let room = wanted.limit - found.len();
    let notes = notes.iter().filter(wanted_one);
    match wanted.order {
        Order::Ascending => {
            let all = notes.flat_map(|note| seqs(note).map(|seq| note.at(Seq::new(seq))));
            found.extend(all.take(room));
        }
        Order::Descending => {
            let all = notes
                .rev()
                .flat_map(|note| seqs(note).rev().map(|seq| note.at(Seq::new(seq))));
            found.extend(all.take(room));
        }
    }
}
