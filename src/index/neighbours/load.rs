//! Reads a window of the log, and what of it was stored.

use super::super::error::IndexError;
use super::super::fold::{First, LoggedArrival};
use super::super::known::Sources;
use super::super::query::{Order, not_stored};
use super::Hit;

/// Remembers the neighbours of a hit; false if they cannot be had, or it is not worth it. To do
/// without costs time only, so nothing but damage of the index is an error here.
///
/// # Errors
/// [`IndexError::Damaged`].
pub(in super::super) fn load(sources: &mut Sources<'_>, hit: Hit) -> Result<bool, IndexError> {
    if !sources.neighbours.pay() {
        return Ok(false);
    }
    let is_loaded = match try_load(sources, hit) {
        Ok(is_loaded) => is_loaded,
        Err(error @ IndexError::Damaged { .. }) => return Err(error),
        // A database that cannot be read now is another's to tell.
        Err(_) => false,
    };
    if !is_loaded {
        sources.neighbours.rest();
    }
    Ok(is_loaded)
}

fn try_load(sources: &mut Sources<'_>, hit: Hit) -> Result<bool, IndexError> {
    let Sources {
        shared,
        readers,
        payloads,
        neighbours,
    } = sources;
    let seq = hit.first.seq;
    let reach = neighbours.reach.clone();
    let room = neighbours.room_around(seq);
    // What comes behind was not judged. It cannot change meanwhile: frames are applied in line.
    let applied = shared.read().active.applied();
    let upto = seq.plus(reach.after).min(*room.end()).min(applied);
    let Some(mut arrivals) = payloads.arrivals(seq, upto) else {
        return Ok(false);
    };
    let last = applied.min(*room.end());
    arrivals.retain(|arrival| *room.start() <= arrival.seq && arrival.seq <= last);
    arrivals.truncate(reach.load_max.min(reach.kept_max));
    let as_hit = |arrival: &LoggedArrival| Hit {
        key: arrival.key,
        first: First {
            seq: arrival.seq,
            payload: arrival.payload,
        },
    };
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
        return Ok(false);
    };
    let window = first.seq..=last.seq;
    let wanted = not_stored::Wanted {
        after: first.seq.previous(),
        upto: last.seq,
        order: Order::Ascending,
        limit: usize::MAX,
        only: None,
    };
    let notes = readers.with(|connection| not_stored::find(shared, connection, wanted))?;
    let mut notes = notes.iter().map(|note| note.judged.seq).peekable();
    let stored: Vec<Hit> = arrivals
        .iter()
        .filter(|arrival| {
            while notes.next_if(|noted| *noted < arrival.seq).is_some() {}
            notes.peek() != Some(&arrival.seq)
        })
        .map(as_hit)
        .collect();
    // What the run said of the hit, log and notes must say, too; else one of them is not this
    // log's, and the runs have the word.
    if !stored.contains(&hit) {
        return Ok(false);
    }
    neighbours.remember(window, &stored);
    Ok(true)
}
